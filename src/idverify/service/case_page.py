"""What a person sees of their case: where it stands, why, what is next, and everything that they can do.

Goal: no dead end. Every state names the next step, who takes it and by when, and every state in which somebody can be
asked offers to ask them. Scores never leave; of a rejection, only what kind of thing was not confirmed.

Public items: :class:`CasePage`, :func:`see`, :func:`reasons_of`, :func:`offers_ways`, :func:`waiting_attempt`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.reasons import Reason
from idverify.service import appeals, capture, papers, reviews
from idverify.service.case_routes import BY_PERSON, CaseRoute, start_of
from idverify.service.case_states import NEXT_STEPS, CaseState
from idverify.service.core import Core
from idverify.service.papers import Paper
from idverify.service.proofs import PROOFS
from idverify.service.states import State
from idverify.service.tables import Attempt, Case

__all__ = ["CasePage", "offers_ways", "reasons_of", "see", "waiting_attempt"]

_TRYING = (CaseState.OPEN, CaseState.DELAYED)
_UNDER_WAY = (State.REQUIRES_INPUT.value, State.RECORDING.value, State.PROCESSING.value)
# What was not confirmed -> the person's words for it. Which sign gave it away is not said: it would teach who tries.
_WHY = {
    "match": frozenset({Reason.NO_MATCH}),
    "presence": frozenset(
        {
            Reason.STATIC_PRESENTATION,
            Reason.PRESENTATION_ATTACK,
            Reason.TAMPERED_RECORDING,
            Reason.REFERENCE_REUSED,
            Reason.NOT_FROM_A_CAMERA,
            Reason.CAPTURE_NOT_BOUND,
        }
    ),
    "challenge": frozenset({Reason.CHALLENGE_NOT_FOLLOWED}),
}
# States in which what came of the last recording explains anything.
_EXPLAINED = frozenset(
    {
        CaseState.OPEN,
        CaseState.DELAYED,
        CaseState.REVIEW,
        CaseState.SECOND_REVIEW,
        CaseState.QUESTION,
        CaseState.REFUSED,
        CaseState.APPEAL,
        CaseState.CONFIRMED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """One look at a case.

    Parameters
    ----------
    state, step, due_s, overdue, wait_until_s
        Where it stands; ``step`` is None at the end.
    why, advice
        Keys of the words ``case.why`` and ``reason``.
    message
        What a reviewer wrote to the person.
    question
        What is asked now.
    record
        ``now``, ``wait``, ``under_way``, ``link`` (the service sends one), or None.
    ways
        Routes that can be chosen, each with until when its next step would be due.
    route
        The one taken.
    ask
        ``first`` (to a person), ``appeal``, ``more`` (a person has it), or None.
    vouch
        ``service`` or ``own``: whose photo the adult is compared with; None where nobody is to vouch.
    proofs
        Other proofs that help, where a face does not decide.
    code, withdraw
        Whether a code is expected; whether it can be ended.
    sent
        What the person has sent, each by its kind and time: what it says is for those who work on the case.
    """

    state: str
    step: str | None
    due_s: float | None
    overdue: bool
    wait_until_s: float | None
    why: tuple[str, ...]
    advice: tuple[str, ...]
    message: str | None = field(repr=False)
    question: str | None = field(repr=False)
    record: str | None
    ways: tuple[tuple[str, float], ...]
    route: str
    ask: str | None
    vouch: str | None
    proofs: tuple[str, ...]
    code: bool
    withdraw: bool
    sent: tuple[Paper, ...] = field(repr=False)


def see(core: Core, session: Session, case: Case, advised: Iterable[str]) -> CasePage:
    """Look at a case.

    Parameters
    ----------
    advised
        Reason codes that the page has advice for.
    """
    state, now = CaseState(case.state), core.clock()
    step = NEXT_STEPS.get(state)
    why, advice = _explained(session, case, state, frozenset(advised))
    asked = papers.newest(core, session, case, "question") if state is CaseState.QUESTION else None
    return CasePage(
        state=case.state,
        step=None if step is None else step.step,
        due_s=case.due_s,
        overdue=case.due_s is not None and case.due_s < now,
        wait_until_s=case.wait_until_s,
        why=why,
        advice=advice,
        message=_message(core, session, case, state),
        question=None if asked is None else asked.text,
        record=_record(core, session, case, state),
        ways=_ways(core, case),
        route=case.route,
        ask=_ask(case, state),
        vouch=None if state is not CaseState.VOUCHING else "own" if case.voucher_reference_id is None else "service",
        proofs=_proofs(case, state),
        code=state is CaseState.ATTENDED,
        withdraw=state not in (CaseState.FROZEN, CaseState.RECOVERED, CaseState.WITHDRAWN),
        sent=() if state is CaseState.FROZEN else tuple(appeals.attachments(core, session, case)),
    )


def reasons_of(decision: dict[str, Any]) -> tuple[str, ...]:
    """What a rejection is about, in the person's words: keys of ``case.why``."""
    codes = {str(reason["code"] if isinstance(reason, dict) else reason) for reason in decision.get("reasons", ())}
    found = tuple(name for name, reasons in _WHY.items() if codes & {reason.value for reason in reasons})
    return found or ("unclear",)


