"""Callers of the API and their keys.

Public items: :class:`Caller`, :func:`make_key`, :func:`caller_of`, :func:`webhook_secret`, :func:`revoke_key`.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from sqlalchemy import func, select

from idverify.errors import ParameterError
from idverify.service.core import Core
from idverify.service.keys import DataKey, new_id, new_token, token_sha256
from idverify.service.tables import ApiKey

__all__ = ["DEMO", "Caller", "NewKey", "caller_of", "demo_key", "has_keys", "make_key", "revoke_key", "webhook_secret"]

_PREFIX = "idv_"
DEMO = "key_demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it is shown once."""

    id: str
    name: str
    secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def make_key(core: Core, name: str) -> NewKey:
    """Make a key; its secret cannot be shown again."""
    key = NewKey(
        id=new_id("key"),
        name=name[:255],
        secret=_PREFIX + new_token(),
        # The form that Standard Webhooks gives secrets.
        webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    )
    row = ApiKey(
        id=key.id,
        name=key.name,
        secret_sha256=token_sha256(key.secret),
        wrapped_webhook_secret=core.vault.master.wrap(DataKey(key.webhook_secret.encode()), key.id),
        created_s=core.clock(),
    )
    with core.database.writing() as session:
        session.add(row)
    return key


def has_keys(core: Core) -> bool:
    """Whether any key was ever made."""
    with core.database.reading() as session:
        return bool(session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.id != DEMO)))


def demo_key(core: Core) -> str:
    """The id under which the demo's attempts run; its secret is known to nobody."""
    with core.database.writing() as session:
        if session.get(ApiKey, DEMO) is None:
            session.add(
                ApiKey(
                    id=DEMO,
                    name="demo",
                    secret_sha256=token_sha256(new_token()),
                    wrapped_webhook_secret=core.vault.master.wrap(DataKey(new_token().encode()), DEMO),
                    created_s=core.clock(),
                )
            )
    return DEMO


def caller_of(core: Core, secret: str) -> Caller | None:
    """Whose key it is; None for a key that is unknown or was revoked."""
    if not secret.startswith(_PREFIX):
        return None
    with core.database.reading() as session:
        row = session.scalar(select(ApiKey).where(ApiKey.secret_sha256 == token_sha256(secret)))
    return None if row is None or row.revoked_s is not None else Caller(id=row.id, name=row.name)


def webhook_secret(core: Core, key_id: str) -> str:
    """What signs the webhooks of a caller."""
    with core.database.reading() as session:
        row = session.get_one(ApiKey, key_id)
    return core.vault.master.unwrap(row.wrapped_webhook_secret, key_id).secret.decode()


def revoke_key(core: Core, key_id: str) -> None:
    """Take a key out of use.

    Raises
    ------
    ParameterError
        There is no such key.
    """
    with core.database.writing() as session:
        row = session.get(ApiKey, key_id)
        if row is None:
            raise ParameterError(f"there is no key {key_id}")
        row.revoked_s = row.revoked_s or core.clock()
