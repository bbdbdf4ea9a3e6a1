"""``idverify check --challenge`` as a black box: refused before the video is opened, judged after it was seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import idverify.challenge as ch
from idverify.cli import main
from idverify.report import load_schema

KEY = "a secret of this test, 24 B"


@pytest.fixture
def challenge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh challenge, with its secret in the environment."""
    monkeypatch.setenv(ch.KEY_VARIABLE, KEY)
    path = tmp_path / "challenge.json"
    assert main(["challenge", "new", "-o", str(path)]) == 0
    return path


@pytest.fixture
def models() -> None:
    from idverify.models.manifest import check

    absent = [status.spec.name for status in check() if status.spec.default and status.state != "ok"]
    if absent:
        pytest.skip(f"needs models that are not on this machine ({', '.join(absent)}): idverify models pull")


def ask(capsys: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["check", *arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema()).validate(document)
    return code, document


# -- refused: the video is never opened, so it need not even be there ------------------------------------


@pytest.mark.usefixtures("models")
def test_an_expired_challenge_is_rejected_unseen(tmp_path: Path, capsys: Any, challenge: Path) -> None:
    old = ch.issue(key=KEY, now_s=1_500_000_000.0)
    challenge.write_text(ch.to_json(old), "utf-8")
    code, document = ask(capsys, "none.mp4", "none.jpg", "--challenge", str(challenge))
    assert (code, document["reasons"]) == (1, ["challenge_expired"])
    assert document["challenge"]["nonce"] == old.nonce
    assert document["frames"]["decoded"] == 0
    assert document["confidence"] is None


@pytest.mark.usefixtures("models")
def test_an_altered_challenge_is_rejected_unseen(capsys: Any, challenge: Path) -> None:
    sealed = json.loads(challenge.read_text("utf-8"))
    sealed["expires_at_ms"] += 1
    challenge.write_text(json.dumps(sealed), "utf-8")
    code, document = ask(capsys, "none.mp4", "none.jpg", "--challenge", str(challenge))
    assert (code, document["reasons"]) == (1, ["challenge_signature_invalid"])


@pytest.mark.usefixtures("models")
def test_a_challenge_counts_once_whatever_came_of_it(tmp_path: Path, capsys: Any, challenge: Path) -> None:
    arguments = ("none.mp4", "none.jpg", "--challenge", str(challenge), "--nonces", str(tmp_path / "used.sqlite"))
    code, document = ask(capsys, *arguments)
    assert (code, document["error"]["code"]) == (4, "media_not_found")
    code, document = ask(capsys, *arguments)
    assert (code, document["reasons"]) == (1, ["challenge_reused"])


# -- errors ----------------------------------------------------------------------------------------------


def test_without_the_secret_nothing_is_decided(
    capsys: Any, challenge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ch.KEY_VARIABLE)
    code, document = ask(capsys, "none.mp4", "none.jpg", "--challenge", str(challenge))
    assert (code, document["error"]["code"]) == (4, "challenge")
    assert ch.KEY_VARIABLE in document["error"]["message"]


@pytest.mark.parametrize("content", ["", "{}", "\x00" * 100, "[" * 2000])
def test_a_file_that_is_no_challenge_is_an_error(capsys: Any, challenge: Path, content: str) -> None:
    challenge.write_text(content, "utf-8")
    code, document = ask(capsys, "none.mp4", "none.jpg", "--challenge", str(challenge))
    assert (code, document["error"]["code"]) == (4, "challenge")


# -- judged ----------------------------------------------------------------------------------------------


@pytest.fixture
def person(shared_data: Path, models: None) -> tuple[str, str]:
    """A clip of a person who was asked nothing, and a photo of the same person."""
    clip = next((shared_data / "videos" / "bona_fide").glob("tv_tony_blair.*"))
    return str(clip), str(shared_data / "lfw" / "Tony_Blair" / "Tony_Blair_0001.jpg")


def test_a_clip_of_somebody_who_was_asked_nothing_does_not_follow(
    capsys: Any, person: tuple[str, str], challenge: Path
) -> None:
    code, document = ask(capsys, *person, "--challenge", str(challenge), "--policy", "recovery")
    assert code == 1
    assert document["reasons"][0] == "challenge_not_followed"
    assert document["challenge"]["outcome"] == "not_followed"
    assert len(document["challenge"]["steps"]) == 3


def test_a_policy_that_requires_a_challenge_is_inconclusive_without_one(capsys: Any, person: tuple[str, str]) -> None:
    code, document = ask(capsys, *person, "--policy", "recovery")
    assert code == 3
    assert document["reasons"][0] == "challenge_missing"
    assert document["challenge"] is None
