"""One place for every change of state: the table is asked, and the caller's webhook is written down with it.

Public items: :func:`change`, :func:`tell`.
"""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from idverify.service import notices
from idverify.service.core import Core
from idverify.service.keys import new_id
from idverify.service.problems import Problem
from idverify.service.states import State, TransitionError, require
from idverify.service.tables import Attempt, Case, OutboxEvent

__all__ = ["change", "tell"]


def change(core: Core, session: Session, row: Attempt, then: State) -> None:
    """Let an attempt become something else, and tell its caller.

    Raises
    ------
    Problem
        ``wrong_state``: the table does not allow it.
    """
    try:
        require(State(row.state), then)
    except TransitionError as error:
        raise Problem("wrong_state", str(error)) from None
    row.state = then.value
    tell(core, session, row)


def tell(core: Core, session: Session, row: Attempt | Case) -> None:
    """Write down what an attempt or a case is now: for the person of a case, and for its caller if wanted."""
    is_case = isinstance(row, Case)
    notice = notices.write(core, session, row) if isinstance(row, Case) else None
    if row.callback is None:
        return
    now = core.clock()
    # Thin: the receiver fetches the attempt or case, so that a stale or replayed message cannot mislead it.
    body = {
        "type": f"{'case' if is_case else 'attempt'}.{row.state}",
        "timestamp": now,
        "data": {"id": row.id, "state": row.state, "subject": row.subject, **({"notice": notice} if notice else {})},
    }
    session.add(
        OutboxEvent(
            id=new_id("msg"),
            api_key_id=row.api_key_id,
            attempt_id=None if is_case else row.id,
            case_id=row.id if is_case else None,
            url=row.callback,
            body=json.dumps(body, separators=(",", ":"), sort_keys=True),
            created_s=now,
            next_s=now,
            tries=0,
        )
    )
