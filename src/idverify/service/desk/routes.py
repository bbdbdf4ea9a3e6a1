"""Routes of the desk: signing in, the queue, and a case with what is done in it.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from idverify.service import audit, cases, continuation, papers, proofs, reviews, vouching
from idverify.service.case_routes import BY_PERSON, CaseRoute
from idverify.service.case_states import CaseState
from idverify.service.case_texts import unseal
from idverify.service.core import Core
from idverify.service.desk import accounts, evidence, openid, queue, sessions, signals
from idverify.service.desk.pages import (
    COOKIE,
    FORM_BYTES,
    Desk,
    clear_cookie,
    desk_page,
    is_secure,
    refused,
    set_cookie,
    show,
)
from idverify.service.desk.roles import Act, Member
from idverify.service.forms import read_form
from idverify.service.problems import Problem
from idverify.service.reviews import Texts
from idverify.service.settings import OpenID
from idverify.service.tables import Account, Case, Review
from idverify.service.web import Web, address_of, web_of

__all__ = ["ROUTES"]

log = logging.getLogger("idverify.service")

T = TypeVar("T")

# Keeps what has to be known when somebody comes back from the provider.
_AWAY = "idverify_desk_away"
# A refusal comes no earlier than this, so that its time tells nothing of what was wrong. Seconds.
_REFUSED_AFTER_S = 0.8
# What is typed again where a form was refused.
_FIELDS = ("decision", "for_person", "internal", "code", "note", "question", "why")
# Before the name of a proof, in a form.
_PROOF = "proof_"
# What was said and sent in a case, by whomever.
_SAID = ("question", "answer", "appeal", "document", "voucher_words")


# -- in and out ----------------------------------------------------------------------------------------


async def sign_in_page(request: Request) -> Response:
    """Ask for name, password and code."""
    return show(request, "sign_in.html", {"oidc": web_of(request).core.settings.oidc is not None, "name": ""})


async def sign_in(request: Request) -> Response:
    """Begin a session."""
    web, began, name = web_of(request), time.monotonic(), ""
    address = address_of(request)
    try:
        web.require_own_origin(request)
        web.throttle.refuse_guessing(address)
        form = (await read_form(request, FORM_BYTES)).fields
        name = form.get("name", "").strip().lower()[:63]
        web.throttle.count("sign_in", name)
        who = await run_in_threadpool(
            accounts.sign_in, web.core, name, form.get("password", "")[:200], form.get("code", "")[:20]
        )
    except Problem as problem:
        if problem.code == "sign_in_refused":
            web.throttle.wrong(address)
        await asyncio.sleep(max(0.0, _REFUSED_AFTER_S - (time.monotonic() - began)))
        oidc = web.core.settings.oidc is not None
        context = {"oidc": oidc, "name": name, "problem": problem}
        answer = show(request, "sign_in.html", context, status=problem.status)
        if problem.retry_after_s is not None:
            answer.headers["Retry-After"] = str(problem.retry_after_s)
        return answer
    before = request.cookies.get(COOKIE)
    secret = await run_in_threadpool(sessions.begin, web.core, who, how="password", before=before)
    answer = RedirectResponse("/desk", 303)
    set_cookie(web, answer, secret)
    return answer


async def to_provider(request: Request) -> Response:
    """Send somebody to the OpenID provider."""
    web = web_of(request)
    provider = _provider(web)
    if provider is None:
        return refused(request, Problem("not_found"), None)
    try:
        web.throttle.count("address", address_of(request))
        sent = await run_in_threadpool(openid.begin, web.core, provider)
    except Problem as problem:
        return refused(request, problem, None)
    except openid.ProviderError as error:
        return _provider_trouble(request, error)
    answer = RedirectResponse(sent.url, 303)
    answer.set_cookie(
        _AWAY, sent.cookie, max_age=600, path="/desk/oidc", httponly=True, samesite="lax", secure=is_secure(web)
    )
    return answer


async def from_provider(request: Request) -> Response:
    """Begin a session for whoever came back from the provider."""
    web, asked = web_of(request), request.query_params
    provider = _provider(web)
    if provider is None:
        return refused(request, Problem("not_found"), None)
    try:
        web.throttle.refuse_guessing(address_of(request))
        given = {
            "cookie": request.cookies.get(_AWAY, ""),
            "state": asked.get("state", ""),
            "code": asked.get("code", ""),
        }
        subject = await run_in_threadpool(functools.partial(openid.finish, web.core, provider, **given))
        who = await run_in_threadpool(accounts.by_subject, web.core, subject)
        if who is None:
            answer = show(request, "no_account.html", {"subject": subject}, status=403)
        else:
            begun = functools.partial(sessions.begin, web.core, who, how="oidc", before=request.cookies.get(COOKIE))
            secret = await run_in_threadpool(begun)
            answer = RedirectResponse("/desk", 303)
            set_cookie(web, answer, secret)
    except Problem as problem:
        if problem.code == "sign_in_refused":
            web.throttle.wrong(address_of(request))
        answer = refused(request, problem, None)
    except openid.ProviderError as error:
        answer = _provider_trouble(request, error)
    answer.delete_cookie(_AWAY, path="/desk/oidc")
    return answer


def _provider(web: Web) -> OpenID | None:
    return web.core.settings.oidc


def _provider_trouble(request: Request, error: openid.ProviderError) -> Response:
    log.warning("OpenID: %s", error)
    return refused(request, Problem("provider_trouble"), None)


@desk_page(None)
async def sign_out(desk: Desk) -> Response:
    """End the session."""
    await desk.run(sessions.end, desk.core, desk.secret)
    answer = RedirectResponse("/desk/sign-in", 303)
    clear_cookie(answer)
    return answer


# -- the queue -----------------------------------------------------------------------------------------


@desk_page(None)
async def home(desk: Desk) -> Response:
    """The queue, or where somebody's work begins."""
    for act, path in ((Act.READ_RECORD, "/desk/record"), (Act.KEEP_ACCOUNTS, "/desk/accounts")):
        if desk.member.may(act):
            return RedirectResponse(path, 303)
    after = desk.request.query_params.get("after")
    mine = desk.request.query_params.get("show") == "mine"
    page, counts = await desk.run(_queue, desk.core, desk.member, after, mine)
    return desk.show("queue.html", {"page": page, "counts": counts, "mine": mine, "first": after is None})


