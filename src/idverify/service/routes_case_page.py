"""Routes of a person and their case: the link, the page, everything that can be done on it, and "that was not me".

Conventions: plain forms, no script needed. A link's token is in the address only to open it; afterwards a cookie that
no script can read says whose case it is. Whatever changes something is a POST from this site's own pages: what only
follows links, such as a mail program that looks for harm, changes nothing. After a change the page is asked for anew.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from idverify.service import (
    appeals,
    audit,
    capture,
    case_links,
    case_page,
    cases,
    continuation,
    papers,
    questions,
    retention,
    vouching,
)
from idverify.service.api_keys import Caller
from idverify.service.case_routes import CaseRoute
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.forms import Form, read_form
from idverify.service.notices import moment
from idverify.service.pages import locale_of
from idverify.service.problems import Problem
from idverify.service.tables import Case
from idverify.service.web import CASE_COOKIE, Web, address_of, keep_visit, link_page, web_of

__all__ = ["ROUTES"]

_FORM_BYTES = 64 * 1024
_MOST_FILES = 5

# -- the way in ------------------------------------------------------------------------------------


async def landing(request: Request) -> Response:
    """The page behind a link to a case; looking at it uses nothing up."""
    web, token = web_of(request), request.path_params["token"]
    try:
        web.throttle.refuse_guessing(address_of(request))
        case = await run_in_threadpool(_behind, web.core, token, "case")
    except Problem as problem:
        # A reload, or the same message opened again, in the browser that is in the case already.
        if problem.code in ("link_used", "link_expired") and await _visiting(web, request, token):
            return RedirectResponse("/case", 303)
        return link_page(web, request, problem)
    return web.pages.render(
        request, "case_open.html", {"service": case.service}, locale=locale_of(request, case.locale)
    )


async def open_link(request: Request) -> Response:
    """The first tap: the link is used up, and this browser has the case."""
    web, token = web_of(request), request.path_params["token"]
    try:
        _guard(web, request)
        visit = await run_in_threadpool(_open, web.core, token)
    except Problem as problem:
        return link_page(web, request, problem)
    return _entered(web, request, visit)


async def code_page(request: Request) -> Response:
    """Where a code is typed that a reviewer gave."""
    web = web_of(request)
    context = {"service": None, "problem": None}
    return web.pages.render(request, "case_code.html", context, locale=locale_of(request))


async def use_code(request: Request) -> Response:
    """A code is used up, and this browser has the case."""
    web = web_of(request)
    try:
        _guard(web, request)
        form = await read_form(request, _FORM_BYTES)
        visit = await run_in_threadpool(continuation.redeem, web.core, form.text("code", longest=100))
    except Problem as problem:
        if problem.code == "link_unknown":
            web.throttle.wrong(address_of(request))
        context = {"service": None, "problem": _words(web, locale_of(request), problem)}
        return web.pages.render(request, "case_code.html", context, locale=locale_of(request), status=problem.status)
    return _entered(web, request, visit)


# -- the page --------------------------------------------------------------------------------------


async def show(request: Request) -> Response:
    """Where the case stands."""
    web = web_of(request)
    try:
        case_id = await web.visitor(request)
    except Problem as problem:
        return link_page(web, request, problem)
    return await _shown(web, request, case_id)


async def _shown(web: Web, request: Request, case_id: str, problem: Problem | None = None) -> Response:
    case, seen = await run_in_threadpool(_see, web, case_id)
    locale = locale_of(request, case.locale)
    context = {
        "case": seen,
        "service": case.service,
        "problem": None if problem is None else _words(web, locale, problem),
        "moment": moment,
        "iso": _iso,
        "megabytes": papers.LARGEST_DOCUMENT >> 20,
        "longest": papers.LONGEST_TEXT,
        "types": ",".join(papers.TYPES),
    }
    return web.pages.render(
        request, "case.html", context, locale=locale, status=200 if problem is None else problem.status, path="/case"
    )


def _see(web: Web, case_id: str) -> tuple[Case, case_page.CasePage]:
    cases.catch_up(web.core, case_id)
    with web.core.database.reading() as session:
        case = session.get_one(Case, case_id)
        return case, case_page.see(web.core, session, case, web.pages.words["en"]["reason"])


# -- what can be done on it ------------------------------------------------------------------------


def _action(act: Callable[[Web, str, Form], Awaitable[str | None]], *, files: bool = False) -> Any:
    """A form of the page: done, and the page shown anew; a problem is said on the page in words."""

    async def answer(request: Request) -> Response:
        web = web_of(request)
        try:
            case_id = await web.visitor(request)
        except Problem as problem:
            return link_page(web, request, problem)
        most = _FORM_BYTES + (_MOST_FILES * papers.LARGEST_DOCUMENT if files else 0)
        try:
            form = await read_form(request, most, files=_MOST_FILES if files else 0)
            elsewhere = await act(web, case_id, form)
        except Problem as problem:
            return await _shown(web, request, case_id, problem)
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(elsewhere or f"/case{query}", 303)

    return answer


async def _choose(web: Web, case_id: str, form: Form) -> None:
    wanted = form.text("route", longest=40)
    if wanted not in {route.value for route in CaseRoute}:
        raise Problem("invalid_request")
    await run_in_threadpool(cases.choose_route, web.core, case_id, CaseRoute(wanted))


async def _record(web: Web, case_id: str, form: Form) -> str:
    return _path_of(await run_in_threadpool(_recording_link, web.core, case_id))


async def _ask(web: Web, case_id: str, form: Form) -> None:
    words, documents = form.text("words", longest=papers.LONGEST_TEXT), form.files("documents")
    await run_in_threadpool(_changed, web.core, case_id, appeals.appeal, words, documents)


async def _answer(web: Web, case_id: str, form: Form) -> None:
    words = form.text("words", longest=papers.LONGEST_TEXT)
    await run_in_threadpool(_changed, web.core, case_id, questions.answer, words)


async def _vouch(web: Web, case_id: str, form: Form) -> str | None:
    words, photos = form.text("words", longest=papers.LONGEST_TEXT), form.files("photo")
    if form.text("how", longest=20) == "without":
        await run_in_threadpool(vouching.without_recording, web.core, case_id, words)
        return None
    photo = photos[0] if photos else None
    if photo is not None:
        if len(photo) > web.core.settings.limits.photo_bytes:
            raise Problem("too_large")
        await run_in_threadpool(web.examiner.require_usable, photo)
    made = await run_in_threadpool(vouching.begin, web.core, case_id, words=words, photo=photo)
    return _path_of(made.link)


def _recording_link(core: Core, case_id: str) -> str:
    """To the attempt that waits for a recording, or to a new one of the person's own."""
    with core.database.reading() as session:
        waiting = case_page.waiting_attempt(core, session, session.get_one(Case, case_id))
    if waiting is not None:
        return capture.continue_elsewhere(core, waiting).url
    return cases.own_attempt(core, case_id).link


