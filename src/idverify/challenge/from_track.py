"""From a followed face to the time series of an answer.

Goal: the one place where the challenge meets landmarks and pictures. Movements come from the track, their depth from
points that were followed in the pictures; the colours of skin and background, and pictures of the turned face, are
collected while the recording streams by, and only where a challenge asks for them.

Conventions: as in :mod:`idverify.challenge.answer`.

Public items: :func:`series_from_track`, :class:`LightObserver`, :class:`TurnedFaces`, :class:`Likeness`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idverify.challenge.answer import AnswerSeries
from idverify.challenge.perspective import perspective
from idverify.challenge.solid import turn_shown_deg
from idverify.faces.landmarks import inter_eye_distance, mouth_width
from idverify.pad.liveliness import activity

if TYPE_CHECKING:
    from idverify.faces.tracking import FaceObservation, FaceTrack
    from idverify.pad.evidence import AnalysedFrame
    from idverify.pad.eye_stillness import EyeSignals
    from idverify.pad.motion import MotionSignals

__all__ = ["LightObserver", "Likeness", "TurnedFaces", "series_from_track"]

Floats = NDArray[np.float64]

# Points of the mesh on skin that faces different ways: forehead, nose, cheeks, and before the ears, the person's right
# first; and half the side of the patch that is read about each, in widths of the face.
PARTS = (151, 5, 50, 280, 137, 366)
PART_HALF = 0.045
# So many points of the mesh about each make a plane.
PLANE_POINTS = 9

# Faces turned by this much are kept for a comparison, one in this time, so many at most: eight held turns.
TURNED_DEG = 18.0
TURNED_PERIOD_S = 0.4
MAX_TURNED = 48
# Around the mesh, in its sizes: crops for face networks take in the forehead and some hair.
TURNED_MARGIN = 0.4

# Below this much of the picture the background is too small for a mean colour.
MIN_BACKGROUND_SHARE = 0.02
# Around the face box, in box sizes: hair, neck and shoulders catch the screen's light too.
BACKGROUND_MARGIN = 0.35
# Around the middle of the face box, in box sizes: cheeks and nose, neither eyes nor background.
SKIN_BOX = (0.25, 0.45, 0.75, 0.75)


def series_from_track(
    track: FaceTrack,
    *,
    picture_width_px: int,
    light: LightObserver | None = None,
    motion: MotionSignals | None = None,
    eyes: EyeSignals | None = None,
    likeness: Likeness | None = None,
    eye_opening: Floats | None = None,
) -> AnswerSeries:
    """Return the answer that one followed face gives.

    Parameters
    ----------
    track
        The subject.
    picture_width_px
        Width of the full, upright picture.
    light
        The same track's colours, where they were collected.
    motion
        The same track's, for what shows that a solid head moved.
    eyes
        The same track's, for what shows that lids moved.
    likeness
        Of some of the track's faces.
    eye_opening : (n, 2) float, optional
        Lid distance over eye width from a model of the eye's contour, which shows blinks better than the
        track's own.
    """
    colours = None if light is None else light.at(track.frame_indices)
    place, facing = (None, None) if light is None else _shape_of_parts(track.points_px)
    depth = perspective(track.points_px, track.yaw_pitch_roll_deg)
    series = AnswerSeries(
        times_s=track.times_s,
        yaw_deg=track.yaw_pitch_roll_deg[:, 0],
        pitch_deg=track.yaw_pitch_roll_deg[:, 1],
        roll_deg=track.yaw_pitch_roll_deg[:, 2],
        eye_opening=track.eye_opening if eye_opening is None else eye_opening,
        mouth_opening=track.mouth_opening,
        mouth_width=mouth_width(track.points_px),
        face_scale=inter_eye_distance(track.points_px) / picture_width_px,
        grown=depth.size / np.nanmedian(depth.size) - 1.0 if np.isfinite(depth.size).any() else None,
        perspective=depth.strength,
        skin_rgb=None if colours is None else colours[:, 0],
        background_rgb=None if colours is None else colours[:, 1],
        skin_parts_rgb=None if colours is None else colours[:, 2:].reshape(len(colours), -1),
        skin_parts_place=place,
        skin_parts_facing=facing,
        likeness_llr=None if likeness is None else _rows_at(track.times_s, likeness.times_s)(likeness.mated_llr),
    )
    if eyes is not None:
        lids = _rows_at(track.times_s, eyes.times_s)(eyes.change.min(axis=1))
        series = replace(series, eyes_changed=lids)
    if motion is None:
        return series
    at = _rows_at(track.times_s, motion.times_s)
    return replace(
        series,
        turned_deg=at(np.asarray(motion.pose_change_deg[:, :2], np.float64)),
        turn_shown_deg=at(turn_shown_deg(motion)),
        background_step=at(np.log(np.maximum(np.hypot(*motion.background[:, 0, :2].T), 1e-6))),
        mouth_changed=at(activity(motion).mouth),
    )


def _shape_of_parts(points_px: NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Place and facing of the parts of the face whose colours are read."""
    points = np.asarray(points_px, np.float64)
    parts = points[:, PARTS]
    width = np.maximum(np.ptp(points[..., 0], axis=1), 1.0)
    place = (parts[..., :2] - parts[..., :2].mean(axis=1, keepdims=True)) / width[:, None, None]
    usual = np.median(points, axis=0)
    near = np.argsort(((usual[None] - usual[list(PARTS), None]) ** 2).sum(axis=2), axis=1)[:, :PLANE_POINTS]
    around = points[:, near]
    # The direction in which the points about a part spread least is its normal.
    spread = around - around.mean(axis=2, keepdims=True)
    _, axes = np.linalg.eigh(np.einsum("npki,npkj->npij", spread, spread))
    return place.reshape(len(points), -1), np.abs(axes[..., 2, 0])


