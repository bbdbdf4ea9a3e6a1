"""Policies: every shipped one loads and means what it says; any other file is refused in one sentence."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from idverify.errors import PolicyError
from idverify.models.manifest import data_dir
from idverify.pad.panel import MECHANISMS
from idverify.verification.policy import DecisionPolicy, load_policy, policy_names

FOLDER = data_dir() / "policies"
GOOD = """
name = "own"
title = "A policy of the caller's own."
target_fmr = 1e-4
required_mechanisms = ["stillness"]
accept_liveness_llr = 1.0
reject_liveness_llr = -1.0
require_challenge = false
min_duration_s = 1.5
min_compared_frames = 4
min_frame_rate_hz = 8.0

[prior]
genuine = 0.9
impostor = 0.05
attack = 0.05
"""


@pytest.fixture
def refused(tmp_path):
    """Write a policy file and give the sentence with which it is refused."""

    def load(text: str | bytes) -> str:
        path = tmp_path / "own.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        with pytest.raises(PolicyError) as caught:
            load_policy(path)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert 20 < len(sentence) < 300
        return sentence

    return load


def changed(line: str, to: str) -> str:
    assert line in GOOD
    return GOOD.replace(line, to)


# -- shipped -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", policy_names())
def test_every_shipped_policy_loads(name):
    policy = load_policy(name)
    assert policy.name == name
    assert policy.title.endswith(".")
    assert policy.sha256 == hashlib.sha256((FOLDER / f"{name}.toml").read_bytes()).hexdigest()
    assert load_policy(policy) is policy
    assert load_policy(FOLDER / f"{name}.toml").target_fmr == policy.target_fmr


def test_the_names_are_those_of_the_issue_and_there_is_one_unsafe_policy():
    assert {"ial2", "strict", "convenience", "unsafe-comparison-only"} <= set(policy_names())
    assert [name for name in policy_names() if load_policy(name).unsafe] == ["unsafe-comparison-only"]


def test_stricter_policies_ask_for_more():
    convenience, ial2, strict = (load_policy(name) for name in ("convenience", "ial2", "strict"))
    assert [p.target_fmr for p in (convenience, ial2, strict)] == [1e-3, 1e-4, 1e-5]
    for looser, tighter in ((convenience, ial2), (ial2, strict)):
        assert set(looser.required_mechanisms) <= set(tighter.required_mechanisms)
        assert looser.accept_liveness_llr <= tighter.accept_liveness_llr
        assert looser.reject_liveness_llr <= tighter.reject_liveness_llr
        assert looser.min_duration_s <= tighter.min_duration_s
        assert looser.min_compared_frames <= tighter.min_compared_frames


@pytest.mark.parametrize("names", ['["stilness"]', '["stillness", "recapture2"]', '["Stillness"]', '[""]'])
def test_a_mechanism_that_does_not_exist_is_refused_with_those_that_do(refused, names):
    sentence = refused(changed('["stillness"]', names))
    assert "no such liveness mechanism" in sentence
    assert "stillness, depth" in sentence


@pytest.mark.parametrize("name", MECHANISMS)
def test_any_mechanism_of_the_panel_may_be_required(tmp_path, name):
    path = tmp_path / "own.toml"
    path.write_text(changed('["stillness"]', f'["{name}"]'), encoding="utf-8")
    assert load_policy(path).required_mechanisms == (name,)


def test_a_safe_policy_requires_liveness():
    for name in policy_names():
        policy = load_policy(name)
        assert policy.unsafe or policy.required_mechanisms


# -- refused -----------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_names_there_are():
    for name in ("ial3", "IAL2", "", "../ial2", "ial2.toml.bak"):
        with pytest.raises(PolicyError, match="convenience, ial2") as caught:
            load_policy(name)
        assert "\n" not in str(caught.value)


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(PolicyError, match="no policy named"):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_an_empty_policy_is_refused(refused, text):
    assert "missing" in refused(text)


@pytest.mark.parametrize("text", ["target_fmr = ", "= 3", b"\xff\xfe\x00 not text", "[prior\n"])
def test_what_is_not_toml_is_refused(refused, text):
    assert "cannot be read" in refused(text)


REQUIRED = [field.name for field in dataclasses.fields(DecisionPolicy) if field.name not in ("limits", "sha256")]


@pytest.mark.parametrize("entry", REQUIRED)
def test_a_missing_entry_is_refused_by_name(refused, entry):
    if entry == "prior":
        text = GOOD[: GOOD.index("[prior]")]
    else:
        text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{entry} "))
    assert entry in refused(text)


@pytest.mark.parametrize("extra", ["target_fnmr = 0.1", 'requires = ["depth"]', "sha256 = 'aa'", "accept_all = true"])
def test_an_unknown_entry_is_refused_by_name(refused, extra):
    assert extra.split()[0] in refused(extra + "\n" + GOOD)


def test_an_unknown_limit_is_refused_by_name(refused):
    assert "max_hours" in refused(GOOD + "\n[limits]\nmax_hours = 3\n")


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("target_fmr = 1e-4", "target_fmr = 0"),
        ("target_fmr = 1e-4", "target_fmr = 1.0"),
        ("target_fmr = 1e-4", "target_fmr = -1e-4"),
        ("target_fmr = 1e-4", "target_fmr = nan"),
        ("target_fmr = 1e-4", 'target_fmr = "low"'),
        ("accept_liveness_llr = 1.0", "accept_liveness_llr = -2.0"),
        ("accept_liveness_llr = 1.0", "accept_liveness_llr = nan"),
        ("genuine = 0.9", "genuine = 0.95"),
        ("genuine = 0.9", "genuine = 'most'"),
        ("attack = 0.05", "attack = 0.0"),
        ("attack = 0.05", ""),
        ('required_mechanisms = ["stillness"]', 'required_mechanisms = "stillness"'),
        ("require_challenge = false", 'require_challenge = "false"'),
        ("min_compared_frames = 4", 'min_compared_frames = "4"'),
        ('name = "own"', "name = 2"),
    ],
)
def test_a_value_that_contradicts_is_refused(refused, line, to):
    refused(changed(line, to))


def test_a_limit_of_nothing_is_refused(refused):
    assert "max_duration_s" in refused(GOOD + "\n[limits]\nmax_duration_s = 0\n")


def test_a_policy_without_liveness_must_say_unsafe(refused, tmp_path):
    nothing = changed('required_mechanisms = ["stillness"]', "required_mechanisms = []")
    assert "unsafe" in refused(nothing)
    # At the start of the name, where nobody misses it.
    assert "unsafe" in refused(nothing.replace('name = "own"', 'name = "not-unsafe"'))
    path = tmp_path / "own.toml"
    path.write_text(nothing.replace('name = "own"', 'name = "unsafe-own"'), encoding="utf-8")
    assert load_policy(path).unsafe


def test_an_unsafe_policy_cannot_pretend_to_require_liveness(refused):
    assert "never asks" in refused(changed('name = "own"', 'name = "unsafe-own"'))


def test_limits_of_a_file_are_kept(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD + "\n[limits]\nmax_duration_s = 12.5\nmax_frames = 100\n", encoding="utf-8")
    limits = load_policy(str(path)).limits
    assert (limits.max_duration_s, limits.max_frames) == (12.5, 100)
