"""Routes of the person before the camera: the page, and what its script calls.

Conventions: the link's token is in the address only to open it; afterwards a cookie that no script can read says whose
recording it is. What changes something needs the cookie and this site's own origin. Scores never leave by these routes.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idverify.service import capture, case_links, case_page
from idverify.service.outcome import outcome_of
from idverify.service.pages import locale_of
from idverify.service.problems import Problem
from idverify.service.requests import Fields, body, json_object, language_of
from idverify.service.tables import Attempt, Case
from idverify.service.web import CASE_COOKIE, COOKIE, Web, address_of, keep_visit, link_page, web_of

__all__ = ["ROUTES"]

# The outcome can be read again for this long after the session is over.
_REMEMBER_S = 24 * 3600.0
# How long a request for the next step is held open, and how often the clock is looked at meanwhile.
_POLL_S, _LOOK_S = 10.0, 0.25
_SMALL_JSON = 64 * 1024
_HINT_BYTES = 8 * 1024
_PROBE_BYTES = 64 * 1024

async def page(request: Request) -> Response:
    """The page behind a link; looking at it uses nothing up."""
    web, token = web_of(request), request.path_params["token"]
    try:
        web.throttle.refuse_guessing(address_of(request))
        row, opened = await run_in_threadpool(_visible, web, token, request.cookies.get(COOKIE))
    except Problem as problem:
        return link_page(web, request, problem)
    locale = locale_of(request, row.locale)
    secret = request.cookies.get(CASE_COOKIE)
    context = {
        "consent_version": web.pages.consent_version(locale),
        "retention_hours": round(web.core.settings.cases.evidence_of_s(row.policy) / 3600),
        "service": row.options.get("service"),
        "opened": opened,
        # Whoever opens the link has the case with it; who opened it, has it or has it no more.
        "ways": await run_in_threadpool(_ways, web, row, secret, opened=opened),
    }
    return web.pages.render(request, "capture.html", context, locale=locale)


def _visible(web: Web, token: str, secret: str | None) -> tuple[Attempt, bool]:
    """The attempt, and whether this browser has opened it already."""
    try:
        return capture.look_up(web.core, token), False
    except Problem as problem:
        if problem.code != "link_used" or not secret:
            raise
        # A reload in the browser that opened it must not lock anybody out.
        try:
            attempt_id = capture.session_of(web.core, secret)
        except Problem:
            raise problem from None
        row = capture.attempt_of_link(web.core, token)
        if row is None or row.id != attempt_id:
            raise
        return row, True


async def open_link(request: Request) -> Response:
    """The first tap: the link is used up, and this browser has the session."""
    web = web_of(request)
    address = address_of(request)
    web.throttle.refuse_guessing(address)
    web.throttle.count("address", address)
    web.require_own_origin(request)
    fields = Fields(await json_object(request, _SMALL_JSON))
    asked = fields.text("locale")
    locale = None if asked is None else language_of(asked)
    try:
        visit = request.cookies.get(CASE_COOKIE)
        token = request.path_params["token"]
        opened = await run_in_threadpool(capture.open_link, web.core, token, locale=locale, visit=visit)
    except Problem as problem:
        if problem.code == "link_unknown":
            web.throttle.wrong(address)
        raise
    if opened.visit is not None:
        visit = opened.visit.secret
    answer = JSONResponse({"attempt": await run_in_threadpool(_state, web, opened.attempt.id, visit)})
    if opened.visit is not None:
        keep_visit(web, answer, opened.visit)
    answer.set_cookie(
        COOKIE,
        opened.session,
        httponly=True,
        samesite="strict",
        secure=web.core.settings.base_url.startswith("https://"),
        max_age=int(web.core.settings.limits.session_s + _REMEMBER_S),
    )
    return answer


async def state(request: Request) -> Response:
    """Where the attempt stands, for the page."""
    web = web_of(request)
    attempt_id = await web.person(request)
    return JSONResponse(await run_in_threadpool(_state, web, attempt_id, request.cookies.get(CASE_COOKIE)))


def _state(web: Web, attempt_id: str, visit: str | None) -> dict[str, Any]:
    row, received = capture.state_of(web.core, attempt_id)
    left = capture.recordings_left(web.core, row)
    in_case = row.case_id is not None and case_links.is_visit(web.core, visit, row.case_id)
    ways = in_case and _offers_ways(web, row)
    recording = {"id": row.recording_id, "received": received} if row.state == "recording" else None
    return {
        "state": "expired" if capture.is_over(web.core, row) else row.state,
        "expires_s": max(0, round(row.expires_s - web.core.clock())),
        "options": {
            "light": bool(row.options.get("light")),
            "file": bool(row.options.get("file")),
            "service": row.options.get("service"),
        },
        "consent": row.consent_s is not None,
        "recordings_left": left,
        "case": in_case,
        "ways": ways,
        "recording": recording,
        "outcome": outcome_of(row, web.pages.words[row.locale], left=left, case=in_case, ways=ways),
    }


def _ways(web: Web, row: Attempt, visit: str | None, *, opened: bool) -> bool:
    """Whether the page offers other ways before the first recording."""
    if row.case_id is None or (opened and not case_links.is_visit(web.core, visit, row.case_id)):
        return False
    return _offers_ways(web, row)


def _offers_ways(web: Web, row: Attempt) -> bool:
    if row.case_id is None or row.role is not None:
        return False
    with web.core.database.reading() as session:
        return case_page.offers_ways(session.get_one(Case, row.case_id))


async def consent(request: Request) -> Response:
    """The person agrees."""
    web = web_of(request)
    attempt_id = await web.person(request)
    version = Fields(await json_object(request, _SMALL_JSON)).text("version", longest=64)
    if not version:
        raise Problem("invalid_request", "version says to which words the person agreed")
    await run_in_threadpool(capture.consent, web.core, attempt_id, version)
    return Response(status_code=204)


async def begin_recording(request: Request) -> Response:
    """A recording begins."""
    web = web_of(request)
    attempt_id = await web.person(request)
    fields = Fields(await json_object(request, _SMALL_JSON))
    light = fields.flag("light", default=True)
    avoid = fields.texts("avoid")
    from_file = (fields.text("source") or "camera") == "file"
    signals = {"user_agent": request.headers.get("user-agent", "")[:300], **_signals(fields)}
    began = await run_in_threadpool(
        capture.begin_recording,
        web.core,
        attempt_id,
        signals=signals,
        light=light,
        avoid=avoid,
        from_file=from_file,
        address=address_of(request),
    )
    limits = web.core.settings.limits
    return JSONResponse(
        {"recording": began.recording_id, "chunk_max_bytes": limits.chunk_bytes, "max_s": limits.recording_s}
    )


def _signals(fields: Fields) -> dict[str, Any]:
    found = fields.rest(longest=8000)
    camera = found.get("camera")
    if not isinstance(camera, dict) or not isinstance(camera.get("label", ""), str):
        found["camera"] = {}
    return found


async def put_chunk(request: Request) -> Response:
    """One piece arrives."""
    web = web_of(request)
    attempt_id = await web.person(request)
    content = await body(request, web.core.settings.limits.chunk_bytes)
    count, done = await run_in_threadpool(
        capture.put_chunk,
        web.core,
        attempt_id,
        request.path_params["recording"],
        request.path_params["n"],
        content,
        request.headers.get("x-chunk-sha256", ""),
    )
    return JSONResponse({"received": count, "step": None, "done": done})


async def next_step(request: Request) -> Response:
    """Wait for the next step, ten seconds at most."""
    web = web_of(request)
    attempt_id = await web.person(request)
    try:
        after = int(request.query_params.get("after", "-1"))
    except ValueError:
        raise Problem("invalid_request", "after is a whole number") from None
    until = time.monotonic() + _POLL_S
    # A step counts as revealed from the moment that it is taken out; nobody must be gone by then.
    while not await request.is_disconnected():
        found = await run_in_threadpool(
            capture.next_step, web.core, attempt_id, request.path_params["recording"], after=after
        )
        left = until - time.monotonic()
        if found.step is not None or found.done or left <= 0:
            return JSONResponse({"step": found.step, "done": found.done})
        wait = _LOOK_S if found.wait_s is None else min(found.wait_s, 1.0)
        await asyncio.sleep(max(0.01, min(wait, left)))
    return Response(status_code=204)


async def finish(request: Request) -> Response:
    """The recording is complete."""
    web = web_of(request)
    attempt_id = await web.person(request)
    fields = Fields(await json_object(request, _SMALL_JSON))
    n_chunks = fields.whole("chunks", 1, web.core.settings.limits.recording_chunks)
    sha256 = fields.text("sha256", longest=64) or ""
    await run_in_threadpool(
        capture.finish,
        web.core,
        attempt_id,
        request.path_params["recording"],
        n_chunks=n_chunks,
        sha256=sha256,
        signals=fields.rest(longest=8000),
    )
    return JSONResponse({"state": "processing"}, 202)


async def hint(request: Request) -> Response:
    """What the person can do better; the picture is looked at and forgotten."""
    web = web_of(request)
    attempt_id = await web.person(request)
    picture = await body(request, _HINT_BYTES)
    row, _ = await run_in_threadpool(capture.state_of, web.core, attempt_id)
    if row.consent_s is None:
        raise Problem("consent_missing")
    return JSONResponse({"hint": await run_in_threadpool(web.examiner.hint, picture)})


async def probe(request: Request) -> Response:
    """Bytes that are thrown away: the page measures how fast it can send."""
    web = web_of(request)
    await web.person(request)
    await body(request, _PROBE_BYTES)
    return Response(status_code=204)


async def continue_elsewhere(request: Request) -> Response:
    """The way to another device."""
    web = web_of(request)
    attempt_id = await web.person(request)
    way = await run_in_threadpool(capture.continue_elsewhere, web.core, attempt_id)
    return JSONResponse({"url": way.url, "code": way.code, "svg": _qr_svg(way.url)})


def _qr_svg(url: str) -> str:
    """The address as a picture, to be shown by an <img> from a data address; no second secret is made for it."""
    # Imported where it is needed, as httpx is elsewhere: a web process is ready the sooner.
    import segno

    buffer = io.BytesIO()
    segno.make(url, error="m").save(buffer, kind="svg", border=4, xmldecl=False, svgns=True, light="#fff", scale=8)
    return buffer.getvalue().decode()


ROUTES = [
    Route("/r/{token}", page, methods=["GET"]),
    Route("/r/{token}/open", open_link, methods=["POST"]),
    Route("/capture/state", state, methods=["GET"]),
    Route("/capture/consent", consent, methods=["POST"]),
    Route("/capture/recordings", begin_recording, methods=["POST"]),
    Route("/capture/recordings/{recording}/chunks/{n:int}", put_chunk, methods=["PUT"]),
    Route("/capture/recordings/{recording}/step", next_step, methods=["GET"]),
    Route("/capture/recordings/{recording}/finish", finish, methods=["POST"]),
    Route("/capture/hint", hint, methods=["POST"]),
    Route("/capture/probe", probe, methods=["POST"]),
    Route("/capture/continue", continue_elsewhere, methods=["POST"]),
]
