"""Errors of comparison and of whole transactions.

Conventions: see :mod:`idverify.metrics.inputs`; a comparison matches when ``score >= threshold``. Comparison errors
(FMR, FNMR) count completed comparisons only; transaction errors (FAR, FRR) include failures to acquire; the
generalised ones include failures to enrol as well.

Public items: :func:`fmr`, :func:`fnmr`, :func:`det_curve`, :func:`threshold_at_fmr`, :func:`fnmr_at_fmr`,
:func:`fta`, :func:`fte`, :func:`far`, :func:`frr`, :func:`gfar`, :func:`gfrr`, :class:`DETCurve`,
:class:`OperatingPoint`.

References
----------
.. [1] ISO/IEC 19795-1:2021, "Biometric performance testing and reporting: principles and framework".
.. [2] A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.inputs import as_scores
from idverify.metrics.intervals import Proportion, rule_of_three

__all__ = [
    "DETCurve",
    "OperatingPoint",
    "det_curve",
    "far",
    "fmr",
    "fnmr",
    "fnmr_at_fmr",
    "frr",
    "fta",
    "fte",
    "gfar",
    "gfrr",
    "threshold_at_fmr",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DETCurve:
    """Both comparison errors at every threshold where one of them changes [2]_.

    Parameters
    ----------
    threshold : float64 [shape=(n,)]
        Strictly increasing: every observed score, then infinity (nothing matches).
    fmr, fnmr : float64 [shape=(n,)]
        Falling from 1 to 0, and rising from 0 to 1 (less where scores are infinite).
    n_mated, n_non_mated
        Comparisons behind the curve.
    """

    threshold: NDArray[np.float64] = field(repr=False)
    fmr: NDArray[np.float64] = field(repr=False)
    fnmr: NDArray[np.float64] = field(repr=False)
    n_mated: int
    n_non_mated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A threshold chosen for a target FMR, and what it costs.

    Parameters
    ----------
    threshold
        Match when ``score >= threshold``.
    target_fmr
        What was asked.
    fmr, fnmr
        What was observed, with counts.
    supported
        Whether there were enough non-mated comparisons to show the target at all (rule of three). False means that
        `threshold` is a guess beyond the data.
    """

    threshold: float
    target_fmr: float
    fmr: Proportion
    fnmr: Proportion
    supported: bool


def fmr(non_mated: ArrayLike, threshold: ArrayLike) -> NDArray[np.float64]:
    r"""False match rate: :math:`\mathrm{FMR}(t) = \#\{s \in \text{non-mated} : s \ge t\} / N` [1]_.

    Parameters
    ----------
    non_mated : array_like [shape=(N,)]
        Comparison scores of different people.
    threshold : array_like [shape=(...)]
        One threshold or many.

    Returns
    -------
    fmr : float64 [shape of `threshold`]

    Raises
    ------
    ParameterError
        No scores, or NaN among them.

    Examples
    --------
    >>> fmr([0.1, 0.4, 0.4, 0.9], [0.4, 0.5]).tolist()
    [0.75, 0.25]
    """
    scores = as_scores(non_mated, "non_mated")
    return (scores.size - count_below(scores, threshold)) / scores.size


def fnmr(mated: ArrayLike, threshold: ArrayLike) -> NDArray[np.float64]:
    r"""False non-match rate: :math:`\mathrm{FNMR}(t) = \#\{s \in \text{mated} : s < t\} / N` [1]_.

    Parameters
    ----------
    mated : array_like [shape=(N,)]
        Comparison scores of one person with themselves.
    threshold : array_like [shape=(...)]

    Returns
    -------
    fnmr : float64 [shape of `threshold`]

    Raises
    ------
    ParameterError
        No scores, or NaN among them.
    """
    scores = as_scores(mated, "mated")
    return count_below(scores, threshold) / scores.size


def count_below(scores: NDArray[np.float64], threshold: ArrayLike) -> NDArray[np.int64]:
    """How many scores lie strictly below each threshold; shaped like `threshold`."""
    thresholds = np.asarray(threshold, dtype=np.float64)
    if np.isnan(thresholds).any():
        raise ParameterError("threshold: expected numbers, got NaN")
    if thresholds.size == 1:  # one pass instead of a sort
        return np.full(thresholds.shape, np.count_nonzero(scores < thresholds.reshape(())), dtype=np.int64)
    return np.asarray(np.searchsorted(np.sort(scores), thresholds, side="left"), dtype=np.int64)


def det_curve(mated: ArrayLike, non_mated: ArrayLike) -> DETCurve:
    """Trade FMR for FNMR over every threshold, ties exact [1]_, [2]_.

    Parameters
    ----------
    mated, non_mated : array_like [shape=(n,)]

    Returns
    -------
    DETCurve

    Raises
    ------
    ParameterError
        A class without scores, or NaN.
    """
    of_same = np.sort(as_scores(mated, "mated"))
    of_others = np.sort(as_scores(non_mated, "non_mated"))
    scores = np.union1d(of_same, of_others)
    threshold = scores if scores[-1] == np.inf else np.append(scores, np.inf)
    return DETCurve(
        threshold=threshold,
        fmr=(of_others.size - np.searchsorted(of_others, threshold)) / of_others.size,
        fnmr=np.searchsorted(of_same, threshold) / of_same.size,
        n_mated=of_same.size,
        n_non_mated=of_others.size,
    )


