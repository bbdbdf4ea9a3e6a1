"""Routes of the calling service: cases.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idverify.service import cases, retention
from idverify.service.api_keys import Caller
from idverify.service.core import Core
from idverify.service.requests import asked_case, asked_in_case, idempotency_key, json_object
from idverify.service.web import web_of

__all__ = ["ROUTES"]


async def open_case(request: Request) -> Response:
    """Open a case: 201, or 200 where the same was asked for before."""
    web = web_of(request)
    caller = await web.caller(request)
    key = idempotency_key(request)
    wanted = asked_case(await json_object(request, web.core.settings.limits.json_bytes), web.core)
    view, again = await run_in_threadpool(cases.open_case, web.core, caller, wanted, idempotency_key=key)
    return JSONResponse(view, 200 if again else 201)


async def get_case(request: Request) -> Response:
    """A case's state, the next step, and its attempts."""
    web = web_of(request)
    caller = await web.caller(request)
    return JSONResponse(await run_in_threadpool(cases.get, web.core, caller, request.path_params["case"]))


async def new_attempt(request: Request) -> Response:
    """Make an attempt within a case: 201, or 200 where the same was asked for before."""
    web = web_of(request)
    caller = await web.caller(request)
    key = idempotency_key(request)
    wanted = asked_in_case(await json_object(request, web.core.settings.limits.json_bytes), web.core)
    if wanted.photo is not None:
        await run_in_threadpool(web.examiner.require_usable, wanted.photo)
    case_id = request.path_params["case"]
    made = await run_in_threadpool(cases.new_attempt, web.core, caller, case_id, wanted, idempotency_key=key)
    return JSONResponse({**made.view, "link": made.link}, 200 if made.again else 201)


async def new_link(request: Request) -> Response:
    """A new link for the person to their page of the case; shown once."""
    web = web_of(request)
    caller = await web.caller(request)
    made = await run_in_threadpool(cases.new_link, web.core, caller, request.path_params["case"])
    return JSONResponse(made, 201)


async def notices_of(request: Request) -> Response:
    """What the person is to be told, in the case's language; the service sends it to an address that it has checked."""
    web = web_of(request)
    caller = await web.caller(request)
    found = await run_in_threadpool(cases.notices_of, web.core, caller, request.path_params["case"], web.pages.words)
    return JSONResponse({"notices": found})


def _act(act: Callable[[Core, Caller, str], dict[str, Any]]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        web = web_of(request)
        caller = await web.caller(request)
        return JSONResponse(await run_in_threadpool(act, web.core, caller, request.path_params["case"]))

    return answer


ROUTES = [
    Route("/v1/cases", open_case, methods=["POST"]),
    Route("/v1/cases/{case}", get_case, methods=["GET"]),
    Route("/v1/cases/{case}/attempts", new_attempt, methods=["POST"]),
    Route("/v1/cases/{case}/link", new_link, methods=["POST"]),
    Route("/v1/cases/{case}/notices", notices_of, methods=["GET"]),
    Route("/v1/cases/{case}/evidence", _act(retention.delete_case), methods=["DELETE"]),
    Route("/v1/cases/{case}/withdraw", _act(cases.withdraw), methods=["POST"]),
    Route("/v1/cases/{case}/recovered", _act(cases.recovered), methods=["POST"]),
    Route("/v1/cases/{case}/not-me", _act(cases.not_me), methods=["POST"]),
]