def _queue(core: Core, who: Member, after: str | None, mine: bool) -> tuple[queue.QueuePage, dict[str, int]]:
    with core.database.reading() as session:
        return queue.page(core, session, who, after=after, mine=mine), queue.counts(core, session, who)


# -- a case --------------------------------------------------------------------------------------------


@desk_page(Act.SEE_QUEUE)
async def case_page(desk: Desk) -> Response:
    """A case: what it is about, for whoever has it the evidence, and after their own view the machine's."""
    return await _case_page(desk)


async def _case_page(desk: Desk, problem: Problem | None = None, *, code: str = "") -> Response:
    case_id = desk.request.path_params["case"]
    context = await desk.run(_case_context, desk.core, desk.member, case_id)
    if context["has_it"]:
        await desk.run(evidence.note_looked, desk.core, desk.member, case_id, "case", facts={})
    given = {name: desk.form.get(name, "") for name in _FIELDS}
    context = {**context, "problem": problem, "given": given, "meeting_code": code}
    return desk.show("case.html", context, status=200 if problem is None else problem.status)


def _case_context(core: Core, who: Member, case_id: str) -> dict[str, Any]:
    now = core.clock()
    with core.database.reading() as session:
        case = session.get(Case, case_id)
        if case is None:
            raise Problem("not_found")
        act = reviews.ACTS.get(CaseState(case.state))
        claimed = case.lease_account is not None and (case.lease_until_s or 0.0) > now
        has_it = claimed and case.lease_account == who.id and act is not None and who.may(act)
        holder = session.get(Account, case.lease_account) if claimed else None
        view = reviews.noted_view(session, case, who) if has_it else None
        shown = evidence.recorded_attempts(session, case) if has_it else []
        seen = view is not None
        context = {
            "case": case,
            "state": CaseState(case.state),
            "has_it": has_it,
            "holder": None if holder is None else holder.name,
            "may_take": _why_not(session, core, case, who),
            "view": view,
            "evidence": reviews.evidence_state(session, case),
            "machine": reviews.machine_says(core, session, case) if seen else None,
            "two": reviews.takes_two(core, session, case) if seen else False,
            "earlier": _earlier(core, session, case) if seen else [],
            "verdicts": _verdicts(case) if seen else [],
            "handed_on": _notes(core, session, case) if has_it else [],
            "papers": papers.of_case(core, session, case, *_SAID) if has_it else [],
            "vouches": {each.attempt_id: each.reference for each in vouching.of_case(session, case)} if has_it else {},
            "may_ask": reviews.may_ask(case),
            "checked": proofs.checked(session, case) if seen or (has_it and _by_proofs(case)) else None,
        }
    # Outside of the transaction: the store may take its time.
    context["recorded_attempts"] = [
        {
            "attempt": each,
            "neutral": _told(signals.neutral, each) or [],
            "verdict": _told(signals.verdict, each) if seen else None,
        }
        for each in evidence.with_series(core, shown)
    ]
    return context