def largest_count_within(target: float, trials: int) -> int:
    """The largest k with ``k / trials <= target`` in floating point, as the reader will compute it.

    ``floor(target * trials)`` is not that number: 0.29 * 100 falls below 29.
    """
    if not 0.0 <= target <= 1.0:
        raise ParameterError(f"target: expected a rate in [0, 1], got {target!r}")
    k = int(target * trials)
    while k < trials and (k + 1) / trials <= target:
        k += 1
    while k > 0 and k / trials > target:
        k -= 1
    return k


def threshold_at_fmr(non_mated: ArrayLike, target_fmr: float) -> float:
    """The smallest threshold whose observed FMR is at most `target_fmr`.

    With k the most false matches allowed, it is the next float above the (k + 1)-th largest non-mated score: a higher
    threshold would only add false non-matches, a lower one lets the whole next group of equal scores in.

    Returns
    -------
    threshold
        ``-inf`` where every comparison may match.

    Raises
    ------
    ParameterError
        No scores, NaN, a target outside [0, 1], or infinite scores that no threshold can keep out.
    """
    return threshold_at_rate(as_scores(non_mated, "non_mated"), target_fmr)


def threshold_at_rate(scores: NDArray[np.float64], target: float) -> float:
    """The smallest threshold that at most a share `target` of `scores` reaches."""
    allowed = largest_count_within(target, scores.size)
    if allowed == scores.size:
        return -np.inf
    at = scores.size - 1 - allowed
    return just_above(float(np.partition(scores, at)[at]))


def just_above(score: float) -> float:
    """The next float above `score`; an infinite score has none."""
    if score == np.inf:
        raise ParameterError("more scores are infinite than the target allows; no threshold exists")
    return float(np.nextafter(score, np.inf))


def fnmr_at_fmr(mated: ArrayLike, non_mated: ArrayLike, target_fmr: float) -> OperatingPoint:
    """FNMR at the threshold for a target FMR, with that threshold and all counts [1]_.

    Parameters
    ----------
    mated, non_mated : array_like [shape=(n,)]
    target_fmr
        In [0, 1].

    Returns
    -------
    OperatingPoint

    Raises
    ------
    ParameterError
        As :func:`threshold_at_fmr`.
    """
    same, others = as_scores(mated, "mated"), as_scores(non_mated, "non_mated")
    threshold = threshold_at_fmr(others, target_fmr)
    return operating_point(
        threshold,
        target_fmr,
        Proportion(errors=int(np.count_nonzero(others >= threshold)), trials=others.size),
        Proportion(errors=int(np.count_nonzero(same < threshold)), trials=same.size),
    )


def operating_point(
    threshold: float, target_fmr: float, matches: Proportion, non_matches: Proportion
) -> OperatingPoint:
    """Put an operating point together; the support for its target follows from the counts."""
    return OperatingPoint(
        threshold=threshold,
        target_fmr=target_fmr,
        fmr=matches,
        fnmr=non_matches,
        supported=rule_of_three(matches.trials) <= target_fmr * (1.0 + 1e-12),
    )


def fta(failures: int, attempts: int) -> Proportion:
    """Failure-to-acquire rate: attempts whose probe could not be captured or extracted, of all attempts [1]_."""
    return Proportion(errors=failures, trials=attempts)


def fte(failures: int, enrolments: int) -> Proportion:
    """Failure-to-enrol rate: enrolments that could not be completed, of all enrolments [1]_."""
    return Proportion(errors=failures, trials=enrolments)


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0.0 <= rate <= 1.0:
            raise ParameterError(f"{name}: expected a rate in [0, 1], got {rate!r}")


def far(fmr: float, fta: float) -> float:
    """False accept rate of single-attempt transactions: ``FMR * (1 - FTA)`` [1]_."""
    _check_rates(fmr=fmr, fta=fta)
    return fmr * (1.0 - fta)


def frr(fnmr: float, fta: float) -> float:
    """False reject rate of single-attempt transactions: ``FTA + FNMR * (1 - FTA)`` [1]_."""
    _check_rates(fnmr=fnmr, fta=fta)
    return fta + fnmr * (1.0 - fta)


def gfar(fmr: float, fta: float, fte: float) -> float:
    """Generalised false accept rate: ``FMR * (1 - FTA) * (1 - FTE)`` [1]_."""
    _check_rates(fte=fte)
    return far(fmr, fta) * (1.0 - fte)


def gfrr(fnmr: float, fta: float, fte: float) -> float:
    """Generalised false reject rate: ``FTE + (1 - FTE) * (FTA + FNMR * (1 - FTA))`` [1]_."""
    _check_rates(fte=fte)
    return fte + (1.0 - fte) * frr(fnmr, fta)
