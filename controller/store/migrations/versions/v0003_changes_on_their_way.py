"""Changes that are on their way: few among all that ever were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index by which they are found."""
    waiting = sa.text("processed_at IS NULL")
    op.create_index(
        "ix_change_processing",
        "change",
        ["id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
