"""Scores of a hundred million comparisons in a few megabytes.

Rates near zero are decided by the extreme scores, so those are kept as they are; the rest is counted in narrow bins.
A :class:`ScoreStream` takes scores in chunks, and streams of separate workers are merged: the result depends neither
on the order of the chunks nor on how they were shared out.

- Counts above the `tail`-th largest score and below the `tail`-th smallest are exact, ties included.
- Anywhere between, the count is bracketed: its bounds differ by what lies in one bin.

Public items: :class:`ScoreStream`, :func:`stream_fnmr_at_fmr`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.error_rates import OperatingPoint, just_above, largest_count_within, operating_point
from idverify.metrics.intervals import Proportion

__all__ = ["ScoreStream", "stream_fnmr_at_fmr"]

# Exact tails this long settle an FMR of 1e-4 on 1e8 comparisons (10,000 false matches) with room to spare: 1.6 MB.
TAIL = 100_000
# 65,536 bins over a similarity of -1..1 are 3e-5 wide, far below the noise of any threshold: 0.5 MB.
BINS = 65_536
# Scores handled at once; keeps temporaries in the processor's cache.
CHUNK = 262_144


class ScoreStream:
    """Counts of scores in bins between `low` and `high`, with both tails exact.

    Parameters
    ----------
    low, high
        Where the bins lie. Scores outside are counted in the end bins, and kept exactly while in a tail.
    bins, tail
        How many bins, and how many extreme scores to keep on each side.

    Raises
    ------
    ParameterError
        An empty range, no bins, or no tail.

    Examples
    --------
    >>> stream = ScoreStream(-1.0, 1.0)
    >>> stream.add([0.1, 0.4, 0.4, 0.9])
    >>> len(stream), stream.count_at_least(0.4)
    (4, (3, 3))
    """

    __slots__ = ("_counts", "_lower", "_total", "_upper", "bins", "high", "low", "tail")

    def __init__(self, low: float, high: float, *, bins: int = BINS, tail: int = TAIL) -> None:
        if not low < high or bins < 1 or tail < 1:
            raise ParameterError(f"expected low < high, bins >= 1, tail >= 1, got {low}, {high}, {bins}, {tail}")
        self.low, self.high, self.bins, self.tail = float(low), float(high), bins, tail
        self._counts = np.zeros(bins, dtype=np.int64)
        self._total = 0
        self._lower = _Tail(tail, largest=False)
        self._upper = _Tail(tail, largest=True)

    def __len__(self) -> int:
        return self._total

    def __repr__(self) -> str:
        return f"ScoreStream({self.low}, {self.high}, bins={self.bins}, tail={self.tail}, scores={self._total})"

    def add(self, scores: ArrayLike) -> None:
        """Count more scores [any shape].

        Raises
        ------
        ParameterError
            NaN among them; nothing is counted then.
        """
        flat = np.ravel(np.asarray(scores))
        if np.isnan(flat).any():
            raise ParameterError(f"scores: expected numbers, got {int(np.isnan(flat).sum())} NaN")
        for start in range(0, flat.size, CHUNK):
            chunk = flat[start : start + CHUNK].astype(np.float64)
            self._counts += np.bincount(self._bin(chunk), minlength=self.bins)
            self._lower.add(chunk)
            self._upper.add(chunk)
        self._total += flat.size

    def merge(self, other: ScoreStream) -> None:
        """Count what another stream counted.

        Raises
        ------
        ParameterError
            The other stream has other bins or another tail.
        """
        mine, its = ((s.low, s.high, s.bins, s.tail) for s in (self, other))
        if mine != its:
            raise ParameterError(f"streams differ in (low, high, bins, tail): {mine} and {its}")
        self._counts += other._counts
        self._total += other._total
        self._lower.add(other._lower.values())
        self._upper.add(other._upper.values())

    def _bin(self, scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """Bin of each score: monotone in the score, which is all that the bounds rely on."""
        place = (scores - self.low) * (self.bins / (self.high - self.low))
        return np.clip(place, 0, self.bins - 1).astype(np.intp)

    def count_at_least(self, threshold: float) -> tuple[int, int]:
        """Bounds of the number of scores ``>= threshold``; equal where the count is exact.

        Raises
        ------
        ParameterError
            `threshold` is NaN.
        """
        if np.isnan(threshold):
            raise ParameterError("threshold: expected a number, got NaN")
        upper, lower = self._upper.values(), self._lower.values()
        if upper.size == self._total or (upper.size and threshold > upper[0]):
            exact = int(upper.size - np.searchsorted(upper, threshold))
            return exact, exact
        if lower.size and threshold <= lower[-1]:
            exact = self._total - int(np.searchsorted(lower, threshold))
            return exact, exact
        at = int(self._bin(np.array([threshold]))[0])
        above = int(self._counts[at + 1 :].sum())
        return above, above + int(self._counts[at])

    def threshold_at_rate(self, target: float) -> float:
        """The smallest threshold that at most a share `target` of the scores reaches, exactly as on all scores at once.

        Raises
        ------
        ParameterError
            No scores, a target outside [0, 1], one that the exact tail does not reach, or infinite scores in the way.
        """
        if not self._total:
            raise ParameterError("expected at least one score, got none")
        allowed = largest_count_within(target, self._total)
        if allowed == self._total:
            return -np.inf
        upper = self._upper.values()
        if allowed >= upper.size:
            raise ParameterError(
                f"target {target}: needs a tail of {allowed + 1} scores, this stream keeps {self.tail}"
            )
        return just_above(float(upper[upper.size - 1 - allowed]))

    def histogram(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Bin edges [shape=(bins + 1,)] and counts [shape=(bins,)], for plots."""
        return np.linspace(self.low, self.high, self.bins + 1), self._counts.copy()


