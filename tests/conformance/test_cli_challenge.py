"""``idverify check --challenge`` as a black box: refused before the video is opened, judged after it was seen."""

from __future__ import annotations

import json
import time
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
    """A challenge of half a minute ago, on record, with its secret in the environment."""
    monkeypatch.setenv(ch.KEY_VARIABLE, KEY)
    store = ch.SqliteNonceStore(tmp_path / "nonces.sqlite")
    # The clip ends within the second step, and who is seen in it looks up: then nothing would be told of the others.
    up = ch.Action.LOOK_UP
    while (asked := ch.issue(subject="attempt 7", nonce_store=store, now_s=time.time() - 30.0)).steps[0].action == up:
        pass
    path = tmp_path / "challenge.json"
    path.write_text(ch.to_json(asked), "utf-8")
    return path


@pytest.fixture
def answered(tmp_path: Path, challenge: Path) -> tuple[str, ...]:
    """All that a careful service says of its answer."""
    record = str(tmp_path / "nonces.sqlite")
    return ("--challenge", str(challenge), "--nonces", record, "--subject", "attempt 7", "--received-at", "now")


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
def test_an_answer_that_came_too_soon_is_rejected_unseen(tmp_path: Path, capsys: Any, challenge: Path) -> None:
    """Issued, rendered and handed in within eight seconds, where the challenge alone lasts longer."""
    path, record = str(tmp_path / "new.json"), str(tmp_path / "nonces.sqlite")
    issuing = ["challenge", "new", "--subject", "ann", "--nonces", record, "-o", path]
    assert main(issuing) == 0
    at = str(ch.load(path).issued_at_s + 0.01)
    arguments = ("--challenge", path, "--nonces", record, "--subject", "ann", "--received-at", at)
    code, document = ask(capsys, "none.mp4", "none.jpg", *arguments)
    assert (code, document["reasons"]) == (1, ["challenge_impossible_time"])
    code, document = ask(capsys, "none.mp4", "none.jpg", *arguments)
    assert (code, document["reasons"]) == (1, ["challenge_reused"])


@pytest.mark.usefixtures("models")
def test_a_challenge_of_another_and_one_that_was_replaced_do_not_count(
    tmp_path: Path, capsys: Any, challenge: Path, answered: tuple[str, ...]
) -> None:
    other = ("mallory" if word == "attempt 7" else word for word in answered)
    code, document = ask(capsys, "none.mp4", "none.jpg", *other)
    assert (code, document["reasons"]) == (1, ["challenge_of_another"])
    ch.issue(subject="attempt 7", nonce_store=ch.SqliteNonceStore(tmp_path / "nonces.sqlite"))
    code, document = ask(capsys, "none.mp4", "none.jpg", *answered)
    assert (code, document["reasons"]) == (1, ["challenge_superseded"])


@pytest.mark.usefixtures("models")
def test_a_predictable_challenge_is_refused(tmp_path: Path, capsys: Any, challenge: Path) -> None:
    challenge.write_text(ch.to_json(ch.issue(seed=1, now_s=time.time() - 30)), "utf-8")
    code, document = ask(capsys, "none.mp4", "none.jpg", "--challenge", str(challenge))
    assert (code, document["reasons"]) == (1, ["challenge_predictable"])


def test_a_policy_that_requires_a_challenge_takes_none_without_its_record(capsys: Any, challenge: Path) -> None:
    code, document = ask(capsys, "none.mp4", "none.jpg", "--policy", "recovery", "--challenge", str(challenge))
    assert (code, document["error"]["code"]) == (4, "parameter")
    assert "--nonces" in document["error"]["message"]


@pytest.mark.parametrize("when", ["yesterday", "2026-01-31T12:00:00", "-1", "nan", "inf", ""])
def test_an_arrival_that_is_no_moment_is_wrong_usage(challenge: Path, when: str) -> None:
    assert main(["check", "a.mp4", "b.jpg", "--challenge", str(challenge), "--received-at", when]) == 2


def test_the_daily_number_of_challenges_is_limited(tmp_path: Path, capsys: Any, challenge: Path) -> None:
    issuing = ["challenge", "new", "--subject", "ann", "--nonces", str(tmp_path / "nonces.sqlite")]
    codes = [main(issuing) for _ in range(11)]
    assert codes == [0] * 10 + [4]
    assert "limit" in capsys.readouterr().err


@pytest.mark.usefixtures("models")
def test_a_challenge_counts_once_whatever_came_of_it(capsys: Any, answered: tuple[str, ...]) -> None:
    arguments = ("none.mp4", "none.jpg", *answered)
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
    capsys: Any, person: tuple[str, str], answered: tuple[str, ...]
) -> None:
    code, document = ask(capsys, *person, *answered, "--policy", "recovery")
    assert code == 1
    assert document["reasons"][0] == "challenge_not_followed"
    assert document["challenge"]["outcome"] == "not_followed"
    assert len(document["challenge"]["steps"]) == 3


def test_a_policy_that_requires_a_challenge_is_inconclusive_without_one(capsys: Any, person: tuple[str, str]) -> None:
    code, document = ask(capsys, *person, "--policy", "recovery")
    assert code == 3
    assert document["reasons"][0] == "challenge_missing"
    assert document["challenge"] is None
