"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Step forward."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secret_sha256", sa.String(length=255), nullable=False),
        sa.Column("wrapped_webhook_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("revoked_s", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_sha256"),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("api_key_id", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_sha256", sa.String(length=255), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("api_key_id", "key"),
    )
    op.create_table(
        "reference_photos",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("api_key_id", sa.String(length=255), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("api_key_id", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("locale", sa.String(length=255), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("callback", sa.Text(), nullable=True),
        sa.Column("reference_id", sa.String(length=255), nullable=True),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("expires_s", sa.Float(precision=53), nullable=False),
        sa.Column("opened_s", sa.Float(precision=53), nullable=True),
        sa.Column("consent_s", sa.Float(precision=53), nullable=True),
        sa.Column("consent_version", sa.String(length=255), nullable=True),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(length=255), nullable=True),
        sa.Column("recording_id", sa.String(length=255), nullable=True),
        sa.Column("decision", sa.JSON(), nullable=True),
        sa.Column("capture", sa.JSON(), nullable=True),
        sa.Column("decided_s", sa.Float(precision=53), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("evidence_until_s", sa.Float(precision=53), nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until_s", sa.Float(precision=53), nullable=True),
        sa.Column("queued_s", sa.Float(precision=53), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
        ),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["reference_photos.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_evidence", ["evidence_until_s"], unique=False)
        batch_op.create_index("ix_attempts_expiry", ["state", "expires_s"], unique=False)
        batch_op.create_index("ix_attempts_queue", ["state", "queued_s"], unique=False)

    op.create_table(
        "capture_sessions",
        sa.Column("token_sha256", sa.String(length=255), nullable=False),
        sa.Column("attempt_id", sa.String(length=255), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("moved_s", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
        ),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    with op.batch_alter_table("capture_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_capture_sessions_attempt_id"), ["attempt_id"], unique=False)

    op.create_table(
        "links",
        sa.Column("token_sha256", sa.String(length=255), nullable=False),
        sa.Column("attempt_id", sa.String(length=255), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("expires_s", sa.Float(precision=53), nullable=False),
        sa.Column("used_s", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
        ),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_links_attempt_id"), ["attempt_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("api_key_id", sa.String(length=255), nullable=False),
        sa.Column("attempt_id", sa.String(length=255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("next_s", sa.Float(precision=53), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("delivered_s", sa.Float(precision=53), nullable=True),
        sa.Column("last_failure", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_attempt_id"), ["attempt_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_outbox_next_s"), ["next_s"], unique=False)

    op.create_table(
        "recordings",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("attempt_id", sa.String(length=255), nullable=False),
        sa.Column("created_s", sa.Float(precision=53), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("challenge", sa.JSON(), nullable=True),
        sa.Column("finished_s", sa.Float(precision=53), nullable=True),
        sa.Column("n_chunks", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recordings_attempt_id"), ["attempt_id"], unique=False)

    op.create_table(
        "chunks",
        sa.Column("recording_id", sa.String(length=255), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=255), nullable=False),
        sa.Column("arrived_s", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
        ),
        sa.PrimaryKeyConstraint("recording_id", "n"),
    )
    op.create_table(
        "reveals",
        sa.Column("recording_id", sa.String(length=255), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("revealed_s", sa.Float(precision=53), nullable=False),
        sa.Column("seen_s", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
        ),
        sa.PrimaryKeyConstraint("recording_id", "step"),
    )


def downgrade() -> None:
    """Step back."""
    op.drop_table("reveals")
    op.drop_table("chunks")
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recordings_attempt_id"))

    op.drop_table("recordings")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_next_s"))
        batch_op.drop_index(batch_op.f("ix_outbox_attempt_id"))

    op.drop_table("outbox")
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_links_attempt_id"))

    op.drop_table("links")
    with op.batch_alter_table("capture_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_capture_sessions_attempt_id"))

    op.drop_table("capture_sessions")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index("ix_attempts_queue")
        batch_op.drop_index("ix_attempts_expiry")
        batch_op.drop_index("ix_attempts_evidence")

    op.drop_table("attempts")
    op.drop_table("reference_photos")
    op.drop_table("idempotent_answers")
    op.drop_table("api_keys")
