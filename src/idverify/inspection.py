"""What is in a recording, without a verdict.

Public items: :class:`Inspection`, :func:`inspect_look`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idverify import quality
from idverify.acquisition import Capture
from idverify.alignment import align
from idverify.enrolment import face_quality
from idverify.look import Look
from idverify.pad.evidence import PADEvidence
from idverify.subject import Subject
from idverify.tracking import FaceTrack

__all__ = ["Inspection", "inspect_look"]

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


def inspect_look(look: Look) -> Inspection:
    """Lay out what a look at a recording found."""
    subject = look.subject if isinstance(look.subject, Subject) else None
    return Inspection(
        recording=look.facts,
        tracks=tuple(look.capture.tracks.values()),
        subject_id=subject.track.track_id if subject else None,
        quality=_quality_over_time(look.capture, subject) if subject else {},
        signals=(*(look.mechanisms or ()), *look.injection_signals),
    )


def _quality_over_time(capture: Capture, subject: Subject) -> dict[str, Series]:
    faces = capture.candidates[subject.track.track_id]
    times = np.array([c.face.time_s for c in faces])
    images = [c.image_rgb for c in faces]
    chips = align(images, np.stack([c.points_px for c in faces]), quality.CHIP)
    values = face_quality(images, chips, [c.face for c in faces], capture.size_wh)
    return {name: (times, v) for name, v in values.items()}
