"""One door for every change of state: the table is asked, and the caller's webhook is written down with it.

Public items: :func:`change`.
"""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from idverify.service.core import Core
from idverify.service.keys import new_id
from idverify.service.problems import Problem
from idverify.service.states import State, TransitionError, require
from idverify.service.tables import Attempt, OutboxEvent

__all__ = ["change"]


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
    if row.callback is None:
        return
    now = core.clock()
    # Thin: the receiver fetches the attempt, so that a stale or replayed message cannot mislead it.
    body = {
        "type": f"attempt.{then.value}",
        "timestamp": now,
        "data": {"id": row.id, "state": then.value, "subject": row.subject},
    }
    session.add(
        OutboxEvent(
            id=new_id("msg"),
            api_key_id=row.api_key_id,
            attempt_id=row.id,
            url=row.callback,
            body=json.dumps(body, separators=(",", ":"), sort_keys=True),
            created_s=now,
            next_s=now,
            tries=0,
        )
    )
