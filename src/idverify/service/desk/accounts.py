"""Accounts of those who work at the desk: made on the command line, checked when somebody signs in.

Goal: a wrong name, a wrong password and a wrong code cannot be told apart, neither by the answer nor by its time; a
one-time code is good once; guessing ends.

Conventions: the password is made here, never chosen, and shown once with the secret of the one-time codes. Whoever
signs in by OpenID Connect has neither, but is known by the provider's own name for them (``sub``).

Public items: :class:`NewAccount`, :func:`add`, :func:`reset`, :func:`set_disabled`, :func:`all_accounts`,
:func:`sign_in`, :func:`by_subject`.

References
----------
RFC 9106, Argon2. RFC 6238, TOTP. NIST SP 800-63B-4, 3.2.2: at most 100 failures in a row.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from dataclasses import dataclass, field
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from idverify.errors import ParameterError
from idverify.service import audit
from idverify.service.core import Core
from idverify.service.desk.roles import Member, Role
from idverify.service.keys import DataKey, new_id, new_token, normalised_token
from idverify.service.problems import Problem
from idverify.service.tables import Account, Case, DeskSession
from idverify.text import foreign

__all__ = ["NewAccount", "add", "all_accounts", "by_subject", "reset", "set_disabled", "sign_in"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
_MOST_FAILURES = 100
_STEP_S = 30
# RFC 6238, 5.2: one step for clocks that differ and people who are slow.
_DRIFT = (0, -1, 1)
_PASSWORD_GROUP = 5
# Each takes 64 MiB (RFC 9106's second choice): many at once would take the service down.
_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account as it is shown once.

    Parameters
    ----------
    password, totp_uri
        None where an OpenID provider vouches; the second is what an authenticator reads.
    """

    id: str
    name: str
    role: Role
    password: str | None = field(default=None, repr=False)
    totp_uri: str | None = field(default=None, repr=False)


