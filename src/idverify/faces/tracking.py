"""Faces over time: one :class:`FaceTrack` is one face followed through the recording.

Conventions: arrays run over the analysed frames in which the face was followed; positions are upright pixels
of the full picture; times are seconds. Head pose: yaw > 0 turns to the person's own left, pitch > 0 looks up,
roll > 0 tilts to the person's own left shoulder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.detection import DetectedFace, FaceDetector, overlap_matrix
from idverify.faces.landmarks import (
    EyeModel,
    FaceMesh,
    eye_opening,
    head_pose_deg,
    mouth_opening,
    region_of_points,
)
from idverify.faces.uprightness import sure_turn

__all__ = ["FaceObservation", "FaceTrack", "Tracker", "as_track", "joined"]

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
        Eyelid distance over eye width, right then left eye (the person's own): about 0.33 open, 0.05 to 0.12 closed.
    mouth_opening : float
        Inner lip distance over mouth width.
    presence : float in [0, 1]
        The landmark model's own certainty that a face is there.
    """

    frame_index: int
    time_s: float
    bbox_xyxy_px: F64
    points_px: NDArray[np.float32] = field(repr=False)
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


# A followed face is lost when the landmark model's presence falls below this (MediaPipe's own default).
MIN_PRESENCE = 0.5
# Seconds between two runs of the detector while faces are being followed.
DETECTION_PERIOD_S = 0.5
# Detector runs in a row that may miss a followed face before it is dropped.
MAX_MISSES = 3
# Faces followed at once, the largest; the others are only counted.
MAX_TRACKS = 3
# A box of the same face one step later still overlaps this much.
SAME_FACE_OVERLAP = 0.3
# A cut changes a luma thumbnail by more than this many levels on average, and by this many times the largest of the
# last few changes: a moving camera changes picture after picture.
CUT_LEVELS, CUT_TIMES_BEFORE, CHANGES_KEPT = 15.0, 2.5, 4
_THUMBNAIL_WH = (32, 18)


def points_bbox(points_px: NDArray[np.float32]) -> F64:
    """Bounding boxes of meshes [shape=(..., 468, 3)] -> [shape=(..., 4)]."""
    xy = points_px[..., :2].astype(np.float64)
    return np.concatenate([xy.min(axis=-2), xy.max(axis=-2)], axis=-1)


def observations(
    points_px: NDArray[np.float32],
    presence: F64,
    *,
    frame_index: int,
    time_s: float,
    eyes: F64 | None = None,
) -> list[FaceObservation]:
    """Everything read off k meshes of one frame, computed in one go; `eyes` is their opening, where it was measured."""
    if not len(points_px):
        return []
    boxes, pose = points_bbox(points_px), head_pose_deg(points_px)
    eyes, mouth = eye_opening(points_px) if eyes is None else eyes, mouth_opening(points_px)
    return [
        FaceObservation(
            frame_index=frame_index,
            time_s=time_s,
            bbox_xyxy_px=boxes[k],
            points_px=points_px[k],
            yaw_pitch_roll_deg=pose[k],
            eye_opening=eyes[k],
            mouth_opening=float(mouth[k]),
            presence=float(presence[k]),
        )
        for k in range(len(points_px))
    ]


@dataclass(slots=True)
class _Followed:
    """A face that is being followed; `points` are in working-size pixels."""

    track_id: int
    points: NDArray[np.float32]
    misses: int = 0


