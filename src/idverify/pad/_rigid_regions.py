"""A photo of a face looked for in pictures of a face that is turned otherwise: how alike are the parts that never move?

Two pictures of one person that are turned differently show different shadows beside the nose, under the brows and on
the cheeks. A warped copy of the photo brings the photo's shadows along, however it is turned. Both are cut out along
their meshes (:mod:`idverify.pad._strips`), so that the turn itself drops out; what mouth and lids do is left aside.
Each region is compared on its own, at the best shift, since meshes tremble; of the regions the two count that come
after the worst, which hair or a reflection may cover.

Nothing is said of pictures that are turned as the photo is: a photo of the same session is as alike there as a copy.
Mirrored photos are looked for, too.

Sources: zero-normalised cross-correlation: Lewis 1995, "Fast normalized cross-correlation"; the measure is this
project's own.

Public items: :func:`rigid_likeness`, :data:`TURNED_DEG`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.pad._strips import FaceStrips

__all__ = ["TURNED_DEG", "rigid_likeness"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Away from the photo's own yaw and pitch: nearer than this, people look as alike as copies; further, the mesh stretches
# what the photo hardly shows (``models/training/fit_pad_reuse.py`` prints both).
TURNED_DEG = (6.0, 16.0)
MIN_TURNED = 4
# Top, bottom, left, right: forehead, brows, nose, both cheeks.
_REGIONS = ((12, 28, 26, 70), (22, 34, 26, 70), (32, 58, 38, 58), (44, 66, 15, 37), (44, 66, 59, 81))
_SHIFT_PX = 3
# As in reference_reuse: fine enough to tell two pictures apart, coarse enough to survive a camera and a codec.
_BAND_SIGMA_PX = (0.75, 3.0)
_LUMA_FLOOR = 10.0


def rigid_likeness(strips: FaceStrips, photo: FaceStrips) -> float | None:
    """How alike the rigid regions of a photo and of those pictures are that are turned otherwise.

    Parameters
    ----------
    strips
        Of a recording.
    photo
        The one strip of a photo.

    Returns
    -------
    float or None
        Correlation, -1..1, in the middle one of the turned pictures, the better of both mirrorings; None where fewer
        than :data:`MIN_TURNED` pictures are turned by :data:`TURNED_DEG`.
    """
    found = []
    for luma, turn in (
        (photo.luma[0], photo.yaw_pitch_deg[0]),
        (np.ascontiguousarray(photo.luma[0, :, ::-1]), photo.yaw_pitch_deg[0] * (-1.0, 1.0)),
    ):
        away = np.hypot(*(strips.yaw_pitch_deg - turn).T)
        turned = (away >= TURNED_DEG[0]) & (away <= TURNED_DEG[1])
        if turned.sum() >= MIN_TURNED:
            ranked = np.sort(_correlations(strips.luma[turned], luma), axis=1)
            found.append(float(np.median(ranked[:, 1:3].mean(axis=1))))
    return max(found, default=None)


def _correlations(pictures: U8, photo: U8) -> F64:
    """Of each region in each picture, at the best shift [shape=(n, 5)]."""
    bands, d = [_band(p) for p in pictures], _SHIFT_PX
    target, out = _band(photo), np.empty((len(bands), len(_REGIONS)))
    for k, (top, bottom, left, right) in enumerate(_REGIONS):
        rest = np.ascontiguousarray(target[top + d : bottom - d, left + d : right - d])
        for own, band in zip(out, bands, strict=True):
            part = np.ascontiguousarray(band[top:bottom, left:right])
            own[k] = cv2.matchTemplate(part, rest, cv2.TM_CCOEFF_NORMED).max()
    return np.nan_to_num(out)


def _band(luma: U8) -> F32:
    light = np.log(luma.astype(np.float32) + np.float32(_LUMA_FLOOR))
    low, high = (cv2.GaussianBlur(light, (0, 0), sigma) for sigma in _BAND_SIGMA_PX)
    return np.asarray(low - high, np.float32)
