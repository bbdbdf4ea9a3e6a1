"""The API's description, for programs and for people.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from idverify.service.openapi import document
from idverify.service.web import web_of

__all__ = ["ROUTES"]


async def openapi(request: Request) -> Response:
    """OpenAPI 3.1."""
    return JSONResponse(document(web_of(request).core.settings.base_url))


async def page(request: Request) -> Response:
    """The same as a page."""
    web = web_of(request)
    source = resources.files("idverify.service").joinpath("api.html").read_text("utf-8")
    # Much in a description may be absent, and is then left out.
    template = Environment(autoescape=True).from_string(source)
    described = document(web.core.settings.base_url)
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    schemas = {name: s for name, s in described["components"]["schemas"].items() if name != "Decision"}
    return HTMLResponse(
        template.render(api=described, operations=operations, schemas=schemas, static=web.pages.static_base)
    )


ROUTES = [Route("/openapi.json", openapi, methods=["GET"]), Route("/docs", page, methods=["GET"])]
