"""Small fingerprints of every decoded frame, and what repeats among them.

A fingerprint is a strip-averaged luma thumbnail: a few lines of the picture, each averaged to a few pixels. It
costs some hundredths of a millisecond at any size, because most lines are never touched. At most
:data:`MAX_FRAMES` are kept.

A bad line drops pictures, repeats them, holds one for seconds, and delivers late: what it does to *one* picture says
nothing about the recording. So pictures that repeat the one before, and blank ones, are first taken out
(:func:`shown_anew`): a frozen stretch is a gap, in a file of either kind.

Between two passages of one loop the difference falls sharply at exactly the loop's lag: a moment earlier *and* later
motion is added. A person who comes back to a pose does not move through it in the same way to the pixel. So a repeat
is measured as a *dip*: mean squared difference at a lag, where it is small, over the lesser of those at lags a moment
beside, along a diagonal (loop) or an anti-diagonal (played backwards) of the self-similarity matrix. (Over their mean,
a quiet stretch that ends in a movement would pass for a repeat.) What follows the light is taken out before: a lamp
that goes on and off as before is no movement that repeats, and light that is laid over a loop does not hide it.

A jump to another picture is a *cut* where the scene is another one: not the same after a change of light, nor after
a shift of the camera. Where time went by unseen, a jump has to exceed what the recording shows elsewhere.

Conventions: luma levels 0..255; squared differences are means over the thumbnail; times in seconds.

The same lines say how strongly a picture is compressed: how much fine detail they have, and how many of their pieces
repeat the picture before to the bit, as an encoder short of bits makes them. Where detail falls and repetition rises at
one moment, and both for good, the recording went through a narrower channel from there on.

Sources: self-similarity matrices: Foote 1999, doi:10.1145/319463.319472; double compression as a trace of forgery: Wang
& Farid 2006, doi:10.1145/1161366.1161375; dip and fall are this project's own measures.

Public items: :class:`FrameFingerprints`, :class:`Repeat`, :func:`squared_differences`, :func:`shown_anew`,
:func:`deepest_repeat`, :func:`scene_jumps`, :func:`longest_freeze`, :func:`lasting_fall`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idverify.media.colour import plane_views, to_8_bits
from idverify.media.frame import Frame

__all__ = [
    "MAX_FRAMES",
    "FrameFingerprints",
    "Repeat",
    "deepest_repeat",
    "lasting_fall",
    "longest_freeze",
    "scene_jumps",
    "shown_anew",
    "squared_differences",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Thirty seconds at 40 frames a second, the default limits of a recording.
MAX_FRAMES = 1200
_COLUMNS, _ROWS = 48, 32
# A passage this long must repeat. Shorter ones happen by chance in nearly still pictures.
_PASSAGE_S = 0.8
# A repeat closer than this is a stutter, not a loop; a shorter loop that goes on is met again at a multiple of its
# length.
_MIN_LAG_S = 0.6
# The frames beside are this far away: long enough for motion, too short for a pose.
_BESIDE_S = 0.15
# Added to both sides of a dip (levels squared), so that two still passages are no repeat.
_FLOOR = 0.1
# Light that changes by less than this (levels, root mean square over the recording) explains nothing.
_LIGHT_LEVELS = 1.0
# Passages that differ by more than this (levels squared) are alike but not the same; codecs stay below.
_SAME_PASSAGE = 8.0
# Frames closer than this (levels squared), or than this share of a step that moves, are one picture that a codec passed
# on; of the steps from frame to frame, this share may be none.
_SAME, _SAME_SHARE, _MOVING = 0.05, 0.02, 0.75
# A picture whose thumbnail has less contrast (levels) than this shows nothing: encoders begin with black.
_BLANK_CONTRAST = 4.0
# Jumps of this many luma levels, root mean square, that are also this many times the largest change nearby, may be
# cuts: what moves fast, a camera or a head, changes the neighbouring pictures as well.
_JUMP_LEVELS, _JUMP_TIMES_NEIGHBOURS, _JUMP_NEIGHBOURS_S = 14.0, 2.0, 0.25
# The scene is another one where no shift makes the pictures correlate as much as this. How many bona fide clips on bad
# lines have such a jump, and how many joins of two clips, is printed by benchmarks/accuracy/line_faults.py signals.
_SAME_SCENE = 0.6
# The middle of a picture that is looked for in the other one, as a share of its sides.
_MIDDLE = 0.625
# After a break of this many typical steps a jump has to exceed all changes within so many seconds on either side.
_BREAK_STEPS, _SIDES_S = 3.0, 3.0
# A piece of a line that repeats: as long as a macroblock of H.264 is wide.
_PIECE_PX = 16
# Compression is averaged over this long, or so many typical steps if that is longer; a part of a recording lasts at
# least so many such spells.
_SPELL_S, _SPELL_STEPS, _MIN_SPELLS, _MIN_FRAMES_IN_SPELL = 0.5, 6.0, 2, 4
# Added to detail (levels) before its logarithm.
_DETAIL_FLOOR = 0.05
# What repetition alone counts for where the picture goes on moving (by this share of what it moved before), and detail
# does not rise, nor contrast fall, by more than this: blocks are copied that a better encoder would draw.
_REPETITION_ALONE, _GOES_ON, _DETAIL_RISE = 0.4, 0.6, 0.05


class FrameFingerprints:
    """Keeps a thumbnail of every decoded frame (a ``FrameObserver``).

    Attributes
    ----------
    sizes_wh : list of tuple
        Picture sizes met, in order, each once.
    """

    def __init__(self) -> None:
        self._thumbs: list[NDArray[np.uint8]] = []
        self._times: list[float] = []
        self._compression: list[tuple[float, float]] = []
        self._before: NDArray[np.uint64] | None = None
        self._latest: NDArray[np.uint8] | None = None
        self.sizes_wh: list[tuple[int, int]] = []

    def observe_frame(self, frame: Frame) -> None:
        """See one decoded frame."""
        if frame.size_wh not in self.sizes_wh:
            self.sizes_wh.append(frame.size_wh)
        self._latest = None
        if len(self._times) < MAX_FRAMES:
            lines = _lines(frame)
            self._latest = self._thumbnail(frame, lines)
            self._thumbs.append(self._latest)
            self._compression.append(self._detail_and_repetition(lines))
            self._times.append(frame.time_s)

    def see_turned(self, frame: Frame) -> None:
        """See the last frame in another turn, of which it was found out that it stands upright."""
        if self._latest is not None:
            self._thumbs[-1] = self._latest = self._thumbnail(frame, _lines(frame))

    def _thumbnail(self, frame: Frame, lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Upright, in the shape of the first: a recording may be turned while it goes on."""
        shrunk = np.asarray(cv2.resize(lines, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA), np.uint8)
        upright = shrunk if frame._layout is None else frame._orientation.apply(shrunk)
        shape = self._thumbs[0].shape if self._thumbs else upright.shape
        return np.asarray(cv2.resize(upright, shape[::-1]), np.uint8)

    @property
    def latest(self) -> NDArray[np.uint8] | None:
        """Upright thumbnail of the last picture seen, uint8 [shape=(32, 48) or (48, 32)]; None beyond the limit."""
        return self._latest

    def compression(self) -> F64:
        """Detail in levels, and share of pieces that repeat the picture before [shape=(n, 2)].

        NaN for the repetition of the first picture and after a change of size.
        """
        return np.array(self._compression, np.float64).reshape(-1, 2)

    def _detail_and_repetition(self, lines: NDArray[np.uint8]) -> tuple[float, float]:
        detail = cv2.norm(cv2.Sobel(lines, cv2.CV_16S, 2, 0, ksize=1), cv2.NORM_L1) / lines.size
        pieces = np.ascontiguousarray(lines[:, : lines.shape[1] // _PIECE_PX * _PIECE_PX]).view(np.uint64)
        before, self._before = self._before, pieces
        if before is None or before.shape != pieces.shape or not pieces.size:
            return detail, np.nan
        same = pieces == before
        return detail, float((same[:, ::2] & same[:, 1::2]).mean())

    def thumbnails(self) -> tuple[F64, NDArray[np.uint8]]:
        """Times [shape=(n,)] and upright thumbnails, uint8 [shape=(n, 32, 48) or (n, 48, 32)]."""
        empty = np.empty((0, _ROWS, _COLUMNS), np.uint8)
        return np.array(self._times), np.stack(self._thumbs) if self._thumbs else empty


def _lines(frame: Frame) -> NDArray[np.uint8]:
    """A few lines of luma, straight from the decoder's plane: the whole picture would cost ten times as much."""
    layout = frame._layout
    # What is not coded as Y'CbCr in planes (RGB, palettes, packed formats) has no such plane.
    if layout is None:
        plane = frame.luma()
    else:
        left, top, right, bottom = frame._window
        plane = np.asarray(plane_views(frame._picture, layout)[0][top:bottom, left:right])
    lines = plane[((np.arange(_ROWS) + 0.5) * plane.shape[0] / _ROWS).astype(int)]
    return np.asarray(lines if layout is None else to_8_bits(lines, layout), np.uint8)


def squared_differences(thumbnails: NDArray[np.uint8]) -> F32:
    """Mean squared differences of all pairs.

    Parameters
    ----------
    thumbnails : uint8 [shape=(n, h, w)]

    Returns
    -------
    float32 [shape=(n, n)]
    """
    return _squared_differences(_rows(thumbnails))


def _rows(thumbnails: NDArray[np.uint8]) -> F32:
    """Thumbnails as rows [shape=(n, pixels)]."""
    return thumbnails.reshape(len(thumbnails), np.prod(thumbnails.shape[1:], dtype=int)).astype(np.float32)


def _apart_in_any_light(thumbnails: NDArray[np.uint8]) -> F32:
    """Mean squared differences that neither exposure nor lamps explain [shape=(n, n)]."""
    rows = _rows(thumbnails)
    return np.minimum(_squared_differences(_in_one_exposure(rows)), _squared_differences(_without_lamps(rows)))


def _in_one_exposure(rows: F32) -> F32:
    """Pictures of one luma and one contrast: the middle one's."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    contrast = rows.std(axis=1, keepdims=True)
    return np.asarray(rows * (np.median(contrast) / np.maximum(contrast, 1.0)), np.float32)


def _without_lamps(rows: F32) -> F32:
    """Pictures less what follows the light in them, each pixel in its own measure.

    That is what follows, over all pictures, their luma (and its square, as what clips does) and their contrast.
    """
    luma = rows.mean(axis=1, dtype=np.float64)
    bent = (luma - luma.mean()) ** 2 / (luma.std() + _LIGHT_LEVELS)
    light = np.stack([luma, bent, rows.std(axis=1)], axis=1)
    light, rows = light - light.mean(axis=0), rows - rows.mean(axis=0)
    least = len(light) * _LIGHT_LEVELS**2 * np.eye(light.shape[1])
    followed = np.linalg.solve(light.T @ light + least, light.T @ rows)
    return np.asarray(rows - light @ followed, np.float32)


def _squared_differences(flat: F32) -> F32:
    if not len(flat):
        return np.empty((0, 0), np.float32)
    flat = flat - flat.mean(axis=0)
    power = (flat * flat).sum(axis=1)
    distance = power[:, None] + power - 2 * (flat @ flat.T)
    # What is left of the cancellation is below a thousandth of a level squared.
    return np.asarray(np.maximum(distance, 0) / flat.shape[1], np.float32)


def shown_anew(thumbnails: NDArray[np.uint8], distance: F32) -> NDArray[np.intp]:
    """Which pictures show something that the one before does not: neither blank nor held.

    Parameters
    ----------
    thumbnails : uint8 [shape=(n, h, w)]
    distance : float32 [shape=(n, n)]
        Of :func:`squared_differences`.

    Returns
    -------
    intp [shape=(m,)]
        Rising.
    """
    shown = np.flatnonzero(thumbnails.std(axis=(1, 2)) >= _BLANK_CONTRAST)
    if len(shown) < 2:
        return shown
    steps = distance[shown[:-1], shown[1:]]
    same = max(_SAME, _SAME_SHARE * float(np.quantile(steps, _MOVING)))
    kept = [int(shown[0])]
    for k in shown[1:]:
        if distance[k, kept[-1]] > same:
            kept.append(int(k))
    return np.array(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The passage that repeats most exactly.

    Parameters
    ----------
    dip
        Difference between the passages over that a moment beside, 0 (exact) to 1 (none).
    residual
        Mean squared difference of the passages, levels squared.
    first_s, second_s
        Where the two passages begin.
    backwards
        The second is the first played backwards.
    """

    dip: float
    residual: float
    first_s: float
    second_s: float
    backwards: bool


def _dips(distance: F32, width: int, step: int, allowed: NDArray[np.bool_]) -> tuple[float, float, int, int]:
    """Deepest dip along the diagonals: dip, residual, first row, lag."""
    n = len(distance)
    padded = np.full((n, 2 * n + 1), np.float32(1e6))
    padded[:, :n] = distance
    # Row t of the skewed view starts on the diagonal, so its column is the lag.
    skew = (padded.strides[0] + padded.strides[1], padded.strides[1])
    lagged = np.ascontiguousarray(np.lib.stride_tricks.as_strided(padded, (n, n), skew))
    mean = cv2.blur(lagged, (1, width), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    dip = np.ones_like(mean)
    beside = np.minimum(mean[:, : -2 * step], mean[:, 2 * step :])
    dip[:, step:-step] = (mean[:, step:-step] + _FLOOR) / (beside + _FLOOR)
    dip[~allowed | (mean > _SAME_PASSAGE)] = 1.0
    row, lag = np.unravel_index(int(np.argmin(dip)), dip.shape)
    return float(dip[row, lag]), float(mean[row, lag]), int(row), int(lag)


def deepest_repeat(times_s: F64, thumbnails: NDArray[np.uint8]) -> Repeat | None:
    """The passage that repeats most exactly, forwards or backwards, in whatever light.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
        Of pictures that are :func:`shown_anew`.
    thumbnails : uint8 [shape=(n, h, w)]

    Returns
    -------
    Repeat or None
        ``None`` where the recording is too short to hold two passages.
    """
    n = len(times_s)
    period = float(np.median(np.diff(times_s))) if n > 1 else 0.0
    if period <= 0:
        return None
    width, apart = max(8, round(_PASSAGE_S / period)), max(2, round(_MIN_LAG_S / period))
    step = max(1, round(_BESIDE_S / period))
    if n < width + apart + 2 * step:
        return None
    distance = _apart_in_any_light(thumbnails)
    t, lag = np.ogrid[:n, :n]
    forwards = (lag >= apart) & (t + width + lag + step <= n)
    # With the columns reversed a diagonal holds pairs of frames (t, n-1-lag-t); with the rows reversed, (n-1-t,
    # t+lag).
    early = (lag >= step) & (lag <= n - 2 * (t + width) - step - apart)
    late = (lag >= step) & (2 * t + lag - n + 1 >= apart) & (t + width + lag + step <= n)
    found = []
    dip, residual, row, k = _dips(distance, width, step, forwards)
    found.append((dip, residual, row, row + k, False))
    dip, residual, row, k = _dips(distance[:, ::-1], width, step, early)
    found.append((dip, residual, row, max(n - row - k - width, 0), True))
    dip, residual, row, k = _dips(distance[::-1], width, step, late)
    found.append((dip, residual, max(n - row - width, 0), min(row + k, n - 1), True))
    dip, residual, first, second, backwards = min(found)
    return Repeat(
        dip=dip,
        residual=residual,
        first_s=float(times_s[first]),
        second_s=float(times_s[second]),
        backwards=backwards,
    )


def scene_jumps(times_s: F64, thumbnails: NDArray[np.uint8], distance: F32) -> NDArray[np.intp]:
    """The pictures with which another scene begins at once.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
        Of pictures that are :func:`shown_anew`.
    thumbnails : uint8 [shape=(n, h, w)]
    distance : float32 [shape=(n, n)]

    Returns
    -------
    intp [shape=(jumps,)]
    """
    if len(times_s) < 3:
        return np.empty(0, np.intp)
    change, step = np.sqrt(np.diagonal(distance, 1)), np.diff(times_s)
    at = times_s[1:]
    near = (np.abs(at[:, None] - at[None, :]) <= _JUMP_NEIGHBOURS_S) & ~np.eye(len(at), dtype=bool)
    neighbours = np.where(near, change[None, :], 0.0).max(axis=1)
    jumps = np.flatnonzero((change > _JUMP_LEVELS) & (change > _JUMP_TIMES_NEIGHBOURS * neighbours))
    pause = _BREAK_STEPS * float(np.median(step))
    return np.array(
        [
            k + 1
            for k in jumps
            if _likeness(thumbnails[k], thumbnails[k + 1]) < _SAME_SCENE
            and (step[k] <= pause or change[k] > _most_on_either_side(times_s, distance, int(k)))
        ],
        np.intp,
    )


def _likeness(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Correlation of two pictures in place, or of the middle of either with the best place in the other."""
    a, b = before.astype(np.float32), after.astype(np.float32)
    (h, w), found = a.shape, [float(np.corrcoef(a.ravel(), b.ravel())[0, 1])]
    rows, columns = (slice(round(side * (1 - _MIDDLE) / 2), round(side * (1 + _MIDDLE) / 2)) for side in (h, w))
    for whole, part in ((b, a[rows, columns]), (a, b[rows, columns])):
        found.append(float(cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max()))
    return max(found)


def _most_on_either_side(times_s: F64, distance: F32, k: int) -> float:
    """The largest difference, in levels, among the pictures up to k and among those after it."""
    before = slice(int(np.searchsorted(times_s, times_s[k] - _SIDES_S)), k + 1)
    after = slice(k + 1, int(np.searchsorted(times_s, times_s[k + 1] + _SIDES_S, side="right")))
    return float(np.sqrt(max(distance[before, before].max(), distance[after, after].max())))


def longest_freeze(times_s: F64, distance: F32) -> tuple[float, float]:
    """Length and begin, in seconds, of the longest stretch in which no picture differs from its first.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    distance : float32 [shape=(n, n)]
    """
    n = len(times_s)
    if n < 2:
        return 0.0, 0.0
    same = np.triu(distance <= _SAME)
    # The first frame after t that differs from frame t; n where none does.
    later = np.triu(~same, 1)
    end = np.where(later.any(axis=1), later.argmax(axis=1), n) - 1
    lengths = times_s[end] - times_s
    first = int(np.argmax(lengths))
    return float(lengths[first]), float(times_s[first])


def lasting_fall(times_s: F64, compression: F64, change: F64, contrast: F64) -> tuple[float, float] | None:
    """How far quality falls at one moment and for good, and when.

    The geometric mean of the fall of detail (natural logarithm) and the rise of repetition (share), each from the worst
    quarter of what comes before to the best quarter of what comes after; 0 where either does not happen. A soft picture
    has no detail to lose: where it goes on moving as before, a share of the rise of repetition alone, if that is more.
    Less light takes detail and contrast alike: what contrast falls by, in its logarithm, is no fall of detail.

    Parameters
    ----------
    times_s : float64 [shape=(n,)]
    compression : float64 [shape=(n, 2)]
        Of :meth:`FrameFingerprints.compression`.
    change : float64 [shape=(n,)]
        Of each picture from the one before, in levels.
    contrast : float64 [shape=(n,)]
        Of the thumbnails, in levels, above zero.

    Returns
    -------
    fall, time_s : float
        ``None`` where the recording is too short to have two parts.
    """
    read = np.isfinite(compression).all(axis=1)
    if read.sum() < _MIN_FRAMES_IN_SPELL:
        return None
    times, values = times_s[read], np.column_stack([compression[read], change[read], np.log(contrast[read])])
    length_s = max(_SPELL_S, _SPELL_STEPS * float(np.median(np.diff(times))))
    spell = ((times - times[0]) / length_s).astype(int)
    member = (spell == np.arange(spell[-1] + 1)[:, None]).astype(np.float64)
    full = member.sum(axis=1) >= _MIN_FRAMES_IN_SPELL
    means = member[full] @ values / member[full].sum(axis=1, keepdims=True)
    moments = range(_MIN_SPELLS, len(means) - _MIN_SPELLS + 1)
    if not moments:
        return None
    quality = np.column_stack([np.log(means[:, 0] + _DETAIL_FLOOR), -means[:, 1], means[:, 3]])
    falls = np.array([np.percentile(quality[:m], 25, axis=0) - np.percentile(quality[m:], 75, axis=0) for m in moments])
    darker = np.maximum(falls[:, 2], 0.0)
    falls[:, 0] -= darker
    steady = (falls[:, 0] > -_DETAIL_RISE) & (darker < _DETAIL_RISE)
    moves_on = np.array([np.median(means[m:, 2]) >= _GOES_ON * np.median(means[:m, 2]) for m in moments])
    alone = np.where(moves_on & steady, _REPETITION_ALONE * falls[:, 1], 0.0)
    depth = np.maximum(np.sqrt(np.prod(np.maximum(falls[:, :2], 0.0), axis=1)), alone)
    k = int(np.argmax(depth))
    return float(depth[k]), float(times[0] + np.flatnonzero(full)[moments[k]] * length_s)
