"""What every page of the desk needs: who is signed in, a form that is ours, an answer that people can read.

Conventions: no page of the desk has a script. What changes something is a form of this site (origin) and of this
session (token); what is refused is a page that says why and leads back.

Public items: :data:`COOKIE`, :class:`Desk`, :func:`desk_page`, :data:`FORM_BYTES`, :func:`show`, :func:`refused`,
:func:`set_cookie`, :func:`clear_cookie`, :func:`is_secure`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idverify.service.blobs import NoSuchBlobError, StorageUnavailableError
from idverify.service.core import Core
from idverify.service.database import DatabaseUnavailableError
from idverify.service.desk import sessions, words
from idverify.service.desk.roles import MAY, Act, Member, require_act
from idverify.service.forms import read_form
from idverify.service.problems import Problem
from idverify.service.web import Web, address_of, web_of

__all__ = ["COOKIE", "FORM_BYTES", "Desk", "clear_cookie", "desk_page", "is_secure", "refused", "set_cookie", "show"]

COOKIE = "idverify_desk"
_PATH = "/desk"
# Two texts of 2,000 characters, each at most 12 bytes where a browser writes it as %XX of UTF-8.
FORM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One request of somebody who is signed in."""

    web: Web
    request: Request
    member: Member
    secret: str = field(repr=False)
    form: Mapping[str, str] = field(repr=False)

    @property
    def core(self) -> Core:
        """The service."""
        return self.web.core

    def show(self, name: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
        """One page."""
        token = sessions.form_token(self.core, self.secret)
        return show(self.request, name, {**context, "member": self.member, "form_token": token}, status=status)

    async def run(self, act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Do what waits for the database, elsewhere."""
        return await run_in_threadpool(functools.partial(act, *arguments, **options))


Handler = Callable[[Desk], Awaitable[Response]]


def desk_page(act: Act | None) -> Callable[[Handler], Callable[[Request], Awaitable[Response]]]:
    """Let a handler be called only for whoever may do what it does.

    Parameters
    ----------
    act
        What has to be allowed; None for everybody who is signed in.
    """

    def wrap(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        @functools.wraps(handler)
        async def answer(request: Request) -> Response:
            web = web_of(request)
            member: Member | None = None
            try:
                secret = request.cookies.get(COOKIE, "")
                form: dict[str, str] = {}
                changes = request.method not in ("GET", "HEAD")
                if changes:
                    web.require_own_origin(request)
                try:
                    member = await run_in_threadpool(sessions.member, web.core, secret)
                except Problem:
                    web.throttle.count("address", address_of(request))
                    raise
                web.throttle.count("session", member.id)
                if changes:
                    form = (await read_form(request, FORM_BYTES)).fields
                    sessions.require_form_token(web.core, secret, form.get("form_token", ""))
                if act is not None:
                    require_act(member, act)
                return await handler(Desk(web=web, request=request, member=member, secret=secret, form=form))
            except Problem as problem:
                if problem.code == "sign_in_needed" and request.method == "GET":
                    return RedirectResponse("/desk/sign-in", 303)
                return refused(request, problem, member)
            except (DatabaseUnavailableError, StorageUnavailableError):
                return refused(request, Problem("not_ready", retry_after_s=5), member)
            except NoSuchBlobError:
                return refused(request, Problem("not_found"), member)

        return answer

    return wrap


def show(request: Request, name: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
    """One page of the desk, with its words."""
    web = web_of(request)
    given = {"member": None, "form_token": "", "service": "Review desk", "problem": None, "here": "", **context}
    who = given["member"]
    given["may"] = set() if who is None else {act.value for act in MAY[who.role]}
    helpers = {"desk": words, "moment": words.moment, "span": words.span, "now": web.core.clock()}
    return web.pages.render(request, f"desk/{name}", {**helpers, **given}, locale="en", status=status)


def refused(request: Request, problem: Problem, member: Member | None) -> Response:
    """Why something was not done, as a page."""
    why = words.PROBLEMS.get(problem.code) or problem.detail or problem.title
    back = request.path_params.get("case")
    context = {"title": problem.title, "why": why, "case_id": back if problem.code != "not_found" else None}
    secret = request.cookies.get(COOKIE, "")
    token = sessions.form_token(web_of(request).core, secret) if member is not None else ""
    answer = show(request, "refused.html", {**context, "member": member, "form_token": token}, status=problem.status)
    if problem.retry_after_s is not None:
        answer.headers["Retry-After"] = str(problem.retry_after_s)
    return answer


def set_cookie(web: Web, answer: Response, secret: str) -> None:
    """Keep a session in the browser, out of the reach of scripts and of other sites' forms."""
    # Not strict: who comes back from an OpenID provider comes from another site.
    answer.set_cookie(COOKIE, secret, path=_PATH, httponly=True, samesite="lax", secure=is_secure(web))


def is_secure(web: Web) -> bool:
    """Whether browsers reach the service over https."""
    return web.core.settings.base_url.startswith("https://")


def clear_cookie(answer: Response) -> None:
    """Forget the session in the browser."""
    answer.delete_cookie(COOKIE, path=_PATH)
