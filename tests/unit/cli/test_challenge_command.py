"""``idverify challenge`` as a black box."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import idverify.challenge as ch
from idverify.cli.challenge import challenge_group

KEY = "a secret of this test, 24 B"


def run(*arguments: str, key: str | None = KEY) -> Result:
    return CliRunner().invoke(challenge_group, ["new", *arguments], env={ch.KEY_VARIABLE: key})


def test_writes_a_sealed_file_and_says_the_steps_and_the_luck(tmp_path: Path) -> None:
    target = tmp_path / "challenge.json"
    result = run("--kind", "both", "--steps", "4", "--avoid", "blink", "-o", str(target), "--language", "hi")
    assert result.exit_code == 0
    challenge = ch.load(target)
    assert challenge.is_signed_by(KEY)
    assert len(challenge.steps) == 4
    for step in challenge.steps:
        assert ch.phrase(step.action, "hi") in result.stderr
    assert f"{1 / challenge.guess_probability:,.0f}" in result.stderr
    assert list(tmp_path.iterdir()) == [target]


def test_prints_the_challenge_alone_on_standard_output() -> None:
    result = run("--seed", "7")
    assert ch.from_json(result.stdout).seeded
    assert "UNSAFE" in result.stderr


@pytest.mark.parametrize("arguments", [["--kind", "dance"], ["--steps", "1"], ["--avoid", "sneeze"], ["--ttl", "1"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_no_secret_and_no_place_to_write_exit_with_4(tmp_path: Path) -> None:
    assert run(key=None).exit_code == 4
    assert ch.KEY_VARIABLE in run(key=None).stderr
    result = run("-o", str(tmp_path / "no" / "such" / "folder.json"))
    assert result.exit_code == 4
    assert "cannot write" in result.stderr
