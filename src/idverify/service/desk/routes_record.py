"""Routes of the desk where nothing is decided: the record for auditors, the accounts for admins, and the figures.

Public items: :data:`ROUTES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from idverify.errors import ParameterError
from idverify.reasons import Reason
from idverify.service import audit, case_record
from idverify.service.core import Core
from idverify.service.desk import accounts, words
from idverify.service.desk.figures import Figures, figures
from idverify.service.desk.pages import Desk, desk_page
from idverify.service.desk.roles import Act, Member
from idverify.service.problems import Problem
from idverify.service.tables import Account, AuditEntry

__all__ = ["ROUTES"]

# Entries on one page.
_PAGE = 50


@desk_page(Act.READ_RECORD)
async def record(desk: Desk) -> Response:
    """The chain, newest entries first, and the way to one case's record."""
    wanted = desk.request.query_params.get("case", "").strip()
    if wanted:
        return RedirectResponse(f"/desk/record/{wanted}", 303) if wanted.isidentifier() else _none()
    before = desk.request.query_params.get("before", "")
    if before and not (before.isdecimal() and len(before) < 18):
        raise Problem("invalid_request", "the record has no such page")
    return desk.show("record.html", await desk.run(_entries, desk.core, int(before) if before else None))


def _none() -> Response:
    raise Problem("not_found", "there is no such case")


def _entries(core: Core, before: int | None) -> dict[str, Any]:
    query = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(_PAGE + 1)
    with core.database.reading() as session:
        rows = list(session.scalars(query if before is None else query.where(AuditEntry.number < before)))
        names = {row.id: row.name for row in session.scalars(select(Account))}
    told = [{"number": row.number, "sha256": row.sha256, **json.loads(row.content)} for row in rows[:_PAGE]]
    return {
        "entries": told,
        "names": names,
        "before": rows[_PAGE - 1].number if len(rows) > _PAGE else None,
        "checked": None,
        "first": before is None,
    }


@desk_page(Act.READ_RECORD)
async def check(desk: Desk) -> Response:
    """Check the whole chain, and say where it breaks if it does."""
    found = await desk.run(audit.verify_stored, desk.core)
    return desk.show("record.html", {**await desk.run(_entries, desk.core, None), "checked": found})


@desk_page(Act.READ_RECORD)
async def case_file(desk: Desk) -> Response:
    """One case's record, as ``idverify audit export`` writes it; that it was read is an entry."""
    case_id = desk.request.path_params["case"]
    try:
        found = await desk.run(audit.export_case, desk.core, case_id, actor=desk.member.id)
    except ParameterError:
        raise Problem("not_found", "there is no such case") from None
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Content-Disposition": f'inline; filename="{case_id}.html"',
    }
    return HTMLResponse(await desk.run(case_record.as_page, found), headers=headers)


@desk_page(Act.SEE_FIGURES)
async def dashboard(desk: Desk) -> Response:
    """What waits, how long it takes, and how often a person overrules the machine."""
    return desk.show("dashboard.html", {"figures": await desk.run(_figures, desk.core), "names": _name_of})


def _figures(core: Core) -> Figures:
    with core.database.reading() as session:
        return figures(core, session)


def _name_of(code: str) -> str:
    """What the machine said, or why, as people say it; a group's label as it is."""
    known = {reason.value: reason.sentence for reason in Reason}
    return words.MACHINE.get(code) or known.get(code) or code


@desk_page(Act.KEEP_ACCOUNTS)
async def account_list(desk: Desk) -> Response:
    """Who works here, and as what."""
    return desk.show("accounts.html", {"accounts": await desk.run(accounts.all_accounts, desk.core)})


def _sets(disabled: bool) -> Callable[[Request], Any]:
    @desk_page(Act.KEEP_ACCOUNTS)
    async def answer(desk: Desk) -> Response:
        account_id = desk.request.path_params["account"]
        _require_other(desk.member, account_id)
        await desk.run(accounts.set_disabled, desk.core, account_id, disabled, actor=desk.member.id)
        return RedirectResponse("/desk/accounts", 303)

    return answer


def _require_other(who: Member, account_id: str) -> None:
    if who.id == account_id:
        raise Problem("not_allowed", "nobody takes their own account out of use")


ROUTES = [
    Route("/desk/dashboard", dashboard, methods=["GET"]),
    Route("/desk/record", record, methods=["GET"]),
    Route("/desk/record/check", check, methods=["POST"]),
    Route("/desk/record/{case}", case_file, methods=["GET"]),
    Route("/desk/accounts", account_list, methods=["GET"]),
    Route("/desk/accounts/{account}/disable", _sets(True), methods=["POST"]),
    Route("/desk/accounts/{account}/enable", _sets(False), methods=["POST"]),
]
