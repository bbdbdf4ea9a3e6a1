"""Which step of a challenge is due when: the steps stay here until then.

Goal: nobody knows a step before it is sent, and it is sent only while the recording runs. A pure function of what was
asked, when the first piece arrived and what was revealed before.

Conventions: times in seconds of the server's clock. The colours of a challenge are one step, the last.

Public items: :class:`Due`, :func:`due_step`, :func:`count_steps`, :func:`step_document`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from idverify.challenge import Challenge, phrase

__all__ = ["Due", "count_steps", "due_step", "step_document", "step_lengths_s"]

# A resting look at the camera before the first step: the baseline of every movement.
LEAD_IN_S = 1.0
# A slow network shows a step later than it was sent, and a longer wait is always safe.
SLACK_S = 0.7
# What is recorded after the last step has had its time.
TAIL_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the browser is to be told next.

    Parameters
    ----------
    step
        Index of the step that may be shown now; None where none is due.
    done
        Every step has had its time: the recording may end.
    wait_s
        Seconds until this changes; None where it depends on the browser.
    """

    step: int | None
    done: bool
    wait_s: float | None


def count_steps(challenge: Challenge) -> int:
    """How many reveals a challenge takes."""
    return len(challenge.steps) + bool(challenge.light)


def step_lengths_s(challenge: Challenge) -> list[float]:
    """How long each step lasts."""
    lengths = [step.end_s - step.start_s for step in challenge.steps]
    return lengths + ([challenge.light[-1].end_s - challenge.light[0].start_s] if challenge.light else [])


def due_step(challenge: Challenge, *, first_chunk_s: float | None, revealed_s: Sequence[float], now_s: float) -> Due:
    """Say what is due.

    Parameters
    ----------
    challenge
        What is asked for.
    first_chunk_s
        When the first piece of the recording arrived; None where none has.
    revealed_s
        When each step so far was revealed.
    now_s
        The clock.
    """
    if first_chunk_s is None:
        return Due(step=None, done=False, wait_s=None)
    lengths, shown = step_lengths_s(challenge), len(revealed_s)
    if shown == len(lengths):
        due_s = revealed_s[-1] + lengths[-1] + TAIL_S if shown else first_chunk_s + LEAD_IN_S
        return Due(step=None, done=now_s >= due_s, wait_s=None if now_s >= due_s else due_s - now_s)
    due_s = revealed_s[-1] + lengths[shown - 1] + SLACK_S if shown else first_chunk_s + LEAD_IN_S
    if now_s >= due_s:
        return Due(step=shown, done=False, wait_s=None)
    return Due(step=None, done=False, wait_s=due_s - now_s)


def step_document(challenge: Challenge, index: int, locale: str) -> dict[str, Any]:
    """One step as the browser gets it."""
    shared = {"index": index, "of": count_steps(challenge), "hold_s": round(step_lengths_s(challenge)[index], 3)}
    if index < len(challenge.steps):
        action = challenge.steps[index].action
        return {**shared, "kind": "move", "action": action.value, "text": phrase(action, locale), "colour": None}
    colours = [{"colour": s.colour.css, "hold_s": round(s.end_s - s.start_s, 3)} for s in challenge.light]
    return {
        **shared,
        "kind": "colour",
        "action": "light",
        "text": phrase("light", locale),
        "colour": colours[0]["colour"],
        "colours": colours,
    }
