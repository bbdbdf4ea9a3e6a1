"""Laws of the active challenge, over random answers and random recordings."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import idverify.challenge as ch
from idverify.challenge import Action, Behaviour, ChallengeOutcome, StepStatus
from idverify.challenge.actions import LOOKS, TURNS
from idverify.challenge.proof import RETURN_S
from idverify.challenge.verify_motion import judge_motion
from idverify.reasons import Reason

KEY = "a secret of these laws, 26 B"
seeds = st.integers(0, 2**31)
calm = Behaviour(delay_s=(0.5, 0.9), amplitude=(0.8, 1.2), rate_hz=(25.0, 30.0), missing=(0.0, 0.05), noise=0.5)
quick = settings(max_examples=25, deadline=None)


def issued(seed: int, kind: ch.Kind = "motion", **options: object) -> ch.Challenge:
    return ch.issue(kind=kind, seed=seed, key=KEY, now_s=0.0, **options)  # type: ignore[arg-type]


def judged(challenge: ch.Challenge, series: ch.AnswerSeries, mirrored: bool = False) -> ch.ChallengeResult:
    return ch.judge(challenge, series, mirrored=mirrored)


def answered(challenge: ch.Challenge, seed: int, behaviour: Behaviour = calm) -> ch.AnswerSeries:
    return ch.simulate_answer(challenge, np.random.default_rng(seed), behaviour)


def reversed_in_time(series: ch.AnswerSeries) -> ch.AnswerSeries:
    names = [field.name for field in dataclasses.fields(series)]
    columns = {name: getattr(series, name)[::-1] for name in names if name != "times_s"}
    return ch.AnswerSeries(times_s=series.times_s[-1] - series.times_s[::-1], **columns)


def test_honest_answers_with_full_natural_jitter_pass() -> None:
    """Late, small, large, slow cameras, lost frames; the benchmark has the rate on thousands."""
    followed = [
        judged(issued(seed, steps=3 + seed % 2), answered(issued(seed, steps=3 + seed % 2), seed, Behaviour())).followed
        for seed in range(300)
    ]
    assert np.mean(followed) >= 0.98


@quick
@given(seeds)
def test_an_honest_answer_shifted_within_its_windows_gives_the_same(seed: int) -> None:
    challenge = issued(seed)
    series = answered(challenge, seed)
    before = judged(challenge, series)
    if not before.followed:
        return
    onsets = np.array([(s.seen.begin_s - s.start_s, s.end_s - s.seen.onset_s) for s in before.steps if s.seen])
    for shift in (-0.9 * onsets[:, 0].min(), 0.5 * onsets[:, 1].min(), 0.9 * onsets[:, 1].min()):
        after = judged(challenge, series.shifted(shift))
        assert after.outcome is before.outcome
        assert [s.status for s in after.steps] == [s.status for s in before.steps]


@quick
@given(seeds)
def test_a_reversed_video_fails(seed: int) -> None:
    challenge = issued(seed)
    assert not judged(challenge, reversed_in_time(answered(challenge, seed))).followed


@quick
@given(seeds)
def test_a_declared_mirror_changes_nothing_and_mirroring_undoes_itself(seed: int) -> None:
    challenge = issued(seed)
    series = answered(challenge, seed)
    assert judged(challenge, series.mirrored(), mirrored=True) == dataclasses.replace(
        judged(challenge, series), mirrored=True
    )
    np.testing.assert_array_equal(series.mirrored().mirrored().yaw_deg, series.yaw_deg)


@quick
@given(seeds)
def test_an_undeclared_mirror_shows_as_wrong_order(seed: int) -> None:
    challenge = issued(seed)
    series = answered(challenge, seed)
    if not judged(challenge, series).followed:
        return
    result = judged(challenge, series.mirrored())
    turns = {Action.TURN_LEFT, Action.TURN_RIGHT}
    assert result.followed == (not turns & {step.action for step in challenge.steps})
    for step in result.steps:
        assert step.status is (StepStatus.WRONG_ORDER if step.action in turns else StepStatus.DONE)


def random_walk(seed: int, length_s: float = 20.0) -> ch.AnswerSeries:
    """A person, or a machine, that moves everything all the time."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, length_s, int(rng.uniform(10, 40) * length_s)))
    smooth = np.hanning(15) / np.hanning(15).sum()

    def signal(scale: float, width: int = 0) -> np.ndarray:
        draw = rng.normal(0, 4 * scale, (times.size, max(width, 1)))
        walk = np.stack([np.convolve(column, smooth, "same") for column in draw.T], axis=1)
        return walk if width else walk[:, 0]

    return ch.AnswerSeries(
        times_s=times, yaw_deg=signal(30), pitch_deg=signal(20), roll_deg=signal(10),
        eye_opening=np.abs(0.3 + signal(0.2, 2)), mouth_opening=np.abs(signal(0.4)),
        mouth_width=0.8 + signal(0.15), face_scale=0.2 * np.exp(signal(0.2)),
    )  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_no_video_whatever_it_shows_passes_two_sequences(seed: int) -> None:
    """The bound on guessing, exhaustively: of every sequence in the same windows at most one passes."""
    windows = issued(seed).steps[:2]
    series = random_walk(seed)
    passed = fitting = 0
    for sequence in product(Action, repeat=2):
        steps = [dataclasses.replace(w, action=a) for w, a in zip(windows, sequence, strict=True)]
        results = judge_motion(steps, series)
        passed += all(step.status is StepStatus.DONE for step in results)
        fitting += all(step.seen is not None and step.seen.action is step.action for step in results)
    shown = [step.seen for step in judge_motion(windows, series)]
    assert fitting == (None not in shown)
    assert passed <= fitting, "what else is asked of a movement makes nothing fit"


