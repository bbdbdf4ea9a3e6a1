"""What has to happen without anybody asking: attempts expire, delays end, evidence is deleted when its time is up.

Public items: :func:`tidy`, :class:`Housekeeper`.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from sqlalchemy import delete, exists, or_, select, update

from idverify.errors import IdverifyError
from idverify.service import audit, cases, outbox, papers
from idverify.service.attempts import forget, locked
from idverify.service.core import Core
from idverify.service.states import State
from idverify.service.tables import Attempt, Case, CaseLink, CaseVisit, IdempotentAnswer

__all__ = ["Housekeeper", "tidy"]

log = logging.getLogger("idverify.service.housekeeping")

_EVERY_S = 5.0
_AT_ONCE = 100
# Nobody looks at what was not decided.
_CALLED_OFF = (State.EXPIRED.value, State.CANCELED.value)
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
        due = list(session.scalars(select(Attempt.id).where(*_deletable(now)).limit(_AT_ONCE)))
        read = list(session.scalars(select(Case.id).where(Case.papers_until_s <= now, _has_papers()).limit(_AT_ONCE)))
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
            row = session.scalar(select(Attempt).where(Attempt.id == attempt_id, *_deletable(now)).with_for_update())
            still = row is not None
            if row is not None:
                forget(core, session, row, actor=audit.MACHINE)
        # The key is gone; that the bytes go, too, only saves space.
        if still:
            core.vault.blobs.delete_all(f"attempts/{attempt_id}")
    for case_id in read:
        with core.database.writing() as session:
            audit.hold(session)
            case = cases.locked_case(session, case_id)
            late = case is not None and case.papers_until_s is not None and case.papers_until_s <= now
            if case is not None and late:
                papers.forget(core, session, case, actor=audit.MACHINE)
        if late:
            core.vault.blobs.delete_all(f"cases/{case_id}")
    cases.resume_due(core)
    with core.database.writing() as session:
        session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_s < now - _ANSWERS_S))
        session.execute(delete(CaseLink).where(CaseLink.expires_s <= now))
        session.execute(delete(CaseVisit).where(CaseVisit.expires_s <= now))
        since_s = now - core.settings.cases.window_s
        counted = (Attempt.decided_s < since_s) | (Attempt.decided_s.is_(None) & (Attempt.expires_s < since_s))
        session.execute(update(Attempt).where(Attempt.address_tag.is_not(None), counted).values(address_tag=None))
    if due or read:
        core.database.overwrite_deleted()
    return len(over), len(due)


def _deletable(now: float) -> tuple[Any, ...]:
    """Evidence whose time is up, and at which nobody here still has to look."""
    held = exists().where(Case.id == Attempt.case_id, Case.state.in_([state.value for state in cases.HELD]))
    return Attempt.evidence_until_s <= now, or_(Attempt.state.in_(_CALLED_OFF), ~held)


def _has_papers() -> Any:
    return Case.wrapped_key.is_not(None)


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
