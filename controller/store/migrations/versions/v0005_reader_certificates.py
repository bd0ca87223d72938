"""What readers are certified by and for: groups of sites, keys for wallets, a door's setting."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SITE = sa.table("site", sa.column("id"), sa.column("wallet_group", sa.LargeBinary()))


def upgrade() -> None:
    """Add the columns; every site that there is gets a group of its own."""
    group = sa.LargeBinary(length=16)
    op.add_column("site", sa.Column("wallet_group", group, nullable=False, server_default=""))
    connection = op.get_bind()
    for (number,) in connection.execute(sa.select(_SITE.c.id)).all():
        fresh = {"wallet_group": secrets.token_bytes(16)}
        connection.execute(sa.update(_SITE).where(_SITE.c.id == number).values(fresh))
    op.add_column("reader", sa.Column("aliro_key", sa.LargeBinary(length=65), nullable=True))
    # A plain column, so that SQLite adds it: doors are not to be moved to another table.
    shown = sa.Column[bool](
        "reader_certificate", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("door", shown)
