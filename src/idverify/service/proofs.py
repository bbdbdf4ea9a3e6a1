"""Other proofs than a face: what a reviewer goes through, and ticks, where no score decides; the person reads the same.

Conventions: codes only. What was ticked is an entry of the audit chain, by whom and when; the newest one holds.

Public items: :data:`PROOFS`, :func:`note_checked`, :func:`checked`.

References
----------
NIST SP 800-63A-4: evidence of identity and its validation, trusted referees, applicant references.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.service import audit, chain
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.tables import AuditEntry, Case

__all__ = ["PROOFS", "checked", "note_checked"]

#: What can stand in for a face, the strongest first.
PROOFS = ("document", "called_back", "known_device", "history", "referee")
_KIND = "proofs.checked"


def note_checked(core: Core, session: Session, case: Case, reviewer: str, proofs: Iterable[str]) -> None:
    """Note what a reviewer found to be there. The caller holds the audit chain's head.

    Raises
    ------
    Problem
        ``invalid_request``: a proof that is not known.
    """
    ticked = set(proofs)
    if not ticked <= set(PROOFS):
        raise Problem("invalid_request", f"a proof is one of: {', '.join(PROOFS)}")
    facts = {"proofs": [proof for proof in PROOFS if proof in ticked]}
    audit.append(core, session, _KIND, actor=reviewer, case_id=case.id, facts=facts)


def checked(session: Session, case: Case) -> tuple[str, ...]:
    """What was ticked last."""
    mine = select(AuditEntry.content).where(AuditEntry.case == chain.case_tag(case.id))
    for content in session.scalars(mine.order_by(AuditEntry.number.desc())):
        entry = json.loads(content)
        if entry["kind"] == _KIND:
            return tuple(entry["facts"]["proofs"])
    return ()
