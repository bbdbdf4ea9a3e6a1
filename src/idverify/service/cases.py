"""A case: one person's way back to one account, over as many attempts as it takes, and to a person when it has to.

Goal: only judged rejections count, whoever asks, however often and however many at once. Rejections are rows, hence
survive restarts and the deletion of evidence; every change is made while the audit chain's head is held, hence one
after the other: of two decisions at once, one is the last and the other is not.

Conventions: rows are locked in one order, the head, the case, its attempts.

Public items: :class:`AskedCase`, :func:`open_case`, :func:`get`, :func:`new_attempt`, :func:`withdraw`,
:func:`recovered`, :func:`not_me`, :func:`choose_route`, :func:`own_attempt`,
:func:`new_link`, :func:`notices_of`, :func:`decided`, :func:`resume_due`; for
those who change cases further: :func:`catch_up`, :func:`locked_case`, :func:`become`, :func:`note`, :func:`dispute`,
:func:`end_attempts`, :func:`cancel_attempt`, :data:`HELD`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from idverify.service import attempts, audit, case_links, notices, outbox
from idverify.service.api_keys import Caller
from idverify.service.attempts import Asked, NewAttempt, locked
from idverify.service.case_routes import BY_PERSON, CaseRoute, options_on, start_of
from idverify.service.case_states import CLOSED, NEXT_STEPS, CaseState, Who, require_case
from idverify.service.core import Core
from idverify.service.keys import new_id
from idverify.service.problems import Problem
from idverify.service.states import State, TransitionError
from idverify.service.tables import Attempt, Case, IdempotentAnswer

__all__ = [
    "HELD",
    "AskedCase",
    "become",
    "cancel_attempt",
    "catch_up",
    "choose_route",
    "decided",
    "dispute",
    "end_attempts",
    "get",
    "locked_case",
    "new_attempt",
    "new_link",
    "not_me",
    "note",
    "notices_of",
    "open_case",
    "overdue",
    "own_attempt",
    "recovered",
    "resume_due",
    "withdraw",
]

_AT_ONCE = 100
# What a service could not say at first.
_ADDED = frozenset({"group", "reference_id", "voucher_reference_id", "service"})
# An attempt from which a decision may still come without anybody asking again.
_LIVE = (State.REQUIRES_INPUT.value, State.RECORDING.value, State.PROCESSING.value)
# States in which the person's attempts go on.
_TRYING = (CaseState.OPEN, CaseState.DELAYED)
# What is on hold may be somebody else's, whoever has its page open; what is recovered is over.
_NOT_THE_PERSONS = (CaseState.FROZEN.value, CaseState.RECOVERED.value)
#: States in which somebody here still has to look at what was recorded and sent, however late they are.
HELD = frozenset(
    {
        CaseState.VOUCHING,
        CaseState.ATTENDED,
        CaseState.REVIEW,
        CaseState.SECOND_REVIEW,
        CaseState.QUESTION,
        CaseState.APPEAL,
        CaseState.FROZEN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCase:
    """What a service asks for, checked.

    Parameters
    ----------
    subject
        The service's own reference for the person; rejections are counted under it. Never a person's name.
    route
        Which way.
    policy, locale
        Of the attempts.
    callback
        Where webhooks go, those of the attempts, too.
    group
        A label of the service's own; figures are kept apart by it.
    reference_id, voucher_reference_id
        Photos enrolled before, of the person and of an adult who vouches: with the first one, the person can begin
        attempts from their page of the case.
    service
        The service's name as the person reads it.
    """

    subject: str
    route: CaseRoute
    policy: str
    locale: str
    callback: str | None = None
    group: str | None = None
    reference_id: str | None = None
    voucher_reference_id: str | None = None
    service: str | None = None

    def digest(self) -> str:
        """What makes two requests the same."""
        # What is not given leaves the digests of before as they were.
        told = {name: value for name, value in asdict(self).items() if name not in _ADDED or value is not None}
        return hashlib.sha256(json.dumps(["case", told], sort_keys=True).encode()).hexdigest()


# -- what the service asks -------------------------------------------------------------------------


def open_case(
    core: Core, caller: Caller, asked: AskedCase, *, idempotency_key: str | None = None
) -> tuple[dict[str, Any], bool]:
    """Open a case.

    Returns
    -------
    tuple of (dict, bool)
        The case as its caller sees it; whether the same was asked for before.

    Raises
    ------
    Problem
        ``idempotency_conflict``, ``not_found`` (no such reference photo).
    """
    earlier = _answered(core, caller, asked, idempotency_key)
    if earlier is not None:
        return earlier, True
    now, state = core.clock(), start_of(asked.route)
    row = Case(
        id=new_id("cas"),
        api_key_id=caller.id,
        state=state.value,
        route=asked.route.value,
        policy=asked.policy,
        locale=asked.locale,
        subject=asked.subject,
        callback=asked.callback,
        group_label=asked.group,
        needs_senior=False,
        created_s=now,
        changed_s=now,
        due_s=_due_s(core, state),
        case_policy_sha256=core.settings.cases.sha256,
        reference_id=asked.reference_id,
        voucher_reference_id=asked.voucher_reference_id,
        service=asked.service,
    )
    try:
        with core.database.writing() as session:
            facts = {"state": state.value, "route": row.route, "subject": row.subject, "policy": row.policy}
            note(core, session, "case.opened", row, actor=caller.id, facts=facts)
            for reference_id in (asked.reference_id, asked.voucher_reference_id):
                if reference_id is not None:
                    attempts.require_reference(session, caller, reference_id)
            session.add(row)
            session.flush()
            notices.write(core, session, row)
            view = _view(core, session, row)
            if idempotency_key is not None:
                session.add(_answer(core, caller, asked, idempotency_key, view))
    except IntegrityError:
        # Two equal requests at once: the second one answers what the first one did.
        earlier = _answered(core, caller, asked, idempotency_key)
        if earlier is None:
            raise
        return earlier, True
    return view, False


def get(core: Core, caller: Caller, case_id: str) -> dict[str, Any]:
    """A case as its caller sees it.

    Raises
    ------
    Problem
        ``not_found``: none, or somebody else's.
    """
    with core.database.reading() as session:
        return _view(core, session, _own(session.get(Case, case_id), caller))


def new_attempt(
    core: Core,
    caller: Caller,
    case_id: str,
    asked: Asked,
    *,
    idempotency_key: str | None = None,
    actor: str | None = None,
) -> NewAttempt:
    """Make an attempt within a case, under the case's policy and its route's options.

    Parameters
    ----------
    actor
        Who asks for it; the caller, unless it is the person.

    Raises
    ------
    Problem
        ``attempt_delayed``, ``attempt_open``, ``case_with_person``, ``case_wrong_state``, ``not_found``,
        ``idempotency_conflict``.
    """
    catch_up(core, case_id, caller)
    with core.database.reading() as session:
        case = _own(session.get(Case, case_id), caller)
    asked = replace(
        asked,
        case_id=case_id,
        policy=case.policy,
        locale=case.locale,
        subject=case.subject,
        callback=case.callback,
        options=options_on(CaseRoute(case.route), asked.options),
    )

    def admit(session: Session, row: Attempt) -> None:
        _admit(core, session, caller, row, actor or caller.id)

    return attempts.create(core, caller, asked, idempotency_key=idempotency_key, admit=admit)


def new_link(core: Core, caller: Caller, case_id: str) -> dict[str, Any]:
    """A link to the person's page of a case, which is shown once; links of before stay good until they are used.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = _own(locked_case(session, case_id), caller)
        link, expires_s = case_links.new_link(core, session, case, actor=caller.id)
    return {"link": link, "expires_s": expires_s}


