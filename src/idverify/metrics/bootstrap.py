"""Intervals of rates whose trials share people.

Ten videos of one person are not ten independent trials, and a non-mated trial belongs to two people at once. So
people are drawn again, not trials: a mated trial counts as often as its subject was drawn; a non-mated trial counts
as often as *both* of its subjects were drawn together, the product of the two counts.

All replicates are computed together as matrix products over subjects; no loop over replicates or trials.

Public items: :func:`bootstrap_by_subject`, :func:`bootstrap_two_way`.

References
----------
.. [1] R. M. Bolle, N. K. Ratha, S. Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap",
   CVIU 93, 2004, doi:10.1016/j.cviu.2003.08.002.
.. [2] A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007, doi:10.1214/07-AOAS122.
.. [3] T. A. B. Snijders, S. P. Borgatti, "Non-parametric standard errors and tests for network statistics",
   Connections 22, 1999 (the vertex bootstrap: one draw of people for both sides of a pair).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idverify.errors import ParameterError
from idverify.metrics.inputs import as_labels, check_open_unit
from idverify.metrics.intervals import Interval, clopper_pearson

__all__ = ["bootstrap_by_subject", "bootstrap_two_way"]

# Enough for 2.5 % tails to be stable in the second digit: B. Efron, R. Tibshirani, "An introduction to the
# bootstrap", 1993, section 13.3.
REPLICATES = 1000
# Pairs handled at once, so that memory stays at some tens of megabytes.
PAIRS_AT_ONCE = 1024


def bootstrap_by_subject(
    errors: ArrayLike,
    subjects: Sequence[Hashable],
    *,
    replicates: int = REPLICATES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of an error rate, with subjects drawn again [1]_.

    Parameters
    ----------
    errors : array_like of bool [shape=(n,)]
        Whether each trial was an error.
    subjects : sequence, length n
        Whose trial it was.
    replicates, seed
        How often to draw, and where the draw starts: equal input gives equal output.

    Raises
    ------
    ParameterError
        Lengths that differ, fewer than two subjects, or fewer than 100 replicates.
    """
    wrong = as_labels(errors, len(subjects))
    ids, people = _number(subjects)
    drawn = _draws(people, replicates, seed)
    per_subject = np.stack((np.bincount(ids, weights=wrong, minlength=people), np.bincount(ids, minlength=people)))
    numerator, denominator = per_subject @ drawn.T
    return _percentiles(numerator, denominator, wrong, people, confidence, "bootstrap by subject")


def bootstrap_two_way(
    errors: ArrayLike,
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    replicates: int = REPLICATES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of an error rate of non-mated pairs, with people drawn again on both sides [2]_, [3]_.

    Parameters
    ----------
    errors : array_like of bool [shape=(n,)]
        Whether each pair was a false match.
    first, second : sequence, length n
        The two people of each pair. One draw of people serves both sides.

    Raises
    ------
    ParameterError
        Lengths that differ, a pair of one person with themselves, fewer than three subjects, or fewer than 100
        replicates.
    """
    if len(first) != len(second):
        raise ParameterError(f"expected as many first as second subjects, got {len(first)} and {len(second)}")
    wrong = as_labels(errors, len(first))
    ids, people = _number([*first, *second])
    pairs = np.sort(ids.reshape(2, -1), axis=0)
    if (pairs[0] == pairs[1]).any():
        raise ParameterError("a non-mated pair names one subject twice")
    if people < 3:
        raise ParameterError(f"expected at least 3 subjects, got {people}")
    drawn = _draws(people, replicates, seed)
    unique, inverse = np.unique(pairs[0] * people + pairs[1], return_inverse=True)
    counts = np.stack((np.bincount(inverse, weights=wrong), np.bincount(inverse)))
    total = np.zeros((2, replicates))
    for start in range(0, unique.size, PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        together = drawn.T[unique[part] // people] * drawn.T[unique[part] % people]
        total += counts[:, part] @ together
    return _percentiles(total[0], total[1], wrong, people // 2, confidence, "two-way bootstrap by subject")


def _number(subjects: Sequence[Hashable]) -> tuple[NDArray[np.intp], int]:
    """Subjects as whole numbers from 0, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    ids = np.array([numbers.setdefault(subject, len(numbers)) for subject in subjects], dtype=np.intp)
    if len(numbers) < 2:
        raise ParameterError(f"expected at least 2 subjects, got {len(numbers)}")
    return ids, len(numbers)


def _draws(people: int, replicates: int, seed: int) -> NDArray[np.float64]:
    """How often each person was drawn in each replicate [shape=(replicates, people)]."""
    if replicates < 100:
        raise ParameterError(f"replicates: expected at least 100, got {replicates}")
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1.0 / people), size=replicates).astype(np.float64)


def _percentiles(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    wrong: NDArray[np.bool_],
    independent: int,
    confidence: float,
    method: str,
) -> Interval:
    """Percentiles of the replicates; the interval of `independent` trials where all trials agree.

    Without any error every replicate is zero, which says nothing about the next person. What is left are at most
    `independent` trials that share nobody: one a subject, or one a pair of subjects.
    """
    if wrong.all() or not wrong.any():
        return clopper_pearson(independent if wrong.all() else 0, independent, confidence)
    tail = (1.0 - check_open_unit(confidence, "confidence")) / 2.0
    drawn = denominator > 0  # a replicate may by chance hold no trial at all
    low, high = np.quantile(numerator[drawn] / denominator[drawn], (tail, 1.0 - tail))
    return Interval(low=float(low), high=float(high), confidence=confidence, method=method)
