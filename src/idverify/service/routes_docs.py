"""The API's description, for programs and for people.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idverify.service.openapi import document
from idverify.service.web import web_of

__all__ = ["ROUTES"]


async def openapi(request: Request) -> Response:
    """OpenAPI 3.1."""
    return JSONResponse(document(web_of(request).core.settings.base_url))


ROUTES = [Route("/openapi.json", openapi, methods=["GET"])]
