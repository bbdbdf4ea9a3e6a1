"""How alike strangers are, group by group: scores of one group in, its counts, errors and upper tail out.

Strangers of one sex and one group, or from one source of pictures, score higher than strangers at large. A rate that
holds for the average does not hold for them, so tails are kept by group, and the *least favoured* tail is the highest
of all at each similarity. Groups are those of the data that a card is fitted on; nobody is assigned to one later.

A tail follows the counts down to its highest :data:`TAIL_FROM` scores; beyond, it goes on as an exponential with their
mean excess (peaks over threshold with shape zero). A group whose highest hundredth is less than that has too few scores
to tell how its tail falls: it starts from its own highest hundredth and falls as all groups of look-alikes do together
above theirs.

Sources: Coles 2001, "An Introduction to Statistical Modeling of Extreme Values", chapter 4,
doi:10.1007/978-1-4471-3675-0; ISO/IEC 19795-10:2024 and NIST SP 800-63A-4, section 3.11 (rates by group).

Public items: :class:`GroupScores`, :class:`GroupRates`, :func:`group_rates`, :func:`upper_tail`,
:func:`least_favoured_tail`, :func:`shared_excess`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["GroupRates", "GroupScores", "group_rates", "least_favoured_tail", "shared_excess", "upper_tail"]

F64 = NDArray[np.float64]

# A mean excess of so many scores has a standard error of a sixth.
TAIL_FROM = 30
# Where tails of groups are alike: of look-alikes, the highest hundredth falls by a factor of e in 0.026 to 0.044.
TAIL_SHARE = 0.01
# Where fewer comparisons than this were made, the highest TAIL_SHARE are no tail.
LEAST_COMPARISONS = 1000
# Below this a rate is of no use to anybody: the tail ends.
_LEAST_LOG10_FMR = -9.0
# Similarities at which tails are compared with each other.
_GRID = np.arange(-1.0, 1.0 + 1e-9, 0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """Comparisons within one group of people or one source of pictures.

    Parameters
    ----------
    name
        As reports call it, for example ``UTKFace, Indian women``.
    non_mated, mated : float64 [shape=(n,)], [shape=(m,)]
        Similarities; a set of strangers has no mated ones.
    people, photos
        Counts behind them.
    alike
        Whether all its people are of one kind (same sex and group); a whole source has strangers of all kinds.
    held
        Whether thresholds keep the agreed rate for it. What is not held counts in tails and is listed all the same.
    """

    name: str
    non_mated: F64 = field(repr=False)
    mated: F64 = field(repr=False, default_factory=lambda: np.empty(0))
    people: int
    photos: int
    alike: bool = True
    held: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """What a card keeps of a group: counts and errors at its thresholds, no score.

    Parameters
    ----------
    non_mated_mean
        Mean similarity of its strangers.
    errors
        Target FMR -> false matches of `non_mated`, false non-matches of `mated`, at the card's threshold.
    """

    name: str
    alike: bool
    people: int
    photos: int
    mated: int
    non_mated: int
    non_mated_mean: float
    errors: Mapping[float, tuple[int, int]]


def group_rates(group: GroupScores, thresholds: Mapping[float, float]) -> GroupRates:
    """Count a group's errors at each threshold."""
    return GroupRates(
        name=group.name,
        alike=group.alike,
        people=group.people,
        photos=group.photos,
        mated=len(group.mated),
        non_mated=len(group.non_mated),
        non_mated_mean=float(group.non_mated.mean()),
        errors={
            target: (int(np.count_nonzero(group.non_mated >= at)), int(np.count_nonzero(group.mated < at)))
            for target, at in thresholds.items()
        },
    )


def shared_excess(groups: Sequence[GroupScores]) -> float | None:
    """Mean of how far scores lie above the highest hundredth of their own group, over all groups of look-alikes.

    None where no group has :data:`LEAST_COMPARISONS`.
    """
    above = []
    for group in groups:
        n = len(group.non_mated)
        if group.alike and n >= LEAST_COMPARISONS:
            last = _highest(n)
            highest = np.partition(group.non_mated, n - last)[n - last :]
            above.append(highest - highest.min())
    return float(np.concatenate(above).mean()) if above else None


def _highest(n: int) -> int:
    return int(np.ceil(TAIL_SHARE * n))


def upper_tail(non_mated: F64, shared: float | None = None) -> tuple[F64, F64]:
    """Knots of the rate of strangers who score at least so much: similarity rising, log10 of the rate falling.

    Beyond the highest :data:`TAIL_FROM` scores the rate falls by a factor of e with each mean excess. No more scores
    than that, or equal ones, do not tell how: the rate of the highest stands for all beyond.

    Parameters
    ----------
    non_mated : float64 [shape=(n,)]
    shared
        Mean excess above the highest hundredth, used from there on where that is fewer than :data:`TAIL_FROM` scores.
    """
    n = len(non_mated)
    ordered = np.sort(non_mated)
    borrows = shared is not None and _highest(n) < TAIL_FROM
    last = _highest(n) if borrows else TAIL_FROM if n > TAIL_FROM else 1
    ranks = np.unique(np.round(np.geomspace(last, n, 41)).astype(np.int64))
    similarity = np.unique(ordered[n - ranks])
    log10_fmr = np.log10((n - np.searchsorted(ordered, similarity, side="left")) / n)
    start = similarity[-1]
    excess = shared if shared is not None and borrows else float((ordered[n - last :] - start).mean())
    if excess <= 0:
        return similarity, log10_fmr
    length = (log10_fmr[-1] - _LEAST_LOG10_FMR) * np.log(10) * excess
    return np.append(similarity, start + length), np.append(log10_fmr, _LEAST_LOG10_FMR)


def least_favoured_tail(groups: Sequence[GroupScores], shared: float | None) -> tuple[F64, F64]:
    """Knots of the highest rate among groups with enough comparisons, at each similarity.

    Parameters
    ----------
    groups
        Those with fewer than :data:`LEAST_COMPARISONS` are left out.
    shared
        :func:`shared_excess` of all groups of look-alikes, these and others.

    Raises
    ------
    ValueError
        No group has :data:`LEAST_COMPARISONS`.
    """
    tails = [
        upper_tail(g.non_mated, shared if g.alike else None) for g in groups if len(g.non_mated) >= LEAST_COMPARISONS
    ]
    if not tails:
        raise ValueError(f"no group has {LEAST_COMPARISONS} comparisons")
    rates = np.max([np.interp(_GRID, s, r) for s, r in tails], axis=0)
    # Flat ends say nothing more: the first and the last knot stand for them.
    used = slice(max(int(np.argmax(rates < 0)) - 1, 0), int(np.argmin(rates)) + 1)
    return _GRID[used], np.minimum.accumulate(rates[used])