def _rows_at(times_s: Floats, measured_s: Floats) -> Callable[[Floats], Floats]:
    """Give a function that lays rows measured at some of the times out over all of them; NaN elsewhere."""
    place = np.searchsorted(times_s, measured_s - 1e-6)
    known = place < len(times_s)
    known &= np.abs(times_s[np.minimum(place, len(times_s) - 1)] - measured_s) < 1e-6

    def lay_out(rows: Floats) -> Floats:
        spread = np.full((len(times_s), *rows.shape[1:]), np.nan)
        spread[place[known]] = rows[known]
        return spread

    return lay_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How much some faces of a track are like the person's; handed in by whoever may compare.

    Parameters
    ----------
    times_s : (n,) float
    mated_llr : (n,) float
        Log-likelihood ratio, mated over non-mated.
    """

    times_s: Floats
    mated_llr: Floats


@dataclass(slots=True)
class TurnedFaces:
    """Keeps pictures of the face while it is turned, some a second, for a comparison (a ``TrackObserver``)."""

    times_s: list[float] = field(default_factory=list)
    images_rgb: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)
    points_px: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        recent = bool(self.times_s) and face.time_s - self.times_s[-1] < TURNED_PERIOD_S
        if recent or abs(face.yaw_pitch_roll_deg[0]) < TURNED_DEG or len(self.times_s) >= MAX_TURNED:
            return
        points = face.points_px / np.float32(view.scale)
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        margin = TURNED_MARGIN * float((high - low).max())
        height, width = view.image_rgb.shape[:2]
        x0, y0, x1, y1 = _inside(np.concatenate([low - margin, high + margin]), width, height)
        self.times_s.append(face.time_s)
        self.images_rgb.append(view.image_rgb[y0:y1, x0:x1].copy())
        self.points_px.append(points - np.array([x0, y0, 0], np.float32))


@dataclass(slots=True)
class LightObserver:
    """Collects the mean colour of skin and background of each frame (a ``TrackObserver``)."""

    _seen: dict[int, Floats] = field(default_factory=dict)

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        points = face.points_px[PARTS, :2] / np.float32(view.scale)
        colours = skin_and_background(view.image_rgb, face.bbox_xyxy_px / view.scale)
        width = float(face.bbox_xyxy_px[2] - face.bbox_xyxy_px[0]) / view.scale
        self._seen[face.frame_index] = np.concatenate([colours, parts_of_skin(view.image_rgb, points, width)])

    def at(self, frame_indices: NDArray[np.int64]) -> Floats:
        """Return skin, background and six parts' colour per frame, (n, 8, 3); NaN where none was collected."""
        nothing = np.full((2 + len(PARTS), 3), np.nan)
        return np.stack([self._seen.get(int(index), nothing) for index in frame_indices])


def skin_and_background(image_rgb: NDArray[np.uint8], bbox_xyxy_px: Floats) -> Floats:
    """Return the mean sRGB colour of the middle of a face and of what is beside it.

    Parameters
    ----------
    image_rgb : (h, w, 3) uint8
    bbox_xyxy_px : (4,) float
        The face in this picture.

    Returns
    -------
    (2, 3) float
        Skin, background; NaN where the picture has too little of it.
    """
    height, width = image_rgb.shape[:2]
    x0, y0, x1, y1 = bbox_xyxy_px
    size = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    found = np.full((2, 3), np.nan)
    left, top, right, bottom = _inside(bbox_xyxy_px[[0, 1, 0, 1]] + np.array(SKIN_BOX) * size, width, height)
    if right > left and bottom > top:
        found[0] = image_rgb[top:bottom, left:right].mean(axis=(0, 1))
    # Beside the head, above its chin: below are clothes, as close to the screen as the face.
    margin = BACKGROUND_MARGIN * size[0]
    left, _, right, bottom = _inside(np.array([x0 - margin, y0, x1 + margin, y1]), width, height)
    parts = [image_rgb[:bottom, :left], image_rgb[:bottom, right:]]
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    if pixels >= MIN_BACKGROUND_SHARE * width * height:
        found[1] = np.sum([part.sum(axis=(0, 1), dtype=np.float64) for part in parts], axis=0) / pixels
    return found


def parts_of_skin(image_rgb: NDArray[np.uint8], points_px: NDArray[np.floating[Any]], face_width_px: float) -> Floats:
    """Return the mean sRGB colour about each point, (k, 3); NaN outside the picture."""
    height, width = image_rgb.shape[:2]
    half = max(PART_HALF * face_width_px, 1.0)
    found = np.full((len(points_px), 3), np.nan)
    for row, point in enumerate(np.asarray(points_px, np.float64)):
        left, top, right, bottom = _inside(np.concatenate([point - half, point + half]), width, height)
        if right > left and bottom > top:
            found[row] = image_rgb[top:bottom, left:right].mean(axis=(0, 1))
    return found


def _inside(box: Floats, width: int, height: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = np.clip(np.round(box), 0, [width, height, width, height]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)