def _path_of(link: str) -> str:
    """An attempt's link within this site, however this site is reached."""
    return "/r/" + link.rsplit("/", 1)[1]


async def _withdraw(web: Web, case_id: str, form: Form) -> None:
    def act() -> None:
        with web.core.database.reading() as session:
            caller = Caller(id=session.get_one(Case, case_id).api_key_id, name="person")
        cases.withdraw(web.core, caller, case_id, actor=audit.PERSON)

    await run_in_threadpool(act)


def _changed(core: Core, case_id: str, act: Callable[..., None], *arguments: Any) -> None:
    with core.database.writing() as session:
        audit.hold(session)
        case = cases.locked_case(session, case_id)
        assert case is not None
        act(core, session, case, *arguments)


# -- "that was not me" -----------------------------------------------------------------------------


async def dispute_page(request: Request) -> Response:
    """Ask whether that was not them; the button does it."""
    web, token = web_of(request), request.path_params["token"]
    try:
        web.throttle.refuse_guessing(address_of(request))
        case = await run_in_threadpool(_behind, web.core, token, "not_me")
    except Problem as problem:
        return link_page(web, request, problem)
    return _dispute_page(web, request, case)


async def dispute(request: Request) -> Response:
    """That was not them: freeze it."""
    web, token = web_of(request), request.path_params["token"]
    try:
        _guard(web, request)
        case = await run_in_threadpool(_disputed, web.core, token)
    except Problem as problem:
        return link_page(web, request, problem)
    return _dispute_page(web, request, case)


