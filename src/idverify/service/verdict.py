"""A recording and its stamps in, a decision and what binds it out.

Goal: the one place where the service's clock meets the library. Runs inside the judge's process.

Public items: :func:`decide`, :class:`LateError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av

from idverify import challenge as challenges
from idverify.challenge import Challenge, TimedSteps
from idverify.errors import CorruptMediaError, IdverifyError
from idverify.service.steps import step_lengths_s
from idverify.service.timing import Timing, chunk_ends_s, measure
from idverify.verification.binding import CaptureEvidence

if TYPE_CHECKING:
    from idverify import Decision, Verifier

__all__ = ["LateError", "decide"]


class LateError(IdverifyError):
    """The stamps do not bind the recording to its steps: a slow line, and no fault of the person's."""


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
    LateError
        The recording cannot be held against its steps; it is not judged.
    MediaError, ModelError, CalibrationError
    """
    if case["challenge"] is None:
        return verifier.check(video, photo, capture=CaptureEvidence()), {"source": "file"}
    asked = challenges.from_json(case["challenge"])
    timing = _timing(video, asked, case)
    if not timing.on_time:
        raise LateError(timing.why)
    timed = TimedSteps(
        challenge=asked,
        revealed_s=tuple(case["revealed_s"]),
        recording_started_s=timing.started_s,
        latency_s=verifier.policy.challenge_latency_s,
    )
    latencies = [round(latency, 3) for latency in timing.latencies_s]
    capture = CaptureEvidence(camera_named=case["camera"])
    decision = verifier.check(video, photo, challenge=timed, capture=capture)
    return decision, {"source": "camera", "latencies_s": latencies}


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
