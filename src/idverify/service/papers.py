"""What people write and send in a case: words and documents, sealed under the case's key.

Conventions: one place for all of it, so that deleting one key deletes all of it. Nothing is decoded here: of a document
only the first bytes are looked at, to say what it claims to be. The caller holds the audit chain's head and the case.

Public items: :class:`Paper`, :data:`KINDS`, :data:`TYPES`, :func:`type_of`, :func:`write`, :func:`put`,
:func:`of_case`, :func:`newest`, :func:`content`, :func:`forget`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from idverify.service import audit
from idverify.service.case_texts import case_key, forget_texts
from idverify.service.core import Core
from idverify.service.keys import new_id
from idverify.service.problems import Problem
from idverify.service.tables import Case, CasePaper, Review
from idverify.text import without_controls

__all__ = [
    "KINDS",
    "TYPES",
    "Paper",
    "content",
    "forget",
    "newest",
    "of_case",
    "put",
    "type_of",
    "write",
]

#: What a paper can be; ``internal`` is never for the person.
KINDS = frozenset({"message", "internal", "question", "answer", "appeal", "document", "voucher_words", "voucher_photo"})
#: Longest text, in characters.
LONGEST_TEXT = 4000
#: Largest document, in bytes, and the most papers in a case: more than anybody needs, less than fills a disk.
LARGEST_DOCUMENT, MOST_DOCUMENTS, MOST_TEXTS = 10 << 20, 20, 200
#: Content type -> what files of it begin with: (offset, bytes).
TYPES: dict[str, tuple[tuple[int, bytes], ...]] = {
    "application/pdf": ((0, b"%PDF-"),),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "image/webp": ((0, b"RIFF"), (8, b"WEBP")),
    # ISO/IEC 23008-12: the brands of still pictures.
    "image/heic": ((4, b"ftyphe"),),
    "image/heif": ((4, b"ftypmif1"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One text or document; ``text`` is None for a document."""

    id: str
    kind: str
    actor: str
    created_s: float
    content_type: str
    n_bytes: int
    text: str | None = field(repr=False)


def type_of(document: bytes) -> str | None:
    """What a document claims to be by its first bytes; None where it is nothing that is taken."""
    for name, marks in TYPES.items():
        if all(document[at : at + len(mark)] == mark for at, mark in marks):
            return name
    return None


def write(core: Core, session: Session, case: Case, kind: str, text: str, *, actor: str) -> str:
    """Keep a text; return its id.

    Raises
    ------
    Problem
        ``invalid_request``: it is empty or too long; ``too_many_papers``.
    """
    said = without_controls(text.strip().replace("\r\n", "\n"), keep="\n\t\u200c\u200d\u200e\u200f")
    if not said or len(said) > LONGEST_TEXT:
        raise Problem("invalid_request", f"a text has 1 to {LONGEST_TEXT} characters")
    row = _row(core, session, case, kind, "text/plain", len(said.encode()), actor=actor)
    row.sealed = case_key(core, case).seal(said.encode(), _name(row))
    session.add(row)
    return row.id


def put(core: Core, session: Session, case: Case, kind: str, document: bytes, *, actor: str) -> str:
    """Keep a document; return its id.

    Raises
    ------
    Problem
        ``too_large``, ``document_type``, ``too_many_papers``.
    """
    if len(document) > LARGEST_DOCUMENT:
        raise Problem("too_large", f"a document has at most {LARGEST_DOCUMENT} bytes")
    content_type = type_of(document)
    if content_type is None:
        raise Problem("document_type")
    row = _row(core, session, case, kind, content_type, len(document), actor=actor)
    # The document first: a row must never name what is not there.
    core.vault.put(case_key(core, case), _name(row), document)
    session.add(row)
    return row.id


def of_case(core: Core, session: Session, case: Case, *kinds: str) -> list[Paper]:
    """A case's papers of some kinds, or all, oldest first."""
    wanted = [CasePaper.case_id == case.id, *([CasePaper.kind.in_(kinds)] if kinds else [])]
    rows = session.scalars(select(CasePaper).where(*wanted).order_by(CasePaper.created_s, CasePaper.id))
    return [_paper(core, case, row) for row in rows]


def newest(core: Core, session: Session, case: Case, kind: str) -> Paper | None:
    """The last paper of a kind."""
    found = of_case(core, session, case, kind)
    return found[-1] if found else None


def content(core: Core, session: Session, case: Case, paper_id: str) -> tuple[bytes, str]:
    """A document's bytes and what they claim to be.

    Raises
    ------
    Problem
        ``not_found``: none in this case, or it was deleted.
    """
    row = session.get(CasePaper, paper_id)
    if row is None or row.case_id != case.id or row.sealed is not None or case.wrapped_key is None:
        raise Problem("not_found", "there is no such document")
    return core.vault.get(case_key(core, case), _name(row)), row.content_type


def forget(core: Core, session: Session, case: Case, *, actor: str) -> None:
    """Delete the key, and the sealed texts with it; the blobs go afterwards (``cases/ID``)."""
    if case.wrapped_key is not None:
        audit.append(core, session, "papers.deleted", actor=actor, case_id=case.id)
    forget_texts(case)
    case.papers_until_s = None
    session.execute(delete(CasePaper).where(CasePaper.case_id == case.id))
    unread = {"sealed_for_person": None, "sealed_internal": None}
    session.execute(update(Review).where(Review.case_id == case.id).values(unread))


def _row(
    core: Core, session: Session, case: Case, kind: str, content_type: str, n_bytes: int, *, actor: str
) -> CasePaper:
    assert kind in KINDS
    is_text = content_type == "text/plain"
    same = CasePaper.content_type == "text/plain" if is_text else CasePaper.content_type != "text/plain"
    session.flush()
    there = session.scalar(select(func.count()).where(CasePaper.case_id == case.id, same)) or 0
    if there >= (MOST_TEXTS if is_text else MOST_DOCUMENTS):
        raise Problem("too_many_papers")
    row = CasePaper(
        id=new_id("pap"),
        case_id=case.id,
        kind=kind,
        actor=actor,
        created_s=core.clock(),
        content_type=content_type,
        n_bytes=n_bytes,
    )
    facts = {"paper": row.id, "kind": kind, "type": content_type, "bytes": n_bytes}
    audit.append(core, session, "paper.kept", actor=actor, case_id=case.id, facts=facts)
    return row


def _name(row: CasePaper) -> str:
    return f"cases/{row.case_id}/{row.id}"


def _paper(core: Core, case: Case, row: CasePaper) -> Paper:
    text = None if row.sealed is None else case_key(core, case).open(row.sealed, _name(row)).decode()
    return Paper(
        id=row.id,
        kind=row.kind,
        actor=row.actor,
        created_s=row.created_s,
        content_type=row.content_type,
        n_bytes=row.n_bytes,
        text=text,
    )
