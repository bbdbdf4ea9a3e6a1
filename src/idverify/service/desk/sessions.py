"""Who is signed in in which browser: a random secret in a cookie, its SHA-256 in the database.

Conventions: every sign-in makes a new secret, and the one before ends; what an account may do is asked anew at every
request, so that an account taken out of use is out at once.

Public items: :func:`begin`, :func:`member`, :func:`end`, :func:`form_token`, :func:`require_form_token`.

References
----------
NIST SP 800-63B-4, 2.2.3: at AAL2 again after 12 hours, or after 30 minutes without activity.
"""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import delete, update

from idverify.service import audit
from idverify.service.core import Core
from idverify.service.desk.accounts import member_of
from idverify.service.desk.roles import Member
from idverify.service.keys import new_token, token_sha256
from idverify.service.problems import Problem
from idverify.service.tables import Account, DeskSession

__all__ = ["begin", "end", "form_token", "member", "require_form_token"]

_LONGEST_S, _IDLE_S = 12 * 3600.0, 1800.0
# How exactly the last activity is kept: a look at a page is seldom a write.
_NOTED_S = 60.0


def begin(core: Core, who: Member, *, how: str, before: str | None = None) -> str:
    """Sign somebody in; the secret of the session is shown once.

    Parameters
    ----------
    how
        ``password`` or ``oidc``, for the record.
    before
        Secret of the session that this browser had; it ends.
    """
    secret, now = new_token(), core.clock()
    with core.database.writing() as session:
        audit.append(core, session, "desk.signed_in", actor=who.id, facts={"how": how, "role": who.role.value})
        gone = [DeskSession.created_s < now - _LONGEST_S, DeskSession.seen_s < now - _IDLE_S]
        session.execute(delete(DeskSession).where(gone[0] | gone[1]))
        if before:
            session.execute(delete(DeskSession).where(DeskSession.token_sha256 == token_sha256(before)))
        session.add(DeskSession(token_sha256=token_sha256(secret), account_id=who.id, created_s=now, seen_s=now))
    return secret


def member(core: Core, secret: str | None) -> Member:
    """Who is signed in.

    Raises
    ------
    Problem
        ``sign_in_needed``.
    """
    if not secret:
        raise Problem("sign_in_needed")
    now, token = core.clock(), token_sha256(secret)
    with core.database.reading() as session:
        row = session.get(DeskSession, token)
        account = None if row is None else session.get(Account, row.account_id)
    if row is None or account is None or account.disabled_s is not None:
        raise Problem("sign_in_needed")
    if now - row.created_s >= _LONGEST_S or now - row.seen_s >= _IDLE_S:
        raise Problem("sign_in_needed", "signed out after a while without activity")
    if now - row.seen_s >= _NOTED_S:
        with core.database.writing() as session:
            session.execute(update(DeskSession).where(DeskSession.token_sha256 == token).values(seen_s=now))
    return member_of(account)


def end(core: Core, secret: str) -> None:
    """Sign out."""
    with core.database.writing() as session:
        session.execute(delete(DeskSession).where(DeskSession.token_sha256 == token_sha256(secret)))


def form_token(core: Core, secret: str) -> str:
    """What every form of a session holds, and no other site knows."""
    return hmac.new(core.vault.master.derived("desk forms"), secret.encode(), hashlib.sha256).hexdigest()


def require_form_token(core: Core, secret: str, given: str) -> None:
    """Refuse a form that was not made in this session.

    Raises
    ------
    Problem
        ``origin_refused``.
    """
    if not hmac.compare_digest(form_token(core, secret).encode(), given.encode()):
        raise Problem("origin_refused")
