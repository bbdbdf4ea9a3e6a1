"""What has to happen without anybody asking: attempts expire, delays end, evidence is deleted when its time is up.

Public items: :func:`tidy`, :class:`Housekeeper`.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy import delete, select

from idverify.errors import IdverifyError
from idverify.service import audit, cases, outbox
from idverify.service.attempts import forget, locked
from idverify.service.core import Core
from idverify.service.states import State
from idverify.service.tables import Attempt, IdempotentAnswer

__all__ = ["Housekeeper", "tidy"]

log = logging.getLogger("idverify.service.housekeeping")

_EVERY_S = 5.0
_AT_ONCE = 100
# A caller that has not had its answer by then has given up.
_ANSWERS_S = 7 * 24 * 3600.0


def tidy(core: Core) -> tuple[int, int]:
    """Expire and delete what is due.

    Returns
    -------
    tuple of int
        Attempts that expired; attempts whose evidence was deleted.

    Raises
    ------
    DatabaseUnavailableError
    StorageUnavailableError
    """
    now = core.clock()
    waiting = [State.REQUIRES_INPUT.value, State.RECORDING.value]
    with core.database.reading() as session:
        over = list(
            session.scalars(
                select(Attempt.id).where(Attempt.state.in_(waiting), Attempt.expires_s <= now).limit(_AT_ONCE)
            )
        )
        due = list(session.scalars(select(Attempt.id).where(Attempt.evidence_until_s <= now).limit(_AT_ONCE)))
    for attempt_id in over:
        with core.database.writing() as session:
            row = locked(session, attempt_id)
            # It may have gone on in the meantime.
            if row is not None and row.state in waiting and row.expires_s <= now:
                outbox.change(core, session, row, State.EXPIRED)
                row.evidence_until_s = now
    for attempt_id in due:
        with core.database.writing() as session:
            audit.hold(session)
            row = locked(session, attempt_id)
            still = row is not None and row.evidence_until_s is not None and row.evidence_until_s <= now
            if row is not None and still:
                forget(core, session, row, actor=audit.MACHINE)
        # The key is gone; that the bytes go, too, only saves space.
        if still:
            core.vault.blobs.delete_all(f"attempts/{attempt_id}")
    cases.resume_due(core)
    with core.database.writing() as session:
        session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_s < now - _ANSWERS_S))
    return len(over), len(due)


class Housekeeper(threading.Thread):
    """Tidies every few seconds; several at once do no harm."""

    def __init__(self, core: Core) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._core = core
        self._told = threading.Event()

    def run(self) -> None:
        """Tidy until told to stop."""
        while not self._told.wait(_EVERY_S):
            try:
                tidy(self._core)
            except IdverifyError as error:
                log.warning("not tidied: %s", error)

    def stop(self) -> None:
        """Ask it to end."""
        self._told.set()
