"""Routes of the calling service: attempts and reference photos.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idverify.service import attempts
from idverify.service.requests import asked, idempotency_key, json_object, photo_body
from idverify.service.web import web_of

__all__ = ["ROUTES"]


async def create_attempt(request: Request) -> Response:
    """Make an attempt: 201, or 200 where the same was asked for before."""
    web = web_of(request)
    caller = await web.caller(request)
    key = idempotency_key(request)
    wanted = asked(await json_object(request, web.core.settings.limits.json_bytes), web.core)
    if wanted.photo is not None:
        await run_in_threadpool(web.examiner.require_usable, wanted.photo)
    made = await run_in_threadpool(attempts.create, web.core, caller, wanted, idempotency_key=key)
    return JSONResponse({**made.view, "link": made.link}, 200 if made.again else 201)


async def get_attempt(request: Request) -> Response:
    """An attempt's state and, once decided, the decision."""
    web = web_of(request)
    caller = await web.caller(request)
    return JSONResponse(await run_in_threadpool(attempts.get, web.core, caller, request.path_params["attempt"]))


async def cancel_attempt(request: Request) -> Response:
    """End an attempt that was not decided."""
    web = web_of(request)
    caller = await web.caller(request)
    return JSONResponse(await run_in_threadpool(attempts.cancel, web.core, caller, request.path_params["attempt"]))


async def delete_evidence(request: Request) -> Response:
    """Delete photo and recordings for good."""
    web = web_of(request)
    caller = await web.caller(request)
    done = await run_in_threadpool(attempts.delete_evidence, web.core, caller, request.path_params["attempt"])
    return JSONResponse(done)


async def enrol_reference(request: Request) -> Response:
    """Keep a photo for several attempts; the body is the photo."""
    web = web_of(request)
    caller = await web.caller(request)
    photo = await photo_body(request, web.core)
    await run_in_threadpool(web.examiner.require_usable, photo)
    return JSONResponse(await run_in_threadpool(attempts.enrol_reference, web.core, caller, photo), 201)


async def delete_reference(request: Request) -> Response:
    """Delete an enrolled photo for good."""
    web = web_of(request)
    caller = await web.caller(request)
    await run_in_threadpool(attempts.delete_reference, web.core, caller, request.path_params["reference"])
    return Response(status_code=204)


ROUTES = [
    Route("/v1/attempts", create_attempt, methods=["POST"]),
    Route("/v1/attempts/{attempt}", get_attempt, methods=["GET"]),
    Route("/v1/attempts/{attempt}/cancel", cancel_attempt, methods=["POST"]),
    Route("/v1/attempts/{attempt}/evidence", delete_evidence, methods=["DELETE"]),
    Route("/v1/references", enrol_reference, methods=["POST"]),
    Route("/v1/references/{reference}", delete_reference, methods=["DELETE"]),
]
