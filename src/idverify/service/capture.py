"""What a person does with an attempt: open the link, consent, record, finish, go on with another device.

Conventions: the link opens once; from then on a random session, kept in a cookie, says which attempt it is. Every piece
and every revealed step is stamped by the server's clock. Pieces may come twice, late and in any order: the same bytes
again change nothing, other bytes under the same number are refused.

Public items: :func:`look_up`, :func:`open_link`, :func:`session_of`, :func:`state_of`, :func:`consent`,
:func:`begin_recording`, :func:`put_chunk`, :func:`next_step`, :func:`finish`, :func:`continue_elsewhere`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from idverify import challenge as challenges
from idverify.challenge import Challenge, Kind
from idverify.challenge.issuing import MAX_GUESS_PROBABILITY, MAX_STEPS
from idverify.errors import ChallengeError, ParameterError
from idverify.service import audit, case_links, networks, outbox
from idverify.service.attempts import data_key, locked
from idverify.service.core import Core
from idverify.service.keys import new_code, new_id, new_token, normalised_token, token_sha256
from idverify.service.problems import Problem
from idverify.service.states import State
from idverify.service.steps import Due, count_steps, due_step, step_document
from idverify.service.tables import Attempt, CaptureSession, Chunk, Link, Recording, Reveal

__all__ = [
    "Began",
    "Elsewhere",
    "Opened",
    "StepAnswer",
    "begin_recording",
    "challenge_of",
    "chunk_name",
    "consent",
    "continue_elsewhere",
    "finish",
    "look_up",
    "next_step",
    "open_link",
    "put_chunk",
    "session_of",
    "state_of",
]

# States in which the person can still do something.
_OPEN = (State.REQUIRES_INPUT.value, State.RECORDING.value, State.INCONCLUSIVE.value)
# A step that the browser had this much later than it was sent was not seen in time: no fault of the person's.
STEP_SEEN_S = 3.0
# The challenge does not outlive the recording it was drawn for.
_CHALLENGE_TTL_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A link that was used up; the session is shown once, and so is a visit to the attempt's case."""

    attempt: Attempt
    session: str = field(repr=False)
    visit: case_links.Visit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A recording that may now be sent."""

    recording_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """What the browser is told: the step, whether the recording may end, and when to look again."""

    step: dict[str, Any] | None
    done: bool
    wait_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The way to another device."""

    url: str = field(repr=False)
    code: str = field(repr=False)


# -- the way in ----------------------------------------------------------------------------------


def look_up(core: Core, token: str) -> Attempt:
    """The attempt behind a link, without using it up.

    Raises
    ------
    Problem
        ``link_unknown``, ``link_used``, ``link_expired``.
    """
    with core.database.reading() as session:
        link = session.get(Link, token_sha256(normalised_token(token)))
        row = None if link is None else session.get(Attempt, link.attempt_id)
    _usable(core, link, row)
    assert row is not None
    return row


def attempt_of_link(core: Core, token: str) -> Attempt | None:
    """Whose link it is or was."""
    with core.database.reading() as session:
        link = session.get(Link, token_sha256(normalised_token(token)))
        return None if link is None else session.get(Attempt, link.attempt_id)


def open_link(core: Core, token: str, *, locale: str | None = None, visit: str | None = None) -> Opened:
    """Use a link up and begin a session; a session on another device ends.

    Where the attempt is the person's own within a case, the browser has the case open as well: there is every other
    way, and a person to ask. An adult who vouches only records.

    Parameters
    ----------
    visit
        Secret of the visit that the browser has already, if it has one.

    Raises
    ------
    Problem
        ``link_unknown``, ``link_used``, ``link_expired``.
    """
    now = core.clock()
    secret = new_token()
    known = attempt_of_link(core, token)
    case_id = None if known is None or known.role is not None else known.case_id
    enters = case_id is not None and not case_links.is_visit(core, visit, case_id)
    entered = None
    with core.database.writing() as session:
        if enters:
            audit.hold(session)
        link = session.scalar(
            select(Link).where(Link.token_sha256 == token_sha256(normalised_token(token))).with_for_update()
        )
        row = None if link is None else locked(session, link.attempt_id)
        _usable(core, link, row)
        assert link is not None
        assert row is not None
        # Every other way into the attempt closes with it.
        session.execute(update(Link).where(Link.attempt_id == row.id, Link.used_s.is_(None)).values(used_s=now))
        session.execute(
            update(CaptureSession)
            .where(CaptureSession.attempt_id == row.id, CaptureSession.moved_s.is_(None))
            .values(moved_s=now)
        )
        session.add(CaptureSession(token_sha256=token_sha256(secret), attempt_id=row.id, created_s=now))
        if row.state == State.RECORDING.value:
            _technical_failure(core, session, row, "session_moved")
        row.opened_s = row.opened_s or now
        row.expires_s = now + core.settings.limits.session_s
        row.locale = locale or row.locale
        if enters and case_id is not None:
            entered = case_links.enter(core, session, case_id, by="attempt")
    return Opened(attempt=row, session=secret, visit=entered)


