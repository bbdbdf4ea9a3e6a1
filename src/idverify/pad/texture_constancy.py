"""Texture constancy: is the skin of this face one picture, however it is warped?

A head that turns or speaks moves through its light: from one second to the next, forehead, cheeks, nose and chin grow
lighter and darker, each by its own per cent, as the skin turns and folds. A photograph keeps the light it was taken in.
Cut out, bent, worn as a mask or animated by a warp (so that it blinks, speaks and nods), it shows the same shade at the
same place of the face for as long as it is shown.

Shade is read where the mesh places :data:`SKIN` points, away from eyes, brows, lips and the outline, on the smoothed
logarithm of luma, so that exposure drops out as one common offset. The native value is how far the shade of the typical
point wanders over :data:`WINDOW_S`, in per cent: the standard deviation of its means over slots of :data:`SLOT_S`, less
what noise inside the slots explains, less what the mesh's own tremor of :data:`TREMOR_PX` makes of the slope of the
shade there. It is free of exposure, size and noise, and about zero for a picture. Where the whole face grows much
lighter or darker, tones move apart as well, in a picture as on a face: what follows the face's own light is taken out,
and frames in which light takes more of the face, or less, than in most bring no wander.

A screen that plays a moving person shows that person's light: this mechanism does not speak for bona fide.

Sources: the Lambertian shading of a turning surface; faces against photographs by their reflectance: Tan et al. 2010,
doi:10.1007/978-3-642-15567-3_37; the measure is this project's own.

Public items: :data:`NAME`, :class:`SkinShade`, :class:`ShadeSignals`, :func:`wander_percent`, :func:`native_value`,
:func:`assess`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.faces.tracking import FaceObservation
from idverify.pad._clipping import alike, lost_share
from idverify.pad._llr import load_scale
from idverify.pad._registration import patch_transform
from idverify.pad.evidence import ANALYSIS_RATE_HZ, AnalysedFrame, PADEvidence, Status, why_few
from idverify.reasons import NotAssessed, Reason

__all__ = ["NAME", "ShadeSignals", "SkinShade", "assess", "native_value", "wander_percent"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NAME = "texture_constancy"
UNIT = "% by which the shade of the skin wanders (lower: more like one picture)"
# Points of the mesh (MediaPipe's order) that lie on skin, a tenth of the eye distance from eyes, brows and lips and
# from the outline of the face.
SKIN = (
    1, 2, 3, 4, 5, 6, 8, 9, 19, 20, 31, 32, 35, 36, 44, 45, 47, 48, 49, 50, 51, 59, 60, 64, 69, 75, 79, 83, 92, 94, 97,
    98, 99, 100, 101, 102, 104, 106, 108, 111, 114, 115, 117, 118, 119, 120, 121, 122, 125, 126, 129, 131, 134, 141,
    142, 151, 164, 165, 166, 167, 168, 174, 182, 187, 188, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204,
    205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 216, 217, 218, 219, 220, 228, 229, 235, 236, 237, 238, 239, 240,
    241, 242, 248, 250, 261, 262, 265, 266, 274, 275, 277, 278, 279, 280, 281, 289, 290, 294, 299, 305, 309, 313, 322,
    326, 327, 328, 329, 330, 331, 333, 335, 337, 340, 343, 344, 346, 347, 348, 349, 350, 351, 354, 355, 358, 360, 363,
    370, 371, 391, 392, 393, 399, 406, 411, 412, 417, 418, 419, 420, 421, 422, 423, 424, 425, 426, 427, 428, 429, 430,
    431, 432, 433, 434, 436, 437, 438, 439, 440, 448, 449, 455, 456, 457, 458, 459, 460, 461, 462,
)  # fmt: skip
# The face is read in a patch of this size, in which the outer eye corners lie 34 pixels apart; smoothing over 2.5 of
# them leaves the light and takes the pores.
_PATCH_WH, _ZOOM, _MARGIN_PX, _SMOOTH_PX = (96, 112), 0.5, np.array([16.0, 20.0]), 2.5
# The part of the patch that shows the face and nothing beside it: left, top, and its size.
_WITHIN_XY, _WITHIN_WH = np.array([24.0, 20.0]), (48, 72)
# Added to luma before the logarithm, so that the noise of a dark pixel is no change of light.
_LUMA_FLOOR = 12.0
_LOG = np.log(np.arange(256) + _LUMA_FLOOR).astype(np.float32)
# Every so many frames the slope of the shade is read.
_SLOPE_EVERY = 8
SLOT_S, WINDOW_S = 1 / 3, 5.0
# How far the mesh's points tremble on a face, in pixels of the patch: 0.4 % of the distance of the eye corners.
TREMOR_PX = 0.15
MIN_FRAMES_IN_SLOT, MIN_SLOTS = 3, 7
# A point whose luma is outside, be it for this share of the time, is clipped or too dark to say its shade; so many must
# be left.
_LUMA_RANGE, _TIME_OUTSIDE = (25.0, 240.0), 0.05
MIN_POINTS = 60
# From this standard deviation of the face's own light over time on, in natural logarithms, tones move apart with it:
# steadily, and a little more at one end.
_DRIFT, _ORDERS = 0.05, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadeSignals:
    """Shade of the skin of one face.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    shade : float32 [shape=(n, k)]
        Logarithm of smoothed luma at each point.
    slope : float32 [shape=(k,)]
        How fast it changes from place to place, per pixel of the patch.
    in_one_light : bool [shape=(n,)]
        Frames in which light takes no other share of the face than in most; None for all.
    """

    times_s: F64
    shade: F32
    slope: F32
    in_one_light: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, end_s: float) -> ShadeSignals:
        """The rows with ``start_s <= time < end_s``."""
        return self._kept((self.times_s >= start_s) & (self.times_s < end_s))

    def without_other_light(self) -> ShadeSignals:
        """The rows that are in one light."""
        return self if self.in_one_light is None else self._kept(self.in_one_light)

    def _kept(self, keep: NDArray[np.bool_]) -> ShadeSignals:
        return ShadeSignals(times_s=self.times_s[keep], shade=self.shade[keep], slope=self.slope)


class SkinShade:
    """Collects :class:`ShadeSignals` (a :class:`~idverify.pad.evidence.TrackObserver`)."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._shade: list[F32] = []
        self._slope: list[F32] = []
        self._lost: list[float] = []

    def observe(self, view: AnalysedFrame, face: FaceObservation) -> None:
        """See one analysed frame in which the face was followed."""
        to_patch = patch_transform(face.points_px, view.scale)
        to_patch[:, 2] += _MARGIN_PX / _ZOOM
        to_patch *= _ZOOM
        patch = cv2.warpAffine(
            view.luma, to_patch, _PATCH_WH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        self._lost.append(lost_share(_within(view.image_rgb, to_patch)))
        smooth = cv2.GaussianBlur(cv2.LUT(patch, _LOG), (0, 0), _SMOOTH_PX)
        points = face.points_px[list(SKIN), :2] / np.float32(view.scale)
        at = (points @ to_patch[:, :2].T + to_patch[:, 2]).astype(np.float32)
        self._times.append(face.time_s)
        self._shade.append(_read(smooth, at))
        if len(self._times) % _SLOPE_EVERY == 1:
            slopes = (cv2.Sobel(smooth, cv2.CV_32F, *axis, scale=0.125) for axis in ((1, 0), (0, 1)))
            self._slope.append(np.hypot(*(_read(slope, at) for slope in slopes)))

    def signals(self) -> ShadeSignals:
        """Everything collected so far."""
        none = np.empty((0, len(SKIN)), np.float32)
        return ShadeSignals(
            times_s=np.array(self._times, np.float64),
            shade=np.stack(self._shade) if self._shade else none,
            slope=np.median(self._slope, axis=0) if self._slope else none.sum(axis=0),
            in_one_light=alike(np.array(self._lost)),
        )


def _within(image_rgb: NDArray[np.uint8], to_patch: F64) -> NDArray[np.uint8]:
    """The middle of the patch in its colours [shape=(72, 48, 3)]."""
    to_middle = to_patch.copy()
    to_middle[:, 2] -= _WITHIN_XY
    middle = cv2.warpAffine(
        image_rgb, to_middle, _WITHIN_WH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(middle, np.uint8)


def _read(image: NDArray[np.generic], at: F32) -> F32:
    """Values between pixels [shape=(k,)]."""
    row = cv2.remap(image, at[None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(row[0], np.float32)


def wander_percent(times_s: F64, shade: F32, slope: F32) -> float | None:
    """How far the shade of the typical point wanders, beyond noise and tremor.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    shade : float [shape=(n, k)]
    slope : float [shape=(k,)]
        As in :class:`ShadeSignals`.

    Returns
    -------
    float or None
        Per cent; None where fewer than :data:`MIN_SLOTS` slots hold frames enough.
    """
    means, noise2, light = _slots(times_s, shade)
    if len(means) < MIN_SLOTS:
        return None
    own, orders = _without_light(means, light)
    wander2 = np.square(own).sum(axis=0) / (len(means) - 1 - orders)
    excess = wander2 - noise2.mean(axis=0) - (TREMOR_PX * slope.astype(np.float64)) ** 2
    return 100.0 * float(np.sqrt(max(float(np.median(excess)), 0.0)))


def _without_light(means: F64, light: F64) -> tuple[F64, int]:
    """What is left about each point's mean without a curve over the face's light, and the curve's order; 0 for none."""
    drift = light - light.mean()
    about = means - means.mean(axis=0)
    if drift.std() < _DRIFT:
        return about, 0
    curve = np.linalg.qr(np.vander(drift / drift.std(), _ORDERS + 1))[0]
    return about - curve @ (curve.T @ about), _ORDERS


def _slots(times_s: F64, shade: F32) -> tuple[F64, F64, F64]:
    """Of each slot of time: mean shade less the face's median, the variance of that mean, and the mean of the median.

    Shapes are (s, k), (s, k) and (s,).
    """
    if not len(times_s):
        return np.empty((0, shade.shape[1])), np.empty((0, shade.shape[1])), np.empty(0)
    light = np.median(shade, axis=1, keepdims=True)
    own = shade - light
    slot = ((times_s - times_s[0]) / SLOT_S).astype(int)
    member = (slot == np.arange(slot[-1] + 1)[:, None]).astype(np.float64)
    member = member[member.sum(axis=1) >= MIN_FRAMES_IN_SLOT]
    count = member.sum(axis=1, keepdims=True)
    means = member @ own / count
    spread = np.maximum(member @ (own.astype(np.float64) ** 2) / count - means**2, 0.0)
    return means, spread / (count - 1), (member @ light / count)[:, 0]


def native_value(signals: ShadeSignals) -> float | None:
    """The wander in the middle one of all stretches of :data:`WINDOW_S`; None where it cannot be judged.

    Frames in another light may bring a wander, and never take one away: with or without them, the lesser counts.
    """
    found = [_wander(one) for one in (signals, signals.without_other_light())]
    return min((one for one in found if one is not None), default=None)


def _wander(signals: ShadeSignals) -> float | None:
    usable = _usable(signals)
    if len(signals) == 0 or usable.sum() < MIN_POINTS:
        return None
    start, span = signals.times_s[0], signals.times_s[-1] - signals.times_s[0] + 1e-6
    pieces = max(1, round(span / WINDOW_S))
    found = []
    for k in range(pieces):
        part = signals.between(start + k * span / pieces, start + (k + 1) * span / pieces)
        wander = wander_percent(part.times_s, part.shade[:, usable], part.slope[usable])
        found += [] if wander is None else [wander]
    return float(np.median(found)) if found else None


def _usable(signals: ShadeSignals) -> NDArray[np.bool_]:
    if not len(signals):
        return np.zeros(signals.shade.shape[1], np.bool_)
    low, high = np.exp(np.quantile(signals.shade, (_TIME_OUTSIDE, 1 - _TIME_OUTSIDE), axis=0)) - _LUMA_FLOOR
    return np.asarray((low > _LUMA_RANGE[0]) & (high < _LUMA_RANGE[1]))


def assess(signals: ShadeSignals) -> PADEvidence:
    """Whether the skin keeps one shade, as a picture does."""
    native = native_value(signals)
    if native is None:
        return PADEvidence.not_assessed(NAME, UNIT, _why_not(signals))
    means, _, _ = _slots(signals.times_s, signals.shade[:, _usable(signals)])
    step = len(signals) / max(len(means), 1)
    return PADEvidence(
        name=NAME,
        status=Status.ASSESSED,
        unit=UNIT,
        native=native,
        bona_fide_llr=min(0.0, load_scale(NAME)(native)),
        detail=f"the shade of the skin wanders by {native:.1f} % of its brightness; a picture keeps it",
        times_s=signals.times_s[(np.arange(len(means)) * step).astype(int)],
        values=100 * np.median(np.abs(means - means.mean(axis=0)), axis=1),
    )


def _why_not(signals: ShadeSignals) -> NotAssessed:
    usable = int(_usable(signals).sum())
    if len(signals) and usable < MIN_POINTS:
        dark = float(np.median(np.exp(signals.shade))) - _LUMA_FLOOR < sum(_LUMA_RANGE) / 2
        reason = Reason.TOO_DARK if dark else Reason.TOO_BRIGHT
        return NotAssessed(reason=reason, detail=f"the light can be read at {usable} of {len(SKIN)} points of the skin")
    span = float(signals.times_s[-1] - signals.times_s[0]) if len(signals) else 0.0
    detail = f"face followed in {len(signals)} frames over {span:.1f} s"
    wanted = round(MIN_SLOTS * SLOT_S * ANALYSIS_RATE_HZ)
    return NotAssessed(reason=why_few(signals.times_s, wanted, Reason.LOW_FRAME_RATE), detail=detail)
