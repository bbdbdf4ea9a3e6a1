"""README and docs tell the truth: what they repeat is what the program and the results say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from idverify.report.words import NOT_DECIDED

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_figures_are_those_of_the_results() -> None:
    script = ROOT / "benchmarks" / "figures.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False)
    assert done.returncode == 0, f"run {script.name} and read the diff"


def test_the_commands_name_files_that_are_there() -> None:
    paths = re.findall(r"samples/[\w./-]+", README.read_text("utf-8"))
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_a_page_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"`((?:src|models|benchmarks|tests|docs|\.ci|\.github)/[\w./-]+)`", text)
    # A part in capitals stands for a name of the reader's own.
    own = re.compile(r"\b(NAME|LOCALE)\b")
    assert [name for name in named if not own.search(name) and not (ROOT / name).exists()] == []


def test_what_is_not_decided_is_on_the_first_screen() -> None:
    first_screen = README.read_text("utf-8").split("## ")[0]
    assert "does not decide" in first_screen
    for word in ("genuine", "camera", "twins", "masks", "deepfakes", "freely", "entitled"):
        assert word in first_screen
        assert any(word in line for line in NOT_DECIDED)


def test_every_dependency_has_its_reason() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    table = (ROOT / "docs" / "reference" / "models.md").read_text("utf-8").lower().split("## dependencies")[1]
    aliases = {"opencv-python-headless": "opencv (headless", "av": "pyav", "onnxruntime": "onnx runtime"}
    names = [re.split(r"[>;<= ]", row)[0] for row in project["dependencies"]]
    assert [name for name in names if aliases.get(name, name) not in table] == []


def test_nobody_is_told_to_ask_a_registry_for_this_package() -> None:
    # Whoever asks for it by name, extras and all, gets what a stranger may have put there.
    by_name = re.compile(r"(?<!/)idverify\[[a-z]|pip3? install (?:-U )?['\"]?idverify\b")
    texts = [*PAGES, *(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.html"), *(ROOT / "models").rglob("*.md")]
    assert [str(text) for text in texts if by_name.search(text.read_text("utf-8"))] == []


def test_every_page_of_the_site_is_in_its_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert [page for page in pages if f": {page}\n" not in contents] == []
