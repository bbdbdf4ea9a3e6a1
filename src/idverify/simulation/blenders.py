"""Ways to set one face into the place of another: gradients, bands of frequency, or a soft edge; and colours matched.

Conventions: `face` and `target` are uint8 [shape=(h, w, 3)] of one size, `mask` uint8 [shape=(h, w)], 255 where the
face goes; the mask keeps clear of the picture's edge.

Public items: :data:`BLENDERS`, :class:`ColourMatch`, :func:`with_shading_of`.

Sources: Pérez et al. 2003, "Poisson image editing", doi:10.1145/882262.882269; Burt & Adelson 1983, "A multiresolution
spline with application to image mosaics", doi:10.1145/245.247; Reinhard et al. 2001, doi:10.1109/38.946629.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLENDERS", "ColourMatch", "with_shading_of"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_BANDS = 4
# Slow changes of light are compared in pictures this much smaller.
_SLOW = 6


def _poisson(face: U8, target: U8, mask: U8) -> U8:
    left, top, width, height = cv2.boundingRect(mask)
    centre = (left + width // 2, top + height // 2)
    return np.asarray(cv2.seamlessClone(face, target, mask, centre, cv2.NORMAL_CLONE))


def _multiband(face: U8, target: U8, mask: U8) -> U8:
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.01 * mask.shape[1], 0.6)).astype(np.float32)[..., None] / 255
    a, b, weight = face.astype(np.float32), target.astype(np.float32), np.repeat(soft, 3, axis=2)
    bands = []
    for _ in range(_BANDS):
        size = a.shape[1::-1]
        smaller = [cv2.pyrDown(image) for image in (a, b, weight)]
        fine_a, fine_b = (x - cv2.pyrUp(y, dstsize=size) for x, y in zip((a, b), smaller, strict=False))
        bands.append(fine_b + weight * (fine_a - fine_b))
        a, b, weight = smaller
    image = b + weight * (a - b)
    for band in reversed(bands):
        image = cv2.pyrUp(image, dstsize=band.shape[1::-1]) + band
    return np.asarray(cv2.convertScaleAbs(cv2.max(image, 0.0)))


def _feathered(face: U8, target: U8, mask: U8) -> U8:
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.03 * mask.shape[1], 0.8)).astype(np.float32) / 255
    return np.asarray(cv2.blendLinear(face, target, soft, 1 - soft))


BLENDERS: Mapping[str, Callable[[U8, U8, U8], U8]] = MappingProxyType(
    {"poisson": _poisson, "multiband": _multiband, "feathered": _feathered}
)
"""From face, target and mask to the picture."""


class ColourMatch:
    """Mean and spread of each channel brought to those of the skin in the target, smoothed over pictures.

    Parameters
    ----------
    memory : float in [0, 1)
        Share of the last picture's match in this one's.
    """

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self._gain: F64 | None = None
        self._shift: F64 | None = None

    def __call__(self, face: U8, target: U8, mask: U8) -> U8:
        """The face in the target's colours."""
        (mean, std), (want_mean, want_std) = (cv2.meanStdDev(image, mask=mask) for image in (face, target))
        gain = np.clip(want_std / np.maximum(std, 1.0), 0.6, 1.6).ravel()
        shift = want_mean.ravel() - gain * mean.ravel()
        if self._gain is not None and self._shift is not None:
            gain = gain + self._memory * (self._gain - gain)
            shift = shift + self._memory * (self._shift - shift)
        self._gain, self._shift = gain, shift
        codes = np.arange(256)[:, None] * gain + shift
        return np.asarray(cv2.LUT(face, np.clip(np.rint(codes), 0, 255).astype(np.uint8)[None]))


def with_shading_of(face: U8, target: U8, mask: U8, strength: float) -> U8:
    """The face under the target's light: its slow changes of brightness replaced by the target's.

    Parameters
    ----------
    strength : float in [0, 1]
        0 leaves the face as it is.
    """
    if strength <= 0:
        return face
    # What is slow needs few pixels.
    size = tuple(max(side // _SLOW, 4) for side in mask.shape[::-1])
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (mask, face, target)]
    weight = small[0].astype(np.float32) / 255 + 1e-3
    sigma = 0.09 * size[0]
    slow = [
        cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * weight, (0, 0), sigma)
        / cv2.GaussianBlur(weight, (0, 0), sigma)
        for image in small[1:]
    ]
    ratio = np.clip((slow[1] + 8) / (slow[0] + 8), 0.5, 2.0) ** np.float32(strength)
    full = cv2.resize(ratio, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(face, cv2.merge([full] * 3), dtype=cv2.CV_8U))
