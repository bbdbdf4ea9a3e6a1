"""Whether a movement that was found is a living head's, far enough, and the right person's.

Goal: landmarks say that something moved as asked; a mesh says so of any picture. Here each movement has to show, inside
its own window, what a picture that is moved about does not: a turn goes far, is held, and shows the parallax of a head
and the same face; a look shows the parallax; what comes closer shows the perspective of a head before a background that
stays; mouth and lids change the picture where they move. A movement without that is not taken for an answer: it is *not
assessable*, or *flat* where the pictures say so.

Public items: :class:`StepStatus`, :func:`as_asked`, and the marks.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.actions import LOOKS, TURNS, Action
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Step
from idverify.challenge.movements import Movement, resting_level
from idverify.challenge.solid import Shown, approach_shown, background_shown, shown
from idverify.reasons import Reason

__all__ = ["StepStatus", "as_asked"]

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
# A wall a hand's breadth behind a head takes part in 7 tenths of an approach, an enlarged picture in all of it. What is
# seen of it now and then may be hair, and proves nothing; from the second share on it leaves a doubt.
MAX_BACKGROUND_SHARE, DOUBTFUL_BACKGROUND_SHARE, MIN_BACKGROUND_SEEN = 0.8, 0.6, 0.75
# How much the picture changes where mouth and lids move (as in idverify.challenge.answer), and how long before and
# after the movement was recognised that may be; between what people's movements show and what still pictures do, see
# docs/challenge.md.
MIN_MOUTH_CHANGED, MIN_EYES_CHANGED, CHANGED_BEFORE_S, CHANGED_AFTER_S = 1.8, 0.08, 0.3, 0.5
# Standard errors by which a share has to lie below that before a picture is called flat; in between nothing is clear.
CLEAR_ERRORS = 2.0
# Standard errors by which a perspective has to lie above none: of flat zooms one in twenty passes at four tenths.
APPROACH_ERRORS = 2.5


class StepStatus(str, Enum):
    """What became of one step."""

    DONE = "done"
    MISSED = "missed"
    WRONG_ORDER = "wrong_order"
    FLAT = "flat"
    NOT_ASSESSABLE = "not_assessable"


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
    # Asked this way, NaN is no evidence against anybody.
    surely = behind.share - behind.error
    if deep and not surely > DOUBTFUL_BACKGROUND_SHARE:
        return StepStatus.DONE, None, solid
    if deep:
        return StepStatus.NOT_ASSESSABLE, Reason.LIVENESS_UNCERTAIN, solid
    if surely > MAX_BACKGROUND_SHARE and behind.seen >= MIN_BACKGROUND_SEEN:
        return StepStatus.FLAT, Reason.STATIC_PRESENTATION, solid
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
    rest = resting_level(series.yaw_deg[known])
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
