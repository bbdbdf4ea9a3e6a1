"""The face cut out along its mesh, picture after picture, so that a place of the face stays in one place of the strip.

Goal: what is left over between two strips is what a warp of one picture cannot give: folds, shadows, glints, blood,
lids. A strip is :data:`SIDE_PX` pixels wide and high and shows the face with a rim of what surrounds it. Where each
of its pixels lies among the mesh's points was read off the mean of many faces seen from the front
(``face_layout.npz``).

Conventions: strips are luma, 8 bits; positions are working-size pixels.

Public items: :data:`SIDE_PX`, :class:`FaceStrips`, :func:`cut_strip`, :func:`colour_strip`, :func:`luma_of`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import CalibrationError
from idverify.models.manifest import data_dir

__all__ = ["SIDE_PX", "FaceStrips", "colour_strip", "cut_strip", "luma_of"]

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SIDE_PX = 96
# The outline of the face in the mesh (MediaPipe's order), and how far out the two rims around it lie.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIMS = (1.2, 1.45)
# A face this many times larger than in the strip is shrunk first, since bilinear reading skips pixels.
_SHRINK_FROM = 1.2
_NAME = "face_layout.npz"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceStrips:
    """Strips of one face, and how it was turned.

    Parameters
    ----------
    luma : uint8 [shape=(n, 96, 96)]
    yaw_pitch_deg : float64 [shape=(n, 2)]
    """

    luma: U8 = field(repr=False)
    yaw_pitch_deg: F64


@lru_cache(maxsize=1)
def _layout() -> tuple[NDArray[np.intp], F32, float]:
    """Three points of the mesh and its rims for each node of a grid, their weights, and the width of the face."""
    path = data_dir() / "calibration" / _NAME
    try:
        with np.load(path) as stored:
            return stored["points"].astype(np.intp), stored["weights"], float(stored["face_px"])
    except (OSError, KeyError, ValueError) as error:
        raise CalibrationError(f"no usable layout {_NAME}: {error}; install the package anew") from error


def cut_strip(image_rgb: U8, points_px: F32) -> U8:
    """The strip of one face in luma, uint8 [shape=(96, 96)]; as :func:`colour_strip`."""
    return luma_of(colour_strip(image_rgb, points_px))


def luma_of(strip_rgb: U8) -> U8:
    """Luma of a strip, uint8 [shape=(96, 96)]."""
    return np.asarray(cv2.extractChannel(cv2.cvtColor(strip_rgb, cv2.COLOR_RGB2YCrCb), 0), np.uint8)


def colour_strip(image_rgb: U8, points_px: F32) -> U8:
    """The strip of one face in its colours.

    Parameters
    ----------
    image_rgb : uint8 [shape=(h, w, 3)]
    points_px : float32 [shape=(468, 3)]
        Mesh in pixels of the picture.

    Returns
    -------
    uint8 [shape=(96, 96, 3)]

    Raises
    ------
    CalibrationError
        The layout is missing or damaged.
    """
    points, weights, face_px = _layout()
    xy = points_px[:, :2]
    outline = xy[list(OVAL)]
    middle = outline.mean(axis=0)
    whole = np.concatenate([xy, *(middle + rim * (outline - middle) for rim in RIMS)])
    low, high = np.floor(whole.min(axis=0)).astype(int) - 2, np.ceil(whole.max(axis=0)).astype(int) + 3
    low = np.clip(low, 0, np.array(image_rgb.shape[1::-1]) - 1)
    part = image_rgb[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    whole -= low.astype(np.float32)
    shrink = face_px * _SHRINK_FROM / max(float(np.ptp(xy[:, 0])), 1.0)
    if shrink < 1.0:
        part = cv2.resize(part, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        # Pixel centres: the middle of the first pixel stays half a pixel from the edge.
        whole = (whole + 0.5) * np.float32(shrink) - 0.5
    nodes = np.einsum("nk,nkc->nc", weights, whole[points]).astype(np.float32)
    side = int(np.sqrt(len(nodes)))
    at = cv2.resize(nodes.reshape(side, side, 2), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.remap(part, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
