"""What a liveness mechanism says, and what it may look at.

A mechanism is a pure function from collected signals of the subject's track to one :class:`PADEvidence`. Signals
are collected while the recording streams by, so that memory stays flat: a :class:`TrackObserver` sees each analysed
frame once and keeps small arrays only.

Log-likelihood ratios are natural logarithms; ``bona_fide_llr > 0`` speaks for a bona fide presentation.

Public items: :data:`ANALYSIS_RATE_HZ`, :class:`Status`, :class:`PADEvidence`, :class:`AnalysedFrame`,
:class:`TrackObserver`, :data:`LONG_ENOUGH_S`, :func:`rate_hz`, :func:`why_few`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.media.frame import Frame
from idverify.reasons import NotAssessed, Reason

__all__ = [
    "ANALYSIS_RATE_HZ",
    "LONG_ENOUGH_S",
    "AnalysedFrame",
    "PADEvidence",
    "Status",
    "TrackObserver",
    "rate_hz",
    "why_few",
]

# Blinks last 0.1 to 0.4 s (Stern et al. 1984, doi:10.1177/001872088402600103), so 15 looks a second see one twice.
ANALYSIS_RATE_HZ = 15.0
# What the advice to a recording that is too short asks for: longer ones are never called so.
LONG_ENOUGH_S = 3.0
# With fewer looks a second than this it is the recording that has few pictures.
_FEW_HZ = 10.0


class Status(str, Enum):
    """Whether a mechanism could judge."""

    ASSESSED = "assessed"
    NOT_ASSESSED = "not_assessed"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PADEvidence:
    """The output of one liveness mechanism.

    Parameters
    ----------
    name
        The mechanism.
    status
        Anything but ``ASSESSED`` carries no LLR.
    native
        The mechanism's own measure, in `unit`; its direction is in the unit's text.
    unit
        For example ``"bpm"`` or ``"residual / inter-eye distance (higher: more non-rigid)"``.
    bona_fide_llr
        Calibrated natural-log likelihood ratio, bona fide over attack.
    detail
        One sentence of what was measured, with numbers, for the person who reads the report.
    reason
        The attack found, or the retry code when it could not be assessed.
    decisive
        The finding proves an attack (or tampering) by itself: soft support cannot outvote it.
    times_s, values
        The signal over time, for the report's plot [shape=(n,) each].
    """

    name: str
    status: Status
    unit: str
    detail: str
    native: float | None = None
    bona_fide_llr: float | None = None
    reason: Reason | None = None
    decisive: bool = False
    times_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False)
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False)

    def __post_init__(self) -> None:
        if (self.status is Status.ASSESSED) != (self.bona_fide_llr is not None):
            raise ValueError(f"{self.name}: an LLR belongs to exactly the assessed evidence, got {self.status}")

    @property
    def hidden_by_light(self) -> bool:
        """Whether colours that clip, or darkness, kept the mechanism from judging: whoever films makes the light."""
        return self.bona_fide_llr is None and self.reason in (Reason.TOO_BRIGHT, Reason.TOO_DARK)

    @classmethod
    def not_assessed(cls, name: str, unit: str, why: NotAssessed) -> PADEvidence:
        """Evidence of a mechanism that could not judge."""
        return cls(name=name, status=Status.NOT_ASSESSED, unit=unit, detail=why.detail, reason=why.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedFrame:
    """One frame as every observer sees it; converted once.

    Parameters
    ----------
    frame
        The decoded picture, for native-resolution crops. Do not keep it: it holds decoder memory.
    image_rgb : uint8 [shape=(h, w, 3)]
        Upright, at working size.
    luma : uint8 [shape=(h, w)]
        The same picture's luma plane.
    scale : float
        Full-picture pixels per working-size pixel.
    """

    frame: Frame
    image_rgb: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    scale: float


class TrackObserver(Protocol):
    """Collects the signals of one track while the recording streams by."""

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""


def rate_hz(times_s: NDArray[np.float64]) -> float:
    """Frames a second while there are any: gaps, as stalls leave them, do not count. 0 for fewer than two frames."""
    return float(1.0 / max(np.median(np.diff(times_s)), 1e-3)) if len(times_s) > 1 else 0.0


def why_few(times_s: NDArray[np.float64], wanted: int, otherwise: Reason) -> Reason:
    """Why fewer frames than wanted could be judged: too little time, too few pictures in it, or something else.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
        Of the frames in which the face was followed, whether or not they could be judged: that somebody looked away
        makes no recording shorter.
    wanted
        So many are needed.
    otherwise
        What is said where there were time and pictures enough.
    """
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    if span_s * ANALYSIS_RATE_HZ < wanted:
        return Reason.VIDEO_TOO_SHORT
    return Reason.LOW_FRAME_RATE if rate_hz(times_s) < _FEW_HZ else otherwise
