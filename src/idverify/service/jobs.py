"""Attempts that wait to be judged: a lease on the row, and what comes of it.

Goal: a recording is judged once, by one judge, and a judge that dies costs nothing but time. Who holds a lease renews
it; who does not, loses it, and whatever it says later is not heard.

Public items: :class:`Job`, :func:`claim`, :func:`load`, :func:`renew`, :func:`settle`, :func:`fail`, :func:`put_back`,
:func:`waiting`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from idverify.service import audit, cases, outbox, tally
from idverify.service.attempts import data_key, locked, reference_photo
from idverify.service.capture import chunk_name
from idverify.service.core import Core
from idverify.service.problems import Problem
from idverify.service.states import State
from idverify.service.tables import Attempt, Chunk, Recording, Reveal

__all__ = ["Case", "Job", "claim", "fail", "load", "put_back", "renew", "settle", "waiting"]

# What becomes of an attempt that was decided.
STATES = {"accept": State.ACCEPTED, "reject": State.REJECTED, "inconclusive": State.INCONCLUSIVE}
# A recording that took this many judges down, or away, is not given to another one.
MAX_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A lease: this recording is this judge's."""

    attempt_id: str
    recording_id: str
    owner: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a judge is given; holds pictures, hence no repr.

    Parameters
    ----------
    policy
        Name of the policy.
    photo, video
        As they came.
    challenge
        The challenge's file as text; None for a plain file.
    chunks
        (bytes, arrival) of every piece in order; seconds since 1970.
    revealed_s
        When each step was revealed.
    began_s
        When the browser asked to begin.
    signals
        What the browser says.
    """

    policy: str
    photo: bytes = field(repr=False)
    video: bytes = field(repr=False)
    challenge: str | None = field(repr=False)
    chunks: tuple[tuple[int, float], ...]
    revealed_s: tuple[float, ...]
    began_s: float
    signals: dict[str, Any] = field(repr=False)


def waiting(core: Core) -> int:
    """How many recordings wait for a judge."""
    with core.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Attempt).where(*_claimable(core.clock()))) or 0


def claim(core: Core, owner: str) -> Job | None:
    """Take the recording that waits longest, if one waits."""
    now = core.clock()
    oldest = select(Attempt).where(*_claimable(now)).order_by(Attempt.queued_s).limit(1)
    with core.database.reading() as session:
        # Most looks find nothing; they must not take the write lock.
        if session.scalar(oldest.with_only_columns(Attempt.id)) is None:
            return None
    with core.database.writing() as session:
        row = session.scalar(oldest.with_for_update(skip_locked=True))
        if row is None or row.recording_id is None:
            return None
        if row.tries >= MAX_TRIES:
            _ask_again(core, session, row, "judge_failed")
            return None
        row.tries += 1
        row.lease_owner, row.lease_until_s = owner, now + core.settings.limits.lease_s
        return Job(attempt_id=row.id, recording_id=row.recording_id, owner=owner, tries=row.tries)


def load(core: Core, job: Job) -> Case:
    """Bring together what a judge needs.

    Raises
    ------
    Problem
        ``recording_incomplete``: what is stored is not what arrived; ``not_found``: it was deleted.
    """
    with core.database.reading() as session:
        row, recording = session.get_one(Attempt, job.attempt_id), session.get_one(Recording, job.recording_id)
        chunks = list(session.scalars(select(Chunk).where(Chunk.recording_id == recording.id).order_by(Chunk.n)))
        reveals = session.scalars(select(Reveal).where(Reveal.recording_id == recording.id).order_by(Reveal.step))
        revealed = tuple(reveal.revealed_s for reveal in reveals)
        photo, key = reference_photo(core, session, row), data_key(core, row)
    video = b"".join(core.vault.get(key, chunk_name(row.id, recording.id, c.n, c.sha256)) for c in chunks)
    if hashlib.sha256(video).hexdigest() != recording.sha256:
        raise Problem("recording_incomplete")
    return Case(
        policy=row.policy,
        photo=photo,
        video=video,
        challenge=None if recording.challenge is None else recording.challenge["file"],
        chunks=tuple((chunk.n_bytes, chunk.arrived_s) for chunk in chunks),
        revealed_s=revealed,
        began_s=recording.created_s,
        signals=recording.signals,
    )


def renew(core: Core, job: Job) -> bool:
    """Keep the lease; False where it is somebody else's by now, or the attempt is no longer to be judged."""
    until_s = core.clock() + core.settings.limits.lease_s
    with core.database.writing() as session:
        held = session.execute(update(Attempt).where(*_held(job)).values(lease_until_s=until_s))
        return bool(held.rowcount)  # type: ignore[attr-defined]


def settle(core: Core, job: Job, decision: dict[str, Any], capture: dict[str, Any]) -> bool:
    """Write a decision down; False where nobody waits for it any more."""
    now = core.clock()
    with core.database.writing() as session:
        audit.hold(session)
        row = session.scalar(select(Attempt).where(*_held(job)).with_for_update())
        if row is None:
            return False
        outbox.change(core, session, row, STATES[decision["outcome"]])
        tally.count(session, row, -1)
        row.decision, row.capture, row.decided_s = decision, capture, now
        row.decided_recording_id = job.recording_id
        tally.count(session, row, +1)
        row.judged += 1
        row.failure = None
        row.evidence_until_s = now + core.settings.cases.evidence_of_s(row.policy)
        if row.state == State.REJECTED.value:
            row.rejected_s = now
        _let_go(row)
        session.flush()
        cases.decided(core, session, row)
    return True


def fail(core: Core, job: Job, code: str) -> bool:
    """The recording could not be judged, for a technical reason: ask for one more."""
    with core.database.writing() as session:
        row = session.scalar(select(Attempt).where(*_held(job)).with_for_update())
        if row is None:
            return False
        _ask_again(core, session, row, code)
    return True


def put_back(core: Core, job: Job) -> None:
    """Let another judge try at once; the recording is not at fault."""
    with core.database.writing() as session:
        row = session.scalar(select(Attempt).where(*_held(job)).with_for_update())
        if row is not None:
            row.lease_owner = row.lease_until_s = None


def give_back_untried(core: Core, job: Job) -> None:
    """As :func:`put_back`, where the judge never began: it does not count as a try."""
    with core.database.writing() as session:
        row = locked(session, job.attempt_id)
        if row is not None and row.lease_owner == job.owner:
            row.lease_owner = row.lease_until_s = None
            row.tries -= 1


def _claimable(now: float) -> tuple[Any, ...]:
    return (
        Attempt.state == State.PROCESSING.value,
        Attempt.queued_s.is_not(None),
        or_(Attempt.lease_until_s.is_(None), Attempt.lease_until_s < now),
    )


def _held(job: Job) -> tuple[Any, ...]:
    return (
        Attempt.id == job.attempt_id,
        Attempt.state == State.PROCESSING.value,
        Attempt.lease_owner == job.owner,
        Attempt.recording_id == job.recording_id,
    )


def _ask_again(core: Core, session: Session, row: Attempt, code: str) -> None:
    outbox.change(core, session, row, State.REQUIRES_INPUT)
    row.failure = code
    # The person gets the time again that the judges took.
    row.expires_s = max(row.expires_s, core.clock() + core.settings.limits.continue_s)
    row.recording_id = None
    _let_go(row)


def _let_go(row: Attempt) -> None:
    row.lease_owner = row.lease_until_s = row.queued_s = None
