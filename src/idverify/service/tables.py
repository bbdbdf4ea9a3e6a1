"""The tables: everything that must outlive a process.

Conventions: times are seconds since 1970 (UTC) by the server's clock; secrets that somebody shows us (API keys, link
tokens, sessions) are kept as SHA-256 only; pictures and recordings are never here, but encrypted in the blob store.

Public items: :class:`Base` and one class per table.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Account",
    "ApiKey",
    "Attempt",
    "AttemptCount",
    "AuditEntry",
    "AuditHead",
    "Base",
    "CaptureSession",
    "Case",
    "CaseLink",
    "CasePaper",
    "CaseVisit",
    "Chunk",
    "DeskSession",
    "IdempotentAnswer",
    "Link",
    "Notice",
    "OutboxEvent",
    "Recording",
    "Reference",
    "Reveal",
    "Review",
    "Viewing",
]


class Base(DeclarativeBase):
    """What all tables share."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        float: Float(53),
        dict[str, Any]: JSON,
        list[str]: JSON,
        str: String(255),
        bytes: LargeBinary,
    }


class ApiKey(Base):
    """One caller of the API."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    # Signs the webhooks of this caller; wrapped by the master key.
    wrapped_webhook_secret: Mapped[bytes]
    created_s: Mapped[float]
    revoked_s: Mapped[float | None]


class Reference(Base):
    """A reference photo that was enrolled to be used by several attempts."""

    __tablename__ = "reference_photos"

    id: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    created_s: Mapped[float]
    # None once deleted: without it the photo cannot be read again.
    wrapped_key: Mapped[bytes | None]


class Attempt(Base):
    """One person's way to one decision."""

    __tablename__ = "attempts"

    id: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    state: Mapped[str]
    policy: Mapped[str]
    locale: Mapped[str]
    options: Mapped[dict[str, Any]]
    subject: Mapped[str | None]
    callback: Mapped[str | None] = mapped_column(Text)
    # An enrolled photo; None where the photo was uploaded with the attempt and lies with its evidence.
    reference_id: Mapped[str | None] = mapped_column(ForeignKey("reference_photos.id"))
    created_s: Mapped[float]
    expires_s: Mapped[float]
    opened_s: Mapped[float | None]
    consent_s: Mapped[float | None]
    consent_version: Mapped[str | None]
    # Recordings that were judged, and all that were begun.
    judged: Mapped[int] = mapped_column(default=0)
    begun: Mapped[int] = mapped_column(default=0)
    # Code of the last technical failure; None after a recording that was judged.
    failure: Mapped[str | None]
    recording_id: Mapped[str | None]
    decision: Mapped[dict[str, Any] | None]
    capture: Mapped[dict[str, Any] | None]
    decided_s: Mapped[float | None]
    # What the decision is about; another recording may have been begun since.
    decided_recording_id: Mapped[str | None]
    # None once the evidence was deleted.
    wrapped_key: Mapped[bytes | None]
    evidence_until_s: Mapped[float | None]
    # The lease of the judge that works on it.
    lease_owner: Mapped[str | None]
    lease_until_s: Mapped[float | None]
    queued_s: Mapped[float | None]
    tries: Mapped[int] = mapped_column(default=0)
    # The case it belongs to, if it belongs to one. Kept without a foreign key: SQLite takes no such column away again.
    case_id: Mapped[str | None] = mapped_column(index=True)
    # When it was rejected; stays when the evidence goes, so that deleting does not buy another attempt.
    rejected_s: Mapped[float | None]
    # None: the subject's own. "voucher": of an adult who vouches for the subject; it decides nothing.
    role: Mapped[str | None]
    # Of the network that the last recording came from, keyed; taken away when it does not count any more.
    address_tag: Mapped[str | None]

    __table_args__ = (
        Index("ix_attempts_address", "address_tag", "rejected_s"),
        Index("ix_attempts_rejections", "api_key_id", "subject", "rejected_s"),
        Index("ix_attempts_queue", "state", "queued_s"),
        Index("ix_attempts_expiry", "state", "expires_s"),
        Index("ix_attempts_evidence", "evidence_until_s"),
        Index("ix_attempts_failures", "failure", "created_s"),
    )