@quick
@given(seeds, st.floats(1.0, 3.0))
def test_larger_movements_do_no_harm(seed: int, gain: float) -> None:
    challenge = issued(seed, avoid=["blink"])
    still = dataclasses.replace(calm, noise=0.0)
    small = answered(challenge, seed, dataclasses.replace(still, amplitude=(0.7, 0.7)))
    large = answered(challenge, seed, dataclasses.replace(still, amplitude=(0.7 * gain, 0.7 * gain)))
    assert judged(challenge, small).followed
    assert judged(challenge, large).followed


@quick
@given(seeds, st.floats(0.0, 1.0))
def test_what_was_not_measured_never_becomes_a_yes(seed: int, part: float) -> None:
    challenge = issued(seed)
    other = issued(seed + 1)
    if [s.action for s in challenge.steps] == [s.action for s in other.steps]:
        return
    series = answered(other, seed)
    hidden = np.random.default_rng(seed).random(len(series)) < part
    blank = dataclasses.replace(
        series,
        **{
            name: np.where(
                hidden if getattr(series, name).ndim == 1 else hidden[:, None], np.nan, getattr(series, name)
            )
            for name in ("yaw_deg", "pitch_deg", "mouth_opening", "mouth_width", "face_scale", "eye_opening",
                         "turned_deg", "grown", "likeness_llr")
        },
    )
    assert not judged(challenge, blank).followed


def test_nothing_measured_is_not_assessed() -> None:
    challenge = issued(1, kind="both")
    n = 900
    nothing = np.full(n, np.nan)
    series = ch.AnswerSeries(
        times_s=np.arange(n) / 30, yaw_deg=nothing, pitch_deg=nothing, roll_deg=nothing,
        eye_opening=np.full((n, 2), np.nan), mouth_opening=nothing, mouth_width=nothing, face_scale=nothing,
    )  # fmt: skip
    assert judged(challenge, series).outcome is ChallengeOutcome.NOT_ASSESSED


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_exposure_and_slow_white_balance_do_not_change_the_colours_seen(seed: int) -> None:
    challenge = issued(seed, kind="light")
    series = answered(challenge, seed)
    assert series.skin_rgb is not None
    brighter = dataclasses.replace(series, skin_rgb=0.8 * series.skin_rgb)
    assert judged(challenge, series).followed
    assert judged(challenge, brighter).followed


