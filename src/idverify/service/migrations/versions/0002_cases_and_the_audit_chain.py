"""Cases, and the audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Step forward."""
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("api_key_id", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("route", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("locale", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("callback", sa.Text(), nullable=True),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("changed_s", sa.Float(precision=53), nullable=False),
        sa.Column("due_s", sa.Float(precision=53), nullable=True),
        sa.Column("wait_until_s", sa.Float(precision=53), nullable=True),
        sa.Column("case_policy_sha256", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_due", ["state", "due_s"], unique=False)
        batch_op.create_index("ix_cases_waiting", ["state", "wait_until_s"], unique=False)

    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    # The one row that every writer of entries waits for.
    op.bulk_insert(head, [{"id": "head", "number": 0, "sha256": "0" * 64}])
    op.create_table(
        "audit_entries",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("before", sa.String(length=255), nullable=False),
        sa.Column("case", sa.String(length=255), nullable=True),
        sa.Column("content_sha256", sa.String(length=255), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(length=255), nullable=False),
        sa.Column("signature", sa.String(length=255), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entries_case"), ["case"], unique=False)

    # Not by rewriting the table: SQLite would have to take away the one that other tables point to.
    op.add_column("attempts", sa.Column("case_id", sa.String(length=255), nullable=True))
    op.add_column("attempts", sa.Column("rejected_s", sa.Float(precision=53), nullable=True))
    op.create_index("ix_attempts_case_id", "attempts", ["case_id"], unique=False)
    op.create_index("ix_attempts_rejections", "attempts", ["api_key_id", "subject", "rejected_s"], unique=False)
    # What was rejected before counts, too.
    op.execute("UPDATE attempts SET rejected_s = decided_s WHERE state = 'rejected'")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("attempt_id", existing_type=sa.String(length=255), nullable=True)
        batch_op.add_column(sa.Column("case_id", sa.String(length=255), nullable=True))
        batch_op.create_index(batch_op.f("ix_outbox_case_id"), ["case_id"], unique=False)


def downgrade() -> None:
    """Step back."""
    op.execute("DELETE FROM outbox WHERE attempt_id IS NULL")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_case_id"))
        batch_op.drop_column("case_id")
        batch_op.alter_column("attempt_id", existing_type=sa.String(length=255), nullable=False)

    op.drop_index("ix_attempts_rejections", "attempts")
    op.drop_index("ix_attempts_case_id", "attempts")
    op.drop_column("attempts", "rejected_s")
    op.drop_column("attempts", "case_id")
    op.drop_table("audit_entries")
    op.drop_table("audit_head")
    op.drop_table("cases")
