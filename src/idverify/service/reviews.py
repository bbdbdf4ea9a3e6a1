"""What a reviewer does with a case: take it, note their own view, decide, ask for more, hand it on.

Goal: the machine's verdict weighs on nobody who has not looked first, and nobody alone gives back what the machine
refused. What is decided has a code, a text for the person, and another one that is never for them.

Conventions: the caller gives the transaction; it holds the audit chain's head and the case's row
(:func:`idverify.service.cases.locked_case`), so that of two reviewers at once one comes first. Every change writes an
entry; entries hold codes, never texts.

Public items: :data:`VIEWS`, :data:`CODES`, :data:`ACTS`, :data:`VERDICTS`, :class:`Texts`,
:class:`Message`, :func:`claim`, :func:`let_go`, :func:`require_free`, :func:`require_claim`, :func:`noted_view`,
:func:`note_own_view`, :func:`decide`, :func:`ask_recording`, :func:`may_record_again`, :func:`ask_question`,
:func:`may_ask`, :func:`hand_on`, :func:`machine_says`, :func:`takes_two`, :func:`evidence_state`,
:func:`message_for_person`, :func:`open_look`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idverify.service import cases, proofs, questions
from idverify.service.case_states import CASE_TRANSITIONS, CaseState
from idverify.service.case_texts import seal, unseal
from idverify.service.core import Core
from idverify.service.desk.roles import Act, Member, Role, require_act
from idverify.service.keys import new_id
from idverify.service.problems import Problem
from idverify.service.tables import Attempt, Case, Recording, Review, Viewing

__all__ = [
    "ACTS",
    "CODES",
    "VERDICTS",
    "VIEWS",
    "Message",
    "Texts",
    "ask_question",
    "ask_recording",
    "claim",
    "decide",
    "evidence_state",
    "hand_on",
    "let_go",
    "machine_says",
    "may_ask",
    "may_record_again",
    "message_for_person",
    "note_own_view",
    "noted_view",
    "open_look",
    "require_claim",
    "require_free",
    "takes_two",
]

#: What a reviewer may say that they see, before they know what the machine said.
VIEWS = ("same_person", "other_person", "not_live", "cannot_tell")

#: What is decided -> the codes for why. Who reads the record relies on them.
CODES: dict[str, tuple[str, ...]] = {
    "accept": ("same_person", "other_proofs", "vouched", "met"),
    "reject": ("other_person", "not_live", "proofs_missing", "disputed", "no_answer"),
    "ask_recording": ("too_dark", "face_hidden", "too_short", "disturbed", "other_device"),
    "hand_on": ("needs_senior", "knows_person", "other_language", "no_time"),
    "release": ("owner_confirmed", "by_mistake"),
    "met": ("present", "absent"),
    "question": ("circumstances", "proofs"),
}

# NIST SP 800-63B-4 (second public draft): recovery takes two codes, or a code and a bound authenticator.
_LEAST_PROOFS = 2

#: State -> what has to be allowed to take a case that is in it.
ACTS: dict[CaseState, Act] = {
    CaseState.REVIEW: Act.REVIEW,
    CaseState.ATTENDED: Act.REVIEW,
    CaseState.SECOND_REVIEW: Act.SECOND_REVIEW,
    CaseState.APPEAL: Act.DECIDE_APPEAL,
    CaseState.FROZEN: Act.INVESTIGATE,
}

#: State -> what may be decided in it.
VERDICTS: dict[CaseState, tuple[str, ...]] = {
    CaseState.REVIEW: ("accept", "reject"),
    CaseState.ATTENDED: ("met",),
    CaseState.SECOND_REVIEW: ("accept", "reject"),
    CaseState.APPEAL: ("accept", "reject"),
    CaseState.FROZEN: ("release", "reject"),
}
#: The first of two people would accept; nothing is told to the person yet.
PROPOSED = "propose"
# A question is told as one.
_UNTOLD = (PROPOSED, "hand_on", "met", "question")

_SHORTEST, _LONGEST = 10, 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Two texts, kept apart: what the person is told, and what they are never told."""

    for_person: str
    internal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a reviewer tells the person.

    Parameters
    ----------
    verdict, code
        Of :data:`CODES`.
    text
        In the reviewer's words.
    """

    verdict: str
    code: str
    text: str
    decided_s: float


def claim(core: Core, session: Session, case: Case, who: Member) -> None:
    """Take a case, or keep it for longer.

    Raises
    ------
    Problem
        ``case_wrong_state``, ``not_allowed``, ``case_claimed``, ``second_person``.
    """
    now = core.clock()
    require_free(core, session, case, who)
    theirs = _is_claimed(case, now)
    case.lease_account, case.lease_until_s = who.id, now + core.settings.limits.claim_s
    if not theirs:
        cases.note(core, session, "case.claimed", case, actor=who.id, facts={"until_s": case.lease_until_s})


def require_free(core: Core, session: Session, case: Case, who: Member) -> None:
    """Refuse whoever cannot take a case, or keep it for longer.

    Raises
    ------
    Problem
        ``case_wrong_state``, ``not_allowed``, ``case_claimed``, ``second_person``.
    """
    _require_may_take(session, case, who)
    if _is_claimed(case, core.clock()) and case.lease_account != who.id:
        raise Problem("case_claimed")


def let_go(core: Core, session: Session, case: Case, who: Member) -> None:
    """Give a case back to the queue as it is.

    Raises
    ------
    Problem
        ``not_claimed``.
    """
    require_claim(core, case, who)
    case.lease_account = case.lease_until_s = None
    cases.note(core, session, "case.let_go", case, actor=who.id, facts={})


def require_claim(core: Core, case: Case, who: Member) -> None:
    """Refuse whoever does not have the case.

    Raises
    ------
    Problem
        ``not_allowed``, ``case_wrong_state``, ``case_claimed``, ``not_claimed``.
    """
    require_act(who, _act_of(case))
    if not _is_claimed(case, core.clock()):
        raise Problem("not_claimed")
    if case.lease_account != who.id:
        raise Problem("case_claimed")


def noted_view(session: Session, case: Case, who: Member) -> str | None:
    """What somebody saw before they knew what the machine says; None while they have not said it."""
    looks = (Review.case_id == case.id, Review.account_id == who.id, Review.entered_s == case.changed_s)
    found = select(Review.view).where(*looks, Review.view.in_(VIEWS)).order_by(Review.viewed_s).limit(1)
    return session.scalar(found)


def note_own_view(core: Core, session: Session, case: Case, who: Member, view: str) -> None:
    """Note what a reviewer saw; the first view stays.

    Raises
    ------
    Problem
        ``not_claimed``, ``case_claimed``, ``look_first``, ``invalid_request``.
    """
    require_claim(core, case, who)
    if view not in VIEWS:
        raise Problem("invalid_request", f"the view is one of: {', '.join(VIEWS)}")
    if noted_view(session, case, who) is not None:
        return
    if _unseen(session, case, who):
        raise Problem("look_first", "play the newest recording, then note what you saw")
    case.lease_until_s = core.clock() + core.settings.limits.claim_s
    row = _new_look(core, session, case, who, view)
    facts = {"review": row.id, "view": view, "evidence": row.evidence}
    cases.note(core, session, "review.viewed", case, actor=who.id, facts=facts)


def decide(
    core: Core,
    session: Session,
    case: Case,
    who: Member,
    verdict: str,
    code: str,
    texts: Texts,
) -> CaseState:
    """Decide a case, as far as one person may.

    Parameters
    ----------
    verdict
        ``accept`` or ``reject``; ``release`` what is frozen; ``met`` after an attended meeting.

    Returns
    -------
    CaseState
        What the case is now.

    Raises
    ------
    Problem
        ``not_claimed``, ``case_claimed``, ``view_missing``, ``second_person``, ``invalid_request``, ``not_allowed``.
    """
    _require_may_take(session, case, who)
    state = CaseState(case.state)
    if verdict not in VERDICTS[state]:
        raise Problem("invalid_request", f"a case that is {state.value} is decided by: {', '.join(VERDICTS[state])}")
    row = _look_to_decide(core, session, case, who)
    shown = proofs.checked(session, case)
    if code == "other_proofs" and len(shown) < _LEAST_PROOFS:
        raise Problem("invalid_request", f"tick and note at least {_LEAST_PROOFS} other proofs first")
    then, kept = _what_follows(core, session, case, state, verdict)
    _write(core, case, row, kept, code, texts, codes=CODES[verdict])
    facts = {**_facts(row), "proofs": list(shown), "overrules": verdict == "accept" and row.machine == "rejected"}
    cases.become(core, session, case, then, actor=who.id, facts=facts)
    return then


def ask_recording(core: Core, session: Session, case: Case, who: Member, code: str, texts: Texts) -> None:
    """Let the person record again; what was rejected before does not count in this case any more.

    Raises
    ------
    Problem
        As of :func:`decide`; ``case_wrong_state``.
    """
    row = _look_to_decide(core, session, case, who)
    if not may_record_again(case):
        raise Problem("case_wrong_state", "no recording can be asked for in this case")
    _write(core, case, row, "ask_recording", code, texts, codes=CODES["ask_recording"])
    case.forgiven_s = core.clock()
    cases.become(core, session, case, CaseState.OPEN, actor=who.id, facts=_facts(row))


def ask_question(core: Core, session: Session, case: Case, who: Member, code: str, texts: Texts) -> None:
    """Ask the person something; the case waits for the answer, and comes back with it.

    Raises
    ------
    Problem
        ``not_claimed``, ``case_claimed``, ``invalid_request``, ``case_wrong_state``.
    """
    require_claim(core, case, who)
    row = open_look(session, case, who) or _new_look(core, session, case, who, noted_view(session, case, who) or "none")
    _write(core, case, row, "question", code, texts, codes=CODES["question"])
    cases.note(core, session, "review.question", case, actor=who.id, facts=_facts(row))
    questions.ask(core, session, case, who.id, texts.for_person.strip())


def may_ask(case: Case) -> bool:
    """Whether a question can be asked in a case as it is."""
    return CaseState.QUESTION in CASE_TRANSITIONS[CaseState(case.state)]


def may_record_again(case: Case) -> bool:
    """Whether another recording can be asked for. Where a person decides, they do so about the new one, too."""
    return case.state == CaseState.REVIEW.value


def hand_on(core: Core, session: Session, case: Case, who: Member, code: str, internal: str, *, senior: bool) -> None:
    """Give a case to somebody else, and say why; needs no view of one's own.

    Raises
    ------
    Problem
        ``not_claimed``, ``case_claimed``, ``invalid_request``.
    """
    require_claim(core, case, who)
    row = open_look(session, case, who) or _new_look(core, session, case, who, "none")
    row.verdict, row.code, row.decided_s = "hand_on", _one_of(code, CODES["hand_on"]), core.clock()
    row.sealed_internal = seal(core, case, f"{row.id}/internal", _sentence(internal, "the internal note"))
    case.lease_account = case.lease_until_s = None
    case.needs_senior = case.needs_senior or senior
    cases.note(core, session, "case.handed_on", case, actor=who.id, facts={**_facts(row), "senior": senior})


def machine_says(core: Core, session: Session, case: Case) -> tuple[str, list[str]]:
    """What the machine made of a case's attempts, and the codes of why.

    Returns
    -------
    tuple of (str, list of str)
        ``rejected`` where it ever rejected one of them, else ``accepted``, ``inconclusive`` or ``none``.
    """
    rows = list(session.scalars(select(Attempt).where(Attempt.case_id == case.id).order_by(Attempt.decided_s)))
    rejected = [row for row in rows if row.rejected_s is not None]
    # What was rejected outside of the case brought it here as well.
    mine = (Attempt.api_key_id == case.api_key_id, Attempt.subject == case.subject)
    since_s = case.created_s - core.settings.cases.window_s
    anywhere = select(func.count()).select_from(Attempt).where(*mine, Attempt.rejected_s > since_s)
    if rejected or session.scalar(anywhere):
        return "rejected", _reasons_of(rejected)
    accepted = [row for row in rows if _outcome(row) == "accept"]
    told = [row for row in rows if row.decision is not None]
    return ("accepted" if accepted else "inconclusive" if told else "none"), _reasons_of(accepted or told)


def takes_two(core: Core, session: Session, case: Case) -> bool:
    """Whether accepting would overrule the machine."""
    return machine_says(core, session, case)[0] == "rejected"


def evidence_state(session: Session, case: Case) -> str:
    """``kept``, ``partly``, ``deleted``, or ``none`` where nothing was ever recorded."""
    rows = session.execute(select(Attempt.wrapped_key, Attempt.begun).where(Attempt.case_id == case.id))
    kept = [key is not None for key, begun in rows if begun]
    if not kept:
        return "none"
    return "kept" if all(kept) else "partly" if any(kept) else "deleted"


def message_for_person(core: Core, session: Session, case: Case) -> Message | None:
    """The newest thing that a reviewer tells the person; None where there is none, or it was deleted."""
    told = (Review.case_id == case.id, Review.verdict.not_in(_UNTOLD), Review.sealed_for_person.is_not(None))
    row = session.scalar(select(Review).where(*told).order_by(Review.decided_s.desc()).limit(1))
    if row is None or case.wrapped_key is None:
        return None
    assert row.verdict is not None
    assert row.code is not None
    assert row.sealed_for_person is not None
    assert row.decided_s is not None
    text = unseal(core, case, f"{row.id}/person", row.sealed_for_person)
    return Message(verdict=row.verdict, code=row.code, text=text, decided_s=row.decided_s)


def open_look(session: Session, case: Case, who: Member) -> Review | None:
    """Somebody's look at the case as it is now, not decided yet."""
    looks = (Review.case_id == case.id, Review.account_id == who.id, Review.entered_s == case.changed_s)
    return session.scalar(select(Review).where(*looks, Review.decided_s.is_(None)).with_for_update())


