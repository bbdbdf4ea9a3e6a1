"""Detected faces: Frame in, :class:`DetectedFace` out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DetectedFace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedFace:
    """One face found in one picture.

    Parameters
    ----------
    bbox_xyxy_px : float64 [shape=(4,)]
        Left, top, right, bottom in upright pixels of the picture given.
    keypoints_px : float64 [shape=(6, 2)]
        Right eye, left eye, nose tip, mouth centre, right ear, left ear; right and left are the person's own.
    detection_score : float in [0, 1]
    """

    bbox_xyxy_px: NDArray[np.float64]
    keypoints_px: NDArray[np.float64]
    detection_score: float
