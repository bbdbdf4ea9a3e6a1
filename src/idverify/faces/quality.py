"""Face image quality: components named as in ISO/IEC 29794-5, each 0 (bad) to 100 (good).

Every measure is vectorised over the faces given. A component below its floor leads to the retry code beside it; the
floors are where people can still be judged, not where a passport photo would be refused. A component below its
*advised* level keeps nobody from being judged; where a judgement stays uncertain, it is named as what made it hard.

Sources: ISO/IEC 29794-5:2025 for names and for the measures of head pose (squared cosine), illumination uniformity
(overlap of the brightness histograms of both halves) and exposure (share of clipped pixels); the others are our own
measures under the standard's name, with the native value said in :class:`FaceMeasures`.

Public items: :class:`FaceMeasures`, :func:`measure`, :func:`components`, :data:`FLOORS`, :data:`ADVISED`,
:func:`retry_reasons`, :func:`handicaps`, :func:`unified_score`, :func:`visibility`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.alignment import CanonicalPoints
from idverify.faces.landmarks import CHIN, FOREHEAD, LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE
from idverify.reasons import Reason

__all__ = [
    "ADVISED",
    "CHIP",
    "FLOORS",
    "FaceMeasures",
    "components",
    "handicaps",
    "measure",
    "retry_reasons",
    "unified_score",
    "visibility",
]

F64 = NDArray[np.float64]

# The crop on which brightness and sharpness are read: the whole face in 96 x 96 pixels, eyes level.
CHIP = CanonicalPoints(
    size_px=96,
    groups=(RIGHT_EYE[:2], LEFT_EYE[:2], (NOSE_TIP,), MOUTH_CORNERS, (FOREHEAD,), (CHIN,)),
    target_px=np.array([[33.0, 40.0], [63.0, 40.0], [48.0, 55.0], [48.0, 69.0], [48.0, 14.0], [48.0, 88.0]]),
)
# ITU-R BT.601 luma of RGB.
_LUMA = np.array([0.299, 0.587, 0.114])
# ISO/IEC 29794-5, exposure components: 8-bit brightness at or below 25 is under-, at or above 247 over-exposed.
_DARK_LEVEL, _BRIGHT_LEVEL = 25, 247
# Lid distance over eye width, closed and open. Of 700 LFW photos those with eyes narrower than 0.15 show closed or
# downcast ones, people who squint begin there, and the median is 0.32: benchmarks/accuracy/eye_opening.py --photos.
_LIDS = (0.10, 0.25)
EYES_CLOSED_BELOW = 0.14
# However wide a blur is, the ratio of the two bands of `_sharpness` stays above that of their squared widths in pixels.
LEAST_SHARPNESS = 1.0**2 / 3.0**2
# Regions of the chip as (rows, columns): the face without hair and background, its halves, eyes, cheeks, mouth; and for
# what may be covered, the bare skin between the brows, both cheeks below the eyes, mouth and chin.
_FACE = (slice(24, 84), slice(24, 72))
_RIGHT_HALF = (slice(24, 84), slice(24, 48))
_LEFT_HALF = (slice(24, 84), slice(48, 72))
_EYES = (slice(34, 46), slice(22, 74))
_CHEEKS = (slice(50, 60), slice(24, 72))
_BETWEEN_BROWS = (slice(29, 38), slice(43, 54))
_RIGHT_CHEEK = (slice(52, 66), slice(24, 36))
_LEFT_CHEEK = (slice(52, 66), slice(60, 72))
_MOUTH_AND_CHIN = (slice(64, 80), slice(38, 58))
# A change of brightness by a factor of e counts as much as this change of colour; skin lit unevenly stays below 10.
_LEVELS_PER_E_FOLD = 25.0
# Added to brightness, so that the noise of a dark picture is no colour.
_DARK_FLOOR = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMeasures:
    """Native values of n faces, each float64 [shape=(n,)].

    Parameters
    ----------
    inter_eye_px
        Distance between the eyes in pixels of the picture.
    yaw_deg, pitch_deg, roll_deg
        Head pose.
    eye_opening
        Lid distance over eye width, the more open eye.
    sharpness
        Energy of fine detail over energy of coarse detail in the face; blur lowers it, contrast does not change it.
    brightness
        Median luma of the face, 0..255.
    dark_share, bright_share
        Share of the face's pixels that are under- or over-exposed, 0..1.
    half_overlap
        Overlap of the brightness histograms of both halves, 0..1.
    eye_contrast
        Brightness range in the eye region over the brightness of the cheeks; dark glasses flatten it.
    cover_contrast
        How far both cheeks and mouth differ from the skin between the brows, in colour and brightness, in levels: the
        lesser of the two. A beard leaves the cheeks as they are, a mask or scarf changes both.
    inside_share
        Share of the mesh points inside the picture, 0..1.
    face_share
        Height of the face over the shorter side of the picture.
    surround
        Brightness of what is around the face, 0..255.
    """

    inter_eye_px: F64
    yaw_deg: F64
    pitch_deg: F64
    roll_deg: F64
    eye_opening: F64
    sharpness: F64
    brightness: F64
    dark_share: F64
    bright_share: F64
    half_overlap: F64
    eye_contrast: F64
    cover_contrast: F64
    inside_share: F64
    face_share: F64
    surround: F64


def measure(
    chips_rgb: NDArray[np.uint8],
    points_px: NDArray[np.float32],
    *,
    picture_size_wh: tuple[int, int],
    inter_eye_px: F64,
    pose_deg: F64,
    eyes: F64,
    surround: F64,
) -> FaceMeasures:
    """Measure n faces of one recording or photo.

    Parameters
    ----------
    chips_rgb : uint8 [shape=(n, 96, 96, 3)]
        Aligned with :data:`CHIP`.
    points_px : float32 [shape=(n, 468, 3)]
        Meshes in full-picture pixels.
    picture_size_wh
        Full picture size in pixels.
    inter_eye_px : float64 [shape=(n,)]
    pose_deg : float64 [shape=(n, 3)]
    eyes : float64 [shape=(n, 2)]
    surround : float64 [shape=(n,)]
    """
    rgb = chips_rgb.astype(np.float64)
    luma = rgb @ _LUMA
    face = _pixels(luma, _FACE)
    xy, size = points_px[..., :2], np.asarray(picture_size_wh)
    return FaceMeasures(
        inter_eye_px=inter_eye_px,
        yaw_deg=pose_deg[:, 0],
        pitch_deg=pose_deg[:, 1],
        roll_deg=pose_deg[:, 2],
        eye_opening=eyes.max(axis=1),
        sharpness=_sharpness(luma),
        brightness=np.median(face, axis=1),
        dark_share=(face <= _DARK_LEVEL).mean(axis=1),
        bright_share=(face >= _BRIGHT_LEVEL).mean(axis=1),
        half_overlap=_half_overlap(luma),
        eye_contrast=_eye_contrast(luma),
        cover_contrast=_cover_contrast(rgb),
        inside_share=((xy >= 0) & (xy < size)).all(axis=-1).mean(axis=1),
        face_share=np.ptp(points_px[..., 1], axis=1).astype(np.float64) / size.min(),
        surround=surround,
    )


def _pixels(luma: F64, part: tuple[slice, slice]) -> F64:
    """Pixels of a part of n chips, row by row [shape=(n, pixels)]."""
    region = luma[(slice(None), *part)]
    return region.reshape(len(luma), region.shape[1] * region.shape[2])


def _sharpness(luma: F64) -> F64:
    """Share of gradient energy that a blur of 1 pixel takes away [shape=(n,)]."""
    fine, coarse = np.empty(len(luma)), np.empty(len(luma))
    for k, chip in enumerate(luma):
        soft = cv2.GaussianBlur(chip, (0, 0), 1.0)
        fine[k] = np.square(chip - soft)[_FACE].mean()
        coarse[k] = np.square(soft - cv2.GaussianBlur(soft, (0, 0), 3.0))[_FACE].mean()
    return np.asarray(np.sqrt(fine / np.maximum(coarse, 1.0)))


def _half_overlap(luma: F64) -> F64:
    edges = np.linspace(0, 256, 17)
    right, left = (
        np.stack([np.histogram(chip[half], bins=edges)[0] for chip in luma]) if len(luma) else np.zeros((0, 16))
        for half in (_RIGHT_HALF, _LEFT_HALF)
    )
    total = right.sum(axis=1)
    return np.asarray(np.minimum(right, left).sum(axis=1) / np.maximum(total, 1))


def _eye_contrast(luma: F64) -> F64:
    eyes, cheeks = _pixels(luma, _EYES), _pixels(luma, _CHEEKS)
    low, high = np.percentile(eyes, [5, 95], axis=1) if len(luma) else np.zeros((2, 0))
    return np.asarray((high - low) / np.maximum(np.median(cheeks, axis=1), 1.0)) if len(luma) else np.empty(0)


def _cover_contrast(rgb: F64) -> F64:
    if not len(rgb):
        return np.empty(0)
    bare, cheeks, mouth = (
        np.median(np.concatenate([rgb[(slice(None), *p)].reshape(len(rgb), -1, 3) for p in parts], axis=1), axis=1)
        for parts in ((_BETWEEN_BROWS,), (_RIGHT_CHEEK, _LEFT_CHEEK), (_MOUTH_AND_CHIN,))
    )
    return np.minimum(_skin_distance(bare, cheeks), _skin_distance(bare, mouth))


def _skin_distance(a: F64, b: F64) -> F64:
    """Difference of two colours [shape=(n, 3)] in levels, brightness counted by its ratio [shape=(n,)]."""
    sums = [colour.sum(axis=-1, keepdims=True) + _DARK_FLOOR for colour in (a, b)]
    tone = 255 * np.linalg.norm(a / sums[0] - b / sums[1], axis=1)
    return np.asarray(np.hypot(tone, _LEVELS_PER_E_FOLD * np.log(sums[0] / sums[1])[:, 0]))


def _ramp(value: F64, worst: float, best: float) -> F64:
    """0 at `worst`, 100 at `best`, straight between (either may be the larger)."""
    return np.clip((value - worst) / (best - worst), 0, 1) * 100


def components(m: FaceMeasures) -> dict[str, F64]:
    """Quality components of n faces, name -> float64 0..100 [shape=(n,)]."""
    return {
        "Sharpness": _ramp(m.sharpness, LEAST_SHARPNESS, 0.45),
        "UnderExposurePrevention": np.minimum(_ramp(m.dark_share, 0.9, 0.1), _ramp(m.brightness, 15, 80)),
        "OverExposurePrevention": np.minimum(_ramp(m.bright_share, 0.6, 0.05), _ramp(m.brightness, 250, 200)),
        "BacklightPrevention": np.maximum(_ramp(m.surround - m.brightness, 190, 60), _ramp(m.brightness, 40, 110)),
        "IlluminationUniformity": _ramp(m.half_overlap, 0.0, 0.8),
        "InterEyeDistance": _ramp(m.inter_eye_px, 10, 90),
        "HeadPoseYaw": 100 * np.cos(np.radians(np.clip(m.yaw_deg, -90, 90))) ** 2,
        "HeadPosePitch": 100 * np.cos(np.radians(np.clip(m.pitch_deg, -90, 90))) ** 2,
        "HeadPoseRoll": 100 * np.cos(np.radians(np.clip(m.roll_deg, -90, 90))) ** 2,
        "EyesOpen": _ramp(m.eye_opening, *_LIDS),
        "EyesVisible": _ramp(m.eye_contrast, 0.05, 0.5),
        "FaceOcclusionPrevention": _ramp(m.cover_contrast, 60, 10),
        "FaceInside": _ramp(m.inside_share, 0.6, 1.0),
        "FaceSize": _ramp(m.face_share, 0.05, 0.3),
        "FaceDistance": _ramp(m.face_share, 1.4, 1.0),
    }


def visibility(covered: F64) -> dict[str, F64]:
    """Two more components, of what :class:`idverify.faces.occlusion.OcclusionModel` says of n faces [shape=(n, 2)]."""
    return {
        "NoseOcclusionPrevention": 100 * (1 - covered[:, 0]),
        "MouthOcclusionPrevention": 100 * (1 - covered[:, 1]),
    }


# Component -> (floor, code): below the floor a face is not used, the most useful advice first. Where the 27 bona fide
# clips, LFW photos and degraded clips lie: ``benchmarks/accuracy/quality_levels.py``.
FLOORS: Mapping[str, tuple[float, Reason]] = {
    "FaceInside": (50.0, Reason.FACE_CROPPED),
    "MouthOcclusionPrevention": (10.0, Reason.MOUTH_COVERED),
    "NoseOcclusionPrevention": (10.0, Reason.MOUTH_COVERED),
    "FaceSize": (8.0, Reason.FACE_TOO_FAR),
    "FaceDistance": (8.0, Reason.FACE_TOO_CLOSE),
    "InterEyeDistance": (5.0, Reason.LOW_RESOLUTION),
    "BacklightPrevention": (10.0, Reason.BACKLIT),
    "UnderExposurePrevention": (12.0, Reason.TOO_DARK),
    "OverExposurePrevention": (10.0, Reason.TOO_BRIGHT),
    "Sharpness": (13.0, Reason.BLURRY),
    "HeadPoseYaw": (50.0, Reason.MISALIGNED_FACE),
    "HeadPosePitch": (50.0, Reason.MISALIGNED_FACE),
    "HeadPoseRoll": (50.0, Reason.MISALIGNED_FACE),
    "EyesVisible": (15.0, Reason.EYES_NOT_VISIBLE),
    "FaceOcclusionPrevention": (54.0, Reason.FACE_COVERED),
    "EyesOpen": (20.0, Reason.EYES_CLOSED),
    "IlluminationUniformity": (8.0, Reason.UNEVEN_LIGHT),
}


# Component -> (level, code): below it a recording is harder to judge. Each lies outside what the bona fide clips show,
# but for clips of which a person would say the same (a dark room, a small old television picture).
ADVISED: Mapping[str, tuple[float, Reason]] = {
    "FaceInside": (90.0, Reason.FACE_CROPPED),
    "MouthOcclusionPrevention": (50.0, Reason.MOUTH_COVERED),
    "NoseOcclusionPrevention": (50.0, Reason.MOUTH_COVERED),
    "FaceSize": (60.0, Reason.FACE_TOO_FAR),
    "FaceDistance": (50.0, Reason.FACE_TOO_CLOSE),
    "InterEyeDistance": (30.0, Reason.LOW_RESOLUTION),
    "BacklightPrevention": (60.0, Reason.BACKLIT),
    "UnderExposurePrevention": (60.0, Reason.TOO_DARK),
    "OverExposurePrevention": (50.0, Reason.TOO_BRIGHT),
    "FaceOcclusionPrevention": (80.0, Reason.FACE_COVERED),
    "EyesVisible": (40.0, Reason.EYES_NOT_VISIBLE),
    "Sharpness": (82.0, Reason.BLURRY),
    "HeadPoseYaw": (75.0, Reason.MISALIGNED_FACE),
    "HeadPosePitch": (75.0, Reason.MISALIGNED_FACE),
    "HeadPoseRoll": (93.3, Reason.MISALIGNED_FACE),
    "IlluminationUniformity": (25.0, Reason.UNEVEN_LIGHT),
}


def retry_reasons(values: Mapping[str, float]) -> tuple[Reason, ...]:
    """Codes of the components below their floor, the most useful advice first."""
    return _below(FLOORS, values)


def handicaps(values: Mapping[str, float]) -> tuple[Reason, ...]:
    """Codes of the components below their advised level, the most useful advice first."""
    return _below(ADVISED, values)


def _below(levels: Mapping[str, tuple[float, Reason]], values: Mapping[str, float]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reason for name, (level, reason) in levels.items() if values.get(name, 100.0) < level))


# What matters most to the extractors; the rest only has to clear its floor.
_WEIGHTS = {
    "Sharpness": 1.0,
    "HeadPoseYaw": 2.0,
    "HeadPosePitch": 1.0,
    "InterEyeDistance": 1.0,
    "UnderExposurePrevention": 1.0,
    "OverExposurePrevention": 1.0,
    "EyesOpen": 0.5,
    "FaceInside": 1.0,
}


def unified_score(values: Mapping[str, F64]) -> F64:
    """One weight in (0, 1] per face for choosing and pooling frames: weighted geometric mean [shape=(n,)]."""
    logs = [w * np.log(np.clip(values[name], 1.0, 100.0) / 100.0) for name, w in _WEIGHTS.items()]
    return np.asarray(np.exp(np.sum(logs, axis=0) / sum(_WEIGHTS.values())))
