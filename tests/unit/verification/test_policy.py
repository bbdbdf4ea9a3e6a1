"""Policies: every shipped one loads and means what it says; any other file is refused in one sentence."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
accept_liveness_llr = 2.0
reject_liveness_llr = -1.0
require_challenge = false
min_duration_s = 1.5
min_compared_frames = 4
min_frame_rate_hz = 8.0

[prior]
genuine = 0.9
impostor = 0.05
attack = 0.05

[attack_classes]
still = 2.0
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


@pytest.mark.parametrize("name", policy_names())
def test_a_policy_can_be_handed_to_another_process_and_stays_as_it_is(name):
    policy = load_policy(name)
    for back in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
        assert back == policy
        with pytest.raises(TypeError):
            back.attack_classes["still"] = 0.0


@pytest.mark.parametrize("entry", ["target_fmr", "accept_liveness_llr", "min_compared_frames", "still"])
def test_a_number_without_end_is_refused(refused, entry):
    refused(re.sub(rf"^{entry} = .*$", f"{entry} = {'9' * 400}", GOOD, flags=re.MULTILINE))


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
        assert all(tighter.attack_classes[name] >= mark for name, mark in looser.attack_classes.items())


@pytest.mark.parametrize("names", ['["stilness"]', '["stillness", "recapture2"]', '["Stillness"]', '[""]'])
def test_a_mechanism_that_does_not_exist_is_refused_with_those_that_do(refused, names):
    sentence = refused(changed('["stillness"]', names))
    assert "no such liveness mechanism" in sentence
    assert "stillness, depth" in sentence


@pytest.mark.parametrize("name", MECHANISMS)
def test_any_mechanism_of_the_panel_may_be_required(tmp_path, name):
    path = tmp_path / "own.toml"
    path.write_text(changed('["stillness"]', f'["stillness", "{name}"]'), encoding="utf-8")
    assert load_policy(path).required_mechanisms == ("stillness", name)


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
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy("null\0character")


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(PolicyError, match="no policy named"):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_an_empty_policy_is_refused(refused, text):
    assert "lacks the entry" in refused(text)


@pytest.mark.parametrize("text", ["target_fmr = ", "= 3", b"\xff\xfe\x00 not text", "[prior\n"])
def test_what_is_not_toml_is_refused(refused, text):
    assert "cannot be read" in refused(text)


REQUIRED = [field.name for field in dataclasses.fields(DecisionPolicy) if field.default is dataclasses.MISSING
            and field.name not in ("limits", "sha256")]


@pytest.mark.parametrize("entry", REQUIRED)
def test_a_missing_entry_is_refused_by_name(refused, entry):
    if entry in ("prior", "attack_classes"):
        table = re.compile(rf"\[{entry}\]\n(?:\w+ = .*\n)+")
        text = table.sub("", GOOD)
    else:
        text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{entry} "))
    assert entry in refused(text)


@pytest.mark.parametrize("extra", ["target_fnmr = 0.1", 'requires = ["depth"]', "sha256 = 'aa'", "accept_all = true"])
def test_an_unknown_entry_is_refused_by_name(refused, extra):
    said = refused(extra + "\n" + GOOD)
    assert f"no policy has: {extra.split()[0]}" in said


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
        ("target_fmr = 1e-4", "target_fmr = 1e-4\ntarget_fmr_with_liveness = 2e-4"),
        ("target_fmr = 1e-4", "target_fmr = 1e-4\ntarget_fmr_with_liveness = 0"),
        ("target_fmr = 1e-4", "target_fmr = 1e-4\ntarget_fmr_with_liveness = nan"),
        ("target_fmr = 1e-4", "target_fmr = 1e-4\ntarget_fmr_with_liveness = true"),
        ("accept_liveness_llr = 2.0", "accept_liveness_llr = -2.0"),
        ("accept_liveness_llr = 2.0", "accept_liveness_llr = nan"),
        ("accept_liveness_llr = 2.0", "accept_liveness_llr = inf"),
        ("accept_liveness_llr = 2.0", "accept_liveness_llr = true"),
        ("reject_liveness_llr = -1.0", "reject_liveness_llr = -inf"),
        ("min_duration_s = 1.5", "min_duration_s = nan"),
        ("min_duration_s = 1.5", "min_duration_s = -1.5"),
        ("min_compared_frames = 4", "min_compared_frames = nan"),
        ("min_frame_rate_hz = 8.0", "min_frame_rate_hz = inf"),
        ("min_frame_rate_hz = 8.0", "min_frame_rate_hz = nan"),
        ("min_frame_rate_hz = 8.0", "min_frame_rate_hz = 8.0\nchallenge_slack_s = inf"),
        ("min_frame_rate_hz = 8.0", "min_frame_rate_hz = 8.0\nchallenge_latency_s = -1"),
        ("genuine = 0.9", "genuine = nan"),
        ("genuine = 0.9", "genuine = 0.95"),
        ("genuine = 0.9", "genuine = 'most'"),
        ("attack = 0.05", "attack = 0.0"),
        ("attack = 0.05", ""),
        ('required_mechanisms = ["stillness"]', 'required_mechanisms = "stillness"'),
        ("still = 2.0", "still = 2.0\nborrowed = 1.0"),
        ("still = 2.0", "still = 2.0\nreplayed = nan"),
        ("still = 2.0", "still = 2.0\nreplayed = true"),
        ("still = 2.0", 'still = 2.0\nreplayed = "much"'),
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


@pytest.mark.parametrize(
    ("line", "to"),
    [
        (
            "accept_liveness_llr = 2.0\nreject_liveness_llr = -1.0",
            "accept_liveness_llr = -1.2\nreject_liveness_llr = -1.5",
        ),
        ("still = 2.0", "still = 1.0"),
        ("still = 2.0", "replayed = 2.0"),
        ("reject_liveness_llr = -1.0", "reject_liveness_llr = -9.0"),
        ('required_mechanisms = ["stillness"]', 'required_mechanisms = ["recapture"]'),
    ],
)
def test_liveness_below_the_floor_must_say_unsafe(refused, tmp_path, line, to):
    weak = changed(line, to)
    assert "unsafe" in refused(weak)
    path = tmp_path / "own.toml"
    path.write_text(weak.replace('name = "own"', 'name = "unsafe-own"'), encoding="utf-8")
    policy = load_policy(path)
    assert policy.unsafe
    assert not policy.compares_only, "what it does require is still asked for"


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("target_fmr", "1e-3"),
        ("target_fmr_with_liveness", "2e-5"),
        ("accept_liveness_llr", "0.1"),
        ("reject_liveness_llr", "-1.8"),
        ("required_mechanisms", '["stillness"]'),
        ("swapped", "-0.9"),
        ("min_duration_s", "0.5"),
        ("min_compared_frames", "1"),
        ("min_frame_rate_hz", "1.0"),
        ("challenge_slack_s", "600.0"),
        ("limits", "max_duration_s = 2.0"),
        ("genuine", "0.6\nimpostor = 0.2\nattack = 0.2"),
    ],
)
@pytest.mark.parametrize("name", ["ial2", " IAL2", "ｉａｌ２"])
def test_a_shipped_name_means_at_least_what_the_package_means(refused, tmp_path, name, entry, value):
    shipped = (FOLDER / "ial2.toml").read_text("utf-8").replace('name = "ial2"', f'name = "{name}"')
    if entry == "genuine":
        shipped = "\n".join(x for x in shipped.splitlines() if not x.startswith(("impostor", "attack")))
    lines = [f"{entry} = {value}" if x.startswith(f"{entry} ") else x for x in shipped.splitlines()]
    if entry == "limits":
        lines += ["[limits]", value]
    if entry.startswith("challenge"):
        lines.insert(1, f"{entry} = {value}")
    text = "\n".join(lines)
    assert {"genuine": "prior", "swapped": "attack_classes"}.get(entry, entry) in refused(text)
    path = tmp_path / "own.toml"
    path.write_text(text.replace(f'name = "{name}"', 'name = "own"'), encoding="utf-8")
    assert load_policy(path).name == "own"


def test_a_shipped_name_may_mean_more_and_a_weaker_object_is_refused_as_a_file_is():
    ial2 = load_policy("ial2")
    stricter = dataclasses.replace(ial2, target_fmr=ial2.target_fmr / 10)
    assert load_policy(stricter) is stricter
    with pytest.raises(PolicyError, match="min_duration_s"):
        load_policy(dataclasses.replace(ial2, min_duration_s=0.0))


@given(
    st.sampled_from(["target_fmr", "accept_liveness_llr", "reject_liveness_llr", "min_duration_s", "min_frame_rate_hz",
                     "min_compared_frames", "challenge_slack_s", "challenge_latency_s"]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.sampled_from(policy_names()),
)
def test_no_number_of_a_policy_is_anything_but_finite(entry, value, name):
    with pytest.raises(PolicyError):
        dataclasses.replace(load_policy(name), **{entry: value})


def test_limits_of_a_file_are_kept(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD + "\n[limits]\nmax_duration_s = 12.5\nmax_frames = 100\n", encoding="utf-8")
    limits = load_policy(str(path)).limits
    assert (limits.max_duration_s, limits.max_frames) == (12.5, 100)


# -- the kind of reference ---------------------------------------------------------------------------------------------


def test_a_policy_that_does_not_say_means_a_portrait():
    assert {load_policy(name).reference_kind for name in policy_names()} == {"portrait"}


@pytest.mark.parametrize("kind", ["portrait", "selfie", "document"])
def test_a_policy_may_say_what_the_reference_is(tmp_path, kind):
    path = tmp_path / "own.toml"
    path.write_text(f'reference_kind = "{kind}"\n{GOOD}', encoding="utf-8")
    assert load_policy(path).reference_kind == kind


def test_an_unknown_kind_of_reference_is_refused(refused):
    assert "portrait, selfie, document" in refused('reference_kind = "passport"\n' + GOOD)