def add(core: Core, name: str, role: Role, *, oidc_subject: str | None = None) -> NewAccount:
    """Make an account.

    Raises
    ------
    ParameterError
        The name cannot be used, or is taken; the subject is taken.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError("a name has 1 to 63 small letters, digits, dots, dashes, underscores or @")
    if oidc_subject is not None and not 1 <= len(oidc_subject) <= 255:
        raise ParameterError("the subject has 1 to 255 characters")
    row = Account(
        id=new_id("acc"), name=name, role=role.value, oidc_subject=oidc_subject, created_s=core.clock(), failures=0
    )
    made = NewAccount(id=row.id, name=name, role=role) if oidc_subject is not None else _give_secrets(core, row)
    try:
        with core.database.writing() as session:
            facts = {"account": row.id, "role": role.value, "oidc": oidc_subject is not None}
            audit.append(core, session, "account.added", actor=audit.OPERATOR, facts=facts)
            session.add(row)
    except IntegrityError:
        raise ParameterError(f"there is an account {foreign(name)}, or one with this subject, already") from None
    return made


def reset(core: Core, name: str) -> NewAccount:
    """Give an account another password and another secret, and end its sessions and its lock.

    Raises
    ------
    ParameterError
        There is no such local account.
    """
    with core.database.writing() as session:
        audit.hold(session)
        row = _named(session, name)
        if row is None or row.password is None:
            raise ParameterError(f"there is no local account {foreign(name)}")
        made = _give_secrets(core, row)
        row.failures = 0
        session.execute(delete(DeskSession).where(DeskSession.account_id == row.id))
        audit.append(core, session, "account.reset", actor=audit.OPERATOR, facts={"account": row.id})
    return made


def set_disabled(core: Core, account_id: str, disabled: bool, *, actor: str) -> None:
    """Take an account out of use, at once and in every browser, or back into it.

    Raises
    ------
    Problem
        ``not_found``.
    """
    with core.database.writing() as session:
        audit.hold(session)
        row = session.get(Account, account_id)
        if row is None:
            raise Problem("not_found", "there is no such account")
        if (row.disabled_s is not None) is disabled:
            return
        row.disabled_s = core.clock() if disabled else None
        if disabled:
            # What they had is anybody's again.
            held = update(Case).where(Case.lease_account == row.id)
            session.execute(held.values(lease_account=None, lease_until_s=None))
        session.execute(delete(DeskSession).where(DeskSession.account_id == row.id))
        kind = "account.disabled" if disabled else "account.enabled"
        audit.append(core, session, kind, actor=actor, facts={"account": row.id})


def all_accounts(core: Core) -> list[Account]:
    """Every account, by name."""
    with core.database.reading() as session:
        return list(session.scalars(select(Account).order_by(Account.name)))


def by_subject(core: Core, oidc_subject: str) -> Member | None:
    """Whom an OpenID provider vouches for; None where there is no such account, or it is out of use."""
    with core.database.reading() as session:
        row = session.scalar(select(Account).where(Account.oidc_subject == oidc_subject))
    return None if row is None or row.disabled_s is not None else member_of(row)


def sign_in(core: Core, name: str, password: str, code: str) -> Member:
    """Check somebody's password and one-time code, and use the code up.

    Raises
    ------
    Problem
        ``sign_in_refused``, whatever is not right.
    """
    now = core.clock()
    with core.database.reading() as session:
        known = _named(session, name)
    stored = known.password if known is not None and known.password is not None else _nobodys_hash()
    # As slow for a name that nobody has.
    right = _verifies(stored, normalised_token(password)) and known is not None
    secret = pyotp.random_base32()
    if known is not None and known.wrapped_totp_secret is not None:
        secret = core.vault.master.unwrap(known.wrapped_totp_secret, _totp_name(known.id)).secret.decode()
    step = _step_of(secret, code, now)
    with core.database.writing() as session:
        row = None
        if known is not None:
            row = session.scalar(select(Account).where(Account.id == known.id).with_for_update())
        if row is None or row.disabled_s is not None or row.failures >= _MOST_FAILURES or row.password != stored:
            refused = True
        else:
            fresh = step is not None and step > (row.totp_used or 0)
            refused = not (right and fresh)
            row.failures, row.failed_s = (row.failures + 1, now) if refused else (0, row.failed_s)
            if not refused:
                row.totp_used = step
    if refused or row is None:
        raise Problem("sign_in_refused")
    return member_of(row)


def member_of(row: Account) -> Member:
    """Who an account is."""
    return Member(id=row.id, name=row.name, role=Role(row.role))


def _give_secrets(core: Core, row: Account) -> NewAccount:
    plain, secret = new_token()[:20], pyotp.random_base32()
    row.password = _hasher().hash(plain)
    row.wrapped_totp_secret = core.vault.master.wrap(DataKey(secret.encode()), _totp_name(row.id))
    row.totp_used = None
    shown = "-".join(plain[n : n + _PASSWORD_GROUP] for n in range(0, len(plain), _PASSWORD_GROUP))
    uri = pyotp.TOTP(secret, interval=_STEP_S).provisioning_uri(name=row.name, issuer_name="idverify desk")
    return NewAccount(id=row.id, name=row.name, role=Role(row.role), password=shown, totp_uri=uri)


def _step_of(secret: str, code: str, now_s: float) -> int | None:
    """The half minute whose code it is; all are compared, so that none takes less time."""
    totp, step = pyotp.TOTP(secret, interval=_STEP_S), int(now_s // _STEP_S)
    given = code.replace(" ", "").encode()
    found = None
    for drift in _DRIFT:
        if hmac.compare_digest(totp.generate_otp(step + drift).encode(), given) and found is None:
            found = step + drift
    return found


def _named(session: Session, name: str) -> Account | None:
    # PostgreSQL has no NUL in a text.
    return session.scalar(select(Account).where(Account.name == name.strip().lower()[:255].replace("\0", "")))


def _verifies(stored: str, password: str) -> bool:
    try:
        with _AT_ONCE:
            return _hasher().verify(stored, password)
    except Argon2Error:
        return False


def _totp_name(account_id: str) -> str:
    return f"totp/{account_id}"


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_hex(16))
