"""What a calling service does with attempts: ask, look, cancel, delete the evidence.

Public items: :class:`Asked`, :class:`NewAttempt`, :func:`create`, :func:`get`, :func:`view`, :func:`cancel`,
:func:`delete_evidence`, :func:`enrol_reference`, :func:`delete_reference`, :func:`reference_photo`,
:func:`require_reference`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from idverify.service import audit, outbox
from idverify.service.api_keys import Caller
from idverify.service.core import Core
from idverify.service.keys import DataKey, new_id, new_token, token_sha256
from idverify.service.problems import Problem
from idverify.service.states import State, may_become
from idverify.service.tables import Attempt, IdempotentAnswer, Link, Recording, Reference

__all__ = [
    "Asked",
    "NewAttempt",
    "cancel",
    "create",
    "delete_evidence",
    "delete_reference",
    "enrol_reference",
    "get",
    "locked",
    "reference_photo",
    "require_reference",
    "view",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a service asks for, checked.

    Parameters
    ----------
    policy, locale
        A policy of the package; a language of the page.
    photo, reference_id
        One of them: an uploaded photo, or one enrolled before.
    options
        ``avoid`` (movements), ``light`` (colours), ``file`` (a plain file as last resort), ``service`` (name to show).
    subject
        The service's own name for the person; at most 255 characters, and never a person's name.
    callback
        Where webhooks go.
    link_s
        How long the link can be opened.
    case_id
        The case it belongs to.
    """

    policy: str
    locale: str
    photo: bytes | None = field(default=None, repr=False)
    reference_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    callback: str | None = None
    link_s: float | None = None
    case_id: str | None = None

    def digest(self) -> str:
        """What makes two requests the same."""
        photo = hashlib.sha256(self.photo).hexdigest() if self.photo is not None else None
        parts = [self.policy, self.locale, photo, self.reference_id, dict(self.options), self.subject, self.callback]
        within = [] if self.case_id is None else [self.case_id]
        return hashlib.sha256(json.dumps([*parts, self.link_s, *within], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt:
    """An attempt as it is shown once: only here is the link.

    ``again`` says that the same request was answered before.
    """

    view: dict[str, Any]
    link: str = field(repr=False)
    again: bool = False


def create(
    core: Core,
    caller: Caller,
    asked: Asked,
    *,
    idempotency_key: str | None = None,
    admit: Callable[[Session, Attempt], None] | None = None,
) -> NewAttempt:
    """Make an attempt and the person's link.

    Parameters
    ----------
    admit
        Called first within the transaction; what it raises is why the attempt is not made.

    Raises
    ------
    Problem
        ``not_found`` (no such reference), ``idempotency_conflict``.
    """
    earlier = _answered(core, caller, asked, idempotency_key)
    if earlier is not None:
        return earlier
    now = core.clock()
    attempt_id, token, key = new_id("att"), new_token(), DataKey.new()
    # The photo first: a row must never name evidence that is not there.
    if asked.photo is not None:
        core.vault.put(key, f"attempts/{attempt_id}/reference", asked.photo)
    expires_s = now + (asked.link_s or core.settings.limits.link_s)
    row = Attempt(
        id=attempt_id,
        api_key_id=caller.id,
        state=State.REQUIRES_INPUT.value,
        policy=asked.policy,
        locale=asked.locale,
        options=dict(asked.options),
        subject=asked.subject,
        callback=asked.callback,
        reference_id=asked.reference_id,
        created_s=now,
        expires_s=expires_s,
        judged=0,
        begun=0,
        tries=0,
        case_id=asked.case_id,
        wrapped_key=core.vault.master.wrap(key, attempt_id),
    )
    made = NewAttempt(view=view(row), link=f"{core.settings.base_url}/r/{token}")
    try:
        with core.database.writing() as session:
            if admit is not None:
                admit(session, row)
            if asked.reference_id is not None:
                require_reference(session, caller, asked.reference_id)
            if idempotency_key is not None:
                session.add(_answer(core, caller, asked, idempotency_key, made))
            session.add(row)
            session.flush()
            session.add(
                Link(token_sha256=token_sha256(token), attempt_id=attempt_id, created_s=now, expires_s=expires_s)
            )
    except (Problem, IntegrityError) as error:
        core.vault.blobs.delete_all(f"attempts/{attempt_id}")
        # Two equal requests at once: the second one answers what the first one did.
        earlier = _answered(core, caller, asked, idempotency_key) if isinstance(error, IntegrityError) else None
        if earlier is None:
            raise
        return earlier
    return made


def get(core: Core, caller: Caller, attempt_id: str) -> dict[str, Any]:
    """An attempt as its caller sees it.

    Raises
    ------
    Problem
        ``not_found``: none, or somebody else's.
    """
    with core.database.reading() as session:
        return view(_own(session.get(Attempt, attempt_id), caller))


def view(row: Attempt) -> dict[str, Any]:
    """The public form of an attempt: JSON types, no secret, nothing of the picture."""
    return {
        "id": row.id,
        "state": row.state,
        "policy": row.policy,
        "locale": row.locale,
        "options": dict(row.options),
        "subject": row.subject,
        "case": row.case_id,
        "reference": row.reference_id,
        "created_s": row.created_s,
        "expires_s": row.expires_s,
        "consent_s": row.consent_s,
        "consent_version": row.consent_version,
        "recordings_judged": row.judged,
        "failure": row.failure,
        "decided_s": row.decided_s,
        "decision": row.decision,
        "capture": row.capture,
        "evidence": "kept" if row.wrapped_key is not None else "deleted",
    }


def cancel(core: Core, caller: Caller, attempt_id: str) -> dict[str, Any]:
    """End an attempt that was not decided.

    Raises
    ------
    Problem
        ``not_found``, ``wrong_state``.
    """
    with core.database.writing() as session:
        row = _own(locked(session, attempt_id), caller)
        if row.state == State.CANCELED.value:
            return view(row)
        outbox.change(core, session, row, State.CANCELED)
        row.evidence_until_s = core.clock()
    return view(row)


def delete_evidence(core: Core, caller: Caller, attempt_id: str) -> dict[str, Any]:
    """Delete photo and recordings now and for good; what was decided stays on record.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        row = _own(locked(session, attempt_id), caller)
        forget(core, session, row, actor=caller.id)
        if may_become(State(row.state), State.REDACTED):
            outbox.change(core, session, row, State.REDACTED)
    core.vault.blobs.delete_all(f"attempts/{attempt_id}")
    core.database.overwrite_deleted()
    return view(row)


def forget(core: Core, session: Session, row: Attempt, *, actor: str) -> None:
    """Delete the key: from the end of the transaction on, the evidence cannot be read by anybody.

    The caller holds the audit chain's head.
    """
    if row.wrapped_key is not None:
        audit.append(core, session, "evidence.deleted", actor=actor, case_id=row.case_id, facts={"attempt": row.id})
    row.wrapped_key = None
    # What the browser said of itself goes, too.
    session.execute(update(Recording).where(Recording.attempt_id == row.id).values(signals={}))
    row.evidence_until_s = None
    row.lease_owner = None
    row.queued_s = None


def reference_photo(core: Core, session: Session, row: Attempt) -> bytes:
    """The photo that an attempt compares with.

    Raises
    ------
    Problem
        ``not_found``: it was deleted.
    """
    if row.reference_id is None:
        return core.vault.get(data_key(core, row), f"attempts/{row.id}/reference")
    photo = session.get_one(Reference, row.reference_id)
    if photo.wrapped_key is None:
        raise Problem("not_found", "the reference photo was deleted")
    return core.vault.get(core.vault.master.unwrap(photo.wrapped_key, photo.id), f"photos/{photo.id}/photo")


def data_key(core: Core, row: Attempt) -> DataKey:
    """The key of an attempt's evidence.

    Raises
    ------
    Problem
        ``not_found``: the evidence was deleted.
    """
    if row.wrapped_key is None:
        raise Problem("not_found", "the evidence was deleted")
    return core.vault.master.unwrap(row.wrapped_key, row.id)


def enrol_reference(core: Core, caller: Caller, photo: bytes) -> dict[str, Any]:
    """Keep a photo for several attempts, until the caller deletes it."""
    photo_id, key = new_id("ref"), DataKey.new()
    core.vault.put(key, f"photos/{photo_id}/photo", photo)
    wrapped = core.vault.master.wrap(key, photo_id)
    now = core.clock()
    with core.database.writing() as session:
        session.add(Reference(id=photo_id, api_key_id=caller.id, created_s=now, wrapped_key=wrapped))
    return {"id": photo_id, "created_s": now}


def delete_reference(core: Core, caller: Caller, reference_id: str) -> None:
    """Delete an enrolled photo for good.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        row = session.get(Reference, reference_id)
        if row is None or row.api_key_id != caller.id:
            raise Problem("not_found", "there is no such reference photo")
        row.wrapped_key = None
    core.vault.blobs.delete_all(f"photos/{reference_id}")
    core.database.overwrite_deleted()


def locked(session: Session, attempt_id: str) -> Attempt | None:
    """An attempt's row, held until the transaction ends."""
    return session.scalar(select(Attempt).where(Attempt.id == attempt_id).with_for_update())


def _own(row: Attempt | None, caller: Caller) -> Attempt:
    # Somebody else's attempt looks like none at all.
    if row is None or row.api_key_id != caller.id:
        raise Problem("not_found", "there is no such attempt")
    return row


def require_reference(session: Session, caller: Caller, reference_id: str) -> Reference:
    """An enrolled photo of a caller's own.

    Raises
    ------
    Problem
        ``not_found``.
    """
    row = session.get(Reference, reference_id)
    if row is None or row.api_key_id != caller.id or row.wrapped_key is None:
        raise Problem("not_found", "there is no such reference photo")
    return row


def _answer(core: Core, caller: Caller, asked: Asked, key: str, made: NewAttempt) -> IdempotentAnswer:
    text = json.dumps({"view": made.view, "link": made.link})
    sealed = core.vault.master.key.seal(text.encode(), f"answer/{caller.id}/{key}")
    return IdempotentAnswer(
        api_key_id=caller.id, key=key, request_sha256=asked.digest(), created_s=core.clock(), sealed_answer=sealed
    )


def _answered(core: Core, caller: Caller, asked: Asked, key: str | None) -> NewAttempt | None:
    if key is None:
        return None
    with core.database.reading() as session:
        row = session.get(IdempotentAnswer, (caller.id, key))
    if row is None:
        return None
    if row.request_sha256 != asked.digest():
        raise Problem("idempotency_conflict")
    answer = json.loads(core.vault.master.key.open(row.sealed_answer, f"answer/{caller.id}/{key}"))
    return NewAttempt(view=answer["view"], link=answer["link"], again=True)
