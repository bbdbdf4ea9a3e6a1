"""Whoever was not accepted asks for a person, with their own words and documents; no machine can refuse it.

Public items: :func:`appeal`, :func:`may_appeal`, :func:`attachments`, :data:`LEADS_TO`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from idverify.service import audit, cases, papers
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.papers import Paper
from idverify.service.problems import Problem
from idverify.service.tables import Case

__all__ = ["LEADS_TO", "appeal", "attachments", "may_appeal"]

#: Where asking for a person leads; the same state where a person has the case already and gets what is added.
LEADS_TO: dict[CaseState, CaseState] = {
    CaseState.OPEN: CaseState.REVIEW,
    CaseState.DELAYED: CaseState.REVIEW,
    CaseState.VOUCHING: CaseState.REVIEW,
    CaseState.ATTENDED: CaseState.REVIEW,
    CaseState.REVIEW: CaseState.REVIEW,
    CaseState.SECOND_REVIEW: CaseState.SECOND_REVIEW,
    CaseState.QUESTION: CaseState.QUESTION,
    CaseState.REFUSED: CaseState.APPEAL,
    CaseState.APPEAL: CaseState.APPEAL,
    # Confirmed once by a senior: what is new is looked at again.
    CaseState.CONFIRMED: CaseState.REVIEW,
}
# What was said or sent of the person's own accord, by the person or by an adult who vouches.
_KINDS = ("appeal", "answer", "document", "voucher_words")


def may_appeal(case: Case) -> bool:
    """Whether somebody is there to be asked."""
    return CaseState(case.state) in LEADS_TO


def appeal(core: Core, session: Session, case: Case, words: str, attachments: Sequence[bytes] = ()) -> None:
    """Bring a case to a person, or add to what a person has. The caller holds the audit chain's head.

    It is taken after its deadline, too, and marked so: whether that matters is for a person to say.

    Parameters
    ----------
    words
        The person's own; may be empty, but for a case that was confirmed, which needs something new.
    attachments
        Documents or a second photo; kept sealed, and decoded by nobody here.

    Raises
    ------
    Problem
        ``case_wrong_state``: accepted, on hold or withdrawn; ``nothing_new``; ``too_large``, ``document_type``,
        ``too_many_papers``, ``invalid_request``.
    """
    now = CaseState(case.state)
    if now not in LEADS_TO:
        raise Problem("case_wrong_state", f"nothing is asked in a case that is {now.value}")
    new = bool(words.strip() or attachments)
    if not new and (now is CaseState.CONFIRMED or LEADS_TO[now] is now):
        raise Problem("nothing_new")
    late = case.due_s is not None and case.due_s < core.clock()
    kept = [papers.put(core, session, case, "document", each, actor=audit.PERSON) for each in attachments]
    if words.strip():
        kept.append(papers.write(core, session, case, "appeal", words, actor=audit.PERSON))
    if LEADS_TO[now] is now:
        return
    facts = {"why": "asked_for_person", "papers": kept, "late": late}
    cases.end_attempts(core, session, case)
    cases.become(core, session, case, LEADS_TO[now], actor=audit.PERSON, facts=facts)


def attachments(core: Core, session: Session, case: Case) -> list[Paper]:
    """What the person wrote and sent, oldest first; documents are read with :func:`idverify.service.papers.content`."""
    return papers.of_case(core, session, case, *_KINDS)
