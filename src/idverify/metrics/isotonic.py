"""The best monotone map from scores to probabilities: pool adjacent violators.

The fit is done on whole-number counts, so that equal scores stay together and "violates" is decided exactly. Blocks
are merged in vectorised passes over all of them; what a few passes leave is finished by the classical stack.

Public items: :func:`pav`, :func:`pav_counts`, :class:`IsotonicFit`.

References
----------
.. [1] M. Ayer et al., "An empirical distribution function for sampling with incomplete information", Ann. Math. Stat.
   26, 1955, doi:10.1214/aoms/1177728423.
.. [2] N. Brümmer, J. du Preez, "Application-independent evaluation of speaker detection", Computer Speech & Language
   20, 2006, doi:10.1016/j.csl.2005.08.001.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.inputs import as_counts, as_labels, as_scores

__all__ = ["IsotonicFit", "pav", "pav_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IsotonicFit:
    """Blocks of scores with one probability each, rising from block to block.

    Parameters
    ----------
    low, high : float64 [shape=(k,)]
        Smallest and largest fitted score of each block.
    positives, negatives : int64 [shape=(k,)]
        Trials in each block.
    """

    low: NDArray[np.float64] = field(repr=False)
    high: NDArray[np.float64] = field(repr=False)
    positives: NDArray[np.int64] = field(repr=False)
    negatives: NDArray[np.int64] = field(repr=False)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Share of positives in each block [shape=(k,)], strictly increasing."""
        return self.positives / (self.positives + self.negatives)

    @property
    def llr(self) -> NDArray[np.float64]:
        """Natural-log likelihood ratio of each block [shape=(k,)]; infinite where a class is absent [2]_.

        ``ln((positives / all positives) / (negatives / all negatives))``: the prior of the fitted trials is taken
        out.
        """
        with np.errstate(divide="ignore"):
            ratio = np.log(self.positives) - np.log(self.negatives)
            prior = np.log(self.positives.sum()) - np.log(self.negatives.sum())
        return np.asarray(ratio - prior, dtype=np.float64)

    def block_of(self, scores: ArrayLike) -> NDArray[np.intp]:
        """Index of the block that each score falls in; between two blocks, the lower one (a gap earns nothing)."""
        at = np.searchsorted(self.low, as_scores(scores, "scores"), side="right") - 1
        return np.maximum(at, 0)

    def probability_of(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Fitted probability of each score; outside the fitted range, that of the end block."""
        return self.probability[self.block_of(scores)]

    def llr_of(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Fitted natural-log likelihood ratio of each score."""
        return self.llr[self.block_of(scores)]


def pav(scores: ArrayLike, labels: ArrayLike) -> IsotonicFit:
    """Fit the non-decreasing map of least squared (and least logarithmic) error [1]_, [2]_.

    Parameters
    ----------
    scores : array_like [shape=(n,)]
    labels : array_like of bool [shape=(n,)]
        True for the positive class.

    Returns
    -------
    IsotonicFit

    Raises
    ------
    ParameterError
        No scores, NaN, or labels that do not fit.

    Examples
    --------
    >>> pav([1, 2, 3, 4], [0, 1, 0, 1]).probability.tolist()
    [0.0, 0.5, 1.0]
    """
    given = as_scores(scores, "scores")
    positive = as_labels(labels, given.size)
    order = np.argsort(given)
    in_order = given[order]
    starts = np.flatnonzero(np.concatenate(([True], in_order[1:] != in_order[:-1])))
    positives = np.add.reduceat(positive[order].astype(np.int64), starts)
    totals = np.diff(np.append(starts, given.size))
    return pav_counts(in_order[starts], positives, totals - positives)


def pav_counts(scores: ArrayLike, positives: ArrayLike, negatives: ArrayLike) -> IsotonicFit:
    """:func:`pav` for scores that were counted already, for example in a histogram.

    Parameters
    ----------
    scores : array_like [shape=(n,)]
        Strictly increasing.
    positives, negatives : array_like of int [shape=(n,)]
        Trials at each score. Scores without trials are dropped.

    Raises
    ------
    ParameterError
        Scores that do not increase, counts that do not fit, or no trials.
    """
    at = as_scores(scores, "scores")
    pos, neg = as_counts(positives, "positives"), as_counts(negatives, "negatives")
    if not at.shape == pos.shape == neg.shape:
        raise ParameterError(f"expected equal lengths, got {at.size}, {pos.size} and {neg.size}")
    if (at[1:] <= at[:-1]).any():
        raise ParameterError("scores: expected strictly increasing values")
    used = (pos + neg) > 0
    if not used.any():
        raise ParameterError("expected at least one trial, got none")
    at, pos, neg = at[used], pos[used], neg[used]
    starts = _finish(*_merge_in_passes(pos, neg))
    ends = np.append(starts[1:], at.size) - 1
    return IsotonicFit(
        low=at[starts],
        high=at[ends],
        positives=np.add.reduceat(pos, starts),
        negatives=np.add.reduceat(neg, starts),
    )


def _violates(pos: NDArray[np.int64], neg: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each block's share of positives is no higher than that of the block before it.

    Cross-multiplied, so exact: shares p/(p+n) compare like odds p/n. Products stay below 2**63 for up to 3e9 trials.
    """
    return pos[1:] * neg[:-1] <= pos[:-1] * neg[1:]


def _merge_in_passes(
    pos: NDArray[np.int64], neg: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Merge whole runs of violating neighbours at once, while that still shrinks the list by a tenth.

    Neighbours that violate end up in one block whatever is merged first [1]_, hence so do runs of them.
    """
    starts = np.arange(pos.size)
    while pos.size > 1:
        keep = np.concatenate(([True], ~_violates(pos, neg)))
        first = np.flatnonzero(keep)
        if first.size > 0.9 * pos.size:
            break
        starts, pos, neg = starts[first], np.add.reduceat(pos, first), np.add.reduceat(neg, first)
    return starts, pos, neg


def _finish(starts: NDArray[np.intp], pos: NDArray[np.int64], neg: NDArray[np.int64]) -> NDArray[np.intp]:
    """Stack of blocks in whole Python numbers: linear, and exact at any size."""
    if not _violates(pos, neg).any():
        return starts
    stack: list[tuple[int, int, int]] = []
    for start, p, n in zip(starts.tolist(), pos.tolist(), neg.tolist(), strict=True):
        block = (start, p, n)
        while stack and block[1] * stack[-1][2] <= stack[-1][1] * block[2]:
            before = stack.pop()
            block = (before[0], before[1] + block[1], before[2] + block[2])
        stack.append(block)
    return np.array([block[0] for block in stack], dtype=np.intp)
