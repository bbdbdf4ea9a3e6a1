"""What is in a recording, without a verdict.

Public items: :class:`Inspection`, :func:`inspect_presentation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idverify.faces import quality
from idverify.faces.alignment import align
from idverify.faces.tracking import FaceTrack
from idverify.pad.evidence import PADEvidence
from idverify.verification.acquisition import Capture
from idverify.verification.enrolment import face_quality
from idverify.verification.presentation import Presentation
from idverify.verification.subject import Subject

__all__ = ["Inspection", "inspect_presentation"]

Series = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a recording, without a verdict.

    Parameters
    ----------
    recording
        Facts of the container and the decoder.
    tracks
        Faces followed.
    subject_id
        Track of the subject; None where there is none.
    quality
        Component -> times in seconds and values 0..100, of the subject.
    signals
        Liveness mechanisms and injection signals.
    """

    recording: Mapping[str, object]
    tracks: tuple[FaceTrack, ...]
    subject_id: int | None
    quality: Mapping[str, Series] = field(repr=False)
    signals: tuple[PADEvidence, ...] = field(repr=False)


def inspect_presentation(presentation: Presentation) -> Inspection:
    """Lay out what a presentation showed."""
    subject = presentation.subject if isinstance(presentation.subject, Subject) else None
    return Inspection(
        recording=presentation.facts,
        tracks=tuple(presentation.capture.tracks.values()),
        subject_id=subject.track.track_id if subject else None,
        quality=_quality_over_time(presentation.capture, subject) if subject else {},
        signals=(*(presentation.mechanisms or ()), *presentation.injection_signals),
    )


def _quality_over_time(capture: Capture, subject: Subject) -> dict[str, Series]:
    faces = capture.candidates[subject.track.track_id]
    times = np.array([c.face.time_s for c in faces])
    images = [c.image_rgb for c in faces]
    chips = align(images, np.stack([c.points_px for c in faces]), quality.CHIP)
    values = face_quality(images, chips, [c.face for c in faces], faces[0].picture_wh)
    return {name: (times, v) for name, v in values.items()}
