"""What is printed and written, word for word.

After a wanted change run this file with ``IDVERIFY_UPDATE_GOLDEN=1`` in the environment, then read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import builders
import pytest

from idverify.cli import render
from idverify.report import to_json
from idverify.report.html import to_html
from idverify.report.json import dumps
from idverify.verification.decision import Decision

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "report"
DECISIONS: dict[str, Callable[[], Decision]] = {
    "accept": builders.decision,
    "reject_still_photo": builders.still_photo,
    "inconclusive_too_dark": builders.too_dark,
    "match_unsafe": builders.unsafe_match,
}


def _compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("IDVERIFY_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
    assert text == path.read_text("utf-8")


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("name", DECISIONS)
def test_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    render.show_decision(DECISIONS[name]())
    _compare(f"{name}.txt", capsys.readouterr().out)


@pytest.mark.parametrize("name", DECISIONS)
def test_json(name: str) -> None:
    _compare(f"{name}.json", dumps(to_json(DECISIONS[name]())) + "\n")


@pytest.mark.parametrize("name", DECISIONS)
def test_html(name: str) -> None:
    _compare(f"{name}.html", to_html(DECISIONS[name]()))


def test_inspection(capsys: pytest.CaptureFixture[str]) -> None:
    render.show_inspection(builders.inspection())
    _compare("inspection.txt", capsys.readouterr().out)


def test_every_golden_file_is_compared() -> None:
    expected = {f"{name}.{kind}" for name in DECISIONS for kind in ("txt", "json", "html")} | {"inspection.txt"}
    assert {path.name for path in GOLDEN.iterdir()} == expected
