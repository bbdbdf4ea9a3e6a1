"""Which recording the decision of an attempt is about: another one may have been begun since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Step forward."""
    op.add_column("attempts", sa.Column("decided_recording_id", sa.String(255), nullable=True))


def downgrade() -> None:
    """Step back."""
    op.drop_column("attempts", "decided_recording_id")