def session_of(core: Core, secret: str | None) -> str:
    """The attempt of a session.

    Raises
    ------
    Problem
        ``session_missing``, ``session_moved``.
    """
    if not secret:
        raise Problem("session_missing")
    with core.database.reading() as session:
        row = session.get(CaptureSession, token_sha256(secret))
    if row is None:
        raise Problem("session_missing")
    if row.moved_s is not None:
        raise Problem("session_moved")
    return row.attempt_id


def continue_elsewhere(core: Core, attempt_id: str) -> Elsewhere:
    """Make a link, and a code to type, for another device. The session here ends when one of them is opened.

    Raises
    ------
    Problem
        ``wrong_state``.
    """
    now = core.clock()
    token, code = new_token(), new_code()
    with core.database.writing() as session:
        row = _open(core, locked(session, attempt_id))
        for secret in (token, normalised_token(code)):
            until_s = min(row.expires_s, now + core.settings.limits.continue_s)
            session.add(Link(token_sha256=token_sha256(secret), attempt_id=row.id, created_s=now, expires_s=until_s))
    return Elsewhere(url=f"{core.settings.base_url}/r/{token}", code=code)


# -- the recording -------------------------------------------------------------------------------


def state_of(core: Core, attempt_id: str) -> tuple[Attempt, list[int]]:
    """An attempt, and the numbers of the pieces that have arrived of the recording in progress."""
    with core.database.reading() as session:
        row = session.get_one(Attempt, attempt_id)
        numbers = select(Chunk.n).where(Chunk.recording_id == row.recording_id).order_by(Chunk.n)
        received = list(session.scalars(numbers)) if row.state == State.RECORDING.value else []
    return row, received


def is_over(core: Core, row: Attempt) -> bool:
    """Whether the time of an attempt is up, written down already or not."""
    waiting = row.state in (State.REQUIRES_INPUT.value, State.RECORDING.value)
    return row.state == State.EXPIRED.value or (waiting and core.clock() >= row.expires_s)


def recordings_left(core: Core, row: Attempt) -> int:
    """How many further recordings may be judged."""
    limits = core.settings.limits
    if row.state not in _OPEN or row.begun >= limits.recordings_begun or core.clock() >= row.expires_s:
        return 0
    return max(0, limits.recordings_judged - row.judged)


def consent(core: Core, attempt_id: str, version: str) -> None:
    """Keep that the person agreed, to which words, and when.

    Raises
    ------
    Problem
        ``wrong_state``.
    """
    with core.database.writing() as session:
        row = _open(core, locked(session, attempt_id))
        row.consent_s = row.consent_s or core.clock()
        row.consent_version = version[:255]


def begin_recording(
    core: Core,
    attempt_id: str,
    *,
    signals: Mapping[str, Any],
    light: bool = True,
    avoid: Iterable[str] = (),
    from_file: bool = False,
    address: str | None = None,
) -> Began:
    """Draw a challenge and make room for a recording; one in progress is given up.

    Parameters
    ----------
    signals
        What the browser says of its camera and screen.
    light
        False where the person asked for no colours.
    avoid
        Movements that the person cannot make, besides those of the attempt.
    from_file
        A file made before: nothing is asked, and nothing binds it.
    address
        Where the person's browser is in the network; only a keyed mark of it is kept.

    Raises
    ------
    Problem
        ``consent_missing``, ``no_recordings_left``, ``too_few_movements``, ``wrong_state``, ``invalid_request``,
        ``address_delayed``.
    """
    tag = None if address is None else networks.tag_of(core, address)
    with core.database.writing() as session:
        if tag is not None:
            # Two at once cannot both be the last.
            audit.hold(session)
            networks.refuse_if_spent(core, session, tag, attempt_id)
        row = _open(core, locked(session, attempt_id))
        if row.consent_s is None:
            raise Problem("consent_missing")
        if recordings_left(core, row) == 0 or _luck_spent_in_case(core, session, row):
            raise Problem("no_recordings_left")
        if from_file and not row.options.get("file"):
            raise Problem("invalid_request", "this attempt takes no file")
        asked = None if from_file else _draw(core, row, light, avoid, spent=_luck_spent(session, row))
        recording = Recording(
            id=new_id("rec"),
            attempt_id=row.id,
            created_s=core.clock(),
            signals=dict(signals),
            challenge=None if asked is None else {"file": challenges.to_json(asked)},
        )
        session.add(recording)
        if row.state != State.RECORDING.value:
            outbox.change(core, session, row, State.RECORDING)
        row.recording_id = recording.id
        row.address_tag = tag
        row.begun += 1
        row.failure = None
        # What was decided before is not deleted while the person tries again.
        row.evidence_until_s = None
    return Began(recording_id=recording.id)


