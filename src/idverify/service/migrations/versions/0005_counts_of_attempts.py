"""How many attempts came to which outcome and why, by day; those that were decided before are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.String(length=255)
_DAY_S = 24 * 3600.0
_ATTEMPTS = sa.table(
    "attempts", sa.column("decided_s", sa.Float(53)), sa.column("decision", sa.JSON()), sa.column("role", _TEXT)
)


def upgrade() -> None:
    """Step forward."""
    counts = op.create_table(
        "attempt_counts",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "outcome", "reason"),
    )
    op.create_index("ix_attempts_failures", "attempts", ["failure", "created_s"], unique=False)
    decided = sa.select(_ATTEMPTS.c.decided_s, _ATTEMPTS.c.decision).where(
        _ATTEMPTS.c.decided_s.is_not(None), _ATTEMPTS.c.decision.is_not(None), _ATTEMPTS.c.role.is_(None)
    )
    found: Counter[tuple[int, str, str]] = Counter()
    for decided_s, decision in op.get_bind().execute(decided):
        if decision is not None:
            found.update((int(decided_s // _DAY_S), str(decision["outcome"]), code) for code in _codes(decision))
    rows = [
        {"day": day, "outcome": outcome, "reason": code, "attempts": n} for (day, outcome, code), n in found.items()
    ]
    if rows:
        op.bulk_insert(counts, rows)


def _codes(decision: Mapping[str, Any]) -> Iterable[str]:
    """Each reason once, and nothing in its place for the attempt itself."""
    return {
        "",
        *(str(each["code"] if isinstance(each, Mapping) else each) for each in decision.get("reasons", ())),
    }


def downgrade() -> None:
    """Step back."""
    op.drop_index("ix_attempts_failures", "attempts")
    op.drop_table("attempt_counts")
