"""Uses that several readers share: what is spent, and what was asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "use_count",
        sa.Column("credential_id", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("credential_id", "reader_id", "plan_id", name="pk_use_count"),
    )
    op.create_table(
        "use_claim",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("credential_id", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("journal", sa.LargeBinary(length=8), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_use_claim"),
    )
    op.create_index("ix_use_claim_credential_id", "use_claim", ["credential_id"])
    op.create_index("ix_use_claim_made_at", "use_claim", ["made_at"])
    op.create_index("ix_use_claim_reader", "use_claim", ["reader_id", "journal", "next_seq"])
