"""One decoded picture: :class:`Frame`, upright, converted only where and as small as it is asked for.

Conventions: upright pixels, origin at the top left corner, x to the right; sizes are (width, height); arrays
are (height, width[, 3]), uint8, RGB. A :class:`Frame` keeps the decoder's memory for as long as it lives:
take the small arrays that are needed and let it go.

Public items: :class:`Frame`, :class:`Orientation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.errors import ParameterError, UnsupportedMediaError
from idverify.media.colour import LAYOUTS, Layout, Plane, merge_rgb, plane_views, resize, rgb_matrix, to_8_bits

__all__ = ["Box", "Frame", "Orientation"]

Box = tuple[int, int, int, int]

# A crop may reach this many picture sizes beyond the picture on each side: wide crops around a face at the
# edge need less than 4; more is a mistake of the caller that would only cost memory.
_MAX_REACH = 4
# MatrixCoefficients of H.273 for pictures that are R, G and B already.
_RGB = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a coded picture becomes upright: first transposed, then flipped.

    Covers all eight orthogonal display matrices, the mirrored ones included.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: Sequence[int]) -> Orientation:
        """Nearest orthogonal orientation of a 3x3 display matrix.

        Parameters
        ----------
        matrix : sequence of 9 int
            Row by row, as in the track header of ISO/IEC 14496-12 (section 8.3.2): x' = a x + c y and
            y' = b x + d y, with (a, b) and (c, d) the first two rows.
        """
        a, b, c, d = (int(matrix[index]) for index in (0, 1, 3, 4))
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(flip_x=a < 0, flip_y=d < 0)
        return cls(transposed=True, flip_x=c < 0, flip_y=b < 0)

    @property
    def mirrored(self) -> bool:
        """Whether left and right change places, which no rotation does."""
        return self.transposed ^ self.flip_x ^ self.flip_y

    @property
    def rotation_deg(self) -> int:
        """Clockwise turn, 0, 90, 180 or 270; of a mirrored picture, after mirroring it left to right."""
        flip_y = self.flip_y ^ (self.mirrored and self.transposed)
        return (90, 270)[flip_y] if self.transposed else (0, 180)[flip_y]

    def turned(self, rotation_deg: int) -> Orientation:
        """This orientation with one more clockwise turn of the upright picture by 0, 90, 180 or 270 degrees."""
        turn = rotation_deg % 360
        if turn == 180:
            return Orientation(transposed=self.transposed, flip_x=not self.flip_x, flip_y=not self.flip_y)
        if turn == 0:
            return self
        # A clockwise quarter is a transposition and a flip of x; what was flipped in x is then flipped in y.
        quarter = turn == 90
        return Orientation(
            transposed=not self.transposed, flip_x=self.flip_y ^ quarter, flip_y=self.flip_x ^ (not quarter)
        )

    def size_wh(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """Upright size of a coded size, and the other way round."""
        return (size_wh[1], size_wh[0]) if self.transposed else size_wh

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Make a coded image upright."""
        if self.transposed:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            image = cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image

    def coded_box(self, box: Box, upright_wh: tuple[int, int]) -> Box:
        """Where an upright box (left, top, right, bottom) lies in the coded picture."""
        left, top, right, bottom = box
        if self.flip_x:
            left, right = upright_wh[0] - right, upright_wh[0] - left
        if self.flip_y:
            top, bottom = upright_wh[1] - bottom, upright_wh[1] - top
        return (top, left, bottom, right) if self.transposed else (left, top, right, bottom)