# -- who may -----------------------------------------------------------------------------------------


def _require_may_take(session: Session, case: Case, who: Member) -> None:
    require_act(who, _act_of(case))
    if case.needs_senior and who.role is not Role.SENIOR:
        raise Problem("not_allowed", "the case was handed on to a senior")
    if who.id in _bound(session, case):
        raise Problem("second_person")


def _bound(session: Session, case: Case) -> set[str]:
    """Who must not decide the case as it stands, for what is asked is another person's judgement."""
    state = CaseState(case.state)
    if state is CaseState.SECOND_REVIEW:
        wanted: tuple[Any, ...] = (Review.verdict == PROPOSED,)
    elif state is CaseState.APPEAL:
        wanted = (Review.verdict == "reject",)
    else:
        return set()
    newest = select(Review.account_id).where(Review.case_id == case.id, *wanted).order_by(Review.decided_s.desc())
    return set(session.scalars(newest.limit(1)))


def _act_of(case: Case) -> Act:
    act = ACTS.get(CaseState(case.state))
    if act is None:
        raise Problem("case_wrong_state", "no reviewer has anything to do in this case now")
    return act


def _is_claimed(case: Case, now_s: float) -> bool:
    return case.lease_account is not None and (case.lease_until_s or 0.0) > now_s


