"""A reviewer and the person at the same time: a code that brings the person's browser to their case.

Conventions: 65 bits, kept as a hash, good once and for minutes; a new code ends the one before. Wrong codes are counted
by address by whoever takes them from the network.

Public items: :func:`issue`, :func:`redeem`.

References
----------
NIST SP 800-63A-4, continuation codes.
"""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from idverify.service import audit, case_links, cases
from idverify.service.case_links import Visit
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.keys import new_code
from idverify.service.problems import Problem
from idverify.service.tables import Case, CaseLink

__all__ = ["issue", "redeem"]


def issue(core: Core, session: Session, case: Case, reviewer: str) -> str:
    """Make a code for a case that waits for a meeting. The caller holds the audit chain's head.

    Returns
    -------
    str
        Shown once, to the reviewer, who says or shows it to the person.

    Raises
    ------
    Problem
        ``case_wrong_state``.
    """
    if case.state != CaseState.ATTENDED.value:
        raise Problem("case_wrong_state", "nobody waits for a meeting in this case")
    session.execute(delete(CaseLink).where(CaseLink.case_id == case.id, CaseLink.purpose == "continuation"))
    code = new_code()
    expires_s = case_links.add(core, session, case, "continuation", code)
    facts = {"expires_s": expires_s}
    audit.append(core, session, "continuation.issued", actor=reviewer, case_id=case.id, facts=facts)
    return code


def redeem(core: Core, code: str) -> Visit:
    """Use a code up: the browser has the case, and the case is with the reviewer.

    Raises
    ------
    Problem
        ``link_unknown``, ``link_used``, ``link_expired``; ``case_wrong_state``: the case has gone on meanwhile.
    """
    with core.database.writing() as session:
        audit.hold(session)
        # Rows are locked in one order, the case before what belongs to it.
        found = case_links.look_up(core, session, code, "continuation")
        case = cases.locked_case(session, found.case_id)
        if case is None or case.state != CaseState.ATTENDED.value:
            raise Problem("case_wrong_state", "the case has gone on meanwhile")
        visit = case_links.open_link(core, session, code, "continuation")
        cases.become(core, session, case, CaseState.REVIEW, actor=audit.PERSON, facts={"attended": True})
    return visit
