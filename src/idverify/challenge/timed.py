"""Steps that a server revealed one by one, in its own time.

Goal: a challenge file tells all of its steps at once, so whoever has it can prepare the whole answer. A server that
reveals each step when it is due, while the recording arrives, knows more: nobody knew a step before it was revealed.
Each step is judged inside its own window, which begins with its revelation.

Conventions: all times are seconds of one clock, the server's. The recording's beginning is known from its arrival: a
part that ends at ``m`` seconds of the recording and arrived at ``a`` shows that it began at ``a - m`` at the latest,
so the smallest of these over all parts is the latest moment at which it can have begun. Then a step revealed at ``r``
was revealed in the recording at ``r - began`` at the earliest, and nothing before that answers it; the way to the
person and back (at most ``latency_s``) makes honest answers later, never earlier.

A step's window ends with its own length and the latency, or with the next step's revelation. The windows do not
overlap, so a video still shows one sequence at most. Whether every part arrived in time is the server's to say.

Public items: :class:`TimedSteps`, :func:`judge_timed`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from idverify.challenge.admission import UNCHECKED
from idverify.challenge.answer import AnswerSeries
from idverify.challenge.issuing import Challenge
from idverify.challenge.verification import ChallengeResult, judge, refused
from idverify.errors import ParameterError
from idverify.reasons import Reason

__all__ = ["TimedSteps", "judge_timed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSteps:
    """A challenge and when each of its steps was revealed.

    Parameters
    ----------
    challenge
        As issued; its steps say what was asked and for how long. It never left the server, so it needs no seal.
    revealed_s
        When each movement was revealed, in order, and last, where there are colours, when their whole sequence was.
    recording_started_s
        The latest moment at which the recording can have begun; see the module's conventions.
    latency_s
        How late the network and the player may make an answer.

    Raises
    ------
    ParameterError
        The counts do not fit, or a time is not finite or not later than the one before.
    """

    challenge: Challenge = field(repr=False)
    revealed_s: tuple[float, ...]
    recording_started_s: float
    latency_s: float

    def __post_init__(self) -> None:
        expected = len(self.challenge.steps) + bool(self.challenge.light)
        if len(self.revealed_s) != expected:
            raise ParameterError(f"{expected} steps were to be revealed, {len(self.revealed_s)} times are given")
        if not all(map(math.isfinite, (*self.revealed_s, self.recording_started_s))):
            raise ParameterError("the times of revelation and of the recording's start are finite numbers")
        if any(later <= earlier for earlier, later in zip(self.revealed_s, self.revealed_s[1:], strict=False)):
            raise ParameterError("each step is revealed after the one before")
        if not (math.isfinite(self.latency_s) and self.latency_s >= 0):
            raise ParameterError(f"latency_s is a number of seconds from 0 on, got {self.latency_s!r}")

    @property
    def possible(self) -> bool:
        """Whether every step was revealed after the recording began: what was known before can be prepared."""
        return all(moment > self.recording_started_s for moment in self.revealed_s)

    def scheduled(self) -> Challenge:
        """Return the challenge with its windows where they were in the recording, in seconds from its first picture.

        Raises
        ------
        ParameterError
            A step was revealed before the recording began.
        """
        if not self.possible:
            raise ParameterError("a step was revealed before the recording began")
        starts = [moment - self.recording_started_s for moment in self.revealed_s]
        ends = [*starts[1:], math.inf]
        steps = tuple(
            replace(step, start_s=start, end_s=min(start + step.end_s - step.start_s + self.latency_s, end))
            for step, start, end in zip(self.challenge.steps, starts, ends, strict=False)
        )
        light = self.challenge.light
        shift_s = starts[-1] - light[0].start_s if light else 0.0
        shown = tuple(replace(part, start_s=part.start_s + shift_s, end_s=part.end_s + shift_s) for part in light)
        return replace(self.challenge, steps=steps, light=shown)


def judge_timed(
    timed: TimedSteps, series: AnswerSeries, *, mirrored: bool, recording_s: float | None = None
) -> ChallengeResult:
    """Judge an answer whose steps were revealed one by one; see :func:`idverify.challenge.judge`.

    A recording that began after one of its steps was revealed is refused.
    """
    if not timed.possible:
        return refused(
            timed.challenge, Reason.CHALLENGE_IMPOSSIBLE_TIME, mirrored=mirrored, admission=UNCHECKED, binding="session"
        )
    return judge(
        timed.scheduled(),
        series,
        mirrored=mirrored,
        binding="session",
        latency_s=timed.latency_s,
        recording_s=recording_s,
    )
