"""A newcomer's way in: upload a photo, then record yourself against it.

Conventions: offered only where the service listens on this machine alone, under an address that only its log names.

Public items: :data:`ROUTES`, :func:`demo_token`.
"""

from __future__ import annotations

import hmac

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from idverify.service import attempts
from idverify.service.api_keys import Caller
from idverify.service.attempts import Asked
from idverify.service.core import Core
from idverify.service.keys import normalised_token
from idverify.service.pages import locale_of
from idverify.service.problems import Problem
from idverify.service.web import Web, web_of

__all__ = ["ROUTES", "demo_token"]


def demo_token(core: Core) -> str:
    """The secret of the demo's address: the same at every start."""
    return core.vault.master.derived("demo").hex()[:32].upper()


def _admit(request: Request) -> Web:
    web = web_of(request)
    given = normalised_token(request.path_params["token"])
    # Both sides fold letters that look like digits.
    if not hmac.compare_digest(given.encode(), normalised_token(demo_token(web.core)).encode()):
        raise Problem("not_found")
    return web


async def show(request: Request) -> Response:
    """Ask for the photo."""
    web = _admit(request)
    return web.pages.render(request, "demo.html", {"problem": None, "service": None}, locale=locale_of(request))


async def upload(request: Request) -> Response:
    """Make an attempt with it, and go to its link."""
    web = _admit(request)
    locale = locale_of(request)
    limit = web.core.settings.limits.photo_bytes
    try:
        web.require_own_origin(request)
        if int(request.headers.get("content-length") or limit + 1) > limit + 4096:
            raise Problem("too_large")
        async with request.form(max_files=1, max_fields=4) as form:
            photo = form.get("photo")
            content = await photo.read() if isinstance(photo, UploadFile) else b""
        if not content:
            raise Problem("not_a_photo")
        await run_in_threadpool(web.examiner.require_usable, content)
    except Problem as problem:
        context = {"problem": problem.code, "service": None}
        return web.pages.render(request, "demo.html", context, locale=locale, status=problem.status)
    caller = Caller(id=web.demo or "", name="demo")
    asked = Asked(policy="recovery", locale=locale, photo=content, options={"file": True}, subject="demo")
    made = await run_in_threadpool(attempts.create, web.core, caller, asked)
    return RedirectResponse(made.link, 303)


ROUTES = [
    Route("/demo/{token}", show, methods=["GET"]),
    Route("/demo/{token}", upload, methods=["POST"]),
]
