"""Where light takes the colours of a face: pixels in, what is lost of them out.

Goal: a picture whose exposure is changed until tones clip changes as if there were life in it: first the red of its
lightest skin stops at the largest value, then the other colours, and the fine structure there flattens. No warp, gain
or blur explains that. So what clips is no change of the face: single pixels are left out by :func:`strongest`, whole
pictures that have lost much more, or less, than most by :func:`alike`.

Conventions: pictures are RGB, 8 bits; a share is of a picture's pixels, 0..1.

Public items: :data:`CLIPPED`, :data:`APART`, :func:`strongest`, :func:`lost_share`, :func:`alike`, :func:`what_hid`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.reasons import Reason

__all__ = ["APART", "CLIPPED", "alike", "lost_share", "strongest", "what_hid"]

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

# From this level of its strongest colour on a pixel may be clipped, coding considered. Where half of the pixels have no
# more than that level, all is dark.
CLIPPED, _DARK = 250, 24
# Fewer pictures than this share, left out for their light, are not what keeps anything from being judged.
_MANY = 0.2
# A picture that has lost another share of its pixels than the middle one, by this much, is in another light.
APART = 0.08


def strongest(image_rgb: U8) -> U8:
    """The strongest colour of each pixel [shape=(h, w)]: what clips first, well before the luma does."""
    red, green, blue = cv2.split(image_rgb)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def lost_share(image_rgb: U8) -> float:
    """Share of the pixels that are clipped; all of them where it is dark."""
    levels = strongest(image_rgb)
    if 2 * np.count_nonzero(levels <= _DARK) >= levels.size:
        return 1.0
    return np.count_nonzero(levels >= CLIPPED) / levels.size


def alike(shares: F64, apart: float = APART) -> NDArray[np.bool_]:
    """Which pictures are in the light of most: they have lost about as much as the middle one of all [shape=(n,)]."""
    return np.asarray(np.abs(shares - np.median(shares)) <= apart) if len(shares) else np.zeros(0, np.bool_)


def what_hid(shares: F64, left_out: int) -> Reason | None:
    """What to say where too few pictures are left, of which so many were left out for their light; None for few."""
    if left_out <= _MANY * len(shares):
        return None
    return Reason.TOO_DARK if np.median(shares[shares > APART]) == 1.0 else Reason.TOO_BRIGHT