@pytest.mark.parametrize("n_steps", [3, 4, 5])
def test_guess_probability_counts_the_sequences(n_steps: int) -> None:
    sequences = [s for s in product(range(5), repeat=n_steps) if all(a != b for a, b in pairwise(s)) and s != s[::-1]]
    assert ch.guess_probability(n_actions=5, n_turns=0, n_steps=n_steps) == pytest.approx(1 / len(sequences))
    for n_turns in (1, 2, 5):
        turning = sum(any(symbol < n_turns for symbol in sequence) for sequence in sequences)
        assert ch.guess_probability(n_actions=5, n_turns=n_turns, n_steps=n_steps) == pytest.approx(1 / turning)


NEARER = (Action.COME_CLOSER, Action.MOVE_BACK)
NEEDED = {
    "turned_deg": (*TURNS, *LOOKS), "turn_shown_deg": (*TURNS, *LOOKS), "likeness_llr": TURNS,
    "grown": NEARER, "perspective": NEARER,
    "mouth_changed": (Action.OPEN_MOUTH, Action.SMILE), "eyes_changed": (Action.BLINK_TWICE,),
}  # fmt: skip


@quick
@given(seeds, st.sampled_from(sorted(NEEDED)))
def test_a_movement_without_its_evidence_is_never_followed(seed: int, gone: str) -> None:
    """Whatever the landmarks say: the evidence has to be there, in the step's own window."""
    challenge = issued(seed)
    series = answered(challenge, seed)
    result = judged(challenge, dataclasses.replace(series, **{gone: None}))
    before = judged(challenge, series)
    for step, was in zip(result.steps, before.steps, strict=True):
        if step.action in NEEDED[gone]:
            assert step.status is not StepStatus.DONE
        else:
            assert step == was


@quick
@given(seeds, st.sampled_from(sorted(set(NEEDED) - {"turned_deg", "grown"})))
def test_evidence_from_another_window_does_not_count(seed: int, elsewhere: str) -> None:
    """Parallax, perspective or a changed picture while something else was asked for is no answer."""
    challenge = issued(seed)
    series = answered(challenge, seed)
    for step in challenge.steps:
        if step.action in NEEDED[elsewhere]:
            there = (series.times_s >= step.start_s) & (series.times_s < step.end_s + RETURN_S)
            values = getattr(series, elsewhere)
            hidden = np.where(there if values.ndim == 1 else there[:, None], np.nan, values)
            result = judged(challenge, dataclasses.replace(series, **{elsewhere: hidden}))
            mine = next(one for one in result.steps if one.start_s == step.start_s)
            assert mine.status is not StepStatus.DONE


@quick
@given(seeds)
def test_a_flat_picture_that_moves_as_asked_is_called_flat(seed: int) -> None:
    challenge = issued(seed, steps=4)
    series = answered(challenge, seed)
    assert series.turn_shown_deg is not None
    assert series.perspective is not None
    flat = dataclasses.replace(
        series,
        turn_shown_deg=0.02 * series.turn_shown_deg,
        perspective=np.nanmean(series.perspective) + 0.0 * series.perspective,
    )
    result = judged(challenge, flat)
    assert not result.followed
    moved = [
        step for step in result.steps
        if step.action in (*TURNS, *LOOKS, *NEARER) and step.seen and step.seen.action is step.action
    ]  # fmt: skip
    assert moved
    assert all(step.status is StepStatus.FLAT for step in moved if step.action in TURNS)
    assert all(step.status in (StepStatus.FLAT, StepStatus.NOT_ASSESSABLE) for step in moved)


