"""From the planes of a decoded picture to small RGB arrays, without a detour over full-size RGB.

Conventions: a plane is a NumPy view on the decoder's memory, shape (h, w) or (h, w, 2), uint8 or uint16;
a picture is scaled plane by plane, brought to 8 bits, and only then turned into RGB by one affine map, so
that the cost follows the size asked for. A matrix acts on Y', Cb, Cr in 0..255 and gives R'G'B' in 0..255.

Public items: :class:`Layout`, :data:`LAYOUTS`, :func:`plane_views`, :func:`resize`, :func:`rgb_matrix`,
:func:`merge_rgb`, :func:`to_8_bits`.

References
----------
.. [1] Recommendations ITU-R BT.601-7 (section 2.5), BT.709-6 (section 3) and BT.2020-2 (table 4).
.. [2] Recommendation ITU-T H.273 (code points for colour, section 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "Plane", "merge_rgb", "plane_views", "resize", "rgb_matrix", "to_8_bits"]

Plane: TypeAlias = "NDArray[np.uint8] | NDArray[np.uint16]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a pixel format keeps Y', Cb and Cr.

    Parameters
    ----------
    subsampling_wh : tuple of int
        Luma samples per chroma sample, across and down.
    shift : int
        Bits above 8 in a sample as stored.
    interleaved : bool
        Cb and Cr alternate in one plane.
    cr_first : bool
        Cr before Cb.
    """

    subsampling_wh: tuple[int, int]
    shift: int = 0
    interleaved: bool = False
    cr_first: bool = False


def _layouts() -> dict[str, Layout]:
    subsamplings = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1)}
    table: dict[str, Layout] = {}
    for digits, subsampling_wh in subsamplings.items():
        for name in (f"yuv{digits}p", f"yuvj{digits}p", f"yuva{digits}p"):
            table[name] = Layout(subsampling_wh=subsampling_wh)
        for bits in (9, 10, 12, 14, 16):
            table[f"yuv{digits}p{bits}le"] = Layout(subsampling_wh=subsampling_wh, shift=bits - 8)
    table["nv12"] = Layout(subsampling_wh=(2, 2), interleaved=True)
    table["nv21"] = Layout(subsampling_wh=(2, 2), interleaved=True, cr_first=True)
    table["nv16"] = Layout(subsampling_wh=(2, 1), interleaved=True)
    # P010 and P016 keep their bits at the top of the 16.
    table["p010le"] = table["p016le"] = Layout(subsampling_wh=(2, 2), shift=8, interleaved=True)
    return table


LAYOUTS = _layouts()

# One line of so many may be dropped on halving; fewer lines are quick to average exactly.
_MANY_LINES = 512

# H.273, table 4 (MatrixCoefficients): (Kr, Kb) by code point.
_KR_KB = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance, shown as players show it
}
_BT601, _BT709 = 6, 1
# H.273, equations 77 to 80 (YCgCo): rows give R, G, B from Y, Cg, Co.
_YCGCO = 8
_YCGCO_MATRIX = ((1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, -1.0))
# H.273, section 8.3 (VideoFullRangeFlag) as FFmpeg numbers it: 1 limited, 2 full, 0 not stated.
_FULL_RANGE = 2


def plane_views(picture: av.VideoFrame, layout: Layout) -> tuple[Plane, tuple[Plane, ...]]:
    """Views on the luma plane and on the chroma planes of `picture`, without the padding of their lines.

    Returns
    -------
    luma : uint8 or uint16 [shape=(h, w)]
    chroma : tuple of arrays
        One [shape=(h', w', 2)] where interleaved, else two [shape=(h', w')].
    """
    dtype = np.dtype(np.uint16 if layout.shift else np.uint8)
    views: list[Plane] = []
    for index, plane in enumerate(picture.planes[: 2 if layout.interleaved else 3]):
        samples = 2 if layout.interleaved and index else 1
        lines = np.frombuffer(cast(Any, plane), dtype=np.uint8).reshape(-1, plane.line_size)[: plane.height]
        view = lines[:, : plane.width * samples * dtype.itemsize].view(dtype)
        views.append(view.reshape(plane.height, plane.width, 2) if samples == 2 else view)
    return views[0], tuple(views[1:])


