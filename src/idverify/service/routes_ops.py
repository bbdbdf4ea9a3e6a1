"""Routes of whoever runs the service: alive, ready, figures; and static files.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idverify.errors import IdverifyError
from idverify.service.problems import Problem
from idverify.service.web import Web, web_of

__all__ = ["ROUTES"]


async def alive(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"alive": True})


async def ready(request: Request) -> Response:
    """Database, store and judges can be used; what is said here names no address and no secret."""
    found = await run_in_threadpool(_trouble, web_of(request))
    return JSONResponse({"ready": not found, "trouble": found}, 503 if found else 200)


def _trouble(web: Web) -> list[str]:
    trouble = []
    try:
        web.core.database.ping()
    except IdverifyError:
        trouble.append("database")
    try:
        web.core.vault.blobs.check()
    except IdverifyError:
        trouble.append("blobs")
    if web.judges_trouble():
        trouble.append("judges")
    return trouble


async def figures(request: Request) -> Response:
    """For Prometheus, with an API key."""
    web = web_of(request)
    await web.caller(request)
    return Response(await run_in_threadpool(web.metrics.text, web.core), media_type=CONTENT_TYPE_LATEST)


async def static_file(request: Request) -> Response:
    """One static file, to be kept for ever: another version has another address."""
    web = web_of(request)
    wanted = request.url.path
    base = web.pages.static_base
    found = web.pages.static.get(wanted.removeprefix(base + "/")) if wanted.startswith(base + "/") else None
    if found is None:
        raise Problem("not_found")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found[0], headers=headers, media_type=found[1])


ROUTES = [
    Route("/healthz", alive, methods=["GET"]),
    Route("/readyz", ready, methods=["GET"]),
    Route("/metrics", figures, methods=["GET"]),
    Route("/static/{path:path}", static_file, methods=["GET"]),
]