# -- a look and what comes of it -----------------------------------------------------------------------


def _new_look(core: Core, session: Session, case: Case, who: Member, view: str) -> Review:
    machine, reasons = machine_says(core, session, case)
    row = Review(
        id=new_id("rev"),
        case_id=case.id,
        account_id=who.id,
        state=case.state,
        entered_s=case.changed_s,
        view=view,
        viewed_s=core.clock(),
        machine=machine,
        machine_reasons=reasons,
        evidence=evidence_state(session, case),
    )
    session.add(row)
    session.flush()
    return row


def _look_to_decide(core: Core, session: Session, case: Case, who: Member) -> Review:
    require_claim(core, case, who)
    view = noted_view(session, case, who)
    if view is None:
        raise Problem("view_missing")
    # Somebody who handed the case on and took it again said already what they saw.
    return open_look(session, case, who) or _new_look(core, session, case, who, view)


def _what_follows(core: Core, session: Session, case: Case, state: CaseState, verdict: str) -> tuple[CaseState, str]:
    """The next state, and the verdict as it is kept."""
    if verdict in ("release", "met"):
        return CaseState.REVIEW, verdict
    if verdict == "accept":
        if state is CaseState.SECOND_REVIEW or not takes_two(core, session, case):
            return CaseState.ACCEPTED, verdict
        return CaseState.SECOND_REVIEW, PROPOSED
    if state is CaseState.APPEAL or (state is CaseState.SECOND_REVIEW and _proposed_in(session, case) == "appeal"):
        return CaseState.CONFIRMED, verdict
    return CaseState.REFUSED, verdict


