"""Every table of the controller, as SQLAlchemy mapped classes.

Instants are milliseconds since 1970, UTC; dates of holidays are ISO text in the site's calendar;
keys, hashes and encoded rows are bytes. What a person calls a door's plan is spread over three
stages: the *intent* (people, groups, access plans, schedules, doors), the *compiled* rows per
reader, and the *outbox* of deltas; one transaction moves a change through all three.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite numbers rows only in a column that is exactly INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")
Millis = BigInteger


class Base(DeclarativeBase):
    """Parent of all tables; names of constraints are fixed, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _index_where(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index over some rows of a table only."""
    some = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=some, postgresql_where=some)


def _live_index(name: str, *columns: str, unique: bool = False) -> Index:
    """Return an index over the rows of a table that are not deleted."""
    return _index_where(name, *columns, where="deleted_at IS NULL", unique=unique)


# Where a number names something in readers' plans or in records, it is never given out again.
_NEVER_REUSED = {"sqlite_autoincrement": True}


# --- Intent: what operators want -----------------------------------------------------------------


class Site(Base):
    """A building: a time zone and a holiday calendar."""

    __tablename__ = "site"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    time_zone: Mapped[str] = mapped_column(String(64))
    # Until when the compiled UTC offsets in the readers' plans reach; renewed well before.
    offsets_until: Mapped[int] = mapped_column(Millis, default=0)
    card_issuers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    # What phone wallets know all its doors by, 16 random bytes; the issuer's keys follow from it.
    wallet_group: Mapped[bytes] = mapped_column(LargeBinary(16), server_default="")
    # Device keys that no document lets in, with causes of the deny set.
    refused_keys: Mapped[list[dict[str, str]]] = mapped_column(
        JSON, default=list, server_default="[]"
    )


class SiteHoliday(Base):
    """Local days on which schedules follow their holiday rules."""

    __tablename__ = "holiday"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    first_day: Mapped[str] = mapped_column(String(10))
    last_day: Mapped[str] = mapped_column(String(10))
    kind: Mapped[int] = mapped_column(Integer, default=1)


class Door(Base):
    """A way in, with its settings and the modes an operator wants of it.

    A deleted door keeps its row, for the events that name it; another may then take its name.
    """

    __tablename__ = "door"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    methods: Mapped[list[str]] = mapped_column(JSON)
    release_seconds: Mapped[int] = mapped_column(Integer, default=5)
    release_extended_seconds: Mapped[int] = mapped_column(Integer, default=20)
    held_after_seconds: Mapped[int] = mapped_column(Integer, default=30)
    lease_seconds: Mapped[int] = mapped_column(Integer, default=7 * 86_400)
    fail_safe: Mapped[bool] = mapped_column(default=False)
    unlock_schedule_id: Mapped[int | None] = mapped_column(ForeignKey("schedule.id"))
    first_person_in: Mapped[bool] = mapped_column(default=False)
    # Whether its reader shows phones a certificate (PKOC over BLE).
    reader_certificate: Mapped[bool] = mapped_column(default=False, server_default=false())
    lockdown: Mapped[bool] = mapped_column(default=False)
    maintenance: Mapped[bool] = mapped_column(default=False)
    lock_until: Mapped[int | None] = mapped_column(Millis)
    unlock_until: Mapped[int | None] = mapped_column(Millis)
    deleted_at: Mapped[int | None] = mapped_column(Millis)
    __table_args__ = (_live_index("uq_door_name", "name", unique=True),)


class Schedule(Base):
    """Weekly intervals and holiday rules, as JSON in the shape of the API."""

    __tablename__ = "schedule"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    times: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    holidays: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    __table_args__ = _NEVER_REUSED


class Person(Base):
    """A cardholder. Nothing of this ever reaches a reader, except the number.

    A deleted person keeps the row and the name, for the events that name them, and nothing else.
    """

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    first_name: Mapped[str] = mapped_column(String(200))
    last_name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    mobile: Mapped[str | None] = mapped_column(String(32))
    system_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    department: Mapped[str | None] = mapped_column(String(200))
    job_title: Mapped[str | None] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(String(2000))
    enabled: Mapped[bool] = mapped_column(default=True)
    extended_release: Mapped[bool] = mapped_column(default=False)
    override_lockdown: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[int | None] = mapped_column(Millis)
    valid_to: Mapped[int | None] = mapped_column(Millis)
    created_at: Mapped[int] = mapped_column(Millis)
    updated_at: Mapped[int] = mapped_column(Millis)
    deleted_at: Mapped[int | None] = mapped_column(Millis)
    __table_args__ = (_live_index("ix_person_name", "last_name", "first_name"),)


class PersonWord(Base):
    """A case-folded word by which a person is found: of the name, address or own id."""

    __tablename__ = "person_word"
    word: Mapped[str] = mapped_column(String(320), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)


class Group(Base):
    """People who get access together."""

    __tablename__ = "group"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    notes: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[int] = mapped_column(Millis)
    updated_at: Mapped[int] = mapped_column(Millis)
    __table_args__ = _NEVER_REUSED


class GroupMember(Base):
    """A person in a group."""

    __tablename__ = "group_member"
    group_id: Mapped[int] = mapped_column(ForeignKey("group.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)


class AccessPlan(Base):
    """Groups and people, at doors, by a schedule (none: always)."""

    __tablename__ = "access_plan"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    notes: Mapped[str | None] = mapped_column(String(2000))
    schedule_id: Mapped[int | None] = mapped_column(ForeignKey("schedule.id"))
    created_at: Mapped[int] = mapped_column(Millis)
    updated_at: Mapped[int] = mapped_column(Millis)
    __table_args__ = _NEVER_REUSED


class AccessPlanGroup(Base):
    """A group that a plan admits."""

    __tablename__ = "access_plan_group"
    plan_id: Mapped[int] = mapped_column(ForeignKey("access_plan.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("group.id"), primary_key=True, index=True)


class AccessPlanPerson(Base):
    """A single person that a plan admits."""

    __tablename__ = "access_plan_person"
    plan_id: Mapped[int] = mapped_column(ForeignKey("access_plan.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)


class AccessPlanDoor(Base):
    """A door that a plan opens."""

    __tablename__ = "access_plan_door"
    plan_id: Mapped[int] = mapped_column(ForeignKey("access_plan.id"), primary_key=True)
    door_id: Mapped[int] = mapped_column(ForeignKey("door.id"), primary_key=True, index=True)


class Credential(Base):
    """Something a person presents. `handle` is the short id the API shows.

    `state` is what operators decide (active, inactive, lost, stolen); `issuance` is how far the
    phone has come (invited, active, revoking, revoked). A deleted credential keeps its row, without
    key, for the events that name it.
    """

    __tablename__ = "credential"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    handle: Mapped[str] = mapped_column(String(16), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    type_id: Mapped[int] = mapped_column(Integer)
    label: Mapped[str] = mapped_column(String(200), default="")
    device: Mapped[str | None] = mapped_column(String(200))
    external_id: Mapped[str | None] = mapped_column(String(200))
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary(65), unique=True)
    key_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    state: Mapped[str] = mapped_column(String(16), default="active")
    issuance: Mapped[str] = mapped_column(String(16), default="active")
    not_before: Mapped[int | None] = mapped_column(Millis)
    not_after: Mapped[int | None] = mapped_column(Millis)
    max_uses: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[int] = mapped_column(Millis)
    updated_at: Mapped[int] = mapped_column(Millis)
    deleted_at: Mapped[int | None] = mapped_column(Millis)


class UseCount(Base):
    """Uses spent of a credential that has only so many, by who counted them (`controller.uses`)."""

    __tablename__ = "use_count"
    credential_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    reader_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    plan_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    spent: Mapped[int] = mapped_column(BigInteger)


class UseClaim(Base):
    """A use that a reader asked for. It counts as spent until it is `settled`.

    `journal` and `next_seq` say from which entry on the reader will tell what became of it.
    """

    __tablename__ = "use_claim"
    id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    credential_id: Mapped[int] = mapped_column(BigInteger, index=True)
    reader_id: Mapped[str] = mapped_column(String(32))
    journal: Mapped[bytes] = mapped_column(LargeBinary(8))
    next_seq: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[int] = mapped_column(Millis, index=True)
    settled: Mapped[bool]
    __table_args__ = (Index("ix_use_claim_reader", "reader_id", "journal", "next_seq"),)


class Invitation(Base):
    """A secret that turns one phone into one credential, once. Only its hash is kept."""

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credential.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    by: Mapped[str] = mapped_column(String(8))  # "link" or "code"
    status: Mapped[str] = mapped_column(String(16), default="pending")
    created_at: Mapped[int] = mapped_column(Millis)
    expires_at: Mapped[int] = mapped_column(Millis)
    ended_at: Mapped[int | None] = mapped_column(Millis)
    nonce: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    nonce_expires_at: Mapped[int | None] = mapped_column(Millis)


# --- Readers -------------------------------------------------------------------------------------


class Reader(Base):
    """A daemon at a door. It makes its own keys; `token_hash` lets it enrol once.

    `status` is pending, enrolled or revoked; a revoked reader has no door any more.
    """

    __tablename__ = "reader"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    door_id: Mapped[int | None] = mapped_column(ForeignKey("door.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    token_expires_at: Mapped[int | None] = mapped_column(Millis)
    identity_key: Mapped[bytes | None] = mapped_column(LargeBinary(65))  # signs events, agrees MAC
    pkoc_key: Mapped[bytes | None] = mapped_column(LargeBinary(65))  # proves the door to phones
    aliro_key: Mapped[bytes | None] = mapped_column(LargeBinary(65))  # and to wallets, as it says
    pkoc_site: Mapped[bytes] = mapped_column(LargeBinary(16))
    pkoc_location: Mapped[bytes] = mapped_column(LargeBinary(16))
    created_at: Mapped[int] = mapped_column(Millis)
    enrolled_at: Mapped[int | None] = mapped_column(Millis)


class ReaderPlan(Base):
    """The plan a reader should have, and the one it says it has."""

    __tablename__ = "reader_plan"
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    count: Mapped[int] = mapped_column(BigInteger, default=0)
    deny_counter: Mapped[int] = mapped_column(BigInteger, default=0)
    acked_version: Mapped[int] = mapped_column(BigInteger, default=0)
    acked_deny: Mapped[int] = mapped_column(BigInteger, default=0)
    acked_at: Mapped[int | None] = mapped_column(Millis)
    online: Mapped[bool] = mapped_column(default=False)
    session: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    seen_at: Mapped[int | None] = mapped_column(Millis)
    state: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class CompiledRow(Base):
    """One row of one reader's plan, in the very bytes that travel (`shared.access.rows`).

    The columns after `body` are filled for grants only.
    """

    __tablename__ = "compiled_row"
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    row_key: Mapped[bytes] = mapped_column(LargeBinary(80), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    credential_id: Mapped[int | None] = mapped_column(BigInteger)
    plan_id: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index("ix_compiled_row_credential", "credential_id", "reader_id"),
        Index("ix_compiled_row_plan", "plan_id", "reader_id"),
    )


class Outbox(Base):
    """The delta that leads one reader from `version - 1` to `version`. Committed = will arrive."""

    __tablename__ = "outbox"
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    count: Mapped[int] = mapped_column(BigInteger)
    delta: Mapped[bytes] = mapped_column(LargeBinary)  # CBOR of shared.access.plan.Delta
    created_at: Mapped[int] = mapped_column(Millis, index=True)


class Denial(Base):
    """The latest word on one key in one reader's deny set; `cause` None: refused no longer.

    Every entry has a counter of its own, so that a long set can be told in parts.
    """

    __tablename__ = "denial"
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(65), primary_key=True)
    counter: Mapped[int] = mapped_column(BigInteger)
    cause: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[int] = mapped_column(Millis)
    __table_args__ = (
        Index("ix_denial_counter", "reader_id", "counter", unique=True),
        Index("ix_denial_key", "key"),
    )


# --- Following and recording ---------------------------------------------------------------------


class Change(Base):
    """One committed edit, followed until every reader has applied it."""

    __tablename__ = "change"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str | None] = mapped_column(String(500))
    committed_at: Mapped[int] = mapped_column(Millis)
    processed_at: Mapped[int | None] = mapped_column(Millis)
    __table_args__ = (_index_where("ix_change_processing", "id", where="processed_at IS NULL"),)


class ChangeTarget(Base):
    """A reader that a change concerns, and what it must confirm."""

    __tablename__ = "change_target"
    change_id: Mapped[int] = mapped_column(ForeignKey("change.id"), primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    deny_counter: Mapped[int] = mapped_column(BigInteger)
    acked_at: Mapped[int | None] = mapped_column(Millis)
    __table_args__ = (Index("ix_change_target_waiting", "reader_id", "acked_at"),)


class EventRecord(Base):
    """A journal entry of a reader, stored once. Columns are for searching, `body` is proof."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"))
    journal: Mapped[bytes] = mapped_column(LargeBinary(8))
    seq: Mapped[int] = mapped_column(BigInteger)
    door_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(Millis, index=True)
    received_at: Mapped[int] = mapped_column(Millis)
    replayed: Mapped[bool]
    kind: Mapped[str] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(24))
    person_id: Mapped[int | None] = mapped_column(BigInteger)
    credential_id: Mapped[int | None] = mapped_column(BigInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (
        UniqueConstraint("reader_id", "journal", "seq"),
        Index("ix_event_door_id", "door_id", "at"),
        Index("ix_event_person_id", "person_id", "at"),
    )


class JournalHead(Base):
    """How far one journal of one reader is stored, and the hash there."""

    __tablename__ = "journal_head"
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    journal: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    quarantined: Mapped[str | None] = mapped_column(String(200))


class Admission(Base):
    """An operator's remote opening, from the request to what the door did."""

    __tablename__ = "admission"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    command: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    door_id: Mapped[int] = mapped_column(ForeignKey("door.id"))
    reader_id: Mapped[str] = mapped_column(ForeignKey("reader.id"))
    operator: Mapped[str] = mapped_column(String(200))
    # pending, admitted, denied, offline, timeout
    status: Mapped[str] = mapped_column(String(16), default="pending")
    detail: Mapped[str | None] = mapped_column(String(200))
    requested_at: Mapped[int] = mapped_column(Millis)
    completed_at: Mapped[int | None] = mapped_column(Millis)


class Setting(Base):
    """A value of the installation itself, such as the plan epoch."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(2000))