class AttemptCount(Base):
    """How many attempts were decided on one day, with one outcome, for one reason; :mod:`idverify.service.tally`."""

    __tablename__ = "attempt_counts"

    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    # Empty: all of the outcome.
    reason: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]


class Case(Base):
    """One person's way back to one account."""

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    state: Mapped[str]
    route: Mapped[str]
    # Of its attempts.
    policy: Mapped[str]
    locale: Mapped[str]
    subject: Mapped[str]
    callback: Mapped[str | None] = mapped_column(Text)
    created_s: Mapped[float]
    changed_s: Mapped[float]
    # By when the next step is due; None at the end.
    due_s: Mapped[float | None]
    # Until then no attempt is made; None where nothing is waited for.
    wait_until_s: Mapped[float | None]
    # Of the case policy that its last change went by.
    case_policy_sha256: Mapped[str]
    # Encrypts what people write in it; made when the first text is, None once deleted.
    wrapped_key: Mapped[bytes | None]
    # Which reviewer has it, and until when; whether only a senior may.
    lease_account: Mapped[str | None]
    lease_until_s: Mapped[float | None]
    needs_senior: Mapped[bool] = mapped_column(default=False)
    # Rejections until then do not count in this case: a reviewer asked for another recording.
    forgiven_s: Mapped[float | None]
    # The service's own label, for figures kept apart by it.
    group_label: Mapped[str | None]
    # The photos that the person, and an adult who vouches, are compared with; both enrolled before.
    reference_id: Mapped[str | None]
    voucher_reference_id: Mapped[str | None]
    # The service's name as the person reads it.
    service: Mapped[str | None]
    # When what was written and sent in it is deleted; None while somebody here has to look at it.
    papers_until_s: Mapped[float | None]
    # Where a question was asked, hence where its answer goes.
    asked_in: Mapped[str | None]
    # When somebody said that it was not them.
    disputed_s: Mapped[float | None]

    __table_args__ = (
        Index("ix_cases_due", "state", "due_s"),
        Index("ix_cases_queue", "due_s", "id"),
        Index("ix_cases_waiting", "state", "wait_until_s"),
    )


class Account(Base):
    """Somebody who works at the desk."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    # Of local accounts; None where an OpenID provider vouches.
    password: Mapped[str | None]
    wrapped_totp_secret: Mapped[bytes | None]
    # The last one-time code that was used, as the number of its half minute: none is taken twice.
    totp_used: Mapped[int | None] = mapped_column(BigInteger)
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)
    created_s: Mapped[float]
    disabled_s: Mapped[float | None]
    # Wrong sign-ins in a row, and the last of them.
    failures: Mapped[int] = mapped_column(default=0)
    failed_s: Mapped[float | None]


class DeskSession(Base):
    """A browser in which somebody is signed in at the desk."""

    __tablename__ = "desk_sessions"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_s: Mapped[float]
    seen_s: Mapped[float]


class Review(Base):
    """One reviewer's look at a case: their own view first, then what they decided."""

    __tablename__ = "reviews"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    # In which state, and since when the case was in it: one look per reviewer for each time that a case comes.
    state: Mapped[str]
    entered_s: Mapped[float]
    view: Mapped[str]
    viewed_s: Mapped[float]
    # What the machine had said of the case then, and why; whether the evidence was still there.
    machine: Mapped[str]
    machine_reasons: Mapped[list[str]]
    evidence: Mapped[str]
    # None until it is decided.
    verdict: Mapped[str | None]
    code: Mapped[str | None]
    # Two texts, encrypted under the case's key: one for the person, one never for them.
    sealed_for_person: Mapped[bytes | None]
    sealed_internal: Mapped[bytes | None]
    decided_s: Mapped[float | None] = mapped_column(index=True)

    __table_args__ = (Index("ix_reviews_look", "case_id", "account_id", "entered_s"),)


