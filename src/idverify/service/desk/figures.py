"""How the desk works: what waits and for how long, how long decisions take, how often a person overrules the machine;
and what came of all attempts.

Conventions: over the last 30 days, so that a change shows. A review counts once its case is decided by it: where two
people decide, the second one's. Groups are the service's own labels, and told only where it gave any.

Public items: :class:`Figures`, :class:`Against`, :class:`Spread`, :func:`figures`, :data:`WINDOW_S`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idverify.service import cases
from idverify.service.core import Core
from idverify.service.reviews import ACTS
from idverify.service.tables import Case, Review
from idverify.service.tally import Tally, tally

__all__ = ["WINDOW_S", "Against", "Figures", "Spread", "figures"]

WINDOW_S = 30 * 24 * 3600.0
# A label that few share says who they are.
_LEAST_OF_GROUP = 10
_GROUPS, _OTHERS = 50, "(others)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """How often people decided otherwise than the machine had.

    Parameters
    ----------
    reviews, overruled
        All that the machine had said so; those that a person decided otherwise.
    """

    reviews: int
    overruled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Lengths of time in seconds: how many, the middle one, the one that nine of ten stay under, all together."""

    count: int
    median_s: float
    p90_s: float
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One look at the desk.

    Parameters
    ----------
    states
        State -> (cases in it, those overdue), for the states in which somebody at the desk is next.
    oldest_s
        How long ago the case came that waits longest; 0 where none waits.
    decisions
        Verdict -> how many.
    machine
        What the machine had said -> how often a person decided otherwise.
    reasons
        Code of the machine's -> the same, where it had rejected.
    groups
        The service's label -> the same, where the machine had rejected.
    waited, took
        From a case's arrival to the first own view; from there to the decision.
    attempts
        What came of all attempts, in cases or out of them.
    """

    states: dict[str, tuple[int, int]]
    oldest_s: float
    decisions: dict[str, int]
    machine: dict[str, Against]
    reasons: dict[str, Against]
    groups: dict[str, Against]
    waited: Spread
    took: Spread
    attempts: Tally


def figures(core: Core, session: Session) -> Figures:
    """Look at the database now."""
    now = core.clock()
    standing = cases.overdue(session, now)
    mine = [state.value for state in ACTS]
    oldest = session.scalar(select(func.min(Case.changed_s)).where(Case.state.in_(mine)))
    rows = session.execute(
        select(
            Review.verdict,
            Review.machine,
            Review.machine_reasons,
            Review.entered_s,
            Review.viewed_s,
            Review.decided_s,
            Case.group_label,
        )
        .join(Case, Review.case_id == Case.id)
        .where(Review.decided_s > now - WINDOW_S)
    ).all()
    decided = [row for row in rows if row.verdict in ("accept", "reject")]
    refused = [row for row in decided if row.machine == "rejected"]
    overrules = [(row.machine, _overrules(row.machine, row.verdict)) for row in decided]
    reasons = [(code, row.verdict == "accept") for row in refused for code in row.machine_reasons]
    labels = [(row.group_label, row.verdict == "accept") for row in refused if row.group_label]
    looked = [row for row in rows if row.verdict != "hand_on"]
    return Figures(
        states={state: standing.get(state, (0, 0)) for state in mine},
        oldest_s=0.0 if oldest is None else max(0.0, now - oldest),
        decisions=_counted(row.verdict for row in rows),
        machine=_against(overrules),
        reasons=_against(reasons),
        groups=_few_together(_against(labels)),
        waited=_spread([row.viewed_s - row.entered_s for row in looked]),
        took=_spread([row.decided_s - row.viewed_s for row in looked]),
        attempts=tally(session, now, WINDOW_S),
    )


def _overrules(machine: str, verdict: str) -> bool:
    return (machine, verdict) in (("rejected", "accept"), ("accepted", "reject"))


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name in names:
        found[name] += 1
    return dict(sorted(found.items()))


def _against(pairs: Iterable[tuple[str, bool]]) -> dict[str, Against]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, overruled in pairs:
        counts[name][0] += 1
        counts[name][1] += overruled
    by_count = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    return {name: Against(reviews=total, overruled=over) for name, (total, over) in by_count}


def _few_together(found: dict[str, Against]) -> dict[str, Against]:
    """Labels that few share, or that are more than anybody reads, as one."""
    shown = {
        name: each for n, (name, each) in enumerate(found.items()) if each.reviews >= _LEAST_OF_GROUP and n < _GROUPS
    }
    rest = [each for name, each in found.items() if name not in shown]
    if rest:
        shown[_OTHERS] = Against(reviews=sum(e.reviews for e in rest), overruled=sum(e.overruled for e in rest))
    return shown


def _spread(lengths: list[float]) -> Spread:
    ordered = sorted(max(0.0, length) for length in lengths)
    if not ordered:
        return Spread(count=0, median_s=0.0, p90_s=0.0, sum_s=0.0)
    at = [ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9)]
    return Spread(count=len(ordered), median_s=at[0], p90_s=at[1], sum_s=sum(ordered))
