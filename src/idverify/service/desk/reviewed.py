"""Attempts of which a person said what they showed: a service's own truth, with the machine's scores, without media.

Conventions: true is what the deciding reviewer saw before they knew the machine's verdict, where their decision bears
it out; only of recordings that they played. Whoever is shown is known here by a pseudonym under the service's own key.

Public items: :class:`Reviewed`, :func:`reviewed`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idverify.service import audit
from idverify.service.core import Core
from idverify.service.tables import Attempt, Case, Review, Viewing

__all__ = ["Reviewed", "reviewed"]

# What was decided and seen -> (bona fide, mated): the two have to agree to be the truth. Whom an attack shows, nobody
# knows.
_TRUTH: dict[tuple[str, str], tuple[bool, bool | None]] = {
    ("accept", "same_person"): (True, True),
    ("reject", "other_person"): (True, False),
    ("reject", "not_live"): (False, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One attempt and its truth.

    Parameters
    ----------
    attempt
        Its id.
    reference
        Names the photo; None for an attack.
    bona_fide, mated
        Whether a live person was shown, and whether it was the one in the photo; None where that is not known.
    subject, reference_subject
        Pseudonyms of whom the recording and the photo show.
    group
        The service's label; empty where it gave none.
    decision
        The machine's, as JSON types.
    """

    attempt: str
    reference: str | None
    bona_fide: bool
    mated: bool | None
    subject: str
    reference_subject: str
    group: str
    decision: dict[str, Any] = field(repr=False)


def reviewed(core: Core) -> tuple[list[Reviewed], int]:
    """Every attempt of which a person said what it shows, and of how many more they looked at that cannot be said.

    That it was asked for is an entry of the audit chain.
    """
    with core.database.writing() as session:
        audit.hold(session)
        found = list(_rows(core, session))
        known = [row for row in found if row is not None]
        audit.append(core, session, "trials.exported", actor=audit.OPERATOR, facts={"trials": len(known)})
    return known, len(found) - len(known)


def _rows(core: Core, session: Session) -> Iterator[Reviewed | None]:
    # The last word on a case is its truth: an appeal may have changed it.
    final = select(Review, Case).join(Case, Review.case_id == Case.id).where(Review.verdict.in_(("accept", "reject")))
    newest: dict[str, tuple[Review, Case]] = {}
    for decided in session.execute(final.order_by(Review.decided_s)):
        newest[decided.Case.id] = (decided.Review, decided.Case)
    for review, case in newest.values():
        played = select(Viewing.piece).where(Viewing.case_id == case.id, Viewing.account_id == review.account_id)
        pieces = set(session.scalars(played))
        # Of an adult who vouches nothing was asked but to vouch.
        own = (Attempt.case_id == case.id, Attempt.role.is_(None), Attempt.decision.is_not(None))
        for row in session.scalars(select(Attempt).where(*own).order_by(Attempt.created_s, Attempt.id)):
            if row.decision and f"recording/{row.recording_id}" in pieces:
                truth = _TRUTH.get((review.verdict or "", review.view))
                yield None if truth is None else _row(core, case, row, truth)


def _row(core: Core, case: Case, row: Attempt, truth: tuple[bool, bool | None]) -> Reviewed:
    bona_fide, mated = truth
    owner = _pseudonym(core, "subject", f"{case.api_key_id}/{case.subject}")
    shown = owner if mated else _pseudonym(core, "shown", case.id)
    photo = row.reference_id or row.id
    return Reviewed(
        attempt=row.id,
        reference=None if mated is None else _pseudonym(core, "photo", photo),
        bona_fide=bona_fide,
        mated=mated,
        subject=shown,
        reference_subject="" if mated is None else owner,
        group=case.group_label or "",
        decision=row.decision or {},
    )


def _pseudonym(core: Core, what: str, name: str) -> str:
    key = core.vault.master.derived("trials")
    return f"{what}-{hmac.new(key, f'{what}/{name}'.encode(), hashlib.sha256).hexdigest()[:16]}"