class Viewing(Base):
    """That somebody looked at a case or a piece of its evidence, and when the last entry about it was written."""

    __tablename__ = "viewings"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    piece: Mapped[str] = mapped_column(primary_key=True)
    noted_s: Mapped[float]


class CaseLink(Base):
    """A way into a case for one purpose: ``case`` and ``continuation`` work once, ``not_me`` until it has run out."""

    __tablename__ = "case_links"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    purpose: Mapped[str]
    created_s: Mapped[float]
    expires_s: Mapped[float] = mapped_column(index=True)
    used_s: Mapped[float | None]


class CaseVisit(Base):
    """A browser that opened a link to a case."""

    __tablename__ = "case_visits"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    created_s: Mapped[float]
    expires_s: Mapped[float] = mapped_column(index=True)


class CasePaper(Base):
    """Something that was written or sent in a case, sealed under the case's key: a text here, a document as a blob."""

    __tablename__ = "case_papers"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    kind: Mapped[str]
    actor: Mapped[str]
    created_s: Mapped[float]
    content_type: Mapped[str]
    n_bytes: Mapped[int]
    # None for a document.
    sealed: Mapped[bytes | None]


class Notice(Base):
    """That the person is to be told of a change; its words are made when they are asked for."""

    __tablename__ = "notices"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    state: Mapped[str]
    created_s: Mapped[float]
    due_s: Mapped[float | None]
    wait_until_s: Mapped[float | None]


class AuditHead(Base):
    """Where the audit chain ends: one row, which every writer of entries holds."""

    __tablename__ = "audit_head"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    sha256: Mapped[str]


class AuditEntry(Base):
    """One entry of the audit chain; see :class:`idverify.service.chain.Entry`. Never changed, never deleted."""

    __tablename__ = "audit_entries"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    before: Mapped[str]
    case: Mapped[str | None] = mapped_column(index=True)
    content_sha256: Mapped[str]
    signed: Mapped[bool]
    sha256: Mapped[str]
    signature: Mapped[str | None]
    content: Mapped[str] = mapped_column(Text)


class IdempotentAnswer(Base):
    """What a request with an ``Idempotency-Key`` was answered, to answer the same again."""

    __tablename__ = "idempotent_answers"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    created_s: Mapped[float]
    # Holds a link token, hence sealed by the master key.
    sealed_answer: Mapped[bytes]


class Link(Base):
    """A way in for the person: good once."""

    __tablename__ = "links"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), index=True)
    created_s: Mapped[float]
    expires_s: Mapped[float]
    used_s: Mapped[float | None]


class CaptureSession(Base):
    """The browser that opened the link; moved when the person goes on with another device."""

    __tablename__ = "capture_sessions"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), index=True)
    created_s: Mapped[float]
    moved_s: Mapped[float | None]


class Recording(Base):
    """One recording, made in pieces."""

    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), index=True)
    created_s: Mapped[float]
    # What the browser says: kept as signals, never as proof.
    signals: Mapped[dict[str, Any]]
    # What is asked for; never sent as a whole. None for a plain file.
    challenge: Mapped[dict[str, Any] | None]
    finished_s: Mapped[float | None]
    n_chunks: Mapped[int | None]
    sha256: Mapped[str | None]


class Chunk(Base):
    """One piece of a recording, stamped by the server's clock when it had arrived whole."""

    __tablename__ = "chunks"

    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    arrived_s: Mapped[float]


class Reveal(Base):
    """One step of the challenge, and when it was sent for the first time."""

    __tablename__ = "reveals"

    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    revealed_s: Mapped[float]
    # When the browser asked for the next one, hence had this one.
    seen_s: Mapped[float | None]


class OutboxEvent(Base):
    """A webhook that is to be delivered, written in the transaction of what it tells."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"))
    # One of the two.
    attempt_id: Mapped[str | None] = mapped_column(ForeignKey("attempts.id"), index=True)
    case_id: Mapped[str | None] = mapped_column(index=True)
    url: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_s: Mapped[float]
    # None once delivered or given up.
    next_s: Mapped[float | None] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    delivered_s: Mapped[float | None]
    last_failure: Mapped[str | None]