def _dispute_page(web: Web, request: Request, case: Case) -> Response:
    frozen = case.state == CaseState.FROZEN.value
    context = {
        "service": case.service,
        "done": frozen,
        "until": moment(case.due_s) if frozen and case.due_s else "",
        "iso": _iso(case.due_s) if frozen and case.due_s else "",
    }
    return web.pages.render(request, "case_not_me.html", context, locale=locale_of(request, case.locale))


def _disputed(core: Core, token: str) -> Case:
    with core.database.writing() as session:
        audit.hold(session)
        link = case_links.look_up(core, session, token, "not_me")
        case = cases.locked_case(session, link.case_id)
        assert case is not None
        cases.dispute(core, session, case, actor=audit.PERSON)
        return case


# -- what is kept ----------------------------------------------------------------------------------


async def retention_page(request: Request) -> Response:
    """What is kept and for how long, for everybody."""
    web = web_of(request)
    context = {"service": None, "kept": retention.kept(web.core.settings.cases)}
    return web.pages.render(request, "retention.html", context, locale=locale_of(request))


# -- together --------------------------------------------------------------------------------------


def _guard(web: Web, request: Request) -> None:
    address = address_of(request)
    web.throttle.refuse_guessing(address)
    web.throttle.count("address", address)
    web.require_own_origin(request)


def _behind(core: Core, token: str, purpose: str) -> Case:
    with core.database.reading() as session:
        link = case_links.look_up(core, session, token, purpose)
        return session.get_one(Case, link.case_id)


def _open(core: Core, token: str) -> case_links.Visit:
    with core.database.writing() as session:
        audit.hold(session)
        return case_links.open_link(core, session, token)


async def _visiting(web: Web, request: Request, token: str) -> bool:
    """Whether this browser has the case of a link already."""
    secret = request.cookies.get(CASE_COOKIE)
    case_id = await run_in_threadpool(case_links.case_of_token, web.core, token)
    return case_id is not None and await run_in_threadpool(case_links.is_visit, web.core, secret, case_id)


def _entered(web: Web, request: Request, visit: case_links.Visit) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    answer = RedirectResponse(f"/case{query}", 303)
    keep_visit(web, answer, visit)
    return answer


def _words(web: Web, locale: str, problem: Problem) -> str:
    said = web.pages.words[locale]["case"]["problem"]
    text: str = said.get(problem.code, said["other"])
    return text.replace("{n}", str(papers.LONGEST_TEXT))


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = [
    Route("/c/{token}", landing, methods=["GET"]),
    Route("/c/{token}", open_link, methods=["POST"]),
    Route("/code", code_page, methods=["GET"]),
    Route("/code", use_code, methods=["POST"]),
    Route("/case", show, methods=["GET"]),
    Route("/case/route", _action(_choose), methods=["POST"]),
    Route("/case/record", _action(_record), methods=["POST"]),
    Route("/case/ask", _action(_ask, files=True), methods=["POST"]),
    Route("/case/answer", _action(_answer), methods=["POST"]),
    Route("/case/vouch", _action(_vouch, files=True), methods=["POST"]),
    Route("/case/withdraw", _action(_withdraw), methods=["POST"]),
    Route("/n/{token}", dispute_page, methods=["GET"]),
    Route("/n/{token}", dispute, methods=["POST"]),
    Route("/retention", retention_page, methods=["GET"]),
]