def _told(part: Callable[[evidence.RecordedAttempt], T], attempt: evidence.RecordedAttempt) -> T | None:
    """What a decision says; one that a judge's process made up costs its words, not the page."""
    try:
        return part(attempt)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.error("attempt %s: its decision cannot be shown (%s)", attempt.id, type(error).__name__)
        return None


def _by_proofs(case: Case) -> bool:
    """Whether other proofs than a face decide."""
    return CaseRoute(case.route) in BY_PERSON


def _why_not(session: Session, core: Core, case: Case, who: Member) -> str:
    """Code of why somebody cannot take a case; empty where they can."""
    try:
        reviews.require_free(core, session, case, who)
    except Problem as problem:
        return problem.code
    return ""


def _verdicts(case: Case) -> list[tuple[str, tuple[str, ...]]]:
    """What may be decided, each with the codes for why."""
    found = list(reviews.VERDICTS[CaseState(case.state)])
    if reviews.may_record_again(case):
        found.append("ask_recording")
    return [(verdict, reviews.CODES[verdict]) for verdict in found]


def _earlier(core: Core, session: Session, case: Case) -> list[dict[str, Any]]:
    return _looks(core, session, case, Review.decided_s.is_not(None), Review.verdict != "hand_on")


def _notes(core: Core, session: Session, case: Case) -> list[dict[str, Any]]:
    """Why others handed the case on, since it came here."""
    return _looks(core, session, case, Review.verdict == "hand_on", Review.entered_s == case.changed_s)


def _looks(core: Core, session: Session, case: Case, *wanted: ColumnElement[bool]) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Review, Account.name)
        .join(Account, Review.account_id == Account.id)
        .where(Review.case_id == case.id, *wanted)
        .order_by(Review.decided_s)
    )
    return [_look(core, case, row, name) for row, name in rows]


def _look(core: Core, case: Case, row: Review, name: str) -> dict[str, Any]:
    def text(which: str, sealed: bytes | None) -> str | None:
        return None if sealed is None or case.wrapped_key is None else unseal(core, case, f"{row.id}/{which}", sealed)

    return {
        "row": row,
        "name": name,
        "for_person": text("person", row.sealed_for_person),
        "internal": text("internal", row.sealed_internal),
    }


@contextmanager
def _changing(core: Core, case_id: str) -> Iterator[tuple[Session, Case]]:
    """A transaction about one case, after everybody else's."""
    with core.database.writing() as session:
        audit.hold(session)
        case = cases.locked_case(session, case_id)
        if case is None:
            raise Problem("not_found")
        yield session, case


Change = Callable[[Core, Session, Case, Member, dict[str, str]], None]


