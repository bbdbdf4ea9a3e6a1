"""The person's side of a case: links, visits, papers, notices, who vouches, and where recordings came from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXT, _TIME = sa.String(length=255), sa.Float(precision=53)
_ON_CASES: dict[str, sa.types.TypeEngine[Any]] = {
    "reference_id": _TEXT,
    "voucher_reference_id": _TEXT,
    "service": _TEXT,
    "papers_until_s": _TIME,
    "asked_in": _TEXT,
    "disputed_s": _TIME,
}


def upgrade() -> None:
    """Step forward."""
    # Not by rewriting the tables: SQLite would have to take away those that others point to.
    for name, kind in _ON_CASES.items():
        op.add_column("cases", sa.Column(name, kind, nullable=True))
    for name in ("role", "address_tag"):
        op.add_column("attempts", sa.Column(name, _TEXT, nullable=True))
    op.create_index("ix_attempts_address", "attempts", ["address_tag", "rejected_s"], unique=False)

    op.create_table(
        "case_links",
        sa.Column("token_sha256", _TEXT, nullable=False),
        sa.Column("case_id", _TEXT, nullable=False),
        sa.Column("purpose", _TEXT, nullable=False),
        sa.Column("created_s", _TIME, nullable=False),
        sa.Column("expires_s", _TIME, nullable=False),
        sa.Column("used_s", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_table(
        "case_visits",
        sa.Column("token_sha256", _TEXT, nullable=False),
        sa.Column("case_id", _TEXT, nullable=False),
        sa.Column("created_s", _TIME, nullable=False),
        sa.Column("expires_s", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_table(
        "case_papers",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("case_id", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("created_s", _TIME, nullable=False),
        sa.Column("content_type", _TEXT, nullable=False),
        sa.Column("n_bytes", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "notices",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("case_id", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("created_s", _TIME, nullable=False),
        sa.Column("due_s", _TIME, nullable=True),
        sa.Column("wait_until_s", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for table in ("case_links", "case_visits", "case_papers", "notices"):
        op.create_index(f"ix_{table}_case_id", table, ["case_id"], unique=False)
    for table in ("case_links", "case_visits"):
        op.create_index(f"ix_{table}_expires_s", table, ["expires_s"], unique=False)


def downgrade() -> None:
    """Step back."""
    for table in ("notices", "case_papers", "case_visits", "case_links"):
        op.drop_table(table)
    op.drop_index("ix_attempts_address", "attempts")
    for name in ("role", "address_tag"):
        op.drop_column("attempts", name)
    for name in _ON_CASES:
        op.drop_column("cases", name)
