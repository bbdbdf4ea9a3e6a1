"""Which movement a person made when, and whether it is the one that was asked for.

Goal: find excursions of head pose, lids, mouth and scale from the person's own resting state, whatever
was asked; then see, window by window, which one dominates. Because the finding does not know the
challenge, a given video shows at most one movement per window, so at most one sequence per schedule:
that bounds the chance of any recording (see :mod:`idverify.challenge.issuing`).

Conventions: every signal is divided by the excursion that is asked for (:data:`NOMINAL`), so a
strength of 1 is a full movement. Frame times are uneven; signals are put on a fine even grid that
starts at the first frame, so a later answer gives the same movements later. Linear interpolation
spans frames that were not measured, and never makes a new extreme. A movement belongs to the window in
which it begins; its way back may reach into the next one.

What was found has to be done as asked, too: a turn goes far and is held there, in its window it shows the parallax of a
head and the same face, and what comes closer shows the perspective of a head. A movement without that is
not taken for an answer: it is *not assessable*, or *flat* where the pictures say so. Nothing of this makes a video fit
a sequence that it did not fit without, so the bound holds.

Public items: :class:`Movement`, :class:`StepStatus`, :class:`StepResult`, :func:`movements`,
:func:`winners`, :func:`judge_motion`, :data:`NOMINAL`.

References
----------
Resting level as the shortest half: Rousseeuw and Leroy, 1988, doi:10.1111/j.1467-9574.1988.tb01224.x.
Lid distance over eye width: Soukupova and Cech, "Real-time eye blink detection using facial landmarks",
CVWW 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from idverify.challenge.actions import LOOKS, TURNS, Action
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Step
from idverify.challenge.solid import Shown, approach_shown, background_shown, shown
from idverify.reasons import Reason

__all__ = ["NOMINAL", "Movement", "StepResult", "StepStatus", "as_asked", "judge_motion", "movements", "winners"]

Floats = NDArray[np.float64]

# The excursion that the words ask for: what a seated person does without strain before a phone, a third to half of the
# neck's range. A definition; the floor below and the benchmark's 60 to 140 % refer to it.
NOMINAL = {
    "yaw_deg": 40.0,
    "pitch_deg": 20.0,
    "mouth_opening": 0.45,
    "mouth_width": 0.18,  # relative growth
    "face_scale": float(np.log(1.5)),  # from 45 cm to 30 cm, or back to 68 cm
    "eye_opening": 0.8,  # relative closure: from 0.33 to 0.07, as eye contours show full blinks
}

# A movement starts at 40 % of the nominal excursion and ends at 20 %: below the smallest honest one
# (60 %), above natural sway. Measured by benchmarks/accuracy/challenge_guessing.py.
ENTER, LEAVE = 0.4, 0.2
# Grid step: a third of the closed phase of the shortest blink (about 0.1 s), rounded down.
GRID_S = 0.02
# Median over 0.2 s: shorter spikes of pose, mouth and scale are landmark errors, not movements.
MEDIAN_S = 0.2
# Deliberate blinks stay under half a second; up to 0.2 s is added by the frame distance at 10 fps.
MAX_BLINK_S = 0.8
# Two blinks further apart than this are two answers, not "twice".
MAX_BLINK_PAIR_S = 2.0
# At more than this many seconds between frames a blink falls between two of them.
MAX_BLINK_FRAME_S = 0.125
# A stretch without a measurement longer than this could hide a movement.
MAX_GAP_S = 0.5
# A window is judged where at least this part of it was measured.
MIN_COVERAGE = 0.75

# A turn counts as far from here on, held there in one piece for this long: 35 degrees and a second are asked for; a
# mesh sees less of a turn than there is, the more so the further it goes.
MIN_FAR_DEG, MIN_HELD_S = 25.0, 0.5
# The way back may reach this far beyond the window, and the hold with it.
RETURN_S = 1.0
# Rotations below this since the key show a parallax under a pixel (idverify.pad.depth).
MIN_SHOWN_DEG = 4.0
# Shares of a head's depth (0 flat, about 1 a head) from which on a movement is that of a head: between what clips of
# people show and what flat pictures do, see docs/challenge.md.
MIN_TURN_SHARE, MIN_LOOK_SHARE, MIN_APPROACH_SHARE = 0.35, 0.35, 0.4
# A wall a hand's breadth behind a head takes part in 7 tenths of an approach, an enlarged picture in all of it.
MAX_BACKGROUND_SHARE = 0.8
# How much the picture changes where mouth and lids move (as in idverify.challenge.answer), and how long before and
# after the movement was recognised that may be; between what people's movements show and what still pictures do, see
# docs/challenge.md.
MIN_MOUTH_CHANGED, MIN_EYES_CHANGED, CHANGED_BEFORE_S, CHANGED_AFTER_S = 1.8, 0.08, 0.3, 0.5
# Standard errors by which a share has to lie below that before a picture is called flat; in between nothing is clear.
CLEAR_ERRORS = 2.0
# Standard errors by which a perspective has to lie above none: of flat zooms one in twenty passes at four tenths.
APPROACH_ERRORS = 2.5

_SIGNED = {
    "yaw_deg": (Action.TURN_LEFT, Action.TURN_RIGHT),
    "pitch_deg": (Action.LOOK_UP, Action.LOOK_DOWN),
    "mouth_opening": (Action.OPEN_MOUTH, None),
    "mouth_width": (Action.SMILE, None),
    "face_scale": (Action.COME_CLOSER, Action.MOVE_BACK),
}
_CHANNEL = {
    action: channel for channel, pair in _SIGNED.items() for action in pair if action is not None
} | {Action.BLINK_TWICE: "eye_opening"}  # fmt: skip


class StepStatus(str, Enum):
    """What became of one step."""

    DONE = "done"
    MISSED = "missed"
    WRONG_ORDER = "wrong_order"
    FLAT = "flat"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One movement that was seen.

    Parameters
    ----------
    action
        Which one.
    begin_s, onset_s
        Where it begins and where it is recognised; they differ for two blinks only.
    peak_s
        Where it is largest.
    strength
        Its size, 1 for the nominal excursion. Two blinks have 0: blinks come with other movements of
        their own accord, so they count only where nothing else happens.
    """

    action: Action
    begin_s: float
    onset_s: float
    peak_s: float
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step of the answer.

    Parameters
    ----------
    action, start_s, end_s
        What was asked for, and its window in seconds of the recording.
    status
        What became of it.
    seen
        The movement that dominates the window, if any.
    reason
        Why it could not be judged, or what makes it flat; None where it was done, missed or out of order.
    solid
        How much of a head's depth the movement showed in its window; None where it was not looked at.
    """

    action: Action
    start_s: float
    end_s: float
    status: StepStatus
    seen: Movement | None
    reason: Reason | None = None
    solid: Shown | None = None


def movements(series: AnswerSeries) -> tuple[Movement, ...]:
    """Find every movement, in order of recognition, knowing nothing of any challenge.

    Parameters
    ----------
    series
        The answer, of one person, unmirrored.
    """
    if len(series) < 2:
        return ()
    grid = np.arange(series.times_s[0], series.times_s[-1] + GRID_S / 2, GRID_S)
    found = []
    for channel, actions in _SIGNED.items():
        deviation = _deviation(channel, series, grid)
        for action, side in zip(actions, (deviation, -deviation), strict=True):
            if action is not None:
                found += [_movement(action, grid, side, run) for run in _runs(side)]
    found += _double_blinks(series, grid)
    return tuple(sorted(found, key=lambda movement: movement.onset_s))


def winners(seen: Sequence[Movement], windows_s: Floats) -> NDArray[np.intp]:
    """Return which movement dominates each window.

    Parameters
    ----------
    seen
        The movements of one video.
    windows_s : (..., 2) float
        Start and end of each window in seconds; any number of schedules at once.

    Returns
    -------
    (...) int
        Index into ``seen``, -1 where no movement begins inside the window.
    """
    shape = windows_s.shape[:-1]
    if not seen:
        return np.full(shape, -1, np.intp)
    begin, onset, strength = np.array([(m.begin_s, m.onset_s, m.strength) for m in seen]).T
    inside = (begin >= windows_s[..., :1]) & (onset < windows_s[..., 1:])
    ranked = np.where(inside, strength, -np.inf)
    return np.where(inside.any(axis=-1), ranked.argmax(axis=-1), -1)


def judge_motion(
    steps: Sequence[Step],
    series: AnswerSeries,
    foreign: NDArray[np.bool_] | None = None,
    recording_s: float | None = None,
) -> tuple[StepResult, ...]:
    """Judge each step of a challenge.

    Parameters
    ----------
    steps
        What was asked for.
    series
        The answer, of one person, unmirrored.
    foreign : (n,) bool, optional
        Frames that show somebody else.
    recording_s
        Length of the recording, in which the person may be out of sight; by default that of the answer.
    """
    if not steps:
        return ()
    length_s = recording_s if recording_s is not None else float(series.times_s[-1]) if len(series) else 0.0
    found = movements(series)
    best = winners(found, np.array([(step.start_s, step.end_s) for step in steps]))
    seen = [found[index] if index >= 0 else None for index in best]
    return tuple(_judge_step(step, seen, i, series, foreign, length_s) for i, step in enumerate(steps))


def _judge_step(
    step: Step,
    seen: list[Movement | None],
    index: int,
    series: AnswerSeries,
    foreign: NDArray[np.bool_] | None,
    recording_s: float,
) -> StepResult:
    here = seen[index]
    reason, solid = None, None
    if here is not None and here.action is step.action:
        status, reason, solid = as_asked(step, here, series)
    elif (reason := _unmeasured(step, series, foreign, recording_s)) is not None:
        status = StepStatus.NOT_ASSESSABLE
    elif here is not None or any(other is not None and other.action is step.action for other in seen):
        status = StepStatus.WRONG_ORDER
    else:
        status = StepStatus.MISSED
    return StepResult(
        action=step.action, start_s=step.start_s, end_s=step.end_s, status=status, seen=here, reason=reason, solid=solid
    )


def as_asked(
    step: Step, here: Movement, series: AnswerSeries
) -> tuple[StepStatus, Reason | None, Shown | None]:
    """Say whether a movement that was found is a living head's, far enough, and the right person's.

    Parameters
    ----------
    step
        What was asked for, and when.
    here
        The movement that was found there, of the same kind.
    series
        The answer, of one person, unmirrored.
    """
    inside = (series.times_s >= step.start_s) & (series.times_s < step.end_s + RETURN_S)
    if step.action in TURNS:
        solid = _shown(series, inside, "turned_deg", "turn_shown_deg", MIN_SHOWN_DEG)
        status, reason = _solid(solid, MIN_TURN_SHARE)
        if status is StepStatus.DONE:
            reason = _far(step, series, inside) or _of_the_same_person(series, inside)
            status = StepStatus.NOT_ASSESSABLE if reason else status
        return status, reason, solid
    if step.action in LOOKS:
        solid = _shown(series, inside, "turned_deg", "turn_shown_deg", MIN_SHOWN_DEG)
        return (*_solid(solid, MIN_LOOK_SHARE), solid)
    if step.action in (Action.COME_CLOSER, Action.MOVE_BACK):
        return _nearer(series, inside)
    reason = None if _changed(here, series) else Reason.LIVENESS_UNCERTAIN
    return (StepStatus.NOT_ASSESSABLE if reason else StepStatus.DONE), reason, None


def _nearer(series: AnswerSeries, inside: NDArray[np.bool_]) -> tuple[StepStatus, Reason | None, Shown]:
    """Say whether the perspective of a face changed with its size, before a background that did not."""
    assert series.grown is not None
    assert series.perspective is not None
    assert series.background_step is not None
    times, grown = series.times_s[inside], series.grown[inside]
    solid = approach_shown(times, grown, series.perspective[inside])
    behind = background_shown(times, grown, series.background_step[inside])
    deep = solid.share >= max(MIN_APPROACH_SHARE, APPROACH_ERRORS * solid.error)
    if behind.share - behind.error > MAX_BACKGROUND_SHARE:
        # Both cannot be: one of the two was mistaken.
        status = StepStatus.NOT_ASSESSABLE if deep else StepStatus.FLAT
        return status, Reason.LIVENESS_UNCERTAIN if deep else Reason.STATIC_PRESENTATION, solid
    if deep:
        return StepStatus.DONE, None, solid
    # A mesh may see less of a perspective than there is: its lack proves nothing.
    return StepStatus.NOT_ASSESSABLE, Reason.APPROACH_TOO_SMALL, solid


def _changed(here: Movement, series: AnswerSeries) -> bool:
    """Whether the picture of mouth or eyes changed where their landmarks moved: at each blink, for a pair."""
    blinks = here.action is Action.BLINK_TWICE
    change, least = (
        (series.eyes_changed, MIN_EYES_CHANGED) if blinks else (series.mouth_changed, MIN_MOUTH_CHANGED)
    )
    assert change is not None
    spans = [(here.begin_s, here.begin_s), (here.onset_s, here.peak_s)] if blinks else [(here.onset_s, here.peak_s)]
    for first, last in spans:
        near = (series.times_s >= first - CHANGED_BEFORE_S) & (series.times_s <= last + CHANGED_AFTER_S)
        # Asked this way, NaN is no evidence.
        if not bool((change[near] >= least).any()):
            return False
    return True


def _shown(series: AnswerSeries, inside: NDArray[np.bool_], moved: str, confirmed: str, least: float) -> Shown:
    x, y = (getattr(series, name)[inside].reshape(int(inside.sum()), -1) for name in (moved, confirmed))
    return shown(series.times_s[inside], x, y, least=least)


def _solid(solid: Shown, least: float) -> tuple[StepStatus, Reason | None]:
    # Asked this way, NaN is no evidence.
    if solid.share >= least:
        return StepStatus.DONE, None
    if solid.share + CLEAR_ERRORS * solid.error < least:
        return StepStatus.FLAT, Reason.STATIC_PRESENTATION
    return StepStatus.NOT_ASSESSABLE, Reason.TOO_MUCH_MOVEMENT


def _far(step: Step, series: AnswerSeries, inside: NDArray[np.bool_]) -> Reason | None:
    """Say that a turn was too small or too short; None where it was neither."""
    known = np.isfinite(series.yaw_deg)
    rest = _resting_level(series.yaw_deg[known])
    side = 1.0 if step.action is Action.TURN_LEFT else -1.0
    times, turned = series.times_s[inside & known], side * (series.yaw_deg[inside & known] - rest)
    far = turned >= MIN_FAR_DEG
    held, since = 0.0, None
    for time_s, there in zip(times, far, strict=True):
        since = None if not there else time_s if since is None else since
        held = held if since is None else max(held, time_s - since)
    return None if held >= MIN_HELD_S else Reason.TURN_TOO_SMALL


def _of_the_same_person(series: AnswerSeries, inside: NDArray[np.bool_]) -> Reason | None:
    """Say that the turned face is another one, or was not compared; None where it is the same."""
    assert series.likeness_llr is not None
    llrs = series.likeness_llr[inside]
    known = llrs[np.isfinite(llrs)]
    if known.size == 0:
        return Reason.MISALIGNED_FACE
    return None if float(np.median(known)) > 0.0 else Reason.PERSON_CHANGED


def _unmeasured(
    step: Step, series: AnswerSeries, foreign: NDArray[np.bool_] | None, recording_s: float
) -> Reason | None:
    """Say why the step's signal cannot be judged in its window, or None where it can."""
    times = series.times_s
    channel = _CHANNEL[step.action]
    finite = np.isfinite(getattr(series, channel))
    measured = times[finite.any(axis=1) if finite.ndim > 1 else finite]
    covered = _covered_s(measured, step.start_s, step.end_s)
    length = step.end_s - step.start_s
    inside = (times >= step.start_s) & (times < step.end_s)
    if covered >= MIN_COVERAGE * length:
        blind = step.action is Action.BLINK_TWICE and inside.sum() * MAX_BLINK_FRAME_S < MIN_COVERAGE * length
        return Reason.LOW_FRAME_RATE if blind else None
    if foreign is not None and foreign[inside].any():
        return Reason.PERSON_CHANGED
    if _covered_s(times, step.start_s, step.end_s) < MIN_COVERAGE * length:
        if recording_s < step.end_s:
            return Reason.VIDEO_TOO_SHORT
        slow = inside.sum() > 1 and float(np.median(np.diff(times[inside]))) > MAX_GAP_S
        return Reason.LOW_FRAME_RATE if slow else Reason.FACE_LOST
    face_seen = np.isfinite(series.yaw_deg[inside]).mean() >= MIN_COVERAGE
    return Reason.EYES_NOT_VISIBLE if channel == "eye_opening" and face_seen else Reason.FACE_LOST