class Tracker:
    """Follows faces from frame to frame by their landmarks; the detector finds new ones and confirms old ones.

    Parameters
    ----------
    detector
        Finds faces in the whole picture.
    mesh
        Fits landmarks inside a region.
    eyes
        Measures how far eyes are open; without it the mesh's own lids are taken, which hardly show a blink.
    """

    def __init__(self, detector: FaceDetector, mesh: FaceMesh, eyes: EyeModel | None = None) -> None:
        self._detector = detector
        self._mesh = mesh
        self._eyes = eyes
        self._followed: list[_Followed] = []
        self._next_id = 0
        self._next_detection_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._thumbnail: NDArray[np.float32] | None = None
        self._changes: deque[float] = deque(maxlen=CHANGES_KEPT)
        self.cuts_s: list[float] = []
        self.faces_seen: list[int] = []

    def step(
        self, image_rgb: NDArray[np.uint8], luma: NDArray[np.uint8], *, scale: float, frame_index: int, time_s: float
    ) -> list[tuple[int, FaceObservation]]:
        """Follow all faces into the next frame.

        Parameters
        ----------
        image_rgb, luma : uint8 [shape=(h, w, 3)], [shape=(h, w)]
            The picture at working size.
        scale
            Full-picture pixels per working-size pixel.

        Returns
        -------
        Pairs of track id and observation (in full-picture pixels).
        """
        # The points that are followed lie elsewhere in a picture of another size.
        if luma.shape != self._shape:
            self.start_over()
            self._shape = luma.shape
        if self._is_cut(luma):
            self.cuts_s.append(time_s)
            self._followed.clear()
            self._next_detection_s = -np.inf
        points, presence = self._mesh.fit(image_rgb, [region_of_points(f.points) for f in self._followed])
        presence = self._keep(presence >= MIN_PRESENCE, points, presence)
        if time_s >= self._next_detection_s or not self._followed:
            presence = self._confirm(image_rgb, presence)
            self._next_detection_s = time_s + DETECTION_PERIOD_S
        if not self._followed:
            return []
        points = np.stack([f.points for f in self._followed])
        eyes = self._eyes.opening(image_rgb, points) if self._eyes else None
        full = points * np.float32(scale)
        seen = observations(full, presence, frame_index=frame_index, time_s=time_s, eyes=eyes)
        return [(f.track_id, one) for f, one in zip(self._followed, seen, strict=True)]

    def turn_of(self, image_rgb: NDArray[np.uint8]) -> int:
        """The quarter turn that sets the surest face of a picture at working size upright; 0 where none is sure."""
        return sure_turn(image_rgb, self._detector, self._mesh)

    def start_over(self) -> None:
        """Forget whom was followed: the next picture is seen in another way."""
        self._followed.clear()
        self._thumbnail, self._next_detection_s = None, -np.inf

    def _keep(self, good: NDArray[np.bool_], points: NDArray[np.float32], presence: F64) -> F64:
        self._followed = [f for f, ok in zip(self._followed, good, strict=True) if ok]
        for f, p in zip(self._followed, points[good], strict=True):
            f.points = p
        return presence[good]

    def _confirm(self, image_rgb: NDArray[np.uint8], presence: F64) -> F64:
        """Match detections with followed faces; drop the unseen, begin the new."""
        faces = self._detector.detect(image_rgb)
        self.faces_seen.append(len(faces))
        boxes = np.array([f.bbox_xyxy_px for f in faces]).reshape(-1, 4)
        own = points_bbox(np.stack([f.points for f in self._followed])) if self._followed else np.empty((0, 4))
        overlap = overlap_matrix(own, boxes)
        for k, f in enumerate(self._followed):
            f.misses = 0 if overlap[k].size and overlap[k].max() >= SAME_FACE_OVERLAP else f.misses + 1
        alone = [k for k in range(len(own)) if not (overlap_matrix(own[k : k + 1], own[:k]) > SAME_FACE_OVERLAP).any()]
        kept = [k for k in alone if self._followed[k].misses < MAX_MISSES]
        new = [j for j in range(len(faces)) if not overlap.size or overlap[:, j].max() < SAME_FACE_OVERLAP]
        new = sorted(new, key=lambda j: -faces[j].width_px)[: max(0, MAX_TRACKS - len(kept))]
        self._followed = [self._followed[k] for k in kept]
        return np.concatenate([presence[kept], self._begin(image_rgb, [faces[j] for j in new])])

    def _begin(self, image_rgb: NDArray[np.uint8], faces: list[DetectedFace]) -> F64:
        points, presence = self._mesh.fit_detected(image_rgb, faces)
        good = presence >= MIN_PRESENCE
        for p in points[good]:
            self._followed.append(_Followed(self._next_id, p))
            self._next_id += 1
        return presence[good]

    def _is_cut(self, luma: NDArray[np.uint8]) -> bool:
        # Nearest pixels: an average over each cell costs as much as fitting the landmarks does.
        now = cv2.resize(luma, _THUMBNAIL_WH, interpolation=cv2.INTER_NEAREST).astype(np.float32)
        before, self._thumbnail = self._thumbnail, now
        if before is None:
            return False
        change = float(np.abs(now - before).mean())
        usual = max(self._changes, default=change)
        self._changes.append(change)
        return change > CUT_LEVELS and change > CUT_TIMES_BEFORE * usual


def as_track(track_id: int, seen: Sequence[FaceObservation]) -> FaceTrack:
    """Stack the observations of one face, in time order."""
    return FaceTrack(
        track_id=track_id,
        frame_indices=np.array([o.frame_index for o in seen], np.int64),
        times_s=np.array([o.time_s for o in seen], np.float64),
        bboxes_xyxy_px=np.stack([o.bbox_xyxy_px for o in seen]),
        points_px=np.stack([o.points_px for o in seen]),
        yaw_pitch_roll_deg=np.stack([o.yaw_pitch_roll_deg for o in seen]),
        eye_opening=np.stack([o.eye_opening for o in seen]),
        mouth_opening=np.array([o.mouth_opening for o in seen], np.float64),
        presence=np.array([o.presence for o in seen], np.float64),
    )


def joined(tracks: Sequence[FaceTrack]) -> FaceTrack:
    """Several tracks that share no frame as one, in time order, under the id of the first."""
    order = np.argsort(np.concatenate([t.frame_indices for t in tracks]), kind="stable")
    arrays = {f.name: np.concatenate([getattr(t, f.name) for t in tracks])[order] for f in fields(FaceTrack)[1:]}
    return FaceTrack(track_id=tracks[0].track_id, **arrays)
