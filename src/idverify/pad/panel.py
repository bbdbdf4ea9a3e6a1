"""The panel of mechanisms: which observers a recording needs, and what each says about the subject.

A mechanism joins by one row in :meth:`Panel.assess`; the observers it needs are one entry in :attr:`Panel.factories`.

Public items: :class:`PADInputs`, :class:`Panel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.media import Recording
from idverify.pad.evidence import PADEvidence, TrackObserver
from idverify.tracking import FaceTrack

__all__ = ["PADInputs", "Panel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PADInputs:
    """What the mechanisms may look at: the subject's track and nothing else.

    Parameters
    ----------
    track
        The subject's.
    observers
        Name -> observer, full of the track's signals.
    size_wh
        Full picture.
    faces_rgb, faces_points_px
        The compared faces and their meshes in their own pixels.
    reference_rgb, reference_points_px
        The reference photo, for the mechanism that looks for it in the video.
    """

    track: FaceTrack
    observers: Mapping[str, TrackObserver]
    size_wh: tuple[int, int]
    faces_rgb: tuple[NDArray[np.uint8], ...] = field(repr=False)
    faces_points_px: NDArray[np.float32] = field(repr=False)
    reference_rgb: NDArray[np.uint8] | None = field(repr=False, default=None)
    reference_points_px: NDArray[np.float32] | None = field(repr=False, default=None)


class Panel:
    """The mechanisms of one check."""

    def __init__(self) -> None:
        self.frame_observers: tuple[Any, ...] = ()

    @property
    def factories(self) -> Mapping[str, Callable[[], TrackObserver]]:
        """Observers that each track needs."""
        return {}

    def note_recording(self, recording: Recording) -> None:
        """Keep what the container says, once it was read."""

    def assess(self, inputs: PADInputs) -> tuple[PADEvidence, ...]:
        """Ask every mechanism."""
        return ()

    def injection_signals(self, capture: object) -> tuple[PADEvidence, ...]:
        """Signals of a recording that was altered, made or fed in."""
        return ()
