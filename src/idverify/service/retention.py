"""What is kept and for how long, as the rules by which it is deleted have it; and deleting a case's all at once.

Public items: :class:`Kept`, :func:`kept`, :func:`delete_case`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from idverify.service import attempts, audit, cases, outbox, papers
from idverify.service.api_keys import Caller
from idverify.service.case_policy import CasePolicy
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.states import State, may_become
from idverify.service.tables import Attempt

__all__ = ["Kept", "delete_case", "kept"]

_HOUR_S, _DAY_S = 3600.0, 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One thing that is kept.

    Parameters
    ----------
    what
        Key of the words ``retention``.
    policy
        Of which policy's attempts; empty for all others.
    number, unit
        For how long: so many ``hours`` or ``days``; or words of their own, such as ``at_once``, and 0.
    """

    what: str
    unit: str
    number: int = 0
    policy: str = ""


def kept(policy: CasePolicy) -> tuple[Kept, ...]:
    """Everything that is kept of a person, made from the rules that delete it."""
    named = sorted(name for name in policy.evidence_s if name != "default")
    rows = [Kept(what="evidence", **_long(policy.evidence_s["default"]))]
    rows += [Kept(what="evidence_named", policy=name, **_long(policy.evidence_s[name])) for name in named]
    rows += [Kept(what="undecided", unit="at_once"), Kept(what="reference", unit="until_deleted")]
    rows += [Kept(what=name, **_long(policy.retention_s[name])) for name in ("papers", "link", "visit", "not_me")]
    rows += [Kept(what="address", **_long(policy.window_s)), Kept(what="record", unit="record_long")]
    return tuple(rows)


def _long(seconds: float) -> dict[str, Any]:
    """As people say it: hours up to two days, then days; never less than it is."""
    if seconds <= 2 * _DAY_S:
        return {"unit": "hours", "number": -int(-seconds // _HOUR_S)}
    return {"unit": "days", "number": -int(-seconds // _DAY_S)}


def delete_case(core: Core, caller: Caller, case_id: str) -> dict[str, Any]:
    """Delete now and for good what was recorded, written and sent in a case; what was decided stays on record.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = cases.locked_case(session, case_id)
        if case is None or case.api_key_id != caller.id:
            raise Problem("not_found", "there is no such case")
        papers.forget(core, session, case, actor=caller.id)
        rows = list(session.scalars(select(Attempt).where(Attempt.case_id == case_id).with_for_update()))
        for row in rows:
            attempts.forget(core, session, row, actor=caller.id)
            if may_become(State(row.state), State.REDACTED):
                outbox.change(core, session, row, State.REDACTED)
    # The keys are gone; that the bytes go, too, only saves space.
    core.vault.blobs.delete_all(f"cases/{case_id}")
    for row in rows:
        core.vault.blobs.delete_all(f"attempts/{row.id}")
    core.database.overwrite_deleted()
    return cases.get(core, caller, case_id)
