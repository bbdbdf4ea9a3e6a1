"""What a worker does with one photo or one video of an evaluation.

Only errors of media become results; an error of models, policy or parameters is raised and ends the run.

Public items: :class:`VideoJob`, :data:`EnrolledPhoto`, :func:`enrol_photo`, :func:`judge_video`, :func:`dead`.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path

from idverify.errors import MediaError
from idverify.evaluation.executors import WorkerDeath
from idverify.evaluation.results import FAILED, TrialResult, failed, from_decision
from idverify.evaluation.system import Judge, SystemUnderTest

__all__ = ["EnrolledPhoto", "VideoJob", "dead", "enrol_photo", "judge_video"]

# A photo that was looked at: pickled, so that the run passes it on unread; or why it cannot be used; None: no photo.
EnrolledPhoto = bytes | TrialResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJob:
    """One video and the references that it is judged against, in the order of its trials.

    Parameters
    ----------
    video
        Watched once.
    references
        None for a trial of liveness alone.
    """

    video: Path
    references: tuple[EnrolledPhoto, ...] = field(repr=False)


def enrol_photo(system: SystemUnderTest, photo: Path) -> bytes | TrialResult:
    """Look at a reference photo once."""
    try:
        return pickle.dumps(system.enrol(photo))
    except MediaError as error:
        return failed(error)


def judge_video(system: SystemUnderTest, job: VideoJob) -> list[TrialResult]:
    """Watch a video once, and judge it against each of its references."""
    try:
        judge: Judge | MediaError = system.observe(job.video)
    except MediaError as error:
        judge = error
    return [_judged(judge, reference) for reference in job.references]


def _judged(judge: Judge | MediaError, reference: EnrolledPhoto) -> TrialResult:
    if isinstance(judge, MediaError):
        return failed(judge)
    if isinstance(reference, TrialResult):
        return reference
    try:
        return from_decision(judge(None if reference is None else pickle.loads(reference)))
    except MediaError as error:
        return failed(error)


def dead(death: WorkerDeath) -> TrialResult:
    """The row of what killed its worker."""
    return TrialResult(outcome=FAILED, error=death.detail)
