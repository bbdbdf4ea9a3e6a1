"""The record of what was done, by whom, and why: entries chained so that none can be altered or taken out unseen.

Written in the transaction of what it tells, so that there is no event without an entry and no entry without its event.
No pixels, no templates, and no names beyond the service's own reference.

Conventions: whoever writes an entry holds the head's row first, before any other row, and until the transaction ends.
All changes of cases thereby happen one after the other, which is what counting rejections needs, too.

Public items: :func:`hold`, :func:`append`, :func:`checkpoint`, :func:`entries`, :func:`export_case`,
:func:`export_all`, :func:`verify_stored`, :func:`public_key`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idverify.errors import ParameterError
from idverify.service import chain
from idverify.service.chain import Broken, Checked, Entry
from idverify.service.core import Core
from idverify.service.tables import AuditEntry, AuditHead, Case
from idverify.text import foreign

__all__ = [
    "FORMAT",
    "MACHINE",
    "PERSON",
    "append",
    "checkpoint",
    "entries",
    "export_all",
    "export_case",
    "hold",
    "public_key",
    "verify_stored",
]

FORMAT = "idverify-audit/1"
#: Who did what nobody did.
MACHINE = "machine"
OPERATOR = "operator"
PERSON = "person"
_HEAD = "head"
_AT_ONCE = 1000


def hold(session: Session) -> AuditHead:
    """Wait for everybody else who writes entries; to be called before any other row is locked."""
    return session.scalars(select(AuditHead).where(AuditHead.id == _HEAD).with_for_update()).one()


def append(
    core: Core,
    session: Session,
    kind: str,
    *,
    actor: str,
    case_id: str | None = None,
    facts: Mapping[str, Any] | None = None,
    checkpoint: bool = False,
) -> Entry:
    """Add an entry within a transaction.

    Parameters
    ----------
    kind
        What happened, such as ``case.review`` or ``attempt.rejected``.
    actor
        Who did it: an API key's id, a reviewer's, ``person``, ``operator``, or ``machine``.
    facts
        JSON types: codes, hashes, times. Never texts of a person, pictures or names.
    checkpoint
        Sign it, whatever its number.
    """
    head = hold(session)
    content = {"time_s": core.clock(), "kind": kind, "actor": actor, "case": case_id, "facts": dict(facts or {})}
    entry = chain.linked(
        content,
        number=head.number + 1,
        before=head.sha256,
        case_id=case_id,
        private=_private_key(core),
        checkpoint=checkpoint,
    )
    head.number, head.sha256 = entry.number, entry.sha256
    session.add(AuditEntry(**entry.document()))
    session.flush()
    return entry


def checkpoint(core: Core) -> Entry:
    """Sign the chain as it stands now; the entry's hash, noted elsewhere, proves later that nothing was cut off."""
    with core.database.writing() as session:
        return append(core, session, "audit.checkpoint", actor=OPERATOR, checkpoint=True)


def entries(session: Session, *, first: int = 1) -> Iterator[Entry]:
    """The chain from an entry on, oldest first."""
    while True:
        query = select(AuditEntry).where(AuditEntry.number >= first).order_by(AuditEntry.number).limit(_AT_ONCE)
        rows = list(session.scalars(query))
        for row in rows:
            yield Entry(**{name: getattr(row, name) for name in Entry.__slots__})
        session.expunge_all()
        if len(rows) < _AT_ONCE:
            return
        first = rows[-1].number + 1


def export_case(core: Core, case_id: str, *, actor: str = OPERATOR) -> dict[str, Any]:
    """One case's entries, and the links of all others from its opening up to a signature made now, as JSON types.

    That it was exported, and by whom, is an entry itself.

    Raises
    ------
    ParameterError
        There is no such case.
    """
    tag = chain.case_tag(case_id)
    with core.database.writing() as session:
        hold(session)
        if session.get(Case, case_id) is None:
            raise ParameterError(f"there is no case {foreign(case_id)!r}")
        append(core, session, "case.exported", actor=actor, case_id=case_id, checkpoint=True)
        first = session.scalars(select(func.min(AuditEntry.number)).where(AuditEntry.case == tag)).one()
        session.flush()
        found = [entry.document() for entry in entries(session, first=first)]
    shown = [entry if entry["case"] == tag else {**entry, "content": None} for entry in found]
    return {**_envelope(core), "case": case_id, "entries": shown}


def export_all(core: Core) -> dict[str, Any]:
    """The whole chain up to a signature made now, as JSON types."""
    checkpoint(core)
    with core.database.reading() as session:
        return {**_envelope(core), "case": None, "entries": [entry.document() for entry in entries(session)]}


def verify_stored(core: Core, *, must_hold: str | None = None) -> Checked:
    """Check the chain in the database, and that it ends where the last transaction left it."""
    with core.database.reading() as session:
        head = session.get_one(AuditHead, _HEAD)
        stored = (entry.document() for entry in entries(session))
        found = chain.verify(stored, public_key(core), must_hold=must_hold)
    if found.broken is None and (found.holds, found.newest) != (head.number, head.sha256):
        why = f"the chain ends here, but entry {head.number} was written: entries were cut off"
        broken = Broken(number=found.holds + 1, why=why)
        return Checked(holds=found.holds, signed_to=found.signed_to, newest=found.newest, broken=broken)
    return found


def public_key(core: Core) -> str:
    """What signatures are checked with, in hexadecimal digits."""
    return _private_key(core).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _envelope(core: Core) -> dict[str, Any]:
    return {"format": FORMAT, "exported_s": core.clock(), "public_key": public_key(core)}


def _private_key(core: Core) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(core.vault.master.derived("audit"))
