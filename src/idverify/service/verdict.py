"""A recording and its stamps in, a decision and what binds it out.

Goal: the one place where the service's clock meets the library. Runs inside the judge's process.

Public items: :func:`decide`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av

from idverify import challenge as challenges
from idverify.challenge import Challenge
from idverify.challenge.signing import sign
from idverify.errors import CorruptMediaError
from idverify.service.steps import step_lengths_s
from idverify.service.timing import Timing, chunk_ends_s, measure

if TYPE_CHECKING:
    from idverify import Decision, Verifier

__all__ = ["decide"]


def decide(verifier: Verifier, video: bytes, photo: bytes, case: dict[str, Any]) -> tuple[Decision, dict[str, Any]]:
    """Judge one recording.

    Parameters
    ----------
    verifier
        Under the attempt's policy.
    video, photo
        As they came.
    case
        ``challenge``, ``chunks``, ``revealed_s``, ``began_s``, ``arrival_s``, ``camera``; see
        :class:`idverify.service.jobs.Case`.

    Returns
    -------
    tuple of (Decision, dict)
        The second says what the stamps proved, as JSON types.

    Raises
    ------
    MediaError, ModelError, CalibrationError
    """
    if case["challenge"] is None:
        return verifier.check(video, photo), {"source": "file"}
    asked = challenges.from_json(case["challenge"])
    timing = _timing(video, asked, case)
    timed = _in_recording_time(asked, case["revealed_s"], timing)
    key = b"only within this process"
    decision = verifier.check(
        video,
        photo,
        challenge=replace(timed, hmac_sha256=sign(timed.payload(), key)),
        challenge_key=key,
        now_s=timed.issued_at_s,
    )
    return decision, _document(timing)


def _timing(video: bytes, asked: Challenge, case: dict[str, Any]) -> Timing:
    sizes, arrived = [n for n, _ in case["chunks"]], [at for _, at in case["chunks"]]
    try:
        ends = chunk_ends_s(video, sizes)
    except (av.error.FFmpegError, IndexError) as error:
        raise CorruptMediaError(f"the recording's packets cannot be read: {error}") from None
    return measure(
        ends,
        arrived,
        revealed_s=case["revealed_s"],
        lengths_s=step_lengths_s(asked),
        began_s=case["began_s"],
        arrival_s=case["arrival_s"],
    )


def _in_recording_time(asked: Challenge, revealed_s: list[float], timing: Timing) -> Challenge:
    """The steps in windows that begin when each was revealed."""
    begins = [at - timing.started_s for at in revealed_s]
    ends = [*begins[1:], begins[-1] + step_lengths_s(asked)[-1]]
    steps = tuple(
        replace(step, start_s=max(0.0, start), end_s=end)
        for step, start, end in zip(asked.steps, begins, ends, strict=False)
    )
    shift = begins[-1] - asked.light[0].start_s if asked.light else 0.0
    light = tuple(replace(s, start_s=max(0.0, s.start_s + shift), end_s=s.end_s + shift) for s in asked.light)
    return replace(asked, steps=steps, light=light)


def _document(timing: Timing) -> dict[str, Any]:
    return {
        "source": "camera",
        "on_time": timing.on_time,
        "why": timing.why,
        "latencies_s": [round(s, 3) if math.isfinite(s) else None for s in timing.latencies_s],
    }
