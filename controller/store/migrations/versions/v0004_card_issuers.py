"""Whose certificates count at the doors of a site."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody's certificates count at first."""
    with op.batch_alter_table("site") as table:
        table.add_column(sa.Column("card_issuers", sa.JSON(), nullable=False, server_default="{}"))
