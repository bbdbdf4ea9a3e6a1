"""What the person is told of each change, for an address that the service has checked and this software never sees.

Goal: whoever owns the account hears of everything that happens to it: what, when, what is next, and how to say "that
was not me". The service fetches the words and sends them.

Conventions: plain text, in the case's language. Words are made when they are asked for: of their links only hashes are
kept, and the tokens follow from the notice's id under the master key. A name that a service gave is the only text of
others in them; its controls are shown, and never obeyed. What reviewers and persons wrote is on the page only.

Public items: :func:`write`, :func:`of_case`, :func:`moment`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.service import case_links
from idverify.service.case_states import NEXT_STEPS, CaseState
from idverify.service.core import Core
from idverify.service.keys import new_id, token_of
from idverify.service.tables import Case, Notice
from idverify.text import foreign

__all__ = ["moment", "of_case", "write"]

_LONGEST_NAME = 80


def write(core: Core, session: Session, case: Case) -> str:
    """Write down that the person is to be told what a case is now; return the notice's id."""
    row = Notice(
        id=new_id("ntc"),
        case_id=case.id,
        state=case.state,
        created_s=core.clock(),
        due_s=case.due_s,
        wait_until_s=case.wait_until_s,
    )
    session.add(row)
    for purpose in ("case", "not_me"):
        case_links.add(core, session, case, purpose, _token(core, row.id, purpose))
    return row.id


def of_case(core: Core, session: Session, case: Case, words: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All notices of a case, oldest first, with their words.

    Parameters
    ----------
    words
        The pages' words in the case's language.
    """
    rows = session.scalars(select(Notice).where(Notice.case_id == case.id).order_by(Notice.created_s, Notice.id))
    return [_document(core, case, row, words) for row in rows]


def moment(time_s: float) -> str:
    """A time as all languages read it."""
    return datetime.fromtimestamp(time_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _document(core: Core, case: Case, row: Notice, words: Mapping[str, Any]) -> dict[str, Any]:
    told, states, steps = words["notice"], words["case"]["state"], words["case"]["step"]
    name = foreign(case.service, limit=_LONGEST_NAME) if case.service else told["nobody"]
    base = core.settings.base_url
    page = f"{base}/c/{_token(core, row.id, 'case')}"
    dispute = f"{base}/n/{_token(core, row.id, 'not_me')}"
    title, message = states[row.state]["title"], states[row.state]["message"]
    # A subject that begins with "the service" says nothing, in no language.
    subject = _filled(told["subject"], service=name, title=title) if case.service else title
    lines = [_filled(told["what"], service=name), "", title, message]
    lines += [_filled(told["when"], time=moment(row.created_s))]
    step = NEXT_STEPS.get(CaseState(row.state))
    if step is not None:
        lines += ["", _filled(told["next"], step=steps[step.step])]
        if row.due_s is not None:
            lines += [_filled(told["due"], time=moment(row.due_s))]
    if row.wait_until_s is not None:
        lines += [_filled(told["wait"], time=moment(row.wait_until_s))]
    lines += ["", told["page"], page, "", told["not_me"], dispute, "", told["never"]]
    return {
        "id": row.id,
        "state": row.state,
        "created_s": row.created_s,
        "locale": case.locale,
        "email": {"subject": subject, "body": "\n".join(lines) + "\n"},
        "message": f"{subject}\n{told['page']} {page}\n{told['not_me']} {dispute}",
    }


def _filled(text: str, **values: str) -> str:
    """Fill in each {name} once: what is filled in is no template."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def _token(core: Core, notice_id: str, purpose: str) -> str:
    return token_of(core.vault.master.derived(f"notice/{notice_id}/{purpose}"))
