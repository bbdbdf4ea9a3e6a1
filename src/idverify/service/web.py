"""What every route needs: the core, who asks, and answers with the right headers.

Public items: :class:`Web`, :func:`web_of`, :func:`address_of`, :func:`problem_answer`, :func:`problem_page`,
:func:`link_page`, :func:`keep_visit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from idverify.service import api_keys, capture, case_links
from idverify.service.api_keys import Caller
from idverify.service.core import Core
from idverify.service.examiner import Examiner
from idverify.service.metrics import Metrics
from idverify.service.pages import Pages, locale_of
from idverify.service.problems import Problem
from idverify.service.throttle import Throttle

__all__ = [
    "CASE_COOKIE",
    "COOKIE",
    "Web",
    "address_of",
    "keep_visit",
    "link_page",
    "problem_answer",
    "problem_page",
    "web_of",
]

T = TypeVar("T")

COOKIE = "idverify_capture"
CASE_COOKIE = "idverify_case"
# Code of a problem -> what the page behind a link says instead, and its status.
_LINK_PAGES = {
    "link_unknown": ("unknown", 404),
    "not_found": ("unknown", 404),
    "method_not_allowed": ("unknown", 405),
    "link_expired": ("expired", 410),
    "link_used": ("used", 410),
    "too_many_requests": ("busy", 429),
    "not_ready": ("not_ready", 503),
    "session_missing": ("session", 401),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """One web process."""

    core: Core
    throttle: Throttle
    pages: Pages
    examiner: Examiner
    metrics: Metrics
    #: Why nobody judges; empty where somebody does, or somebody else has to.
    judges_trouble: Callable[[], str]
    demo: str | None = None

    async def caller(self, request: Request) -> Caller:
        """Whose API key comes with a request.

        Raises
        ------
        Problem
            ``key_missing``, ``too_many_requests``.
        """
        address = address_of(request)
        self.throttle.refuse_guessing(address)
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        found = None
        if scheme.lower() == "bearer":
            found = await run_in_threadpool(api_keys.caller_of, self.core, secret.strip())
        if found is None:
            self.throttle.wrong(address)
            raise Problem("key_missing", "send Authorization: Bearer and an API key")
        self.throttle.count("key", found.id)
        return found

    async def person(self, request: Request) -> str:
        """The attempt whose session comes with a request.

        Raises
        ------
        Problem
            ``session_missing``, ``session_moved``, ``origin_refused``, ``too_many_requests``.
        """
        if request.method not in ("GET", "HEAD"):
            self.require_own_origin(request)
        secret = request.cookies.get(COOKIE)
        try:
            attempt_id = await run_in_threadpool(capture.session_of, self.core, secret)
        except Problem:
            self.throttle.count("address", address_of(request))
            raise
        self.throttle.count("session", attempt_id)
        return attempt_id

    async def visitor(self, request: Request) -> str:
        """The case that this browser has open.

        Raises
        ------
        Problem
            ``session_missing``, ``origin_refused``, ``too_many_requests``.
        """
        if request.method not in ("GET", "HEAD"):
            self.require_own_origin(request)
        secret = request.cookies.get(CASE_COOKIE)
        try:
            case_id = await run_in_threadpool(case_links.case_of_visit, self.core, secret)
        except Problem:
            self.throttle.count("address", address_of(request))
            raise
        self.throttle.count("session", case_id)
        return case_id

    def require_own_origin(self, request: Request) -> None:
        """Refuse a request that a page of somebody else's makes.

        Raises
        ------
        Problem
            ``origin_refused``.
        """
        origin = request.headers.get("origin", "")
        own = {self.core.settings.base_url}
        if not self.core.settings.public_url:
            own.add(f"{request.url.scheme}://{request.headers.get('host', '')}")
        if origin not in own or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Problem("origin_refused")


def link_page(web: Web, request: Request, problem: Problem) -> Response:
    """What a link that leads nowhere says; raises a problem that is not the link's."""
    if problem.code == "link_unknown":
        web.throttle.wrong(address_of(request))
    if problem.code not in _LINK_PAGES:
        raise problem
    return problem_page(web, request, problem)


def problem_page(web: Web, request: Request, problem: Problem) -> Response:
    """What a person reads whose browser went to an address that answers with a problem."""
    kind, status = _LINK_PAGES.get(problem.code, ("other", problem.status))
    answer = web.pages.render(
        request, "link.html", {"kind": kind, "service": None}, locale=locale_of(request), status=status
    )
    if problem.retry_after_s is not None:
        answer.headers["Retry-After"] = str(problem.retry_after_s)
    return answer


def keep_visit(web: Web, answer: Response, visit: case_links.Visit) -> None:
    """Let this browser have a case open: in a cookie that no script can read."""
    settings = web.core.settings
    answer.set_cookie(
        CASE_COOKIE,
        visit.secret,
        httponly=True,
        # Strict would leave it out where a message's link is followed, and the person in front of a closed door.
        samesite="lax",
        secure=settings.base_url.startswith("https://"),
        max_age=int(settings.cases.retention_s["visit"]),
    )


def web_of(request: Request) -> Web:
    """The process that answers."""
    web: Web = request.app.state.web
    return web


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def problem_answer(problem: Problem) -> Response:
    """Problem details."""
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    if problem.code == "key_missing":
        headers["WWW-Authenticate"] = "Bearer"
    if problem.status == 413:
        # Who sends too much may still be sending: the rest is not waited for.
        headers["Connection"] = "close"
    document: dict[str, Any] = problem.document()
    return JSONResponse(document, problem.status, headers=headers, media_type="application/problem+json")