def offers_ways(case: Case) -> bool:
    """Whether the person can take another way now."""
    return CaseState(case.state) in _TRYING and CaseRoute(case.route) not in BY_PERSON


def waiting_attempt(core: Core, session: Session, case: Case) -> str | None:
    """The attempt with which the person can go on, in any browser, if one waits for a recording.

    Where the service gave the case a photo, one that was never begun makes room for a new one instead, and so does one
    that could not be told.
    """
    if CaseState(case.state) not in _TRYING or _has_to_wait(core, case):
        return None
    mine = select(Attempt).where(
        Attempt.case_id == case.id,
        Attempt.role.is_(None),
        Attempt.state.in_([State.REQUIRES_INPUT.value, State.INCONCLUSIVE.value]),
    )
    for row in session.scalars(mine.order_by(Attempt.created_s.desc())):
        own = case.reference_id is not None and (row.begun == 0 or row.state == State.INCONCLUSIVE.value)
        if not own and capture.recordings_left(core, row):
            return row.id
    return None


def _has_to_wait(core: Core, case: Case) -> bool:
    return case.state == CaseState.DELAYED.value and (case.wait_until_s or 0.0) > core.clock()


def _explained(
    session: Session, case: Case, state: CaseState, advised: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if state not in _EXPLAINED:
        return (), ()
    decided = (Attempt.case_id == case.id, Attempt.role.is_(None), Attempt.decided_s.is_not(None))
    last = session.scalars(select(Attempt).where(*decided).order_by(Attempt.decided_s.desc()).limit(1)).first()
    outcome = None if last is None else (last.decision or {}).get("outcome")
    if last is None or outcome not in ("reject", "inconclusive"):
        return (), ()
    if outcome == "reject":
        return reasons_of(last.decision or {}), ()
    return ("unclear",), tuple(code for code in (last.decision or {}).get("reasons", ()) if code in advised)


def _message(core: Core, session: Session, case: Case, state: CaseState) -> str | None:
    """What a reviewer wrote last; a question stands for itself, and a case on hold tells nobody anything."""
    if state in (CaseState.QUESTION, CaseState.FROZEN):
        return None
    found = reviews.message_for_person(core, session, case)
    return None if found is None else found.text


def _record(core: Core, session: Session, case: Case, state: CaseState) -> str | None:
    if state not in _TRYING:
        return None
    if waiting_attempt(core, session, case) is not None:
        return "now"
    mine = (Attempt.api_key_id == case.api_key_id, Attempt.subject == case.subject, Attempt.case_id.is_not(None))
    in_time = (Attempt.expires_s > core.clock()) | (Attempt.state == State.PROCESSING.value)
    begun = (Attempt.begun > 0) | (Attempt.state == State.PROCESSING.value)
    if session.scalars(select(Attempt.id).where(*mine, Attempt.state.in_(_UNDER_WAY), in_time, begun).limit(1)).first():
        return "under_way"
    if _has_to_wait(core, case):
        return "wait"
    return "link" if case.reference_id is None else "now"


def _ways(core: Core, case: Case) -> tuple[tuple[str, float], ...]:
    if not offers_ways(case):
        return ()
    deadlines, now = core.settings.cases.deadlines_s, core.clock()
    return tuple((route.value, now + deadlines[NEXT_STEPS[start_of(route)].deadline]) for route in CaseRoute)


def _proofs(case: Case, state: CaseState) -> tuple[str, ...]:
    asked = case.route == CaseRoute.NO_FACE.value or state is CaseState.CONFIRMED
    return PROOFS if asked and _ask(case, state) is not None else ()


def _ask(case: Case, state: CaseState) -> str | None:
    if not appeals.may_appeal(case) or state is CaseState.QUESTION:
        return None
    if appeals.LEADS_TO[state] is state or state is CaseState.CONFIRMED:
        return "more"
    return "appeal" if state is CaseState.REFUSED else "first"
