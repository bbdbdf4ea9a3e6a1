"""The README tells the truth: help texts, policies and models in it are what the program says.

After a wanted change run this file with ``IDVERIFY_UPDATE_GOLDEN=1`` in the environment, then read the diff.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from idverify.cli import main
from idverify.report.words import NOT_DECIDED

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"<!-- generated: (?P<name>[^>]+?) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)


def _help(*names: str) -> str:
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("COLUMNS", "100")
        assert main([*names, "--help"]) == 0
    return f"```text\n{printed.getvalue()}```\n"


def _policies() -> str:
    from idverify.verification.policy import load_policy, policy_names

    policies = sorted(map(load_policy, policy_names()), key=lambda p: (p.unsafe, p.name != "ial2", p.name))
    rows = [f"| `{p.name}` | {p.title} | {', '.join(p.required_mechanisms) or 'none'} |" for p in policies]
    return "\n".join(["| policy | meaning | liveness required |", "| --- | --- | --- |", *rows]) + "\n"


def _models() -> str:
    from idverify.models import specs

    rows = [f"| {m.name} | {m.role} | {m.origin} | {m.licence} |" for m in specs()]
    return "\n".join(["| model | role | origin | licence |", "| --- | --- | --- | --- |", *rows]) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "help": _help,
    "help check": lambda: _help("check"),
    "help match": lambda: _help("match"),
    "policies": _policies,
    "models": _models,
}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_blocks_are_current(name: str) -> None:
    wanted = GENERATED[name]()
    text = README.read_text("utf-8")
    if os.environ.get("IDVERIFY_UPDATE_GOLDEN"):
        text = BLOCK.sub(lambda m: _replaced(m, wanted) if m["name"] == name else m[0], text)
        README.write_text(text, "utf-8", newline="\n")
    blocks = {match["name"]: match["text"] for match in BLOCK.finditer(text)}
    assert blocks[name] == wanted


def _replaced(match: re.Match[str], wanted: str) -> str:
    return f"<!-- generated: {match['name']} -->\n{wanted}<!-- end -->"


def test_the_figures_are_those_of_the_results() -> None:
    script = README.parent / "benchmarks" / "figures.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False)
    assert done.returncode == 0, f"run {script.name} and read the diff"


def test_no_block_is_left_unchecked() -> None:
    names = {match["name"] for match in BLOCK.finditer(README.read_text("utf-8"))}
    assert names == {*GENERATED, "figures"}


def test_the_first_command_names_files_that_are_there() -> None:
    paths = re.findall(r"samples/[\w./-]+", README.read_text("utf-8"))
    assert len(paths) >= 2
    assert [path for path in paths if not (README.parent / path).is_file()] == []


def test_what_is_not_decided_is_on_the_first_screen() -> None:
    first_screen = README.read_text("utf-8").split("## ")[0]
    assert "does not decide" in first_screen
    for word in ("genuine", "camera", "twins", "masks", "deepfakes", "freely", "entitled"):
        assert word in first_screen
        assert any(word in line for line in NOT_DECIDED)


def test_every_dependency_has_its_reason() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((README.parent / "pyproject.toml").read_text("utf-8"))["project"]
    table = README.read_text("utf-8").lower().split("## dependencies")[1].split("\n## ")[0]
    aliases = {"opencv-python-headless": "opencv (headless", "av": "pyav", "onnxruntime": "onnx runtime"}
    names = [re.split(r"[>;<= ]", row)[0] for row in project["dependencies"]]
    assert [name for name in names if aliases.get(name, name) not in table] == []
