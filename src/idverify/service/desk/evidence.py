"""What there is to look at in a case, and that somebody looked.

Conventions: pictures leave the store only for whoever has the case, and an entry of the audit chain comes before the
first byte. The type is told from the bytes, never from what was declared: nothing but a film or a picture is shown.

Public items: :class:`Piece`, :class:`RecordedAttempt`, :func:`recorded_attempts`, :func:`note_looked`,
:func:`recording_piece`, :func:`recording_bytes`, :func:`photo_bytes`, :func:`document`, :func:`film_type`,
:func:`picture_type`, :func:`with_series`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.service import audit, cases, papers, reviews
from idverify.service.attempts import data_key, reference_photo
from idverify.service.blobs import StorageUnavailableError
from idverify.service.capture import chunk_name
from idverify.service.core import Core
from idverify.service.desk.roles import Member
from idverify.service.keys import DataKey
from idverify.service.problems import Problem
from idverify.service.series import Series, series_of
from idverify.service.tables import Attempt, Case, Chunk, Recording, Reference, Reveal, Viewing
from idverify.service.vouching import VOUCHER

__all__ = [
    "Piece",
    "RecordedAttempt",
    "document",
    "film_type",
    "note_looked",
    "photo_bytes",
    "picture_type",
    "recorded_attempts",
    "recording_bytes",
    "recording_piece",
    "with_series",
]

# A film is asked for in many small ranges, and looked at again: one entry for all of them.
_ONE_LOOK_S = 600.0
_FILMS = ((0, b"\x1aE\xdf\xa3", "video/webm"), (4, b"ftyp", "video/mp4"))
_PICTURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF8", "image/gif"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One recording as it lies in the store.

    Parameters
    ----------
    chunks
        (name, bytes) of every piece in order.
    """

    attempt_id: str
    key: DataKey = field(repr=False)
    chunks: tuple[tuple[str, int], ...]

    @property
    def n_bytes(self) -> int:
        """Of the whole recording."""
        return sum(size for _, size in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """One attempt as a reviewer sees it.

    Parameters
    ----------
    voucher
        Of an adult who vouches for the subject; against their own photo.
    kept
        Whether photo and recordings can still be read; `photo` says the same of an enrolled one.
    recordings
        Those that arrived whole, newest first.
    revealed_s
        When each step was shown, in seconds since the newest recording began.
    decision
        The machine's; shown only after the reviewer's own view.
    sealed
        Wrapped key and id of the recording that the decision is about; None where there is none, or it was deleted.
    series
        What its mechanisms measured over time, by name; see :func:`with_series`.
    """

    id: str
    created_s: float
    voucher: bool
    kept: bool
    photo: bool
    recordings: tuple[Recording, ...]
    revealed_s: tuple[float, ...]
    signals: dict[str, Any] = field(repr=False)
    decision: dict[str, Any] | None = field(repr=False)
    capture: dict[str, Any] | None = field(repr=False)
    sealed: tuple[bytes, str] | None = field(repr=False)
    series: dict[str, Series] = field(default_factory=dict, repr=False)


def recorded_attempts(session: Session, case: Case) -> list[RecordedAttempt]:
    """Every attempt of a case, newest first."""
    rows = session.scalars(
        select(Attempt).where(Attempt.case_id == case.id).order_by(Attempt.created_s.desc(), Attempt.id)
    )
    return [_recorded(session, row) for row in rows]


def with_series(core: Core, shown: list[RecordedAttempt]) -> list[RecordedAttempt]:
    """The same attempts with what was measured over time; a store that does not answer is asked once."""
    found: list[RecordedAttempt] = []
    for each in shown:
        try:
            series = {} if each.sealed is None else series_of(core, each.id, each.sealed[1], each.sealed[0])
        except StorageUnavailableError:
            return [*found, *shown[len(found) :]]
        found.append(replace(each, series=series))
    return found


def note_looked(core: Core, who: Member, case_id: str, piece: str, *, facts: dict[str, Any]) -> None:
    """Write down that somebody looks, before they do; refuses whoever does not have the case.

    Raises
    ------
    Problem
        ``not_found``, ``not_claimed``, ``case_claimed``, ``not_allowed``, ``case_wrong_state``.
    """
    with core.database.reading() as session:
        case = _case(session, case_id)
        reviews.require_claim(core, case, who)
        if not _is_news(session, core, case, who, piece):
            return
    with core.database.writing() as session:
        audit.hold(session)
        case = _case(session, case_id, held=True)
        reviews.require_claim(core, case, who)
        if not _is_news(session, core, case, who, piece):
            return
        session.merge(Viewing(account_id=who.id, case_id=case.id, piece=piece, noted_s=core.clock()))
        cases.note(core, session, "evidence.viewed", case, actor=who.id, facts={"piece": piece, **facts})


def recording_piece(core: Core, case_id: str, recording_id: str) -> Piece:
    """A recording of a case.

    Raises
    ------
    Problem
        ``not_found``: it is another case's, or was deleted.
    """
    with core.database.reading() as session:
        recording = session.get(Recording, recording_id)
        row = None if recording is None else session.get(Attempt, recording.attempt_id)
        if recording is None or recording.finished_s is None or row is None or row.case_id != case_id:
            raise Problem("not_found", "there is no such recording")
        key = data_key(core, row)
        chunks = session.scalars(select(Chunk).where(Chunk.recording_id == recording.id).order_by(Chunk.n))
        names = tuple((chunk_name(row.id, recording.id, chunk.n, chunk.sha256), chunk.n_bytes) for chunk in chunks)
    return Piece(attempt_id=row.id, key=key, chunks=names)


def recording_bytes(core: Core, piece: Piece, first: int, last: int) -> Iterator[bytes]:
    """The bytes from `first` to `last`, both included; only the pieces that hold them are read."""
    start = 0
    for name, size in piece.chunks:
        if start <= last and start + size > first:
            plain = core.vault.get(piece.key, name)
            yield plain[max(0, first - start) : last - start + 1]
        start += size


def photo_bytes(core: Core, case_id: str, attempt_id: str) -> bytes:
    """The reference photo of an attempt of a case.

    Raises
    ------
    Problem
        ``not_found``: it is another case's, or was deleted.
    """
    with core.database.reading() as session:
        row = session.get(Attempt, attempt_id)
        if row is None or row.case_id != case_id:
            raise Problem("not_found", "there is no such attempt")
        return reference_photo(core, session, row)


def document(core: Core, case_id: str, paper_id: str) -> tuple[bytes, str]:
    """A document of a case, and what it claims to be.

    Raises
    ------
    Problem
        ``not_found``: it is another case's, or was deleted.
    """
    with core.database.reading() as session:
        return papers.content(core, session, _case(session, case_id), paper_id)


def film_type(head: bytes) -> str | None:
    """The type of a recording by its first bytes; None for what no browser plays."""
    return _type_of(head, _FILMS)


def picture_type(head: bytes) -> str | None:
    """The type of a photo by its first bytes; None for what no browser shows."""
    return _type_of(head, _PICTURES)


def _recorded(session: Session, row: Attempt) -> RecordedAttempt:
    whole = (Recording.attempt_id == row.id, Recording.finished_s.is_not(None))
    recordings = tuple(session.scalars(select(Recording).where(*whole).order_by(Recording.created_s.desc())))
    photo = row.wrapped_key is not None
    if row.reference_id is not None:
        enrolled = session.get(Reference, row.reference_id)
        photo = enrolled is not None and enrolled.wrapped_key is not None
    newest = recordings[0] if recordings else None
    times: tuple[float, ...] = ()
    if newest is not None:
        found = session.scalars(select(Reveal).where(Reveal.recording_id == newest.id).order_by(Reveal.step))
        times = tuple(reveal.revealed_s - newest.created_s for reveal in found)
    return RecordedAttempt(
        id=row.id,
        created_s=row.created_s,
        voucher=row.role == VOUCHER,
        kept=row.wrapped_key is not None,
        photo=photo,
        recordings=recordings,
        revealed_s=times,
        signals=dict(newest.signals) if newest is not None else {},
        decision=row.decision,
        capture=row.capture,
        sealed=(
            None
            if row.wrapped_key is None or row.decided_recording_id is None
            else (row.wrapped_key, row.decided_recording_id)
        ),
    )


def _is_news(session: Session, core: Core, case: Case, who: Member, piece: str) -> bool:
    seen = session.get(Viewing, (who.id, case.id, piece))
    return seen is None or core.clock() - seen.noted_s > _ONE_LOOK_S or seen.noted_s < case.changed_s


def _case(session: Session, case_id: str, *, held: bool = False) -> Case:
    found = cases.locked_case(session, case_id) if held else session.get(Case, case_id)
    if found is None:
        raise Problem("not_found", "there is no such case")
    return found


def _type_of(head: bytes, known: tuple[tuple[int, bytes, str], ...]) -> str | None:
    return next((name for at, magic, name in known if head[at : at + len(magic)] == magic), None)
