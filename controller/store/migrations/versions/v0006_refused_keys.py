"""Device keys that no document lets in at the doors of a site."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody is refused at first."""
    with op.batch_alter_table("site") as table:
        table.add_column(sa.Column("refused_keys", sa.JSON(), nullable=False, server_default="[]"))
