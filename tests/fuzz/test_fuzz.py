"""A short run of the fuzzer: no reader of foreign files ends in anything but a value or one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz import run  # type: ignore[import-not-found]
from mutations import mutated  # type: ignore[import-not-found]
from targets import TARGETS  # type: ignore[import-not-found]

FILES = {"recording": 150, "photo": 150, "check": 12}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that read import the same modules."""
    here = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*here, os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_end_in_peace(name, request):
    if name == "check":
        request.getfixturevalue("verifier")
    if name == "manifest":
        pytest.importorskip("pyarrow")
    line, findings = run(name, FILES.get(name, 200), first=1_000_000)
    assert findings == [], line


def test_the_damage_is_the_same_each_time_and_differs_from_file_to_file():
    seeds = [bytes(range(256)) * 4, b"second seed, 123"]
    assert mutated(seeds, 7) == mutated(seeds, 7)
    assert len({mutated(seeds, number) for number in range(50)}) > 40


def test_a_reader_that_breaks_is_found(monkeypatch):
    from fuzz import feed

    def broken(data: bytes) -> None:
        raise KeyError("x")

    assert "KeyError" in feed((type("T", (), {"read": staticmethod(broken)}), [b"abc"]), 1).finding