def put_chunk(core: Core, attempt_id: str, recording_id: str, n: int, content: bytes, sha256: str) -> tuple[int, bool]:
    """Keep one piece.

    Returns
    -------
    tuple of (int, bool)
        How many pieces have arrived; whether every step has had its time.

    Raises
    ------
    Problem
        ``recording_incomplete`` (the bytes are not those of the hash), ``chunk_conflict``, ``recording_too_long``,
        ``wrong_state``.
    """
    arrived_s = core.clock()
    limits = core.settings.limits
    if hashlib.sha256(content).hexdigest() != sha256.lower():
        raise Problem("recording_incomplete", "the piece arrived altered; send it again")
    if not 0 <= n < limits.recording_chunks:
        raise Problem("recording_too_long", f"a recording has at most {limits.recording_chunks} pieces")
    with core.database.reading() as session:
        row, recording = _recording(session.get(Attempt, attempt_id), session, recording_id)
        earlier = session.get(Chunk, (recording_id, n))
        if earlier is None:
            _in_progress(core, row, recording)
            total = session.scalar(select(func.sum(Chunk.n_bytes)).where(Chunk.recording_id == recording_id)) or 0
            if (
                total + len(content) > limits.recording_bytes
                or arrived_s - recording.created_s > 2 * limits.recording_s
            ):
                raise Problem("recording_too_long")
            key = data_key(core, row)
    if earlier is None:
        # The piece first, then the row: what is listed is there.
        core.vault.put(key, chunk_name(row.id, recording_id, n, sha256.lower()), content)
        earlier = _list_chunk(core, attempt_id, recording_id, n, content, sha256.lower(), arrived_s)
    if earlier.sha256 != sha256.lower():
        raise Problem("chunk_conflict")
    with core.database.reading() as session:
        count = session.scalar(select(func.count()).where(Chunk.recording_id == recording_id)) or 0
        return count, _due(core, session, recording).done


def _list_chunk(
    core: Core, attempt_id: str, recording_id: str, n: int, content: bytes, sha256: str, arrived_s: float
) -> Chunk:
    """Write the row, or return that of the one who was faster."""
    chunk = Chunk(recording_id=recording_id, n=n, n_bytes=len(content), sha256=sha256, arrived_s=arrived_s)
    try:
        with core.database.writing() as session:
            row, recording = _recording(locked(session, attempt_id), session, recording_id)
            _in_progress(core, row, recording)
            session.add(chunk)
    except IntegrityError:
        with core.database.reading() as session:
            return session.get_one(Chunk, (recording_id, n))
    return chunk


def next_step(core: Core, attempt_id: str, recording_id: str, *, after: int) -> StepAnswer:
    """The step after the one the browser has, if it is due; reveals it at most once.

    Raises
    ------
    Problem
        ``wrong_state``.
    """
    with core.database.writing() as session:
        row, recording = _recording(locked(session, attempt_id), session, recording_id)
        _in_progress(core, row, recording)
        asked = challenge_of(recording)
        if asked is None:
            return StepAnswer(step=None, done=True, wait_s=None)
        revealed = _revealed(session, recording_id)
        if 0 <= after < len(revealed) and revealed[after].seen_s is None:
            revealed[after].seen_s = core.clock()
        late = any(_seen_late(reveal) for reveal in revealed)
        if late:
            _technical_failure(core, session, row, "recording_late")
    if late:
        raise Problem("recording_late")
    with core.database.writing() as session:
        row, recording = _recording(locked(session, attempt_id), session, recording_id)
        _in_progress(core, row, recording)
        revealed = _revealed(session, recording_id)
        if after + 1 < len(revealed):
            return StepAnswer(step=step_document(asked, after + 1, row.locale), done=False, wait_s=None)
        due = _due(core, session, recording)
        if due.step is None:
            return StepAnswer(step=None, done=due.done, wait_s=due.wait_s)
        session.add(Reveal(recording_id=recording_id, step=due.step, revealed_s=core.clock()))
    return StepAnswer(step=step_document(asked, due.step, row.locale), done=False, wait_s=None)


