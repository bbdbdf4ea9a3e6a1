"""How many attempts came to which outcome, and for which reasons: counted by day as they are decided.

Goal: figures over a month cost a few hundred small rows, however many attempts there are. An attempt counts once, under
its newest decision: one that could not be told and was accepted afterwards was accepted. What was counted stays when
the evidence goes. Adults who vouch are left out: their recordings decide nothing.

Conventions: days are those of UTC, numbered from 1970. An attempt with several reasons counts once for each.

Public items: :class:`Tally`, :func:`count`, :func:`tally`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idverify.reasons import Reason
from idverify.service.tables import Attempt, AttemptCount

__all__ = ["Tally", "count", "tally"]

_DAY_S = 24 * 3600.0
# In the place of a reason: the attempt itself.
_WHOLE = ""
_CODES = frozenset(reason.value for reason in Reason)
# Codes of another version: labels stay a fixed set.
_OTHERS = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of attempts.

    Parameters
    ----------
    outcomes
        ``accept``, ``reject``, ``inconclusive`` -> attempts.
    reasons
        (outcome, code of the machine's) -> attempts.
    failures
        Code -> attempts whose newest recording could not be judged, for a technical reason.
    """

    outcomes: dict[str, int]
    reasons: dict[tuple[str, str], int]
    failures: dict[str, int]


def count(session: Session, row: Attempt, by: int) -> None:
    """Count an attempt's decision in (+1), or out (-1) before it gets another one; none is no change.

    The caller holds the audit chain's head: one change after the other.
    """
    if row.decided_s is None or row.decision is None or row.role is not None:
        return
    day, outcome = int(row.decided_s // _DAY_S), str(row.decision["outcome"])
    codes = {str(each["code"] if isinstance(each, Mapping) else each) for each in row.decision.get("reasons", ())}
    for reason in sorted({_WHOLE, *codes}):
        found = session.get(AttemptCount, (day, outcome, reason))
        if found is None:
            found = AttemptCount(day=day, outcome=outcome, reason=reason, attempts=0)
            session.add(found)
        found.attempts += by


def tally(session: Session, now_s: float, window_s: float) -> Tally:
    """Over the last days up to now, today's included; technical failures, of attempts that were begun in that time."""
    since = int((now_s - window_s) // _DAY_S) + 1
    total = func.sum(AttemptCount.attempts)
    counted = (
        select(AttemptCount.outcome, AttemptCount.reason, total)
        .where(AttemptCount.day >= since)
        .group_by(AttemptCount.outcome, AttemptCount.reason)
        .order_by(AttemptCount.outcome, total.desc(), AttemptCount.reason)
    )
    outcomes: dict[str, int] = {}
    reasons: dict[tuple[str, str], int] = defaultdict(int)
    for outcome, reason, attempts in session.execute(counted):
        if reason == _WHOLE:
            outcomes[outcome] = int(attempts)
        elif attempts:
            reasons[outcome, reason if reason in _CODES else _OTHERS] += int(attempts)
    failed = (
        select(Attempt.failure, func.count())
        .where(Attempt.failure.is_not(None), Attempt.created_s > now_s - window_s)
        .group_by(Attempt.failure)
        .order_by(Attempt.failure)
    )
    return Tally(
        outcomes=outcomes,
        reasons=dict(reasons),
        failures={code: attempts for code, attempts in session.execute(failed) if code is not None},
    )
