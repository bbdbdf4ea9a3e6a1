"""The cases that wait for somebody: overdue ones first, then by deadline; a page at a time.

Conventions: a page begins after a key (deadline and id), so that the last page costs what the first one does and a case
that is taken away meanwhile moves no other one. Nothing here tells what the machine thought.

Public items: :class:`Waiting`, :class:`QueuePage`, :func:`page`, :func:`states_for`, :func:`counts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from idverify.service.core import Core
from idverify.service.desk.roles import Member, Role
from idverify.service.problems import Problem
from idverify.service.reviews import ACTS
from idverify.service.tables import Account, Case

__all__ = ["PAGE", "QueuePage", "Waiting", "counts", "page", "states_for"]

#: Cases on one page.
PAGE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One case in the queue.

    Parameters
    ----------
    holder
        Name of who has it; None while nobody has.
    mine
        Whoever looks has it.
    """

    id: str
    state: str
    route: str
    locale: str
    subject: str
    created_s: float
    due_s: float
    overdue: bool
    holder: str | None
    mine: bool
    for_senior: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """One page, and where the next one begins."""

    cases: tuple[Waiting, ...]
    after: str | None


def states_for(who: Member) -> list[str]:
    """The states of cases that somebody may take."""
    return [state.value for state, act in ACTS.items() if who.may(act)]


def page(core: Core, session: Session, who: Member, *, after: str | None = None, mine: bool = False) -> QueuePage:
    """One page of the queue.

    Parameters
    ----------
    after
        As the page before said it.
    mine
        Only those that whoever looks has.

    Raises
    ------
    Problem
        ``invalid_request``: the key is none.
    """
    now = core.clock()
    query = (
        select(Case, Account.name)
        .outerjoin(Account, (Case.lease_account == Account.id) & (Case.lease_until_s > now))
        .where(*_waiting(who))
    )
    if mine:
        query = query.where(Case.lease_account == who.id, Case.lease_until_s > now)
    if after is not None:
        due_s, case_id = _read_key(after)
        query = query.where(or_(Case.due_s > due_s, (Case.due_s == due_s) & (Case.id > case_id)))
    rows = session.execute(query.order_by(Case.due_s, Case.id).limit(PAGE + 1)).all()
    shown = tuple(_shown(row, name, who, now) for row, name in rows[:PAGE])
    last = rows[PAGE - 1][0] if len(rows) > PAGE else None
    return QueuePage(cases=shown, after=None if last is None else f"{last.due_s!r}~{last.id}")


def counts(core: Core, session: Session, who: Member) -> dict[str, int]:
    """How many wait, how many are overdue, how many are whoever looks has: ``waiting``, ``overdue``, ``mine``."""
    now = core.clock()
    late = func.count().filter(Case.due_s < now)
    mine = func.count().filter((Case.lease_account == who.id) & (Case.lease_until_s > now))
    row = session.execute(select(func.count(), late, mine).where(*_waiting(who))).one()
    return {"waiting": row[0], "overdue": row[1], "mine": row[2]}


def _waiting(who: Member) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [Case.state.in_(states_for(who)), Case.due_s.is_not(None)]
    if who.role is not Role.SENIOR:
        wanted.append(Case.needs_senior.is_(False))
    return wanted


def _shown(row: Case, holder: str | None, who: Member, now: float) -> Waiting:
    due_s = row.due_s or 0.0
    return Waiting(
        id=row.id,
        state=row.state,
        route=row.route,
        locale=row.locale,
        subject=row.subject,
        created_s=row.created_s,
        due_s=due_s,
        overdue=due_s < now,
        holder=holder,
        mine=holder is not None and row.lease_account == who.id,
        for_senior=row.needs_senior,
    )


def _read_key(text: str) -> tuple[float, str]:
    due, separator, case_id = text.partition("~")
    try:
        due_s = float(due)
    except ValueError:
        due_s = float("nan")
    # Not a number is not equal to itself, and PostgreSQL has no NUL in a text.
    if not separator or due_s != due_s or abs(due_s) == float("inf") or "\0" in case_id or len(case_id) > 255:
        raise Problem("invalid_request", "the queue has no such page")
    return due_s, case_id