def _proposed_in(session: Session, case: Case) -> str | None:
    newest = select(Review.state).where(Review.case_id == case.id, Review.verdict == PROPOSED)
    return session.scalar(newest.order_by(Review.decided_s.desc()).limit(1))


def _write(
    core: Core, case: Case, row: Review, verdict: str, code: str, texts: Texts, *, codes: tuple[str, ...]
) -> None:
    for_person, internal = _sentence(texts.for_person, "the text for the person"), _sentence(texts.internal, "the note")
    if for_person == internal:
        raise Problem("invalid_request", "the two texts are for different readers: write two")
    row.verdict, row.code, row.decided_s = verdict, _one_of(code, codes), core.clock()
    row.sealed_for_person = seal(core, case, f"{row.id}/person", for_person)
    row.sealed_internal = seal(core, case, f"{row.id}/internal", internal)


def _facts(row: Review) -> dict[str, Any]:
    names = {"review": row.id, "view": row.view, "verdict": row.verdict, "code": row.code}
    return {**names, "machine": row.machine, "evidence": row.evidence}


def _sentence(text: str, what: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\0", "").strip()
    if not _SHORTEST <= len(plain) <= _LONGEST:
        raise Problem("invalid_request", f"{what} has {_SHORTEST} to {_LONGEST} characters")
    return plain


def _one_of(code: str, codes: tuple[str, ...]) -> str:
    if code not in codes:
        raise Problem("invalid_request", f"the reason is one of: {', '.join(codes)}")
    return code


def _unseen(session: Session, case: Case, who: Member) -> bool:
    """Whether there is a recording, and the newest one was not played since the case came here."""
    kept = (Attempt.case_id == case.id, Attempt.wrapped_key.is_not(None), Recording.finished_s.is_not(None))
    whole = select(Recording.id).join(Attempt, Recording.attempt_id == Attempt.id).where(*kept)
    newest = session.scalar(whole.order_by(Recording.created_s.desc()).limit(1))
    if newest is None:
        return False
    seen = session.get(Viewing, (who.id, case.id, f"recording/{newest}"))
    return seen is None or seen.noted_s < case.changed_s


def _outcome(row: Attempt) -> str:
    return str((row.decision or {}).get("outcome", ""))


def _reasons_of(rows: Sequence[Attempt]) -> list[str]:
    return sorted({str(code) for row in rows for code in (row.decision or {}).get("reasons", ())})
