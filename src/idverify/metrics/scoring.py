"""How good probabilities and log-likelihood ratios are as numbers, not only as orderings.

Conventions: probabilities are of the positive class, in [0, 1]; LLRs are natural logarithms and grow towards the
positive class; Cllr is in bits.

Public items: :func:`brier`, :func:`reliability`, :func:`ece`, :func:`cllr`, :func:`min_cllr`,
:func:`probability_from_llr`, :class:`Reliability`.

References
----------
.. [1] G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950,
   doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
.. [2] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
   AAAI 2015, doi:10.1609/aaai.v29i1.9602.
.. [3] N. Brümmer, J. du Preez, "Application-independent evaluation of speaker detection", Computer Speech & Language
   20, 2006, doi:10.1016/j.csl.2005.08.001.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.inputs import as_labels, as_probabilities, as_scores, check_open_unit
from idverify.metrics.isotonic import pav

__all__ = ["Reliability", "brier", "cllr", "ece", "min_cllr", "probability_from_llr", "reliability"]

# 15 bins of equal width: the customary choice since Guo et al., ICML 2017,
# https://proceedings.mlr.press/v70/guo17a.html.
ECE_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What was promised and what happened, in bins of equal width. Empty bins are left out.

    Parameters
    ----------
    predicted : float64 [shape=(k,)]
        Mean probability in each bin.
    observed : float64 [shape=(k,)]
        Share of positives in each bin.
    count : int64 [shape=(k,)]
        Trials in each bin.
    weight : float64 [shape=(k,)]
        Share of the weight in each bin; without weights, of the trials.
    """

    predicted: NDArray[np.float64] = field(repr=False)
    observed: NDArray[np.float64] = field(repr=False)
    count: NDArray[np.int64] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)


def brier(probabilities: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    r"""Brier score [1]_: :math:`\sum w_i (p_i - y_i)^2 / \sum w_i`. 0 is perfect; always saying 0.5 gives 0.25.

    Parameters
    ----------
    probabilities : array_like [shape=(n,)]
    labels : array_like of bool [shape=(n,)]
    weights : array_like [shape=(n,)]
        What each trial stands for, at least 0; by default the same.

    Raises
    ------
    ParameterError
        Values outside [0, 1], or labels or weights that do not fit.
    """
    predicted = as_probabilities(probabilities, "probabilities")
    squared = (predicted - as_labels(labels, predicted.size)) ** 2
    return float(np.average(squared, weights=_as_weights(weights, predicted.size)))


def _as_weights(weights: ArrayLike | None, n: int) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(n)
    given = as_scores(weights, "weights")
    if given.size != n or given.min() < 0.0 or not 0.0 < given.sum() < np.inf:
        raise ParameterError(f"weights: expected {n} values of at least 0, not all 0, got {given.size}")
    return given


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = ECE_BINS, weights: ArrayLike | None = None
) -> Reliability:
    """Mean probability and share of positives in `bins` bins of equal width; 1.0 belongs to the last bin.

    Parameters
    ----------
    probabilities, labels, weights
        As for :func:`brier`. Bins without weight are left out.

    Raises
    ------
    ParameterError
        Values outside [0, 1], labels or weights that do not fit, or no bins.
    """
    predicted = as_probabilities(probabilities, "probabilities")
    positive = as_labels(labels, predicted.size)
    each = _as_weights(weights, predicted.size)
    if bins < 1:
        raise ParameterError(f"bins: expected at least 1, got {bins}")
    index = np.minimum((predicted * bins).astype(np.intp), bins - 1)
    weight = np.bincount(index, weights=each, minlength=bins)
    used = weight > 0
    return Reliability(
        predicted=np.bincount(index, weights=each * predicted, minlength=bins)[used] / weight[used],
        observed=np.bincount(index, weights=each * positive, minlength=bins)[used] / weight[used],
        count=np.bincount(index, minlength=bins)[used],
        weight=weight[used] / weight.sum(),
    )


def ece(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = ECE_BINS, weights: ArrayLike | None = None
) -> float:
    r"""Expected calibration error [2]_: :math:`\sum_b w_b |\bar p_b - \bar y_b|` over bins of equal width.

    :math:`w_b` is the bin's share of the weight: of the trials, where no weights are given.

    Raises
    ------
    ParameterError
        As :func:`reliability`.
    """
    table = reliability(probabilities, labels, bins=bins, weights=weights)
    return float(table.weight @ np.abs(table.predicted - table.observed))


def cllr(positive_llr: ArrayLike, negative_llr: ArrayLike) -> float:
    r"""Cost of log-likelihood ratios, in bits [3]_.

    .. math::
        \frac{1}{2 \ln 2} \left( \frac{1}{N_p} \sum \ln(1 + e^{-\ell_i}) + \frac{1}{N_n} \sum \ln(1 + e^{\ell_j})
        \right)

    0 is perfect; 1 is what saying nothing (LLR 0) costs; a certain wrong answer costs infinity. Both classes weigh
    the same whatever their counts.

    Parameters
    ----------
    positive_llr : array_like [shape=(n,)]
        Of mated (or bona fide) trials.
    negative_llr : array_like [shape=(m,)]
        Of non-mated (or attack) trials.

    Raises
    ------
    ParameterError
        A class without trials, or NaN.
    """
    positives, negatives = as_scores(positive_llr, "positive_llr"), as_scores(negative_llr, "negative_llr")
    cost = np.mean(np.logaddexp(0.0, -positives)) + np.mean(np.logaddexp(0.0, negatives))
    return float(cost / (2.0 * np.log(2.0)))


def min_cllr(positive_scores: ArrayLike, negative_scores: ArrayLike) -> float:
    """Cllr after the best monotone recalibration (PAV) on the same trials [3]_.

    The part of Cllr that calibration cannot mend; ``cllr - min_cllr`` is the calibration loss. Any scores will do.

    Raises
    ------
    ParameterError
        A class without trials, or NaN.
    """
    positives, negatives = as_scores(positive_scores, "positive_scores"), as_scores(negative_scores, "negative_scores")
    labels = np.repeat([True, False], [positives.size, negatives.size])
    fit = pav(np.concatenate((positives, negatives)), labels)
    # Repeated, not multiplied: a block without a class has an infinite LLR and no trial of that class to pay for it.
    return cllr(np.repeat(fit.llr, fit.positives), np.repeat(fit.llr, fit.negatives))


def probability_from_llr(llr: ArrayLike, prior: float) -> NDArray[np.float64]:
    """Posterior probability ``1 / (1 + exp(-(llr + ln(prior / (1 - prior)))))``, shaped like `llr`.

    Raises
    ------
    ParameterError
        A prior outside (0, 1).
    """
    log_odds = np.asarray(llr, dtype=np.float64) + np.log(check_open_unit(prior, "prior") / (1.0 - prior))
    # exp(-logaddexp(0, -x)) is the logistic function without overflow.
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)), dtype=np.float64)