class _Tail:
    """The `size` most extreme scores so far, whole or cut among equals: counts beyond it are exact."""

    __slots__ = ("_largest", "_parts", "_pending", "_size", "_sorted")

    def __init__(self, size: int, *, largest: bool) -> None:
        self._size, self._largest = size, largest
        self._sorted: NDArray[np.float64] = np.empty(0)
        self._parts: list[NDArray[np.float64]] = []
        self._pending = 0

    def add(self, scores: NDArray[np.float64]) -> None:
        """Keep what may belong to the tail; cut when twice as much has come together."""
        if self._sorted.size == self._size:
            floor = self._sorted[0] if self._largest else self._sorted[-1]
            scores = scores[scores > floor] if self._largest else scores[scores < floor]
        if scores.size:
            self._parts.append(scores)
            self._pending += scores.size
        if self._pending >= self._size:
            self._cut()

    def values(self) -> NDArray[np.float64]:
        """The kept scores, ascending."""
        self._cut()
        return self._sorted

    def _cut(self) -> None:
        if not self._pending:
            return
        scores = np.concatenate([self._sorted, *self._parts])
        if scores.size > self._size:
            at = scores.size - self._size if self._largest else self._size - 1
            scores = np.partition(scores, at)
            scores = scores[at:] if self._largest else scores[: at + 1]
        self._sorted, self._parts, self._pending = np.sort(scores), [], 0


def stream_fnmr_at_fmr(mated: ScoreStream, non_mated: ScoreStream, target_fmr: float) -> OperatingPoint:
    """:func:`~idverify.metrics.fnmr_at_fmr` on streams; FNMR is rounded up to its bound where it is not exact.

    Raises
    ------
    ParameterError
        As :meth:`ScoreStream.threshold_at_rate`, or no mated scores.
    """
    if not len(mated):
        raise ParameterError("mated: expected at least one score, got none")
    threshold = non_mated.threshold_at_rate(target_fmr)
    false_matches = non_mated.count_at_least(threshold)[1]
    true_matches = mated.count_at_least(threshold)[0]
    return operating_point(
        threshold,
        target_fmr,
        Proportion(errors=false_matches, trials=len(non_mated)),
        Proportion(errors=len(mated) - true_matches, trials=len(mated)),
    )
