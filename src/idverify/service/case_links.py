"""Ways into a case: links and codes kept as hashes, each for one purpose, and the browsers that opened one.

Conventions: a link to the person's page and a continuation code are good once, and so is the link of an attempt of the
case; then a random visit, kept in a cookie, says which case it is. The link "that was not me" opens nothing and is good
until it has run out.

Public items: :data:`PURPOSES`, :func:`add`, :func:`new_link`, :func:`look_up`, :func:`open_link`,
:func:`enter`, :func:`case_of_token`, :func:`case_of_visit`, :func:`is_visit`, :func:`end_all`, :class:`Visit`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from idverify.service import audit
from idverify.service.core import Core
from idverify.service.keys import new_token, normalised_token, token_sha256
from idverify.service.problems import Problem
from idverify.service.tables import Case, CaseLink, CaseVisit

__all__ = [
    "PURPOSES",
    "Visit",
    "add",
    "case_of_token",
    "case_of_visit",
    "end_all",
    "enter",
    "is_visit",
    "look_up",
    "new_link",
    "open_link",
]

#: Purpose -> name of the policy's time for it.
PURPOSES = {"case": "link", "not_me": "not_me", "continuation": "continuation"}
_ONCE = frozenset({"case", "continuation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A link that was used up; the secret is shown once."""

    case_id: str
    secret: str = field(repr=False)


def add(core: Core, session: Session, case: Case, purpose: str, token: str) -> float:
    """Make a secret a way into a case; return until when."""
    now = core.clock()
    expires_s = now + core.settings.cases.retention_s[PURPOSES[purpose]]
    session.add(
        CaseLink(
            token_sha256=token_sha256(normalised_token(token)),
            case_id=case.id,
            purpose=purpose,
            created_s=now,
            expires_s=expires_s,
        )
    )
    return expires_s


def new_link(core: Core, session: Session, case: Case, *, actor: str) -> tuple[str, float]:
    """A link to the person's page, which is shown once, and until when it is good.

    The caller holds the audit chain's head.
    """
    token = new_token()
    expires_s = add(core, session, case, "case", token)
    audit.append(core, session, "case.link", actor=actor, case_id=case.id, facts={"expires_s": expires_s})
    return f"{core.settings.base_url}/c/{token}", expires_s


def look_up(core: Core, session: Session, token: str, purpose: str, *, lock: bool = False) -> CaseLink:
    """The link of a token, unless it was used or has run out.

    Raises
    ------
    Problem
        ``link_unknown``, ``link_used``, ``link_expired``.
    """
    wanted = select(CaseLink).where(CaseLink.token_sha256 == token_sha256(normalised_token(token)))
    link = session.scalar(wanted.with_for_update() if lock else wanted)
    # A token for one purpose is none for another.
    if link is None or link.purpose != purpose:
        raise Problem("link_unknown")
    if link.used_s is not None:
        raise Problem("link_used")
    if core.clock() >= link.expires_s:
        raise Problem("link_expired")
    return link


def case_of_token(core: Core, token: str) -> str | None:
    """Whose link it is or was; of no use without a visit."""
    with core.database.reading() as session:
        link = session.get(CaseLink, token_sha256(normalised_token(token)))
        return None if link is None or link.purpose != "case" else link.case_id


def open_link(core: Core, session: Session, token: str, purpose: str = "case") -> Visit:
    """Use a link up and begin a visit. The caller holds the audit chain's head.

    Raises
    ------
    Problem
        As :func:`look_up`.
    """
    now = core.clock()
    link = look_up(core, session, token, purpose, lock=True)
    if purpose in _ONCE:
        link.used_s = now
    return enter(core, session, link.case_id, by=purpose)


def enter(core: Core, session: Session, case_id: str, *, by: str) -> Visit:
    """Begin a visit of whoever used up a way into the case. The caller holds the audit chain's head.

    Parameters
    ----------
    by
        Which way it was: a purpose of a link, or ``attempt``.
    """
    now, secret = core.clock(), new_token()
    expires_s = now + core.settings.cases.retention_s["visit"]
    session.add(CaseVisit(token_sha256=token_sha256(secret), case_id=case_id, created_s=now, expires_s=expires_s))
    audit.append(core, session, "case.visited", actor=audit.PERSON, case_id=case_id, facts={"by": by})
    return Visit(case_id=case_id, secret=secret)


def case_of_visit(core: Core, secret: str | None) -> str:
    """The case that a browser has open.

    Raises
    ------
    Problem
        ``session_missing``.
    """
    if not secret:
        raise Problem("session_missing")
    with core.database.reading() as session:
        row = session.get(CaseVisit, token_sha256(secret))
        if row is None or core.clock() >= row.expires_s:
            raise Problem("session_missing")
        return row.case_id


def is_visit(core: Core, secret: str | None, case_id: str) -> bool:
    """Whether a browser has this case open."""
    try:
        return case_of_visit(core, secret) == case_id
    except Problem:
        return False


def end_all(session: Session, case_id: str) -> None:
    """Close every way in, and show every browser out; "that was not me" can still be said."""
    session.execute(delete(CaseLink).where(CaseLink.case_id == case_id, CaseLink.purpose != "not_me"))
    session.execute(delete(CaseVisit).where(CaseVisit.case_id == case_id))
