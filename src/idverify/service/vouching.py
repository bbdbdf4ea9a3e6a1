"""An adult vouches for a minor, by an attempt of their own; then a person decides.

Goal: the adult's own face is held against the adult's own photo. Where that comes from is said: from the service, which
knows the adult (``service``), from the adult (``own``: it proves no name), or from nobody (``missing``: nothing was
recorded, and the reviewer has to ask).

Public items: :data:`VOUCHER`, :class:`Vouch`, :func:`begin`, :func:`without_recording`, :func:`of_case`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.service import attempts, audit, cases, chain, papers
from idverify.service.api_keys import Caller
from idverify.service.attempts import Asked, NewAttempt
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.states import State
from idverify.service.tables import Attempt, AuditEntry, Case

__all__ = ["VOUCHER", "Vouch", "begin", "of_case", "without_recording"]

VOUCHER = "voucher"
_UNDER_WAY = (State.REQUIRES_INPUT.value, State.RECORDING.value, State.PROCESSING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """An adult's attempt; ``reference`` is ``service``, ``own`` or ``missing`` (then there is no attempt)."""

    attempt_id: str | None
    state: str | None
    reference: str


def begin(core: Core, case_id: str, *, words: str = "", photo: bytes | None = None) -> NewAttempt:
    """Make the adult's attempt; its link opens like any other.

    Parameters
    ----------
    words
        Who the adult is to the child, for the reviewer.
    photo
        The adult's own, where the service gave none.

    Raises
    ------
    Problem
        ``case_wrong_state``: nobody is to vouch; ``voucher_photo_missing``; ``attempt_open``.
    """
    with core.database.reading() as session:
        case = session.get_one(Case, case_id)
    if case.voucher_reference_id is None and photo is None:
        raise Problem("voucher_photo_missing")
    given = "own" if case.voucher_reference_id is None else "service"
    asked = Asked(
        policy=case.policy,
        locale=case.locale,
        photo=photo if given == "own" else None,
        reference_id=case.voucher_reference_id,
        options={"avoid": [], "light": False, "file": False, "service": case.service},
        callback=case.callback,
        case_id=case_id,
    )

    def admit(session: Session, row: Attempt) -> None:
        audit.hold(session)
        now = _vouching(session, case_id)
        mine = (Attempt.case_id == case_id, Attempt.role == VOUCHER, Attempt.state.in_(_UNDER_WAY))
        for earlier in session.scalars(select(Attempt).where(*mine)):
            # What was begun has shown some of its steps, as with the subject's own attempts.
            over = earlier.state != State.PROCESSING.value and earlier.expires_s <= core.clock()
            if earlier.begun and not over:
                raise Problem("attempt_open", "wait for it")
            cases.cancel_attempt(core, session, earlier.id)
        row.role = VOUCHER
        facts = {"attempt": row.id, "reference": given, "policy": row.policy}
        audit.append(core, session, "voucher.attempt", actor=audit.PERSON, case_id=case_id, facts=facts)
        if words.strip():
            papers.write(core, session, now, "voucher_words", words, actor=audit.PERSON)

    return attempts.create(core, Caller(id=case.api_key_id, name="person"), asked, admit=admit)


def without_recording(core: Core, case_id: str, words: str) -> None:
    """The adult has no photo, or does not want to record: a person decides, and is told that this is missing.

    Raises
    ------
    Problem
        ``case_wrong_state``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = _vouching(session, case_id)
        if words.strip():
            papers.write(core, session, case, "voucher_words", words, actor=audit.PERSON)
        cases.end_attempts(core, session, case)
        facts = {"reference": "missing"}
        audit.append(core, session, "voucher.missing", actor=audit.PERSON, case_id=case_id, facts=facts)
        cases.become(core, session, case, CaseState.REVIEW, actor=audit.PERSON, facts={"why": "no_voucher_recording"})


def of_case(session: Session, case: Case) -> list[Vouch]:
    """How adults vouched in a case, oldest first, as the audit chain has it."""
    entries = session.scalars(
        select(AuditEntry).where(AuditEntry.case == chain.case_tag(case.id)).order_by(AuditEntry.number)
    )
    told = [json.loads(entry.content) for entry in entries]
    found = []
    for each in told:
        if each["kind"] == "voucher.attempt":
            attempt = session.get(Attempt, each["facts"]["attempt"])
            state = None if attempt is None else attempt.state
            found.append(Vouch(attempt_id=each["facts"]["attempt"], state=state, reference=each["facts"]["reference"]))
        elif each["kind"] == "voucher.missing":
            found.append(Vouch(attempt_id=None, state=None, reference="missing"))
    return found


def _vouching(session: Session, case_id: str) -> Case:
    case = cases.locked_case(session, case_id)
    if case is None or case.state != CaseState.VOUCHING.value:
        raise Problem("case_wrong_state", "nobody is to vouch in this case")
    return case
