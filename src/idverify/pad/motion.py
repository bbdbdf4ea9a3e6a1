"""Face and background motion, collected while the recording streams by.

One observer feeds five mechanisms (stillness, depth, liveliness, mouth stillness, context motion) and the report's
plots, so that each picture is tracked once. The face is compared with a key picture of itself that is renewed every
:data:`KEY_LIFE_S`; the mesh only places the patch and is never asked what moved, because it invents a moving
face even on a photograph. The background is tracked from one analysed frame to the next on points well outside
the head and above the body.

Conventions: rows run over the analysed frames; positions in the picture are working-size pixels; changes are in
patch pixels (:data:`idverify.pad._registration.EYE_DISTANCE` of them between the outer eye corners); times are
seconds.

Sources: as in :mod:`idverify.pad._registration`; Anjos & Marcel 2011, doi:10.1109/IJCB.2011.6117503, for face
against background.

Public items: :class:`MotionSignals`, :class:`MotionObserver`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.pad._registration import (
    EYE_DISTANCE,
    N_CELLS,
    Cut,
    KeyPatch,
    Registration,
    cut_patch,
    patch_transform,
    register,
)
from idverify.pad.evidence import AnalysedFrame

__all__ = ["MotionObserver", "MotionSignals"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# Long enough for a blink (0.1 to 0.4 s, Stern et al. 1984) or half a head turn, short enough for the tracks to hold.
KEY_LIFE_S = 1.2
# With fewer points than this on one plane the key is no longer the same view; a new one is taken,
# though not sooner than MIN_KEY_LIFE_S.
MIN_AGREEMENT = 0.4
MIN_KEY_LIFE_S = 0.3
# The background is tracked in a picture with this longer side, on this many points, found anew at this interval.
BACKGROUND_SIDE_PX = 320
BACKGROUND_POINTS = 40
BACKGROUND_RENEWAL_S = 1.0
MIN_BACKGROUND_POINTS = 8
# Corners of the patch window stand for the face when its motion is compared with the background's.
FACE_CORNERS = np.array([[16, 16], [112, 16], [16, 128], [112, 128]], np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSignals:
    """What was measured on n analysed frames of one face.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    is_key : bool [shape=(n,)]
        The frame became a key; its change against itself is not measured.
    eye_distance_px : float64 [shape=(n,)]
        Outer eye corners apart, working-size pixels.
    change_px : float32 [shape=(n, cells)]
        What the best planar transform leaves over in each cell, as a shift; NaN where not judged.
    agreement : float64 [shape=(n,)]
        Share of tracks that follow the planar transform; NaN where tracking failed.
    pose_change_deg : float64 [shape=(n, 3)]
        Yaw, pitch, roll since the key, as the mesh saw them.
    key_points, off_plane : float32 [shape=(n, cells, 2)]
        Tracked points in the key patch, and how far from the best planar transform they are now; NaN where lost.
    key_depth : float32 [shape=(n, cells)]
        Depth of each point in the key, as the mesh has it, patch pixels.
    face_from, face_to : float64 [shape=(n, 4, 2)]
        Four points of the face in the frame before and in this one; NaN at the start and after a loss.
    background : float64 [shape=(n, 2, 3)]
        Similarity that takes the background of the frame before to this one; NaN where it has no texture.
    """

    times_s: F64
    is_key: NDArray[np.bool_]
    eye_distance_px: F64
    change_px: F32
    agreement: F64
    pose_change_deg: F64
    key_points: F32
    off_plane: F32
    key_depth: F32
    face_from: F64
    face_to: F64
    background: F64

    def __len__(self) -> int:
        return len(self.times_s)

    def __repr__(self) -> str:
        return f"MotionSignals(frames={len(self)}, keys={int(self.is_key.sum())})"

    def between(self, start_s: float, end_s: float) -> MotionSignals:
        """The rows with ``start_s <= time < end_s``."""
        keep = (self.times_s >= start_s) & (self.times_s < end_s)
        return MotionSignals(**{name: getattr(self, name)[keep] for name in MotionSignals.__slots__})


class MotionObserver:
    """Collects :class:`MotionSignals` of one face (a :class:`~idverify.pad.evidence.TrackObserver`)."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._key: KeyPatch | None = None
        self._key_time_s = 0.0
        self._key_pose = np.zeros(3)
        self._key_depth = np.zeros(N_CELLS, np.float32)
        self._guess = np.zeros((N_CELLS, 2), np.float32)
        self._corners: F64 | None = None
        self._background = _Background()

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        cut = cut_patch(view.luma, view.image_rgb, patch_transform(face.points_px, view.scale))
        fit = register(self._key, cut, self._guess) if self._key is not None else None
        row = self._measure(cut, fit, face)
        row["background"] = self._background.step(view.luma, face.bbox_xyxy_px / view.scale, face.time_s)
        self._rows.append(row)
        age = face.time_s - self._key_time_s
        lost = fit is None or fit.agreement < MIN_AGREEMENT
        if self._key is None or age >= KEY_LIFE_S or (lost and age >= MIN_KEY_LIFE_S):
            self._renew(cut, face, view.scale)
            row["is_key"] = True

    def signals(self) -> MotionSignals:
        """Everything collected so far."""
        if not self._rows:
            return _empty()
        return MotionSignals(**{name: np.stack([r[name] for r in self._rows]) for name in MotionSignals.__slots__})

    def _measure(self, cut: Cut, fit: Registration | None, face: FaceObservation) -> dict[str, Any]:
        lost = np.full((4, 2), np.nan)
        before = self._corners if self._corners is not None else lost
        row: dict[str, Any] = {
            "times_s": np.float64(face.time_s),
            "is_key": False,
            "eye_distance_px": np.float64(EYE_DISTANCE / np.hypot(*cut.to_patch[0, :2])),
            "change_px": np.full(N_CELLS, np.nan, np.float32),
            "agreement": np.float64(np.nan),
            "pose_change_deg": face.yaw_pitch_roll_deg - self._key_pose,
            "key_points": np.zeros((N_CELLS, 2), np.float32),
            "off_plane": np.full((N_CELLS, 2), np.nan, np.float32),
            "key_depth": self._key_depth,
            "face_from": before,
            "face_to": lost,
        }
        self._corners = None
        if fit is None or self._key is None:
            return row
        self._guess = np.where(np.isnan(fit.points), self._key.points, fit.points)
        self._corners = _to_picture(_project(FACE_CORNERS, fit.homography), cut.to_patch)
        row |= {
            "change_px": fit.change_px,
            "agreement": np.float64(fit.agreement),
            "key_points": self._key.points,
            "off_plane": fit.off_plane,
            "face_to": self._corners,
        }
        return row

    def _renew(self, cut: Cut, face: FaceObservation, scale: float) -> None:
        self._key = KeyPatch.of(cut)
        self._key_time_s = face.time_s
        self._key_pose = face.yaw_pitch_roll_deg
        self._guess = self._key.points
        self._corners = _to_picture(FACE_CORNERS, cut.to_patch)
        mesh = face.points_px / np.float32(scale)
        flat = mesh[:, :2] @ cut.to_patch[:, :2].T.astype(np.float32) + cut.to_patch[:, 2].astype(np.float32)
        nearest = ((self._key.points[:, None] - flat[None]) ** 2).sum(-1).argmin(1)
        self._key_depth = mesh[nearest, 2] * np.float32(np.hypot(*cut.to_patch[0, :2]))


