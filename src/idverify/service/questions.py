"""A reviewer asks the person something, and the person answers.

Public items: :func:`ask`, :func:`answer`.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from idverify.service import audit, cases, papers
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.tables import Case

__all__ = ["answer", "ask"]


def ask(core: Core, session: Session, case: Case, reviewer: str, text: str) -> None:
    """Ask the person something; the case waits for the answer. The caller holds the audit chain's head.

    Raises
    ------
    Problem
        ``invalid_request``: no text, or too long; ``case_wrong_state``.
    """
    asked_in = case.state
    paper = papers.write(core, session, case, "question", text, actor=reviewer)
    cases.become(core, session, case, CaseState.QUESTION, actor=reviewer, facts={"paper": paper})
    case.asked_in = asked_in


def answer(core: Core, session: Session, case: Case, text: str) -> None:
    """Answer; the case goes back to where it was asked. The caller holds the audit chain's head.

    Raises
    ------
    Problem
        ``invalid_request``: no text, or too long; ``case_wrong_state``: nothing was asked.
    """
    if case.state != CaseState.QUESTION.value:
        raise Problem("case_wrong_state", "nothing was asked")
    paper = papers.write(core, session, case, "answer", text, actor=audit.PERSON)
    then = CaseState(case.asked_in or CaseState.REVIEW.value)
    cases.become(core, session, case, then, actor=audit.PERSON, facts={"paper": paper})
    case.asked_in = None