def _does(change: Change, *, leaves: bool) -> Callable[[Request], Any]:
    """A form of the case page: do it, and go on; what is refused is said on the page, with what was typed."""

    def within(core: Core, case_id: str, who: Member, form: dict[str, str]) -> None:
        with _changing(core, case_id) as (session, case):
            change(core, session, case, who, form)

    @desk_page(Act.SEE_QUEUE)
    async def answer(desk: Desk) -> Response:
        case_id = desk.request.path_params["case"]
        try:
            await desk.run(within, desk.core, case_id, desk.member, dict(desk.form))
        except Problem as problem:
            if problem.code not in ("invalid_request", "look_first", "view_missing"):
                raise
            return await _case_page(desk, problem)
        return RedirectResponse("/desk" if leaves else f"/desk/cases/{case_id}", 303)

    return answer


def _claim(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    reviews.claim(core, session, case, who)


def _let_go(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    reviews.let_go(core, session, case, who)


def _note_view(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    reviews.note_own_view(core, session, case, who, form.get("view", ""))


def _decide(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    texts = Texts(for_person=form.get("for_person", ""), internal=form.get("internal", ""))
    # The reason is chosen under its verdict: "accept/same_person".
    verdict, _, code = form.get("decision", "").partition("/")
    if not verdict:
        raise Problem("invalid_request", "choose what you decide, and why")
    if verdict == "ask_recording":
        reviews.ask_recording(core, session, case, who, code, texts)
    else:
        reviews.decide(core, session, case, who, verdict, code, texts)


def _question(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    texts = Texts(for_person=form.get("question", ""), internal=form.get("why", ""))
    reviews.ask_question(core, session, case, who, form.get("code", ""), texts)


def _check_proofs(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    reviews.require_claim(core, case, who)
    ticked = [name.removeprefix(_PROOF) for name in form if name.startswith(_PROOF)]
    proofs.note_checked(core, session, case, who.id, ticked)


def _hand_on(core: Core, session: Session, case: Case, who: Member, form: dict[str, str]) -> None:
    code, internal = form.get("code", ""), form.get("note", "")
    reviews.hand_on(core, session, case, who, code, internal, senior=code == "needs_senior")


@desk_page(Act.REVIEW)
async def meeting_code(desk: Desk) -> Response:
    """A code that the person types to go on with whoever has the case; shown once."""
    case_id = desk.request.path_params["case"]
    code = await desk.run(_issue, desk.core, case_id, desk.member)
    return await _case_page(desk, code=code)


def _issue(core: Core, case_id: str, who: Member) -> str:
    with _changing(core, case_id) as (session, case):
        reviews.require_claim(core, case, who)
        return continuation.issue(core, session, case, who.id)


# -- evidence ------------------------------------------------------------------------------------------


@desk_page(Act.SEE_QUEUE)
async def recording(desk: Desk) -> Response:
    """A recording, whole or a part of it, for whoever has the case."""
    case_id, recording_id = desk.request.path_params["case"], desk.request.path_params["recording"]
    piece = await desk.run(evidence.recording_piece, desk.core, case_id, recording_id)
    facts = {"attempt": piece.attempt_id}
    await desk.run(evidence.note_looked, desk.core, desk.member, case_id, f"recording/{recording_id}", facts=facts)
    first, last = _range(desk.request.headers.get("range", ""), piece.n_bytes)
    head = b"".join(await desk.run(lambda: list(evidence.recording_bytes(desk.core, piece, 0, 15))))
    media = evidence.film_type(head)
    if media is None:
        raise Problem("not_found", "the recording is of a kind that no browser plays")
    parts = evidence.recording_bytes(desk.core, piece, first, last)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(last - first + 1), **_SHOWN_ONLY}
    whole = (first, last) == (0, piece.n_bytes - 1) and "range" not in desk.request.headers
    if not whole:
        headers["Content-Range"] = f"bytes {first}-{last}/{piece.n_bytes}"
    return StreamingResponse(parts, 200 if whole else 206, headers=headers, media_type=media)


@desk_page(Act.SEE_QUEUE)
async def photo(desk: Desk) -> Response:
    """The reference photo of an attempt, for whoever has the case."""
    case_id, attempt_id = desk.request.path_params["case"], desk.request.path_params["attempt"]
    content = await desk.run(evidence.photo_bytes, desk.core, case_id, attempt_id)
    facts = {"attempt": attempt_id}
    await desk.run(evidence.note_looked, desk.core, desk.member, case_id, f"photo/{attempt_id}", facts=facts)
    shown = await _picture(desk, content)
    if shown is None:
        raise Problem("not_found", "the photo is of a kind that cannot be shown here")
    return Response(shown[0], media_type=shown[1], headers=_SHOWN_ONLY)


@desk_page(Act.SEE_QUEUE)
async def paper(desk: Desk) -> Response:
    """A document that somebody sent, for whoever has the case."""
    case_id, paper_id = desk.request.path_params["case"], desk.request.path_params["paper"]
    content, media = await desk.run(evidence.document, desk.core, case_id, paper_id)
    await desk.run(evidence.note_looked, desk.core, desk.member, case_id, f"paper/{paper_id}", facts={})
    shown = await _picture(desk, content) if media.startswith("image/") else None
    if shown is not None:
        return Response(shown[0], media_type=shown[1], headers=_SHOWN_ONLY)
    # A picture is shown; anything else is kept away from this site.
    headers = {**_SHOWN_ONLY, "Content-Disposition": f'attachment; filename="{paper_id}"'}
    return Response(content, media_type=media, headers=headers)


async def _picture(desk: Desk, content: bytes) -> tuple[bytes, str] | None:
    """A picture that browsers show, and its type: as it was sent where they do; None where none can be made of it."""
    if (media := evidence.picture_type(content[:16])) is not None:
        return content, media
    made = await desk.run(desk.web.examiner.as_jpeg, content)
    return None if made is None else (made, "image/jpeg")


# What somebody else made is shown and never run.
_SHOWN_ONLY = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}


def _range(text: str, n_bytes: int) -> tuple[int, int]:
    """First and last byte that are asked for; the whole where nothing is, or nothing that can be understood.

    Raises
    ------
    Problem
        ``range_unknown``: it begins behind the end.
    """
    unit, _, wanted = text.partition("=")
    begin, separator, end = wanted.partition("-")
    if (
        unit.strip().lower() != "bytes"
        or not separator
        or not all(part.strip().isdecimal() or not part.strip() for part in (begin, end))
    ):
        return 0, n_bytes - 1
    begin, end = begin.strip(), end.strip()
    if not begin:
        # So many of the last bytes.
        return (max(0, n_bytes - int(end[:18])), n_bytes - 1) if end else (0, n_bytes - 1)
    first, last = int(begin[:18]), min(int(end[:18] or n_bytes - 1), n_bytes - 1)
    if first >= n_bytes or last < first:
        raise Problem("range_unknown")
    return first, last


ROUTES = [
    Route("/desk/sign-in", sign_in_page, methods=["GET"]),
    Route("/desk/sign-in", sign_in, methods=["POST"]),
    Route("/desk/oidc", to_provider, methods=["GET"]),
    Route("/desk/oidc/return", from_provider, methods=["GET"]),
    Route("/desk/sign-out", sign_out, methods=["POST"]),
    Route("/desk", home, methods=["GET"]),
    Route("/desk/cases/{case}", case_page, methods=["GET"]),
    Route("/desk/cases/{case}/claim", _does(_claim, leaves=False), methods=["POST"]),
    Route("/desk/cases/{case}/let-go", _does(_let_go, leaves=True), methods=["POST"]),
    Route("/desk/cases/{case}/view", _does(_note_view, leaves=False), methods=["POST"]),
    Route("/desk/cases/{case}/decide", _does(_decide, leaves=True), methods=["POST"]),
    Route("/desk/cases/{case}/question", _does(_question, leaves=True), methods=["POST"]),
    Route("/desk/cases/{case}/proofs", _does(_check_proofs, leaves=False), methods=["POST"]),
    Route("/desk/cases/{case}/code", meeting_code, methods=["POST"]),
    Route("/desk/cases/{case}/hand-on", _does(_hand_on, leaves=True), methods=["POST"]),
    Route("/desk/cases/{case}/recordings/{recording}", recording, methods=["GET"]),
    Route("/desk/cases/{case}/photos/{attempt}", photo, methods=["GET"]),
    Route("/desk/cases/{case}/papers/{paper}", paper, methods=["GET"]),
]