def resize(plane: Plane, size_wh: tuple[int, int]) -> Plane:
    """Scale an array of one to three channels: halving by averages first, then one bilinear step.

    Halving by 2x2 averages is many times faster than an area average over fractions of pixels and leaves the
    bilinear step less than a factor of two, where it skips no pixel. Places are true to 1/400 of
    the size, at the far edge.

    Parameters
    ----------
    plane : uint8 or uint16 [shape=(h, w) or (h, w, channels)]
    size_wh : tuple of int

    Returns
    -------
    uint8 or uint16 [shape=(size_wh[1], size_wh[0], ...)]
        The input itself where it has that size.
    """
    width, height = size_wh
    exact_w, exact_h = float(plane.shape[1]), float(plane.shape[0])
    while plane.shape[1] >= 2 * width and plane.shape[0] >= 2 * height and _halves_well(plane):
        half_wh = (plane.shape[1] // 2, plane.shape[0] // 2)
        even = plane[: 2 * half_wh[1], : 2 * half_wh[0]]
        plane = cv2.resize(even, half_wh, interpolation=cv2.INTER_AREA)
        exact_w, exact_h = exact_w / 2, exact_h / 2
    scaled: Plane
    if plane.shape[1] >= 2 * width or plane.shape[0] >= 2 * height:
        scaled = cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA)
    elif (exact_h, exact_w) != plane.shape[:2]:
        # Halving dropped an odd line or column: put every pixel where it belongs all the same.
        x, y = exact_w / width, exact_h / height
        to_input = np.array([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        scaled = cv2.warpAffine(plane, to_input, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    elif plane.shape[:2] == (height, width):
        scaled = plane
    else:
        scaled = cv2.resize(plane, size_wh, interpolation=cv2.INTER_LINEAR)
    return scaled


def _halves_well(plane: Plane) -> bool:
    """Whether nothing is dropped, or a last line and column out of very many."""
    height, width = int(plane.shape[0]), int(plane.shape[1])
    return (height % 2 == 0 and width % 2 == 0) or min(height, width) >= _MANY_LINES


def to_8_bits(plane: Plane, layout: Layout) -> NDArray[np.uint8]:
    """Round samples of more than 8 bits to 8."""
    if not layout.shift:
        return plane.astype(np.uint8, copy=False)
    rounded: NDArray[np.uint8] = cv2.convertScaleAbs(plane, alpha=0.5**layout.shift)
    return rounded


@lru_cache(maxsize=32)
def rgb_matrix(colour_space: int, colour_range: int, coded_wh: tuple[int, int]) -> NDArray[np.float32] | None:
    """The affine map from Y'CbCr to R'G'B', both in 0..255.

    Parameters
    ----------
    colour_space : int
        MatrixCoefficients of H.273. 2 (not stated) is taken as BT.709 for pictures at least 1280 wide or
        more than 576 high and as BT.601 below, as players do.
    colour_range : int
        2 for full range; anything else is limited (16..235, 16..240), which is also what players take where
        nothing is stated.
    coded_wh : tuple of int

    Returns
    -------
    float32 [shape=(3, 4)] or None
        None for a space that is not of the Y'CbCr kind.
    """
    if colour_space == 2:
        colour_space = _BT709 if coded_wh[0] >= 1280 or coded_wh[1] > 576 else _BT601
    analogue = _analogue(colour_space)
    if analogue is None:
        return None
    full = colour_range == _FULL_RANGE
    gain = np.array([1.0, 1.0, 1.0]) if full else np.array([255 / 219, 255 / 224, 255 / 224])
    zero = np.array([0.0 if full else 16.0, 128.0, 128.0])
    linear = analogue * gain
    matrix = np.column_stack([linear, -linear @ zero]).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _analogue(colour_space: int) -> NDArray[np.float64] | None:
    """R'G'B' of Y'CbCr where all of them run over 1."""
    if colour_space == _YCGCO:
        return np.array(_YCGCO_MATRIX)
    if colour_space not in _KR_KB:
        return None
    kr, kb = _KR_KB[colour_space]
    kg = 1.0 - kr - kb
    r_cr, b_cb = 2.0 * (1.0 - kr), 2.0 * (1.0 - kb)
    return np.array([[1.0, 0.0, r_cr], [1.0, -b_cb * kb / kg, -r_cr * kr / kg], [1.0, b_cb, 0.0]])


def merge_rgb(
    luma: NDArray[np.uint8], chroma: tuple[NDArray[np.uint8], ...], layout: Layout, matrix: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """RGB [shape=(h, w, 3)] of planes that all have the size (h, w)."""
    cb, cr = cv2.split(chroma[0]) if layout.interleaved else chroma
    if layout.cr_first:
        cb, cr = cr, cb
    # A decoder's lines lie apart: to interleave them as they are takes four times as long as to copy them first.
    planes = tuple(np.ascontiguousarray(plane) for plane in (luma, cb, cr))
    rgb: NDArray[np.uint8] = cv2.transform(cv2.merge(planes), matrix)
    return rgb