def _project(xy: F64, homography: F64) -> F64:
    return np.asarray(cv2.perspectiveTransform(xy[None], homography)[0])


def _to_picture(patch_xy: F64, to_patch: F64) -> F64:
    back = cv2.invertAffineTransform(to_patch)
    return np.asarray(patch_xy @ back[:, :2].T + back[:, 2])


def _empty() -> MotionSignals:
    shapes: dict[str, tuple[int, ...]] = {"change_px": (N_CELLS,), "pose_change_deg": (3,), "key_depth": (N_CELLS,)}
    shapes |= {"background": (2, 3), "key_points": (N_CELLS, 2), "off_plane": (N_CELLS, 2)}
    shapes |= {"face_from": (4, 2), "face_to": (4, 2)}
    nothing: dict[str, Any] = {name: np.empty((0, *shapes.get(name, ()))) for name in MotionSignals.__slots__}
    return MotionSignals(**nothing)


class _Background:
    """Tracks the background from frame to frame."""

    def __init__(self) -> None:
        self._before: U8 | None = None
        self._points = np.empty((0, 1, 2), np.float32)
        self._found_s = -np.inf

    def step(self, luma: U8, bbox_xyxy: F64, time_s: float) -> F64:
        """Similarity from the frame before to this one, working-size pixels [shape=(2, 3)]; NaN without texture."""
        shrink = min(1.0, BACKGROUND_SIDE_PX / max(luma.shape))
        small = cv2.resize(luma, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        motion = np.full((2, 3), np.nan)
        if self._before is not None and self._before.shape != small.shape:  # it shows another part of the scene
            self._points = self._points[:0]
        if self._before is not None and len(self._points) >= MIN_BACKGROUND_POINTS:
            moved, found, _ = cv2.calcOpticalFlowPyrLK(
                self._before, small, self._points, None, winSize=(11, 11), maxLevel=2
            )
            kept = found.ravel() > 0
            if kept.sum() >= MIN_BACKGROUND_POINTS:
                fit, agree = cv2.estimateAffinePartial2D(
                    self._points[kept], moved[kept], method=cv2.RANSAC, ransacReprojThreshold=0.7, maxIters=60
                )
                if fit is not None and agree.sum() >= MIN_BACKGROUND_POINTS:
                    motion = fit / np.array([1.0, 1.0, shrink])
            self._points = moved[kept]
        self._before = small
        if time_s - self._found_s >= BACKGROUND_RENEWAL_S or len(self._points) < MIN_BACKGROUND_POINTS:
            self._find(small, bbox_xyxy * shrink, time_s)
        return motion

    def _find(self, small: U8, bbox: F64, time_s: float) -> None:
        """Corners beside and above the head; what lies below the face may be the body."""
        left, top, right, bottom = bbox
        width, height = right - left, bottom - top
        end = max(int(bottom - 0.2 * height), 0)
        # A few lines more, since corners are found by looking around each pixel.
        above = small[: end + 4]
        mask = np.full(above.shape, 255, np.uint8)
        mask[end:] = 0
        head = np.array([left - 0.5 * width, top - 0.6 * height, right + 0.5 * width]).round().astype(int)
        mask[max(head[1], 0) :, max(head[0], 0) : max(head[2], 0)] = 0
        found = cv2.goodFeaturesToTrack(above, BACKGROUND_POINTS, 0.02, 8, mask=mask)
        self._points = found if found is not None else np.empty((0, 1, 2), np.float32)
        self._found_s = time_s