@quick
@given(seeds, st.sampled_from(NEARER))
def test_an_approach_that_enlarges_the_whole_picture_is_never_followed(seed: int, action: Action) -> None:
    asked = issued(seed)
    asked = dataclasses.replace(asked, steps=(dataclasses.replace(asked.steps[0], action=action),))
    series = answered(asked, seed)
    assert series.perspective is not None
    if not judged(asked, series).followed:
        return
    size = np.log(series.face_scale)
    step = np.diff(size, prepend=size[0])
    zoomed = dataclasses.replace(series, background_step=step)
    assert [one.status for one in judged(asked, zoomed).steps] == [StepStatus.NOT_ASSESSABLE], "the two disagree"
    flat = dataclasses.replace(zoomed, perspective=0.0 * series.perspective)
    assert [one.status for one in judged(asked, flat).steps] == [StepStatus.FLAT]
    # A wall close behind the head grows as well, though less.
    wall = dataclasses.replace(series, background_step=0.45 * step)
    assert judged(asked, wall).followed
    # What was seen of it now and then, such as hair, accuses nobody.
    rarely = np.where(np.arange(len(series)) % 4 == 0, step, np.nan)
    doubtful = judged(asked, dataclasses.replace(flat, background_step=rarely))
    assert [one.status for one in doubtful.steps] == [StepStatus.NOT_ASSESSABLE]


@pytest.mark.parametrize("action", [Action.OPEN_MOUTH, Action.SMILE, Action.BLINK_TWICE])
def test_landmarks_that_wriggle_over_a_still_picture_are_never_followed(action: Action) -> None:
    for seed in range(20):
        asked = issued(seed)
        asked = dataclasses.replace(asked, steps=(dataclasses.replace(asked.steps[0], action=action),))
        series = answered(asked, seed)
        trembling = np.abs(np.random.default_rng(seed).normal(1.0, 0.2, len(series)))
        still = dataclasses.replace(series, mouth_changed=trembling, eyes_changed=0.02 * trembling)
        result = judged(asked, still)
        assert judged(asked, series).followed
        assert [step.status for step in result.steps] == [StepStatus.NOT_ASSESSABLE]
        assert result.reasons == (Reason.LIVENESS_UNCERTAIN,)


def test_one_blink_that_the_picture_shows_is_not_two() -> None:
    asked = issued(1)
    asked = dataclasses.replace(asked, steps=(dataclasses.replace(asked.steps[0], action=Action.BLINK_TWICE),))
    series = answered(asked, 1)
    assert series.eyes_changed is not None
    (step,) = judged(asked, series).steps
    assert step.seen is not None
    once = np.where(series.times_s > step.seen.begin_s + 0.3, 0.02, series.eyes_changed)
    assert not judged(asked, dataclasses.replace(series, eyes_changed=once)).followed


@quick
@given(seeds, st.sampled_from(["small", "short", "stranger"]))
def test_a_turn_has_to_go_far_be_held_and_show_the_person(seed: int, lacking: str) -> None:
    challenge = issued(seed)
    how = {
        "small": dataclasses.replace(calm, turn=(0.45, 0.5)),
        "short": dataclasses.replace(calm, turn=(0.75, 0.8), hold_s=(0.0, 0.0)),
        "stranger": calm,
    }[lacking]
    series = answered(challenge, seed, how)
    if lacking == "stranger":
        assert series.likeness_llr is not None
        series = dataclasses.replace(series, likeness_llr=-series.likeness_llr)
    result = judged(challenge, series)
    assert not result.followed
    reason = Reason.PERSON_CHANGED if lacking == "stranger" else Reason.TURN_TOO_SMALL
    turns = [step for step in result.steps if step.action in TURNS and step.seen and step.seen.action is step.action]
    assert all(step.reason in (reason, Reason.STATIC_PRESENTATION, Reason.TOO_MUCH_MOVEMENT) for step in turns)
    assert all(step.status is not StepStatus.DONE for step in turns)