def _covered_s(measured_s: Floats, start_s: float, end_s: float) -> float:
    """Return how much of a window lies between measurements at most ``MAX_GAP_S`` apart."""
    left, right = measured_s[:-1], measured_s[1:]
    overlap = np.clip(np.minimum(right, end_s) - np.maximum(left, start_s), 0.0, None)
    return float(overlap[right - left <= MAX_GAP_S].sum())


def _deviation(channel: str, series: AnswerSeries, grid: Floats) -> Floats:
    """Return one signal's excursion from rest on the grid, in nominal excursions."""
    values = getattr(series, channel)
    if channel == "face_scale":
        values = np.log(np.where(values > 0, values, np.nan))
    even = _on_grid(series.times_s, values, grid)
    size = round(MEDIAN_S / GRID_S) | 1
    smooth = np.median(sliding_window_view(np.pad(even, size // 2, mode="edge"), size), axis=-1)
    rest = _resting_level(smooth)
    relative = smooth / max(rest, 1e-6) - 1 if channel == "mouth_width" else smooth - rest
    return relative / NOMINAL[channel]


def _double_blinks(series: AnswerSeries, grid: Floats) -> list[Movement]:
    """Return each pair of consecutive short closures of the lids as one movement."""
    finite = np.isfinite(series.eye_opening)
    total, count = np.where(finite, series.eye_opening, 0.0).sum(axis=1), finite.sum(axis=1)
    lids = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    even = _on_grid(series.times_s, lids, grid)
    closure = (1 - even / max(_resting_level(even), 1e-6)) / NOMINAL["eye_opening"]
    blinks = [_movement(Action.BLINK_TWICE, grid, closure, run) for run in _runs(closure) if _is_blink(run)]
    return [
        Movement(action=Action.BLINK_TWICE, begin_s=a.onset_s, onset_s=b.onset_s, peak_s=b.peak_s, strength=0.0)
        for a, b in pairwise(blinks)
        if b.onset_s - a.onset_s <= MAX_BLINK_PAIR_S
    ]


def _is_blink(run: tuple[int, int]) -> bool:
    return (run[1] - run[0]) * GRID_S <= MAX_BLINK_S


def _on_grid(times: Floats, values: Floats, grid: Floats) -> Floats:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(grid.size)
    return np.interp(grid, times[finite], values[finite])


def _resting_level(values: Floats) -> float:
    """Return the middle of the shortest interval that holds half of the values."""
    ordered = np.sort(values)
    half = ordered.size // 2
    widths = ordered[half:] - ordered[: ordered.size - half]
    start = int(widths.argmin())
    return float((ordered[start] + ordered[start + half]) / 2)


def _runs(deviation: Floats) -> list[tuple[int, int]]:
    """Return [first, end) of every stretch above ``LEAVE`` that reaches ``ENTER``."""
    above = np.concatenate(([False], deviation > LEAVE, [False]))
    first, end = np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2).T
    return [(int(a), int(b)) for a, b in zip(first, end, strict=True) if deviation[a:b].max() >= ENTER]


def _movement(action: Action, grid: Floats, deviation: Floats, run: tuple[int, int]) -> Movement:
    part = deviation[run[0] : run[1]]
    onset = float(grid[run[0] + int((part >= ENTER).argmax())])
    peak = int(part.argmax())
    return Movement(
        action=action, begin_s=onset, onset_s=onset, peak_s=float(grid[run[0] + peak]), strength=float(part[peak])
    )
