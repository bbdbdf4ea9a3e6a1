"""Steps that a server revealed one by one: each answer inside its own window, in the server's time."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import idverify.challenge as ch
from idverify.errors import ParameterError
from idverify.reasons import Reason

KEY = "a secret of this test, 24 B"
CLEAN = ch.Behaviour(amplitude=(1.0, 1.0), delay_s=(0.5, 0.5), rate_hz=(30.0, 30.0), missing=(0.0, 0.0), noise=0.0)
BEGAN_S = 5_000.0
LATENCY_S = 2.0


def asked(kind: ch.Kind = "motion", seed: int = 1) -> ch.Challenge:
    return ch.issue(kind=kind, seed=seed, key=KEY)


def revealed(challenge: ch.Challenge, *, wait_s: float = 0.0, **changes: Any) -> ch.TimedSteps:
    """As a server does: each step when the one before has had its time, and the network some more."""
    moment, moments = BEGAN_S + 1.0, []
    for step in challenge.steps:
        moments.append(moment)
        moment += step.end_s - step.start_s + wait_s
    if challenge.light:
        moments.append(moment + 1.0)
    fields: dict[str, Any] = {"revealed_s": tuple(moments), "recording_started_s": BEGAN_S, "latency_s": LATENCY_S}
    return ch.TimedSteps(challenge=challenge, **(fields | changes))


def answer(timed: ch.TimedSteps, *, late_s: float = 0.0) -> ch.AnswerSeries:
    return ch.simulate_answer(timed.scheduled(), np.random.default_rng(3), CLEAN).shifted(late_s)


@pytest.mark.parametrize("kind", ch.KINDS)
def test_an_honest_answer_counts_and_says_how_it_was_bound(kind: ch.Kind) -> None:
    timed = revealed(asked(kind))
    result = ch.judge_timed(timed, answer(timed), mirrored=False)
    assert result.followed
    assert result.binding == "session"
    assert ch.judge(asked(kind), answer(revealed(asked(kind))), mirrored=False).binding == "challenge"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, LATENCY_S - 0.2))
def test_a_slow_network_makes_answers_late_and_not_wrong(seed: int, late_s: float) -> None:
    timed = revealed(asked(seed=seed), wait_s=LATENCY_S)
    honest = ch.judge_timed(timed, answer(timed), mirrored=False)
    assert ch.judge_timed(timed, answer(timed, late_s=late_s), mirrored=False).followed == honest.followed


def test_colours_may_come_as_late_as_the_network_is_slow() -> None:
    timed = revealed(asked("light"))
    assert ch.judge_timed(timed, answer(timed, late_s=1.5), mirrored=False).followed
    hasty = dataclasses.replace(timed, latency_s=0.0)
    assert not ch.judge_timed(hasty, answer(timed, late_s=1.5), mirrored=False).followed


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_an_answer_from_before_its_step_was_revealed_never_counts(seed: int) -> None:
    """Who knew the whole challenge answers on time by his own clock; the server revealed every step later."""
    timed = revealed(asked(seed=seed))
    later = dataclasses.replace(timed, revealed_s=tuple(moment + 1.5 for moment in timed.revealed_s))
    assert not ch.judge_timed(later, answer(timed), mirrored=False).followed


def test_a_step_revealed_before_the_recording_began_is_refused() -> None:
    timed = revealed(asked(), recording_started_s=BEGAN_S + 1.5)
    assert not timed.possible
    result = ch.judge_timed(timed, answer(revealed(asked())), mirrored=False)
    assert (result.outcome, result.reasons) == (ch.ChallengeOutcome.REFUSED, (Reason.CHALLENGE_IMPOSSIBLE_TIME,))
    assert result.binding == "session"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 10.0))
def test_windows_follow_each_other_and_never_overlap(seed: int, latency_s: float) -> None:
    timed = revealed(asked("both", seed), latency_s=latency_s)
    scheduled = timed.scheduled()
    parts = [*scheduled.steps, *scheduled.light]
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(parts))
    assert all(part.start_s < part.end_s for part in parts)
    assert scheduled.steps[0].start_s == pytest.approx(timed.revealed_s[0] - BEGAN_S)


@pytest.mark.parametrize(
    "changes",
    [
        {"revealed_s": (1.0, 2.0)},
        {"revealed_s": (1.0, 3.0, 2.0)},
        {"revealed_s": (1.0, 1.0, 2.0)},
        {"revealed_s": (1.0, float("nan"), 2.0)},
        {"recording_started_s": float("inf")},
        {"latency_s": -1.0},
        {"latency_s": float("nan")},
    ],
)
def test_what_is_no_course_of_time_is_a_parameter_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        revealed(asked(), **changes)