class Frame:
    """A light handle on one decoded picture of a recording.

    Attributes
    ----------
    index : int
        Place in the recording, from 0.
    time_s : float
        Presentation time in seconds after the recording's first picture, as the container gives it.
    size_wh : tuple of int
        Upright width and height in square pixels.
    """

    __slots__ = ("_layout", "_luma", "_orientation", "_picture", "_stretch", "_window", "index", "size_wh", "time_s")

    index: int
    time_s: float
    size_wh: tuple[int, int]

    def __init__(
        self,
        picture: av.VideoFrame,
        *,
        index: int,
        time_s: float,
        orientation: Orientation,
        window: Box | None = None,
        pixel_aspect: float = 1.0,
        size_wh: tuple[int, int] | None = None,
    ) -> None:
        """Show a decoded picture.

        Parameters
        ----------
        window
            The part of the coded picture (left, top, right, bottom) that is shown; all of it if left out.
        pixel_aspect
            Width over height of a coded pixel; the shorter side of the pixels is stretched.
        size_wh
            Upright size that what is shown is scaled to, whatever the shape of its pixels; its own if left out.
        """
        self._picture = picture
        self._orientation = orientation
        self._window = window or (0, 0, picture.width, picture.height)
        self._stretch = max(pixel_aspect, 1.0), max(1.0 / pixel_aspect, 1.0)
        self._layout = _layout_of(picture)
        self._luma: tuple[tuple[int, int], NDArray[np.uint8]] | None = None
        self.index = index
        self.time_s = time_s
        left, top, right, bottom = self._window
        self.size_wh = size_wh or orientation.size_wh(
            (round((right - left) * self._stretch[0]), round((bottom - top) * self._stretch[1]))
        )
        if size_wh is not None:
            width, height = orientation.size_wh(size_wh)
            self._stretch = width / (right - left), height / (bottom - top)

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, time_s={self.time_s:.6f}, size_wh={self.size_wh})"

    def image_rgb(self, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The whole picture, scaled before its colours are converted.

        Parameters
        ----------
        size_wh : tuple of int, optional
            Size wanted, native if left out. The sides may be scaled differently.

        Returns
        -------
        uint8 [shape=(h, w, 3)]
            RGB, by the matrix and range that the stream states.

        Raises
        ------
        ParameterError
            A side is below 1.
        """
        size_wh = self._checked_size(size_wh, self.size_wh)
        return self._region_rgb((0, 0, *self.size_wh), size_wh)

    def luma(self, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The luma (Y') of the whole picture, in 8 bits and the range as coded.

        Parameters
        ----------
        size_wh : tuple of int, optional
            Size wanted, native if left out.

        Returns
        -------
        uint8 [shape=(h, w)]
            A copy. For pictures that are not coded as Y'CbCr: BT.601 luma of their RGB.

        Raises
        ------
        ParameterError
            A side is below 1.
        """
        size_wh = self._checked_size(size_wh, self.size_wh)
        if self._layout is None:
            grey: NDArray[np.uint8] = cv2.cvtColor(self.image_rgb(size_wh), cv2.COLOR_RGB2GRAY)
            return grey
        return np.array(self._orientation.apply(self._scaled_luma(self._layout, size_wh)), order="C")

    def crop_rgb(
        self, bbox_xyxy_px: Sequence[float] | NDArray[Any], size_wh: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Part of the picture; only this part is converted.

        Parameters
        ----------
        bbox_xyxy_px : 4 numbers
            Left, top, right, bottom in upright pixels, rounded to whole pixels, at least one each way. Where
            it leaves the picture, the nearest pixel of the picture is repeated.
        size_wh : tuple of int, optional
            Size wanted, native if left out.

        Returns
        -------
        uint8 [shape=(h, w, 3)]
            RGB.

        Raises
        ------
        ParameterError
            The box is not finite, is turned inside out or reaches more than four picture sizes beyond the
            picture, or a side of `size_wh` is below 1.
        """
        left, top, right, bottom = box = self._checked_box(bbox_xyxy_px)
        crop_wh = (right - left, bottom - top)
        out_wh = self._checked_size(size_wh, crop_wh)
        width, height = self.size_wh
        # At least one pixel inside, so that a box beside the picture repeats the edge.
        x0, x1 = min(max(left, 0), width - 1), max(min(right, width), 1)
        y0, y1 = min(max(top, 0), height - 1), max(min(bottom, height), 1)
        if (x0, y0, x1, y1) == box:
            return self._region_rgb(box, out_wh)
        before_x, after_x = _margins(x0 - left, right - x1, crop_wh[0], out_wh[0])
        before_y, after_y = _margins(y0 - top, bottom - y1, crop_wh[1], out_wh[1])
        inside_wh = (out_wh[0] - before_x - after_x, out_wh[1] - before_y - after_y)
        inside = self._region_rgb((x0, y0, x1, y1), inside_wh)
        bordered = cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE)
        return np.asarray(bordered, np.uint8)

    def require_colours(self) -> None:
        """Raise `UnsupportedMediaError` where the colours of the picture cannot be made out."""
        if self._layout is None or self._matrix() is None:
            _as_rgb(self._picture)

    def coded_box(self, bbox_xyxy_px: Box) -> Box:
        """Where a box of upright pixels (left, top, right, bottom) lies in the coded picture."""
        return self._plane_box(self._orientation.coded_box(bbox_xyxy_px, self.size_wh))

    def _region_rgb(self, box: Box, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        coded_box = self.coded_box(box)
        coded_wh = self._orientation.size_wh(size_wh)
        matrix = self._matrix()
        if self._layout is None or matrix is None:
            left, top, right, bottom = coded_box
            native = _as_rgb(self._picture)[top:bottom, left:right]
            rgb = resize(native, coded_wh).astype(np.uint8, copy=False)
        else:
            whole = box == (0, 0, *self.size_wh)
            luma = self._scaled_luma(self._layout, size_wh) if whole else None
            rgb = _converted(self._picture, self._layout, matrix, coded_box, coded_wh, luma)
        return np.ascontiguousarray(self._orientation.apply(rgb))

    def _scaled_luma(self, layout: Layout, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """The coded luma plane at an upright size; the last one is kept, since colour and luma are wanted alike."""
        if self._luma is None or self._luma[0] != size_wh:
            plane, _ = plane_views(self._picture, layout)
            left, top, right, bottom = self._window
            shown = plane[top:bottom, left:right]
            self._luma = size_wh, to_8_bits(resize(shown, self._orientation.size_wh(size_wh)), layout)
        return self._luma[1]

    def _plane_box(self, box: Box) -> Box:
        """Where a box in the stretched window lies in the coded picture, at least one pixel each way."""
        low_x, low_y, high_x, high_y = self._window
        x, y = self._stretch
        left, top = min(low_x + round(box[0] / x), high_x - 1), min(low_y + round(box[1] / y), high_y - 1)
        right, bottom = low_x + round(box[2] / x), low_y + round(box[3] / y)
        return left, top, min(max(right, left + 1), high_x), min(max(bottom, top + 1), high_y)

    def _matrix(self) -> NDArray[np.float32] | None:
        picture = self._picture
        # The yuvj formats are full range by definition.
        colour_range = 2 if picture.format.name.startswith("yuvj") else int(picture.color_range)
        return rgb_matrix(int(picture.colorspace), colour_range, (picture.width, picture.height))

    def _checked_size(self, size_wh: tuple[int, int] | None, native_wh: tuple[int, int]) -> tuple[int, int]:
        if size_wh is None:
            return native_wh
        width, height = size_wh
        if int(width) < 1 or int(height) < 1:
            raise ParameterError(f"expected a size of at least 1x1, got {size_wh!r}")
        return int(width), int(height)

    def _checked_box(self, bbox_xyxy_px: Sequence[float] | NDArray[Any]) -> Box:
        values = [float(value) for value in bbox_xyxy_px]
        reach = _MAX_REACH * max(self.size_wh)
        usable = (
            len(values) == 4
            and all(math.isfinite(value) and -reach <= value <= max(self.size_wh) + reach for value in values)
            and values[0] <= values[2]
            and values[1] <= values[3]
        )
        if not usable:
            raise ParameterError(
                f"expected a box (left, top, right, bottom) near a {self.size_wh} picture, got {values}"
            )
        left, top, right, bottom = (math.floor(value + 0.5) for value in values)
        return left, top, max(right, left + 1), max(bottom, top + 1)


def _as_rgb(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """The whole picture by FFmpeg's own conversion, where the planes cannot be read directly."""
    matrix = int(picture.colorspace)
    unread = UnsupportedMediaError(
        f"the colours of the pictures are coded in a way that is not read: {picture.format.name}, matrix {matrix} of "
        "ITU-T H.273"
    )
    # A newer FFmpeg refuses a matrix that it does not know; an older one takes it for BT.601, silently.
    if matrix != _RGB and rgb_matrix(matrix, int(picture.color_range), (picture.width, picture.height)) is None:
        raise unread
    try:
        return picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (OSError, ValueError) as error:
        raise unread from error


def _margins(before: int, after: int, native: int, wanted: int) -> tuple[int, int]:
    """Outside pixels at both ends of a side, scaled with it; at least one pixel stays inside."""
    first = min(max(round(before * wanted / native), 0), wanted - 1)
    return first, min(max(round(after * wanted / native), 0), wanted - 1 - first)


def _layout_of(picture: av.VideoFrame) -> Layout | None:
    layout = LAYOUTS.get(picture.format.name)
    # A negative line size (pictures kept bottom up) has no plain view.
    upside_down = layout is not None and any(plane.line_size <= 0 for plane in picture.planes)
    return None if upside_down else layout


def _converted(
    picture: av.VideoFrame,
    layout: Layout,
    matrix: NDArray[np.float32],
    box: Box,
    size_wh: tuple[int, int],
    scaled: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    """RGB of a part of the coded picture, at the size wanted; `scaled` is its luma, if that is known already."""
    luma, chroma = plane_views(picture, layout)
    left, top, right, bottom = box
    if scaled is None:
        scaled = to_8_bits(resize(luma[top:bottom, left:right], size_wh), layout)
    parts = tuple(to_8_bits(_chroma_part(plane, layout, box, size_wh), layout) for plane in chroma)
    return merge_rgb(scaled, parts, layout, matrix)


def _chroma_part(plane: Plane, layout: Layout, box: Box, size_wh: tuple[int, int]) -> Plane:
    """The part of a chroma plane under a box of luma pixels, at the size wanted.

    At native size the part is enlarged with a margin, which makes a crop equal to the same part of the whole
    picture; where it shrinks, its edges are rounded outwards to whole chroma samples.
    """
    left, top, right, bottom = box
    across, down = layout.subsampling_wh
    native = size_wh == (right - left, bottom - top)
    margin = 1 if native else 0
    x0, x1 = max(left // across - margin, 0), min(-(-right // across) + margin, plane.shape[1])
    y0, y1 = max(top // down - margin, 0), min(-(-bottom // down) + margin, plane.shape[0])
    part = plane[y0:y1, x0:x1]
    if not native:
        return resize(part, size_wh)
    whole = resize(part, ((x1 - x0) * across, (y1 - y0) * down))
    x, y = left - x0 * across, top - y0 * down
    return whole[y : y + bottom - top, x : x + right - left]
