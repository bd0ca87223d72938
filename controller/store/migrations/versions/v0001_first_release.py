"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "change",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=True),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
    )
    op.create_table(
        "group",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("notes", sa.String(length=2000), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_group"),
        sa.UniqueConstraint("name", name="uq_group_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "person",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("last_name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("mobile", sa.String(length=32), nullable=True),
        sa.Column("system_id", sa.String(length=200), nullable=True),
        sa.Column("department", sa.String(length=200), nullable=True),
        sa.Column("job_title", sa.String(length=200), nullable=True),
        sa.Column("notes", sa.String(length=2000), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("extended_release", sa.Boolean(), nullable=False),
        sa.Column("override_lockdown", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
        sa.UniqueConstraint("system_id", name="uq_person_system_id"),
    )
    op.create_index(
        "ix_person_name",
        "person",
        ["last_name", "first_name"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_table(
        "person_word",
        sa.Column("word", sa.String(length=320), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="fk_person_word_person_id_person"
        ),
        sa.PrimaryKeyConstraint("word", "person_id", name="pk_person_word"),
    )
    op.create_index("ix_person_word_person_id", "person_word", ["person_id"])
    op.create_table(
        "schedule",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.Column("holidays", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sa.UniqueConstraint("name", name="uq_schedule_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "site",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("offsets_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site"),
        sa.UniqueConstraint("name", name="uq_site_name"),
    )
    op.create_table(
        "access_plan",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("notes", sa.String(length=2000), nullable=True),
        sa.Column("schedule_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name="fk_access_plan_schedule_id_schedule"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_access_plan"),
        sa.UniqueConstraint("name", name="uq_access_plan_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "credential",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("handle", sa.String(length=16), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("type_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("public_key", sa.LargeBinary(length=65), nullable=True),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("issuance", sa.String(length=16), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("not_after", sa.BigInteger(), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="fk_credential_person_id_person"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
        sa.UniqueConstraint("handle", name="uq_credential_handle"),
        sa.UniqueConstraint("public_key", name="uq_credential_public_key"),
    )
    op.create_index("ix_credential_key_hash", "credential", ["key_hash"])
    op.create_index("ix_credential_person_id", "credential", ["person_id"])
    op.create_table(
        "door",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("release_seconds", sa.Integer(), nullable=False),
        sa.Column("release_extended_seconds", sa.Integer(), nullable=False),
        sa.Column("held_after_seconds", sa.Integer(), nullable=False),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("fail_safe", sa.Boolean(), nullable=False),
        sa.Column("unlock_schedule_id", BIG_ID, nullable=True),
        sa.Column("first_person_in", sa.Boolean(), nullable=False),
        sa.Column("lockdown", sa.Boolean(), nullable=False),
        sa.Column("maintenance", sa.Boolean(), nullable=False),
        sa.Column("lock_until", sa.BigInteger(), nullable=True),
        sa.Column("unlock_until", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_door_site_id_site"),
        sa.ForeignKeyConstraint(
            ["unlock_schedule_id"], ["schedule.id"], name="fk_door_unlock_schedule_id_schedule"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_door"),
    )
    op.create_index("ix_door_site_id", "door", ["site_id"])
    op.create_index(
        "uq_door_name", "door", ["name"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["group.id"], name="fk_group_member_group_id_group"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="fk_group_member_person_id_person"
        ),
        sa.PrimaryKeyConstraint("group_id", "person_id", name="pk_group_member"),
    )
    op.create_index("ix_group_member_person_id", "group_member", ["person_id"])
    op.create_table(
        "holiday",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("first_day", sa.String(length=10), nullable=False),
        sa.Column("last_day", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_holiday_site_id_site"),
        sa.PrimaryKeyConstraint("id", name="pk_holiday"),
    )
    op.create_index("ix_holiday_site_id", "holiday", ["site_id"])
    op.create_table(
        "access_plan_door",
        sa.Column("plan_id", BIG_ID, nullable=False),
        sa.Column("door_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["door_id"], ["door.id"], name="fk_access_plan_door_door_id_door"),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["access_plan.id"], name="fk_access_plan_door_plan_id_access_plan"
        ),
        sa.PrimaryKeyConstraint("plan_id", "door_id", name="pk_access_plan_door"),
    )
    op.create_index("ix_access_plan_door_door_id", "access_plan_door", ["door_id"])
    op.create_table(
        "access_plan_group",
        sa.Column("plan_id", BIG_ID, nullable=False),
        sa.Column("group_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["group.id"], name="fk_access_plan_group_group_id_group"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["access_plan.id"], name="fk_access_plan_group_plan_id_access_plan"
        ),
        sa.PrimaryKeyConstraint("plan_id", "group_id", name="pk_access_plan_group"),
    )
    op.create_index("ix_access_plan_group_group_id", "access_plan_group", ["group_id"])
    op.create_table(
        "access_plan_person",
        sa.Column("plan_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name="fk_access_plan_person_person_id_person"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["access_plan.id"], name="fk_access_plan_person_plan_id_access_plan"
        ),
        sa.PrimaryKeyConstraint("plan_id", "person_id", name="pk_access_plan_person"),
    )
    op.create_index("ix_access_plan_person_person_id", "access_plan_person", ["person_id"])
    op.create_table(
        "invitation",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("credential_id", BIG_ID, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("by", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=True),
        sa.Column("nonce_expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name="fk_invitation_credential_id_credential"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
        sa.UniqueConstraint("code_hash", name="uq_invitation_code_hash"),
    )
    op.create_index("ix_invitation_credential_id", "invitation", ["credential_id"])
    op.create_table(
        "reader",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("door_id", BIG_ID, nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("token_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("identity_key", sa.LargeBinary(length=65), nullable=True),
        sa.Column("pkoc_key", sa.LargeBinary(length=65), nullable=True),
        sa.Column("pkoc_site", sa.LargeBinary(length=16), nullable=False),
        sa.Column("pkoc_location", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["door_id"], ["door.id"], name="fk_reader_door_id_door"),
        sa.PrimaryKeyConstraint("id", name="pk_reader"),
        sa.UniqueConstraint("door_id", name="uq_reader_door_id"),
        sa.UniqueConstraint("token_hash", name="uq_reader_token_hash"),
    )
    op.create_table(
        "admission",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("command", sa.LargeBinary(length=16), nullable=False),
        sa.Column("door_id", BIG_ID, nullable=False),
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("operator", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["door_id"], ["door.id"], name="fk_admission_door_id_door"),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name="fk_admission_reader_id_reader"),
        sa.PrimaryKeyConstraint("id", name="pk_admission"),
        sa.UniqueConstraint("command", name="uq_admission_command"),
    )
    op.create_table(
        "change_target",
        sa.Column("change_id", BIG_ID, nullable=False),
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("deny_counter", sa.BigInteger(), nullable=False),
        sa.Column("acked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name="fk_change_target_change_id_change"
        ),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["reader.id"], name="fk_change_target_reader_id_reader"
        ),
        sa.PrimaryKeyConstraint("change_id", "reader_id", name="pk_change_target"),
    )
    op.create_index("ix_change_target_waiting", "change_target", ["reader_id", "acked_at"])
    op.create_table(
        "compiled_row",
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("row_key", sa.LargeBinary(length=80), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("credential_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["reader.id"], name="fk_compiled_row_reader_id_reader"
        ),
        sa.PrimaryKeyConstraint("reader_id", "row_key", name="pk_compiled_row"),
    )
    op.create_index("ix_compiled_row_credential", "compiled_row", ["credential_id", "reader_id"])
    op.create_index("ix_compiled_row_plan", "compiled_row", ["plan_id", "reader_id"])
    op.create_table(
        "denial",
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=65), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name="fk_denial_reader_id_reader"),
        sa.PrimaryKeyConstraint("reader_id", "key", name="pk_denial"),
    )
    op.create_index("ix_denial_counter", "denial", ["reader_id", "counter"], unique=True)
    op.create_index("ix_denial_key", "denial", ["key"])
    op.create_table(
        "event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("journal", sa.LargeBinary(length=8), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("door_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("credential_id", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name="fk_event_reader_id_reader"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("reader_id", "journal", "seq", name="uq_event_reader_id"),
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_index("ix_event_door_id", "event", ["door_id", "at"])
    op.create_index("ix_event_person_id", "event", ["person_id", "at"])
    op.create_table(
        "journal_head",
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("journal", sa.LargeBinary(length=8), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("quarantined", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["reader.id"], name="fk_journal_head_reader_id_reader"
        ),
        sa.PrimaryKeyConstraint("reader_id", "journal", name="pk_journal_head"),
    )
    op.create_table(
        "outbox",
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("delta", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name="fk_outbox_reader_id_reader"),
        sa.PrimaryKeyConstraint("reader_id", "version", name="pk_outbox"),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])
    op.create_table(
        "reader_plan",
        sa.Column("reader_id", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("deny_counter", sa.BigInteger(), nullable=False),
        sa.Column("acked_version", sa.BigInteger(), nullable=False),
        sa.Column("acked_deny", sa.BigInteger(), nullable=False),
        sa.Column("acked_at", sa.BigInteger(), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=16), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["reader.id"], name="fk_reader_plan_reader_id_reader"
        ),
        sa.PrimaryKeyConstraint("reader_id", name="pk_reader_plan"),
    )
