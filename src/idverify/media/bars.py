"""Bars around a moving picture: luma of some pictures in, the box between the bars out.

Goal: a portrait recording in a landscape frame, or the other way round, is looked at without what fills the rest. A bar
is a strip of one constant level along a whole side of the picture, the same in every look, with a straight inner edge
beyond which the picture differs from it almost everywhere. A subtitle or a logo may lie on it.

Conventions: luma is uint8 [shape=(h, w)], all looks of one size; a box is (left, top, right, bottom) in its pixels.

Public items: :func:`may_have_bars`, :func:`between_bars`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idverify.media.frame import Box

__all__ = ["between_bars", "may_have_bars"]

U8 = NDArray[np.uint8]

# Levels by which codecs move a constant area; and by which a picture at least differs from the bar beside it.
_SAME_LEVELS, _OTHER_LEVELS = 3, 6
# Share of a line that keeps the bar's level: letters of a subtitle cover less than the rest.
_FLAT_SHARE = 0.7
# Share of the lines beside the inner edge that differs from the bar: around a lit head before a black room it is less.
_EDGE_SHARE = 0.5
# Thinner strips are left where they are: codecs pad with lines of garbage, and little is gained.
_MIN_SHARE = 0.02
# Less of a side than this is no picture any more.
_MIN_INSIDE_SHARE = 0.2
_EDGE_LINES = 3


def may_have_bars(luma: U8) -> bool:
    """Whether a strip along any side of one picture has one level, so that it is worth looking at more pictures."""
    return any(_run(lines)[0] >= _least(lines) for lines in _sides(luma))


def between_bars(looks: Sequence[U8]) -> Box | None:
    """The box between the bars, if there are any.

    Parameters
    ----------
    looks : uint8 arrays [shape=(h, w)]
        Pictures far enough apart for what is filmed to move; blank ones say nothing.
    """
    telling = [luma for luma in looks if int(luma.max()) - int(luma.min()) > 2 * _OTHER_LEVELS]
    if not telling:
        return None
    height, width = telling[0].shape
    top, bottom = (_bar([side(luma) for luma in telling]) for side in (_from_top, _from_bottom))
    inside = [luma[top : height - bottom] for luma in telling]
    left, right = (_bar([side(luma) for luma in inside]) for side in (_from_left, _from_right))
    box = (left, top, width - right, height - bottom)
    if box == (0, 0, width, height):
        return None
    large = box[2] - box[0] >= _MIN_INSIDE_SHARE * width and box[3] - box[1] >= _MIN_INSIDE_SHARE * height
    return box if large else None


def _from_top(luma: U8) -> U8:
    return luma


def _from_bottom(luma: U8) -> U8:
    return luma[::-1]


def _from_left(luma: U8) -> U8:
    return luma.T


def _from_right(luma: U8) -> U8:
    return luma[:, ::-1].T


def _sides(luma: U8) -> tuple[U8, ...]:
    """The picture as lines that run from each side inwards."""
    return _from_top(luma), _from_bottom(luma), _from_left(luma), _from_right(luma)


def _least(lines: U8) -> int:
    return max(2, round(_MIN_SHARE * len(lines)))


def _run(lines: U8) -> tuple[int, float]:
    """Lines of one level from the side inwards, and that level."""
    level = float(np.median(lines[:2]))
    # Most pictures end here: their outermost lines are of many levels.
    if (np.abs(lines[:2] - np.float32(level)) <= _SAME_LEVELS).mean() < _FLAT_SHARE:
        return 0, level
    flat = (np.abs(lines - np.float32(level)) <= _SAME_LEVELS).mean(axis=1) >= _FLAT_SHARE
    return int(len(flat) if flat.all() else np.argmin(flat)), level


def _bar(looks: list[U8]) -> int:
    """Lines of the bar at one side, its soft inner edge included; 0 where there is none."""
    runs, levels = zip(*(_run(lines) for lines in looks), strict=True)
    run = min(runs)
    if run < _least(looks[0]) or np.ptp(levels) > _SAME_LEVELS:
        return 0
    inside = slice(run + 1, run + 1 + _EDGE_LINES)
    differs = [(np.abs(lines[inside] - np.float32(levels[0])) > _OTHER_LEVELS).mean() for lines in looks]
    return run + 1 if np.median(differs) >= _EDGE_SHARE else 0
