"""The desk: accounts, their sessions, reviews, and who has a case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=255), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(precision=53), nullable=nullable)


def upgrade() -> None:
    """Step forward."""
    op.create_table(
        "accounts",
        _text("id"),
        _text("name"),
        _text("role"),
        _text("password", nullable=True),
        sa.Column("wrapped_totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_used", sa.BigInteger(), nullable=True),
        _text("oidc_subject", nullable=True),
        _time("created_s"),
        _time("disabled_s", nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _time("failed_s", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("oidc_subject"),
    )
    op.create_table(
        "desk_sessions",
        _text("token_sha256"),
        _text("account_id"),
        _time("created_s"),
        _time("seen_s"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("ix_desk_sessions_account_id", "desk_sessions", ["account_id"], unique=False)
    op.create_table(
        "reviews",
        _text("id"),
        _text("case_id"),
        _text("account_id"),
        _text("state"),
        _time("entered_s"),
        _text("view"),
        _time("viewed_s"),
        _text("machine"),
        sa.Column("machine_reasons", sa.JSON(), nullable=False),
        _text("evidence"),
        _text("verdict", nullable=True),
        _text("code", nullable=True),
        sa.Column("sealed_for_person", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_internal", sa.LargeBinary(), nullable=True),
        _time("decided_s", nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reviews_decided_s", "reviews", ["decided_s"], unique=False)
    op.create_index("ix_reviews_look", "reviews", ["case_id", "account_id", "entered_s"], unique=False)
    op.create_table(
        "viewings",
        _text("account_id"),
        _text("case_id"),
        _text("piece"),
        _time("noted_s"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("account_id", "case_id", "piece"),
    )
    for column in (
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        _text("lease_account", nullable=True),
        _time("lease_until_s", nullable=True),
        sa.Column("needs_senior", sa.Boolean(), nullable=False, server_default=sa.false()),
        _time("forgiven_s", nullable=True),
        _text("group_label", nullable=True),
    ):
        op.add_column("cases", column)
    op.create_index("ix_cases_queue", "cases", ["due_s", "id"], unique=False)


def downgrade() -> None:
    """Step back."""
    op.drop_index("ix_cases_queue", "cases")
    for name in ("group_label", "forgiven_s", "needs_senior", "lease_until_s", "lease_account", "wrapped_key"):
        op.drop_column("cases", name)
    for table in ("viewings", "reviews", "desk_sessions", "accounts"):
        op.drop_table(table)