def notices_of(
    core: Core, caller: Caller, case_id: str, words: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What the person is to be told of a case, oldest first; `words` are those of the pages, by language.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.reading() as session:
        case = _own(session.get(Case, case_id), caller)
        return notices.of_case(core, session, case, words[case.locale])


def own_attempt(core: Core, case_id: str) -> NewAttempt:
    """The person begins an attempt from their page of the case; one that was never begun makes room for it.

    Raises
    ------
    Problem
        As :func:`new_attempt`; ``case_wrong_state``: the service gave no photo, and has to make attempts itself.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = locked_case(session, case_id)
        if case is None or case.reference_id is None:
            raise Problem("case_wrong_state", "the service gave no photo; it makes the attempts of this case")
        caller = Caller(id=case.api_key_id, name="person")
        # What was begun has shown some of its steps: whoever could drop it would be asked until they like the answer.
        for row in _attempts_in(session, case, State.REQUIRES_INPUT):
            if row.begun == 0 and row.role is None:
                cancel_attempt(core, session, row.id)
    asked = Asked(
        policy=case.policy,
        locale=case.locale,
        reference_id=case.reference_id,
        options={"avoid": [], "light": False, "file": False, "service": case.service},
    )
    return new_attempt(core, caller, case_id, asked, actor=audit.PERSON)


def choose_route(core: Core, case_id: str, route: CaseRoute) -> None:
    """The person takes another way; what it asks for changes, and never what it takes to be accepted.

    Raises
    ------
    Problem
        ``case_with_person``, ``case_wrong_state``: no way is chosen now, or not by the person.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = locked_case(session, case_id)
        if case is None:
            raise Problem("not_found", "there is no such case")
        _refuse_unless_trying(case)
        # Who is a child, or was sent to a person, stays with the person; the page does not decide otherwise.
        if CaseRoute(case.route) in BY_PERSON:
            raise Problem("case_with_person")
        then = start_of(route)
        begun = (
            row.begun or row.state == State.PROCESSING.value for row in _attempts_in(session, case, *map(State, _LIVE))
        )
        if then is CaseState.OPEN and any(begun):
            # Whoever could drop what was begun would be asked, or judged, until they like the answer.
            raise Problem("attempt_open", "wait for it")
        if case.route != route.value:
            facts = {"from": case.route, "to": route.value}
            case.route = route.value
            note(core, session, "case.route", case, actor=audit.PERSON, facts=facts)
            if then is CaseState.OPEN and case.reference_id is None:
                _go_another_way(session, case, route)
            else:
                end_attempts(core, session, case)
        if then is not CaseState.OPEN:
            become(core, session, case, then, actor=audit.PERSON, facts={"route": route.value})


def _go_another_way(session: Session, case: Case, route: CaseRoute) -> None:
    """Only the service has the photo, hence its attempt goes on, and asks for what the way asks for.

    As in attempts of the person's own, there are colours only where they are the way.
    """
    for row in _attempts_in(session, case, State.REQUIRES_INPUT, State.INCONCLUSIVE):
        if row.role is None:
            kept = {name: value for name, value in row.options.items() if name != "gestures"}
            row.options = options_on(route, {**kept, "light": False})


def withdraw(core: Core, caller: Caller, case_id: str, *, actor: str | None = None) -> dict[str, Any]:
    """The person does not want it any more: what is undecided ends, and its evidence goes.

    Raises
    ------
    Problem
        ``not_found``, ``case_wrong_state``.
    """
    return _end(core, caller, case_id, CaseState.WITHDRAWN, actor=actor)


def recovered(core: Core, caller: Caller, case_id: str) -> dict[str, Any]:
    """The service has given the account back.

    Raises
    ------
    Problem
        ``not_found``, ``case_wrong_state``: it was not accepted.
    """
    return _end(core, caller, case_id, CaseState.RECOVERED)


def not_me(core: Core, caller: Caller, case_id: str) -> dict[str, Any]:
    """Somebody said that it was not them: nothing goes on until a person has looked, and the evidence stays for that.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        case = _own(locked_case(session, case_id), caller)
        dispute(core, session, case, actor=caller.id)
        session.flush()
        return _view(core, session, case)


def dispute(core: Core, session: Session, case: Case, *, actor: str) -> None:
    """Freeze a case, and show whoever has its page open out of it. The caller holds the audit chain's head."""
    if case.state == CaseState.FROZEN.value:
        return
    case.disputed_s = core.clock()
    case_links.end_all(session, case.id)
    become(core, session, case, CaseState.FROZEN, actor=actor, facts={"why": "not_me"})
    for row in end_attempts(core, session, case):
        row.evidence_until_s = case.due_s


# -- what happens to it ------------------------------------------------------------------------------


def decided(core: Core, session: Session, row: Attempt) -> None:
    """An attempt was decided: note it, and let its case go on. The caller holds the audit chain's head.

    Parameters
    ----------
    row
        With its decision; ``rejected_s`` set where it was rejected.
    """
    decision = row.decision or {}
    facts = {
        "attempt": row.id,
        "outcome": decision.get("outcome"),
        "reasons": [_code(reason) for reason in decision.get("reasons", ())],
        "policy": decision.get("policy", {}).get("name", row.policy),
        "policy_sha256": decision.get("policy", {}).get("sha256"),
        "models": {model["name"]: model["sha256"] for model in decision.get("models", ())},
        "software": decision.get("idverify_version"),
        "recording": row.recording_id,
    }
    case = None if row.case_id is None else locked_case(session, row.case_id)
    if case is None:
        audit.append(core, session, f"attempt.{row.state}", actor=audit.MACHINE, facts=facts)
        return
    note(core, session, f"attempt.{row.state}", case, actor=audit.MACHINE, facts=facts)
    state = CaseState(case.state)
    if row.state == State.INCONCLUSIVE.value:
        return
    if row.role is not None:
        # Who vouches was held against their own photo; what that says of the case is for a person to say.
        if state is CaseState.VOUCHING:
            become(core, session, case, CaseState.REVIEW, actor=audit.MACHINE, facts={"voucher": row.id})
        return
    if state not in _TRYING:
        return
    if CaseRoute(case.route) in BY_PERSON:
        become(core, session, case, CaseState.REVIEW, actor=audit.MACHINE, facts={"attempt": row.id})
        return
    times = _rejections(core, session, case)
    if len(times) >= core.settings.cases.judged_rejections:
        why = {"why": "rejections", "rejections": len(times)}
        become(core, session, case, CaseState.REVIEW, actor=audit.MACHINE, facts=why)
    elif row.state == State.ACCEPTED.value:
        # Accepted and rejected at once is for a person to understand.
        then = CaseState.ACCEPTED if case.state == CaseState.OPEN.value else CaseState.REVIEW
        become(core, session, case, then, actor=audit.MACHINE, facts={"attempt": row.id})
    else:
        case.wait_until_s = _wait_until_s(core, times)
        if case.state == CaseState.OPEN.value:
            waits = {"rejections": len(times), "wait_until_s": case.wait_until_s}
            become(core, session, case, CaseState.DELAYED, actor=audit.MACHINE, facts=waits)


def resume_due(core: Core) -> int:
    """Let cases go on whose delay is over; return how many did."""
    now = core.clock()
    waited = (Case.state == CaseState.DELAYED.value, Case.wait_until_s <= now)
    with core.database.reading() as session:
        over = list(session.scalars(select(Case.id).where(*waited).limit(_AT_ONCE)))
    for case_id in over:
        with core.database.writing() as session:
            audit.hold(session)
            case = locked_case(session, case_id)
            if case is not None:
                _settle_standing(core, session, case)
    return len(over)


def overdue(session: Session, now_s: float) -> dict[str, tuple[int, int]]:
    """State -> how many cases are in it, and for how many of them the next step is overdue."""
    late = func.count().filter(Case.due_s < now_s)
    return {
        row[0]: (row[1], row[2]) for row in session.execute(select(Case.state, func.count(), late).group_by(Case.state))
    }


def catch_up(core: Core, case_id: str, caller: Caller | None = None) -> None:
    """Bring a case to where it stands now: a delay may be over, and another case's rejections may have filled it.

    Raises
    ------
    Problem
        ``not_found``: it is not the caller's, if one is given.
    """
    with core.database.reading() as session:
        seen = session.get(Case, case_id)
        if caller is not None:
            seen = _own(seen, caller)
    if seen is None or CaseState(seen.state) not in _TRYING:
        return
    with core.database.writing() as session:
        audit.hold(session)
        case = locked_case(session, case_id)
        if case is not None:
            _settle_standing(core, session, case)


def _settle_standing(core: Core, session: Session, case: Case) -> None:
    if CaseState(case.state) not in _TRYING:
        return
    times = _rejections(core, session, case)
    if len(times) >= core.settings.cases.judged_rejections:
        why = {"why": "rejections", "rejections": len(times)}
        become(core, session, case, CaseState.REVIEW, actor=audit.MACHINE, facts=why)
    elif case.state == CaseState.DELAYED.value and (case.wait_until_s or 0.0) <= core.clock():
        become(core, session, case, CaseState.OPEN, actor=audit.MACHINE)


def _admit(core: Core, session: Session, caller: Caller, row: Attempt, actor: str) -> None:
    """Refuse an attempt that the case does not allow now; note it, and end what it takes the place of."""
    audit.hold(session)
    case = _own(locked_case(session, row.case_id or ""), caller)
    _refuse_unless_trying(case)
    times = _rejections(core, session, case)
    if len(times) >= core.settings.cases.judged_rejections:
        raise Problem("case_with_person", "too many were rejected; a person has the case")
    wait_s = _wait_until_s(core, times) - core.clock()
    if wait_s > 0:
        raise Problem("attempt_delayed", retry_after_s=math.ceil(wait_s))
    mine = (Attempt.api_key_id == case.api_key_id, Attempt.subject == case.subject, Attempt.case_id.is_not(None))
    in_time = (Attempt.expires_s > core.clock()) | (Attempt.state == State.PROCESSING.value)
    if session.scalars(select(Attempt.id).where(*mine, Attempt.state.in_(_LIVE), in_time).limit(1)).first():
        raise Problem("attempt_open", "wait for it, or cancel it first")
    for earlier in _attempts_in(session, case, State.INCONCLUSIVE):
        outbox.change(core, session, earlier, State.CANCELED)
    note(core, session, "attempt.created", case, actor=actor, facts={"attempt": row.id, "policy": row.policy})


def _refuse_unless_trying(case: Case) -> None:
    state = CaseState(case.state)
    if state in _TRYING:
        return
    step = NEXT_STEPS.get(state)
    if step is not None and step.who in (Who.REVIEWER, Who.SENIOR):
        raise Problem("case_with_person")
    raise Problem("case_wrong_state", f"no attempt is made in a case that is {state.value}")


def _end(core: Core, caller: Caller, case_id: str, then: CaseState, *, actor: str | None = None) -> dict[str, Any]:
    with core.database.writing() as session:
        audit.hold(session)
        case = _own(locked_case(session, case_id), caller)
        if actor == audit.PERSON and case.state in _NOT_THE_PERSONS:
            raise Problem("case_wrong_state", f"a case that is {case.state} is not the person's to end")
        if case.state != then.value:
            become(core, session, case, then, actor=actor or caller.id)
            end_attempts(core, session, case)
            session.flush()
        return _view(core, session, case)


def end_attempts(core: Core, session: Session, case: Case) -> list[Attempt]:
    """Call off what is undecided in a case, and let its evidence go; return what was called off."""
    ended = _attempts_in(session, case, *map(State, _LIVE), State.INCONCLUSIVE)
    for row in ended:
        outbox.change(core, session, row, State.CANCELED)
        row.evidence_until_s = core.clock()
    return ended


def cancel_attempt(core: Core, session: Session, attempt_id: str) -> None:
    """Call off one attempt that is undecided."""
    row = locked(session, attempt_id)
    if row is not None and row.state in (*_LIVE, State.INCONCLUSIVE.value):
        outbox.change(core, session, row, State.CANCELED)
        row.evidence_until_s = core.clock()


def become(
    core: Core,
    session: Session,
    case: Case,
    then: CaseState,
    *,
    actor: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Let a case become something else: the table is asked, the chain notes it, and the caller is told.

    The session holds the audit chain's head and the case's row. Whoever had claimed the case has it no longer.

    Raises
    ------
    Problem
        ``case_wrong_state``.
    """
    try:
        require_case(CaseState(case.state), then)
    except TransitionError as error:
        raise Problem("case_wrong_state", str(error)) from None
    case.state, case.changed_s, case.due_s = then.value, core.clock(), _due_s(core, then)
    if then is not CaseState.DELAYED:
        case.wait_until_s = None
    case.lease_account = case.lease_until_s = None
    case.needs_senior = False
    if then is not CaseState.QUESTION:
        case.asked_in = None
    case.case_policy_sha256 = core.settings.cases.sha256
    note(core, session, f"case.{then.value}", case, actor=actor, facts={**(facts or {}), "due_s": case.due_s})
    outbox.tell(core, session, case)
    _keep_evidence(core, session, case)


def _keep_evidence(core: Core, session: Session, case: Case) -> None:
    """What a person here has to look at, or may be asked to, is there until they are due; then its time begins."""
    now, state = core.clock(), CaseState(case.state)
    policy = core.settings.cases
    case.papers_until_s = None if state in HELD else (case.due_s or now) + policy.retention_s["papers"]
    if state in _TRYING:
        return
    for row in session.scalars(select(Attempt).where(Attempt.case_id == case.id).with_for_update()):
        if row.evidence_until_s is None:
            continue
        if state in HELD or state is CaseState.REFUSED:
            row.evidence_until_s = max(row.evidence_until_s, case.due_s or now)
        else:
            row.evidence_until_s = min(row.evidence_until_s, now + policy.evidence_of_s(row.policy))


def note(core: Core, session: Session, kind: str, case: Case, *, actor: str, facts: Mapping[str, Any]) -> None:
    """Write an entry about a case, with the policy that it goes by."""
    by = {"case_policy_sha256": core.settings.cases.sha256}
    audit.append(core, session, kind, actor=actor, case_id=case.id, facts={**facts, **by})


def _rejections(core: Core, session: Session, case: Case) -> list[float]:
    """When attempts for the same subject were rejected, in this case or out of it, within the window."""
    # What lay before a person who asked for another recording does not count in that case again.
    since_s = max(core.clock() - core.settings.cases.window_s, case.forgiven_s or 0.0)
    mine = (Attempt.api_key_id == case.api_key_id, Attempt.subject == case.subject)
    found = select(Attempt.rejected_s).where(*mine, Attempt.rejected_s > since_s).order_by(Attempt.rejected_s)
    return [moment for moment in session.scalars(found) if moment is not None]


def _wait_until_s(core: Core, times: list[float]) -> float:
    return times[-1] + core.settings.cases.delay_s(len(times)) if times else 0.0


def _due_s(core: Core, state: CaseState) -> float | None:
    return None if state in CLOSED else core.clock() + core.settings.cases.deadlines_s[NEXT_STEPS[state].deadline]


def _attempts_in(session: Session, case: Case, *states: State) -> list[Attempt]:
    wanted = (Attempt.case_id == case.id, Attempt.state.in_([state.value for state in states]))
    found = [locked(session, attempt_id) for attempt_id in session.scalars(select(Attempt.id).where(*wanted))]
    # It may have become something else while it was waited for.
    return [row for row in found if row is not None and State(row.state) in states]


def locked_case(session: Session, case_id: str) -> Case | None:
    """A case's row, held until the transaction ends; the session holds the audit chain's head."""
    return session.scalar(select(Case).where(Case.id == case_id).with_for_update())


def _own(row: Case | None, caller: Caller) -> Case:
    # Somebody else's case looks like none at all.
    if row is None or row.api_key_id != caller.id:
        raise Problem("not_found", "there is no such case")
    return row


def _code(reason: Any) -> str:
    return str(reason["code"] if isinstance(reason, Mapping) else reason)


def _view(core: Core, session: Session, row: Case) -> dict[str, Any]:
    """The public form of a case: JSON types."""
    step = NEXT_STEPS.get(CaseState(row.state))
    found = (
        select(Attempt.id, Attempt.state, Attempt.role)
        .where(Attempt.case_id == row.id)
        .order_by(Attempt.created_s, Attempt.id)
    )
    rejections = len(_rejections(core, session, row))
    return {
        "id": row.id,
        "state": row.state,
        "route": row.route,
        "policy": row.policy,
        "locale": row.locale,
        "subject": row.subject,
        "created_s": row.created_s,
        "changed_s": row.changed_s,
        "next": None if step is None else {"step": step.step, "who": step.who.value, "due_s": row.due_s},
        "overdue": row.due_s is not None and row.due_s < core.clock(),
        "wait_until_s": row.wait_until_s,
        "rejections": rejections,
        "rejections_left": max(0, core.settings.cases.judged_rejections - rejections),
        "case_policy_sha256": row.case_policy_sha256,
        "disputed_s": row.disputed_s,
        "attempts": [
            {"id": attempt_id, "state": state, "role": role or "subject"}
            for attempt_id, state, role in session.execute(found)
        ],
    }


def _answer(core: Core, caller: Caller, asked: AskedCase, key: str, view: dict[str, Any]) -> IdempotentAnswer:
    sealed = core.vault.master.key.seal(json.dumps(view).encode(), f"answer/{caller.id}/{key}")
    return IdempotentAnswer(
        api_key_id=caller.id, key=key, request_sha256=asked.digest(), created_s=core.clock(), sealed_answer=sealed
    )


def _answered(core: Core, caller: Caller, asked: AskedCase, key: str | None) -> dict[str, Any] | None:
    if key is None:
        return None
    with core.database.reading() as session:
        row = session.get(IdempotentAnswer, (caller.id, key))
    if row is None:
        return None
    if row.request_sha256 != asked.digest():
        raise Problem("idempotency_conflict")
    view: dict[str, Any] = json.loads(core.vault.master.key.open(row.sealed_answer, f"answer/{caller.id}/{key}"))
    return view
