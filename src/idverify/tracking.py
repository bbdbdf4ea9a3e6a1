"""Faces over time: one :class:`FaceTrack` is one face followed through the recording.

Conventions: arrays run over the analysed frames in which the face was followed; positions are upright pixels
of the full picture; times are seconds. Head pose: yaw > 0 turns to the person's own left, pitch > 0 looks up,
roll > 0 tilts to the person's own left shoulder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FaceObservation", "FaceTrack"]

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceObservation:
    """One followed face in one analysed frame.

    Parameters
    ----------
    frame_index : int
    time_s : float
    bbox_xyxy_px : float64 [shape=(4,)]
    points_px : float32 [shape=(468, 3)]
        Dense face mesh in the MediaPipe canonical order; z grows away from the camera, in pixels.
    yaw_pitch_roll_deg : float64 [shape=(3,)]
    eye_opening : float64 [shape=(2,)]
        Eyelid distance over eye width, right then left eye (the person's own).
    mouth_opening : float
        Inner lip distance over mouth width.
    presence : float in [0, 1]
        The landmark model's own certainty that a face is there.
    """

    frame_index: int
    time_s: float
    bbox_xyxy_px: F64
    points_px: NDArray[np.float32]
    yaw_pitch_roll_deg: F64
    eye_opening: F64
    mouth_opening: float
    presence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTrack:
    """One face followed through the recording, as arrays over its n analysed frames.

    Parameters
    ----------
    track_id : int
    frame_indices : int64 [shape=(n,)]
    times_s : float64 [shape=(n,)]
    bboxes_xyxy_px : float64 [shape=(n, 4)]
    points_px : float32 [shape=(n, 468, 3)]
    yaw_pitch_roll_deg : float64 [shape=(n, 3)]
    eye_opening : float64 [shape=(n, 2)]
    mouth_opening : float64 [shape=(n,)]
    presence : float64 [shape=(n,)]
    """

    track_id: int
    frame_indices: NDArray[np.int64]
    times_s: F64
    bboxes_xyxy_px: F64
    points_px: NDArray[np.float32]
    yaw_pitch_roll_deg: F64
    eye_opening: F64
    mouth_opening: F64
    presence: F64

    def __len__(self) -> int:
        return len(self.times_s)

    def __repr__(self) -> str:
        return f"FaceTrack(track_id={self.track_id}, frames={len(self)})"
