"""The HTTP application: routes, headers, and every failure as problem details.

Public items: :func:`make_app`.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idverify.service import (
    routes_api,
    routes_case_page,
    routes_cases,
    routes_demo,
    routes_docs,
    routes_ops,
    routes_person,
)
from idverify.service.blobs import NoSuchBlobError, StorageUnavailableError
from idverify.service.database import DatabaseUnavailableError
from idverify.service.desk import routes as routes_desk
from idverify.service.desk import routes_record
from idverify.service.desk.pages import refused
from idverify.service.problems import Problem
from idverify.service.web import Web, problem_answer, problem_page, web_of

__all__ = ["make_app"]

log = logging.getLogger("idverify.service")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The link's token is in the address: it must not travel on to another site. Nothing at all would be too little: a
    # form's request would no longer say that it comes from here.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

_ROUTES = (
    *routes_api.ROUTES,
    *routes_cases.ROUTES,
    *routes_person.ROUTES,
    *routes_desk.ROUTES,
    *routes_record.ROUTES,
    *routes_case_page.ROUTES,
    *routes_ops.ROUTES,
    *routes_docs.ROUTES,
)
# Addresses that people's browsers have no business at.
_PROGRAMS = ("/v1/", "/static/", "/healthz", "/readyz", "/metrics", "/openapi.json")
_PATTERNS: dict[Any, str] = {route.endpoint: route.path for route in (*_ROUTES, *routes_demo.ROUTES)}


def make_app(web: Web) -> Starlette:
    """Put the application together."""
    app = Starlette(
        routes=[
            *_ROUTES,
            *(routes_demo.ROUTES if web.demo else ()),
        ],
        exception_handlers={
            Problem: _on_problem,
            DatabaseUnavailableError: _on_unavailable,
            StorageUnavailableError: _on_unavailable,
            NoSuchBlobError: _on_unavailable,
            HTTPException: _on_http,
        },
    )
    app.state.web = web
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(_Envelope, web=web)
    return app


def _answer(request: Request, problem: Problem) -> Response:
    """Problem details for programs; for somebody whose browser went to the address, a page that says what to do."""
    # A browser that goes somewhere asks for a page; scripts and callers do not.
    is_visit = "text/html" in request.headers.get("accept", "")
    path = request.url.path
    if not is_visit or path.startswith(_PROGRAMS):
        return problem_answer(problem)
    if path.startswith("/desk"):
        return refused(request, problem, None)
    return problem_page(web_of(request), request, problem)


async def _on_problem(request: Request, error: Any) -> Response:
    return _answer(request, error)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("not ready: %s", error)
    return _answer(request, Problem("not_ready", retry_after_s=5))


async def _on_http(request: Request, error: Any) -> Response:
    code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "invalid_request")
    answer = _answer(request, Problem(code))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _internal(scope: Scope) -> Response:
    try:
        return _answer(Request(scope), Problem("internal"))
    except Exception:  # noqa: BLE001 - the fault may be the pages' own
        return problem_answer(Problem("internal"))


def _log_fault(error: Exception, scope: Scope) -> None:
    """An error's text may quote what was sent; its kind and place do not."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    log.error("%s in %s %s at %s", type(error).__name__, scope["method"], _route_of(scope), where)


def _route_of(scope: Any) -> str:
    """The pattern of an address, never the address: that may hold a token."""
    return _PATTERNS.get(scope.get("endpoint"), "unmatched")


class _Envelope:
    """Headers on every answer, and figures about it."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status: int | None = None

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in _HEADERS if name not in given]
                if self._web.core.settings.base_url.startswith("https://"):
                    extra.append((b"strict-transport-security", b"max-age=31536000"))
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:  # noqa: BLE001 - the last line of defence: a fault of ours is an answer, not a traceback
            _log_fault(error, scope)
            if status is None:
                await _internal(scope)(scope, receive, with_headers)
        finally:
            route = _route_of(scope)
            self._web.metrics.requests.labels(route, scope["method"], str(status or 500)).inc()
            self._web.metrics.request_seconds.labels(route).observe(time.perf_counter() - began)