def finish(
    core: Core, attempt_id: str, recording_id: str, *, n_chunks: int, sha256: str, signals: Mapping[str, Any]
) -> None:
    """Hand the recording to the judges if it is there whole; a recording that is not is never judged.

    Raises
    ------
    Problem
        ``recording_incomplete``: pieces are missing (send them, and finish again), or the whole is not what was sent
        (record again). ``recording_late``: a step reached the browser too late (record again).
    """
    with core.database.reading() as session:
        row, recording = _recording(session.get(Attempt, attempt_id), session, recording_id)
        if recording.finished_s is not None:
            return
        _in_progress(core, row, recording)
        chunks = list(session.scalars(select(Chunk).where(Chunk.recording_id == recording_id).order_by(Chunk.n)))
        missing = sorted(set(range(n_chunks)) - {chunk.n for chunk in chunks})
        if missing or not n_chunks:
            raise Problem("recording_incomplete", f"pieces are missing: {missing[:10]}")
        failure = _unusable(core, session, row, recording, chunks, n_chunks, sha256.lower())
    with core.database.writing() as session:
        row, recording = _recording(locked(session, attempt_id), session, recording_id)
        if recording.finished_s is not None:
            return
        _in_progress(core, row, recording)
        recording.finished_s = core.clock()
        recording.n_chunks, recording.sha256 = n_chunks, sha256.lower()
        recording.signals = {**recording.signals, **signals}
        if failure is None:
            outbox.change(core, session, row, State.PROCESSING)
            row.queued_s, row.tries, row.lease_owner, row.lease_until_s = core.clock(), 0, None, None
        else:
            _technical_failure(core, session, row, failure)
    if failure is not None:
        raise Problem(failure)


def _unusable(
    core: Core, session: Session, row: Attempt, recording: Recording, chunks: list[Chunk], n_chunks: int, sha256: str
) -> str | None:
    """The technical failure that keeps a recording from being judged, if any."""
    if len(chunks) != n_chunks:
        return "recording_incomplete"
    key, digest = data_key(core, row), hashlib.sha256()
    for chunk in chunks:
        digest.update(core.vault.get(key, chunk_name(row.id, recording.id, chunk.n, chunk.sha256)))
    if digest.hexdigest() != sha256:
        return "recording_incomplete"
    asked = challenge_of(recording)
    if asked is None:
        return None
    revealed = _revealed(session, recording.id)
    if len(revealed) < count_steps(asked):
        # Stopped before everything was asked: there is nothing to judge it by.
        return "recording_incomplete"
    return "recording_late" if any(_seen_late(reveal) for reveal in revealed) else None


def chunk_name(attempt_id: str, recording_id: str, n: int, sha256: str) -> str:
    """Where a piece lies; the hash keeps two different pieces of one number apart until one is listed."""
    return f"attempts/{attempt_id}/{recording_id}/{n:05d}-{sha256[:16]}"


def challenge_of(recording: Recording) -> Challenge | None:
    """What was asked for in a recording."""
    return None if recording.challenge is None else challenges.from_json(recording.challenge["file"])


# -- checks --------------------------------------------------------------------------------------


def _usable(core: Core, link: Link | None, row: Attempt | None) -> None:
    if link is None or row is None:
        raise Problem("link_unknown")
    if link.used_s is not None:
        raise Problem("link_used")
    ended = row.state not in (*_OPEN, State.PROCESSING.value) or is_over(core, row)
    if core.clock() >= link.expires_s or ended:
        raise Problem("link_expired")


def _open(core: Core, row: Attempt | None) -> Attempt:
    if row is None or row.state not in _OPEN or is_over(core, row):
        raise Problem("wrong_state", "nothing more can be recorded for this attempt")
    return row


