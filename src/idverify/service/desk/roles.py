"""Who may do what at the desk: one table.

Conventions: nobody may do what is not in the table. Who decides keeps no accounts, who keeps accounts sees no case, and
who checks the record decides nothing.

Public items: :class:`Role`, :class:`Act`, :data:`MAY`, :class:`Member`, :func:`require_act`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from idverify.service.problems import Problem

__all__ = ["MAY", "Act", "Member", "Role", "require_act"]


class Role(str, Enum):
    """What somebody is at the desk. The value is the stable name on the command line and in the database."""

    REVIEWER = "reviewer"
    SENIOR = "senior"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Act(str, Enum):
    """What can be done at the desk."""

    SEE_QUEUE = "see_queue"
    REVIEW = "review"
    SECOND_REVIEW = "second_review"
    DECIDE_APPEAL = "decide_appeal"
    INVESTIGATE = "investigate"
    READ_RECORD = "read_record"
    SEE_FIGURES = "see_figures"
    KEEP_ACCOUNTS = "keep_accounts"


_REVIEWER = frozenset({Act.SEE_QUEUE, Act.REVIEW, Act.SEE_FIGURES})

#: Role -> what it may do.
MAY: dict[Role, frozenset[Act]] = {
    Role.REVIEWER: _REVIEWER,
    Role.SENIOR: _REVIEWER | {Act.SECOND_REVIEW, Act.DECIDE_APPEAL, Act.INVESTIGATE},
    Role.AUDITOR: frozenset({Act.READ_RECORD, Act.SEE_FIGURES}),
    Role.ADMIN: frozenset({Act.KEEP_ACCOUNTS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who is signed in."""

    id: str
    name: str
    role: Role

    def may(self, act: Act) -> bool:
        """Whether the table allows it."""
        return act in MAY[self.role]


def require_act(member: Member, act: Act) -> None:
    """Refuse what the table does not allow.

    Raises
    ------
    Problem
        ``not_allowed``.
    """
    if not member.may(act):
        raise Problem("not_allowed", f"{member.role.value} may not {act.value.replace('_', ' ')}")
