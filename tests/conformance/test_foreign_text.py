"""What a file is called, and what it says of itself, does nothing to a terminal, a page, or whoever reads the JSON."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from pathlib import Path
from typing import Any

import av
import builders
import pytest
from media_factory import encode, quadrants

from idverify import errors
from idverify.cli import main, notices, render
from idverify.media import open_recording
from idverify.media.photo import load_photo
from idverify.report.html import to_html
from idverify.report.json import inspection_json, to_json
from idverify.verification.decision import Outcome
from idverify.verification.inspection import Inspection
from idverify.verification.policy import load_policy

# Clears the screen, says yes, colours by a C1 control, reorders, breaks the line, hides, and goes on for long.
LIE = "\x1b[2J\x1b[1;1HACCEPT\x9b32m\u202eTPECCA\u2066\u200b\r\nACCEPT\u2028" + "x" * 300
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def hidden(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in HIDDEN} - {"\n"}  # which ends our own lines


def texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for pair in document.items() for part in pair for text in texts(part)]
    if isinstance(document, (list, tuple)):
        return [text for part in document for text in texts(part)]
    return [document] if isinstance(document, str) else []


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A recording whose tags lie."""
    path = tmp_path / "tagged.mkv"
    plain = tmp_path / "plain.mkv"
    plain.write_bytes(encode([quadrants(shift=i) for i in range(5)], container="matroska", codec="mpeg4"))
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = LIE
        target.metadata[f"key{LIE[:20]}"] = "value"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


@pytest.fixture
def inspection(video: Path) -> Inspection:
    with open_recording(video) as recording:
        list(recording)
        assert any("\x1b" in value for value in recording.metadata.values()), "the lie is in the file"
        facts = {"metadata": dict(recording.metadata), "codec": recording.codec, "notes": (LIE,)}
    return Inspection(recording=facts, subject_id=None, tracks=(), quality={}, signals=())


def test_tags_reach_neither_the_terminal_nor_the_json(capsys: Any, inspection: Inspection) -> None:
    render.show_inspection(inspection)
    printed = capsys.readouterr().out
    assert "ACCEPT" in printed
    assert not hidden(printed)
    said = texts(inspection_json(inspection))
    assert any("ACCEPT" in text for text in said)
    assert all(not hidden(text) and len(text) <= 200 for text in said)


@pytest.mark.parametrize("command", ["check", "inspect", "liveness"])
@pytest.mark.parametrize("as_json", [False, True])
def test_names_of_files_reach_neither_the_terminal_nor_the_json(
    tmp_path: Path, capsys: Any, command: str, as_json: bool
) -> None:
    name = LIE.replace("\x00", "")[:60]
    path = tmp_path / name
    path.write_bytes(b"no video")
    arguments = [command, str(path), *([str(path)] if command == "check" else []), *(["--json"] if as_json else [])]
    assert main(arguments) == 4
    out, err = capsys.readouterr()
    assert not hidden(err)
    if as_json:
        assert not any(map(hidden, texts(json.loads(out))))


@pytest.mark.parametrize("arguments", [["check", LIE], [LIE], ["check", "a", "b", f"--{LIE}"]])
def test_wrong_usage_repeats_nothing_that_acts(capsys: Any, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert not hidden(capsys.readouterr().err)


@pytest.mark.parametrize("open_it", [open_recording, load_photo, load_policy])
def test_errors_hold_nothing_that_acts_in_one_bounded_sentence(open_it: Any, tmp_path: Path) -> None:
    with pytest.raises(errors.IdverifyError) as caught:
        open_it(tmp_path / LIE)
    assert not hidden(str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_cleans_what_it_is_made_of(name: str) -> None:
    error = getattr(errors, name)(LIE * 10)
    assert not hidden(str(error))
    assert len(str(error)) <= 1000
    assert "ACCEPT" in str(error)


def test_a_decision_shows_nothing_that_acts(capsys: Any) -> None:
    plain = builders.decision()
    named = dataclasses.replace(plain.policy, name=LIE)
    decision = dataclasses.replace(plain, warnings=(LIE,), policy=named, outcome=Outcome.INCONCLUSIVE)
    render.show_decision(decision)
    notices.warn(decision)
    printed = capsys.readouterr()
    assert "ACCEPT" in printed.err
    assert not hidden(printed.out + printed.err)
    assert not hidden(to_html(decision))
    assert not any(map(hidden, texts(to_json(decision))))
    assert not any(line.startswith("ACCEPT") for line in (printed.out + printed.err).splitlines())