def _recording(row: Attempt | None, session: Session, recording_id: str) -> tuple[Attempt, Recording]:
    recording = session.get(Recording, recording_id)
    if row is None or recording is None or recording.attempt_id != row.id:
        raise Problem("not_found", "there is no such recording")
    return row, recording


def _in_progress(core: Core, row: Attempt, recording: Recording) -> None:
    if row.state != State.RECORDING.value or row.recording_id != recording.id or is_over(core, row):
        raise Problem("wrong_state", "this recording is not in progress")


def _technical_failure(core: Core, session: Session, row: Attempt, code: str) -> None:
    """Ask for one more recording; no fault of the person's, and never counted as judged."""
    outbox.change(core, session, row, State.REQUIRES_INPUT)
    row.failure = code
    row.recording_id = None


def _seen_late(reveal: Reveal) -> bool:
    return reveal.seen_s is not None and reveal.seen_s - reveal.revealed_s > STEP_SEEN_S


def _luck_spent(session: Session, row: Attempt) -> float:
    """The chance that luck answered one of the earlier recordings, at most.

    Every recording that saw a step counts, also one that was given up: whoever may look, and begin again, could wait
    for steps that fit what was prepared.
    """
    looked = select(Recording).where(
        Recording.attempt_id == row.id, exists().where(Reveal.recording_id == Recording.id)
    )
    asked = [challenge_of(recording) for recording in session.scalars(looked)]
    return sum(challenge.guess_probability for challenge in asked if challenge is not None)


def _luck_spent_in_case(core: Core, session: Session, row: Attempt) -> bool:
    """Whether a case's other attempts have seen as many steps as all the rejections that it may have could.

    Whoever lets attempts run out, and begins new ones, could wait for steps that fit over many attempts as well.
    """
    if row.case_id is None:
        return False
    policy = core.settings.cases
    mine = select(Attempt.id).where(
        Attempt.case_id == row.case_id, Attempt.id != row.id, Attempt.role.is_not_distinct_from(row.role)
    )
    looked = select(Recording).where(
        Recording.attempt_id.in_(mine),
        Recording.created_s > core.clock() - policy.window_s,
        exists().where(Reveal.recording_id == Recording.id),
    )
    asked = [challenge_of(recording) for recording in session.scalars(looked)]
    spent = sum(challenge.guess_probability for challenge in asked if challenge is not None)
    return spent > policy.judged_rejections * MAX_GUESS_PROBABILITY


def _draw(core: Core, row: Attempt, light: bool, avoid: Iterable[str], *, spent: float) -> Challenge:
    """The fewest steps with which luck stays improbable over all of the attempt's recordings."""
    avoided = sorted({*row.options.get("avoid", ()), *avoid})
    light = light and bool(row.options.get("light"))
    gestures = row.options.get("gestures", True)
    if not gestures and not light:
        raise Problem("too_few_movements", "neither movements nor colours are left to ask for")
    kind: Kind = "motion" if not light else "both" if gestures else "light"
    for steps in (None, *range(4, MAX_STEPS + 1)):
        try:
            drawn = challenges.issue(
                kind=kind,
                steps=steps,
                avoid=avoided,
                key=core.vault.master.derived("challenge"),
                ttl_s=_CHALLENGE_TTL_S,
                now_s=core.clock(),
            )
        except (ParameterError, ChallengeError) as error:
            if steps is None:
                raise Problem("too_few_movements", str(error)) from None
            # Fewer than the least for these movements; more will do.
            continue
        # Never more than half of what is left, so that something is left for the recordings after this one.
        if drawn.guess_probability <= (MAX_GUESS_PROBABILITY - spent) / 2:
            return drawn
    raise Problem("no_recordings_left")


def _revealed(session: Session, recording_id: str) -> list[Reveal]:
    return list(session.scalars(select(Reveal).where(Reveal.recording_id == recording_id).order_by(Reveal.step)))


def _due(core: Core, session: Session, recording: Recording) -> Due:
    asked = challenge_of(recording)
    first = session.get(Chunk, (recording.id, 0))
    if asked is None:
        return Due(step=None, done=True, wait_s=None)
    return due_step(
        asked,
        first_chunk_s=None if first is None else first.arrived_s,
        revealed_s=[reveal.revealed_s for reveal in _revealed(session, recording.id)],
        now_s=core.clock(),
    )
