"""Whether the movements that a person made are the ones that were asked for, step by step.

Goal: hold the movements that a video shows (:mod:`idverify.challenge.movements`) against a challenge. What was found
has to be done as asked, too (:mod:`idverify.challenge.proof`). Nothing of this makes a video fit a sequence that it did
not fit without, so the bound on guessing holds.

Public items: :class:`StepResult`, :func:`judge_motion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.actions import Action
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Step
from idverify.challenge.movements import CHANNEL, Movement, movements, winners
from idverify.challenge.proof import StepStatus, as_asked
from idverify.challenge.solid import Shown
from idverify.reasons import Reason

__all__ = ["StepResult", "judge_motion"]

Floats = NDArray[np.float64]

# At more than this many seconds between frames a blink falls between two of them.
MAX_BLINK_FRAME_S = 0.125
# A stretch without a measurement longer than this could hide a movement.
MAX_GAP_S = 0.5
# A window is judged where at least this part of it was measured.
MIN_COVERAGE = 0.75


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


def _unmeasured(
    step: Step, series: AnswerSeries, foreign: NDArray[np.bool_] | None, recording_s: float
) -> Reason | None:
    """Say why the step's signal cannot be judged in its window, or None where it can."""
    times = series.times_s
    channel = CHANNEL[step.action]
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
