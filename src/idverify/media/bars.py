"""Bars around a moving picture: luma of some pictures in, the box between the bars out.

Goal: a portrait recording in a landscape frame, or the other way round, is looked at without what fills the rest. A bar
is a strip of one constant level along a whole side of the picture, the same in every look, with a straight inner edge
beyond which the picture differs from it almost everywhere. A subtitle or a logo may lie on it. Editors also fill the
rest with a blurred copy of the picture, a gradient or a still background: two strips at opposite sides that end in
straight edges at equal distances to the pixel are bars, too, if they are smooth or never change. Where a band of one
level lies between them and the picture, it is the bezel of a device before a still camera: only bars of one level are
taken away.

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
# Black of video (ITU-R BT.709, table 4: 16), and what codecs make of it; glass and frames in a lit room are brighter.
_BLACK = 16 + _SAME_LEVELS
# Share of each line of a smooth strip that may differ from the next but one; of a still strip, that may change.
_ROUGH_SHARE, _CHANGED_SHARE = 0.2, 0.2


def may_have_bars(luma: U8) -> bool:
    """Whether strips along sides of one picture may be bars, so that it is worth looking at more pictures."""
    if any(_run(lines)[0] >= _least(lines) for lines in _sides(luma)):
        return True
    top, bottom, left, right = _sides(luma)
    return bool(_twin_edges([top], [bottom]) or _twin_edges([left], [right]))


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
    box = _box(telling, filled=True) or _box(telling, filled=False)
    if box is None or box == (0, 0, width, height):
        return None
    large = box[2] - box[0] >= _MIN_INSIDE_SHARE * width and box[3] - box[1] >= _MIN_INSIDE_SHARE * height
    return box if large else None


def _box(looks: list[U8], *, filled: bool) -> Box | None:
    """What is left without bars, filled ones or only those of one level; None where a device is to be seen."""
    height, width = looks[0].shape
    found = _bars([_from_top(luma) for luma in looks], [_from_bottom(luma) for luma in looks], filled=filled)
    if found is None or sum(found) >= height:
        return None
    top, bottom = found
    inside = [luma[top : height - bottom] for luma in looks]
    found = _bars([_from_left(luma) for luma in inside], [_from_right(luma) for luma in inside], filled=filled)
    return None if found is None else (found[0], top, width - found[1], height - bottom)


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


def _bars(one: list[U8], other: list[U8], *, filled: bool) -> tuple[int, int] | None:
    """Lines of the bars at two opposite sides; None where a device lies between them."""
    found = _bar(one), _bar(other)
    if not filled:
        return found
    # The widest: a still background, or a button on a bar of one level, may have edges of its own.
    for twin in _twin_edges(one, other)[::-1]:
        if twin <= max(found) + _EDGE_LINES:
            break
        if _has_bezel(one, twin) or _has_bezel(other, twin):
            return None
        if all(_is_smooth(looks, twin) or _is_still(looks, twin) for looks in (one, other)):
            return twin, twin
    return found


def _twin_edges(one: list[U8], other: list[U8]) -> list[int]:
    """Lines from two opposite sides to straight edges that lie equally far from them.

    A scene before a camera has no such edges, in the same place in each look.
    """
    least = max(_least(one[0]), _EDGE_LINES)
    if min(one[0].shape) < 2 * (least + _EDGE_LINES):
        return []
    edges = np.minimum(_edge_shares(one), _edge_shares(other))[least:]
    # As with one level, the soft inner edge is left out, too.
    return [least + int(line) + _EDGE_LINES for line in np.flatnonzero(edges >= _EDGE_SHARE)]


def _edge_shares(looks: list[U8]) -> NDArray[np.float64]:
    """By line up to the middle: how much of it differs from the next but one, in half of the looks at least."""
    return np.asarray(np.median([_steps(lines[: len(lines) // 2]).mean(axis=1) for lines in looks], axis=0))


def _steps(lines: U8) -> NDArray[np.bool_]:
    return np.asarray(np.abs(lines[2:].astype(np.int16) - lines[:-2]) > _OTHER_LEVELS)


def _has_bezel(looks: list[U8], n_lines: int) -> bool:
    """Whether the innermost lines of a strip are of one level up to a straight edge, and the outermost of another.

    Black ones are bars once more: an editor fills the rest around a picture that has some already.
    """
    end = n_lines - 2 * _EDGE_LINES
    edges = np.flatnonzero(_edge_shares(looks)[: max(end - 2, 0)] >= _EDGE_SHARE)
    if not len(edges):
        return False
    bands = [lines[int(edges[-1]) + 2 : end] for lines in looks]
    levels = [float(np.median(band)) for band in bands]
    flat = [np.abs(band - np.float32(level)) <= _OTHER_LEVELS for band, level in zip(bands, levels, strict=True)]
    beside = [abs(level - np.median(lines[:2])) for lines, level in zip(looks, levels, strict=True)]
    drawn = np.median(levels) <= _BLACK or np.median(beside) <= _OTHER_LEVELS
    return bool(np.mean(flat) >= _EDGE_SHARE and not drawn)


def _is_smooth(looks: list[U8], n_lines: int) -> bool:
    """Whether no line differs much from the next but one, nor within itself."""
    strips = [lines[: n_lines - _EDGE_LINES] for lines in looks]
    return all(_steps(s).mean(axis=1).max() <= _ROUGH_SHARE and _steps(s.T).mean() <= _ROUGH_SHARE for s in strips)


def _is_still(looks: list[U8], n_lines: int) -> bool:
    """Whether no line changes from look to look; one look does not tell."""
    spread = np.ptp([lines[: n_lines - _EDGE_LINES] for lines in looks], axis=0)
    return len(looks) > 1 and float((spread > _SAME_LEVELS).mean(axis=1).max()) <= _CHANGED_SHARE


def _bar(looks: list[U8]) -> int:
    """Lines of the bar at one side, its soft inner edge included; 0 where there is none."""
    runs, levels = zip(*(_run(lines) for lines in looks), strict=True)
    run = min(runs)
    # Where nothing but a logo is to be seen, the bar goes on to the other side.
    if not _least(looks[0]) <= run < len(looks[0]) - 1 or np.ptp(levels) > _SAME_LEVELS:
        return 0
    inside = slice(run + 1, run + 1 + _EDGE_LINES)
    differs = [(np.abs(lines[inside] - np.float32(levels[0])) > _OTHER_LEVELS).mean() for lines in looks]
    return run + 1 if np.median(differs) >= _EDGE_SHARE else 0
