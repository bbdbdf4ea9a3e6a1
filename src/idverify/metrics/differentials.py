"""Differences between groups of people, and the 25 % rule.

NIST SP 800-63A-4 asks that no demographic group fare more than 25 % worse than the overall population. A ratio of two
observed rates says that only when there are enough trials, so each verdict is drawn with its interval.

Public items: :func:`differentials`, :class:`Differential`, :class:`Verdict`, ``LIMIT``.

References
----------
.. [1] NIST SP 800-63A-4, section 3.11 (biometric requirements), 2025, doi:10.6028/NIST.SP.800-63A-4.
.. [2] ISO/IEC 19795-10:2024, "Quantifying biometric system performance variation across demographic groups".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from idverify.errors import ParameterError
from idverify.metrics.intervals import Interval, Proportion

__all__ = ["LIMIT", "Differential", "Verdict", "differentials"]

# A group's rate may exceed the overall rate by a quarter of it [1].
LIMIT = 0.25


class Verdict(str, Enum):
    """What the counts allow to be said about a group."""

    WITHIN = "within"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential:
    """One group against everybody.

    Parameters
    ----------
    group
        Its name.
    rate
        Its errors and trials.
    ratio
        Group rate over overall rate; None where either has no trials or nobody made an error.
    interval
        Clopper-Pearson interval of the group's rate.
    verdict
        *worse*: the whole interval lies above ``(1 + limit) x overall``. *within*: the whole interval lies at or
        below it. *undecided*: there are too few trials to say either.
    """

    group: str
    rate: Proportion
    ratio: float | None
    interval: Interval | None
    verdict: Verdict


def differentials(
    rates: Mapping[str, Proportion], *, limit: float = LIMIT, confidence: float = 0.95
) -> tuple[Differential, ...]:
    """Compare every group's error rate with that of all groups together [1]_, [2]_.

    Parameters
    ----------
    rates
        Group to errors and trials at one common threshold. The overall rate is that of the summed counts.
    limit
        Allowed excess as a share of the overall rate.
    confidence
        Of each group's interval.

    Returns
    -------
    tuple of Differential
        In order of group name.

    Raises
    ------
    ParameterError
        No groups, or a negative limit.
    """
    if not rates:
        raise ParameterError("rates: expected at least one group, got none")
    if limit < 0.0:
        raise ParameterError(f"limit: expected a value >= 0, got {limit!r}")
    overall = Proportion(errors=sum(r.errors for r in rates.values()), trials=sum(r.trials for r in rates.values()))
    return tuple(_differential(name, rates[name], overall.value, limit, confidence) for name in sorted(rates))


def _differential(group: str, rate: Proportion, overall: float | None, limit: float, confidence: float) -> Differential:
    if rate.value is None or overall is None:
        return Differential(group=group, rate=rate, ratio=None, interval=None, verdict=Verdict.UNDECIDED)
    interval = rate.clopper_pearson(confidence)
    allowed = overall * (1.0 + limit)
    if interval.low > allowed:
        verdict = Verdict.WORSE
    elif interval.high <= allowed:
        verdict = Verdict.WITHIN
    else:
        verdict = Verdict.UNDECIDED
    ratio = rate.value / overall if overall > 0.0 else None
    return Differential(group=group, rate=rate, ratio=ratio, interval=interval, verdict=verdict)
