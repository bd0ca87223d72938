"""What answers look like: instants in ISO 8601 UTC, numbers as ids, nothing secret but once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from controller.api.pkoc import (
    NumberAnswer,
    code_of_reader,
    numbers_of,
    printed_on,
)
from controller.intent import invitations
from controller.intent.credential_types import CARD, TYPES
from controller.intent.credentials import CredentialView
from controller.intent.doors import DoorView
from controller.intent.groups import GroupView
from controller.intent.people import PersonView
from controller.intent.plans import PlanView
from controller.intent.readers import Enrolment, ReaderView
from controller.reader_issuer import ReaderIssuer
from controller.store import tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def iso(millis: int | None) -> str | None:
    """Return an instant in ISO 8601, UTC, to the millisecond.

    A reader whose clock went mad may speak of a year that has five digits: that is the last
    instant there is.
    """
    if millis is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=min(millis, _LAST))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_EXAMPLE = {"examples": ["2025-06-02T09:00:00.000Z"], "format": "date-time"}
Instant = Annotated[int, PlainSerializer(iso, return_type=str), Field(json_schema_extra=_EXAMPLE)]


class Answer(BaseModel):
    """Parent of all."""


class Result(Answer):
    """It is done."""

    result: str = "ok"


class TimesAnswer(Answer):
    """From a time of day to another; an end that is not later is on the next day."""

    start_time: str = Field(examples=["09:00"])
    end_time: str = Field(examples=["17:00"])


class BlockAnswer(TimesAnswer):
    """Times on a day, or on the days that one name stands for."""

    day: str = Field(examples=["Monday"])


class HolidayTimesAnswer(Answer):
    """What a schedule does on holidays of one kind."""

    kind: int
    as_usual: bool
    times: list[TimesAnswer]


class ScheduleAnswer(Answer):
    """Weekly times, merged where they overlap, and rules for holidays."""

    id: int
    name: str
    times: list[BlockAnswer]
    holidays: list[HolidayTimesAnswer]

    @classmethod
    def of(cls, row: tables.Schedule) -> ScheduleAnswer:
        """Return the answer that shows `row`."""
        return cls(
            id=row.id,
            name=row.name,
            times=[BlockAnswer(**block) for block in row.times],
            holidays=[HolidayTimesAnswer(**rule) for rule in row.holidays],
        )


class PersonAnswer(Answer):
    """A cardholder. `groups` and `group_ids` say the same."""

    id: int
    first_name: str
    last_name: str
    email: str | None
    mobile: str | None
    system_id: str | None
    department: str | None
    job_title: str | None
    notes: str | None
    enabled: bool
    extended_release: bool
    override_lockdown: bool
    valid_from: Instant | None
    valid_to: Instant | None
    groups: list[int]
    group_ids: list[int]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, view: PersonView) -> PersonAnswer:
        """Return the answer that shows `view`."""
        return cls(**_columns(view.person, cls), groups=view.group_ids, group_ids=view.group_ids)


class ImportAnswer(Answer):
    """How many people and credentials were made."""

    created: int
    credentials: int


class GroupAnswer(Answer):
    """People who get access together."""

    id: int
    name: str
    notes: str | None
    people_count: int
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, view: GroupView) -> GroupAnswer:
        """Return the answer that shows `view`."""
        return cls(**_columns(view.group, cls), people_count=view.people_count)


class DoorReaderAnswer(Answer):
    """The reader of a door, in short; it has all of its plan when `acked` is `version`."""

    id: str
    name: str
    status: str = Field(examples=["enrolled"])
    online: bool
    version: int
    acked: int


class DoorAnswer(Answer):
    """A way in, with its settings and modes."""

    id: int
    site_id: int
    name: str
    methods: list[str]
    release_seconds: int
    release_extended_seconds: int
    held_after_seconds: int
    lease_seconds: int
    fail_safe: bool
    unlock_schedule_id: int | None
    first_person_in: bool
    reader_certificate: bool
    lockdown: bool
    maintenance: bool
    lock_until: Instant | None
    unlock_until: Instant | None
    reader: DoorReaderAnswer | None

    @classmethod
    def of(cls, view: DoorView) -> DoorAnswer:
        """Return the answer that shows `view`."""
        reader = None
        if view.reader is not None and view.plan is not None:
            reader = DoorReaderAnswer(
                id=view.reader.id,
                name=view.reader.name,
                status=view.reader.status,
                online=view.plan.online,
                version=view.plan.version,
                acked=view.plan.acked_version,
            )
        return cls(**_columns(view.door, cls), reader=reader)


class EnrolmentAnswer(Answer):
    """What a reader needs to enrol. Shown once."""

    token: str
    expires_at: Instant
    url: str = Field(description="The address of this controller, for the reader's configuration.")


class ReaderAnswer(Answer):
    """A daemon at a door. `missing` counts the changes that it has not confirmed."""

    id: str
    name: str
    door_id: int | None
    status: str = Field(examples=["pending", "enrolled"])
    online: bool
    site_uuid: str
    location_uuid: str
    public_key: str | None = Field(description="The key it proves to phones, 130 hex digits.")
    pkoc_code: str | None = Field(
        description="The text of the QR code by which an official PKOC app learns this reader, "
        "and its issuer if the door has `reader_certificate`. Such codes are not signed: hand it "
        "out where nobody can put another in its place."
    )
    version: int
    acked_version: int
    deny_counter: int
    acked_deny: int
    seen_at: Instant | None
    missing: int
    created_at: Instant
    enrolled_at: Instant | None

    @classmethod
    def of(cls, view: ReaderView, readers: ReaderIssuer) -> ReaderAnswer:
        """Return the answer that shows `view`."""
        return cls(**_reader(view, readers))


class NewReaderAnswer(ReaderAnswer):
    """A reader with a new enrolment token."""

    enrolment: EnrolmentAnswer

    @classmethod
    def with_token(
        cls, view: ReaderView, readers: ReaderIssuer, enrolment: Enrolment, url: str
    ) -> NewReaderAnswer:
        """Return the answer that shows `view`, and this once its token."""
        shown = EnrolmentAnswer(token=enrolment.token, expires_at=enrolment.expires_at, url=url)
        return cls(**_reader(view, readers), enrolment=shown)


class AccessPlanAnswer(Answer):
    """Groups and people, at doors, by a schedule (null: always)."""

    id: int
    name: str
    notes: str | None
    schedule_id: int | None
    group_ids: list[int]
    person_ids: list[int]
    door_ids: list[int]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, view: PlanView) -> AccessPlanAnswer:
        """Return the answer that shows `view`."""
        return cls(
            **_columns(view.plan, cls),
            group_ids=view.group_ids,
            person_ids=view.person_ids,
            door_ids=view.door_ids,
        )


class CredentialTypeAnswer(Answer):
    """A kind of credential. What is `cloneable` proves nothing: anybody can copy it."""

    id: int
    label: str
    name: str
    slug: str
    format: str
    description: str
    cloneable: bool


class CredentialAnswer(Answer):
    """A card or a phone. The address or the code of an invitation is shown once, when made."""

    id: str
    person_id: int
    credential_type_id: int
    label: str
    value: str | None = Field(
        description="A card's public key (of a PIV card 01 and its SHA-256), or its number, "
        "or your own id of a phone."
    )
    numbers: list[NumberAnswer] = Field(
        description="What old panels and the official PKOC apps show of a P-256 key."
    )
    printed: list[str] = Field(
        description="What may be printed on a card of which the bits are known.",
        examples=[["H10301 1-1234"]],
    )
    cloneable: bool
    enabled: bool
    state: str = Field(examples=["active", "inactive", "lost", "stolen"])
    status: str = Field(examples=["invited", "active"])
    device: str | None
    not_before: Instant | None
    not_after: Instant | None
    max_uses: int | None
    uses: int | None = Field(description="Spent or set aside; null where they are not counted.")
    created_at: Instant
    updated_at: Instant
    url: str | None = None
    invitation_code: str | None = Field(default=None, examples=["ABCD-EFGH-JKMN-PQRS"])
    invitation_expires_at: Instant | None = None
    invitation_status: str | None = Field(default=None, examples=["pending", "expired"])

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = handler(self)
        optional = ("url", "invitation_code", "invitation_expires_at", "invitation_status")
        return {
            name: value for name, value in said.items() if name not in optional or value is not None
        }

    @classmethod
    def of(cls, view: CredentialView, now: int, public_url: str) -> CredentialAnswer:
        """Return the answer that shows `view` at `now`."""
        row, invitation, secret = view.credential, view.invitation, view.secret
        key = row.public_key if row.type_id == CARD.id else None
        answer = cls(
            id=row.handle,
            person_id=row.person_id,
            credential_type_id=row.type_id,
            label=row.label,
            value=row.external_id if key is None else key.hex(),
            numbers=numbers_of(key),
            printed=printed_on(row.public_key),
            cloneable=TYPES[row.type_id].cloneable,
            enabled=row.state == "active",
            state=row.state,
            status=row.issuance,
            device=row.device,
            not_before=row.not_before,
            not_after=row.not_after,
            max_uses=row.max_uses,
            uses=view.uses if row.max_uses is not None else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        if invitation is not None and row.issuance == "invited":
            answer.invitation_expires_at = invitation.expires_at
            answer.invitation_status = invitations.status_at(invitation, now)
        if secret is not None and secret.by == "link":
            answer.url = f"{public_url}/wallet#{secret.text}"
        elif secret is not None:
            answer.invitation_code = secret.text
        return answer


def _reader(view: ReaderView, readers: ReaderIssuer) -> dict[str, Any]:
    reader, plan, group = view.reader, view.plan, view.certified_by
    issuer = None if group is None else readers.of(group).pkoc.public
    return {
        "id": reader.id,
        "name": reader.name,
        "door_id": reader.door_id,
        "status": reader.status,
        "online": plan.online,
        "site_uuid": str(uuid.UUID(bytes=reader.pkoc_site)),
        "location_uuid": str(uuid.UUID(bytes=reader.pkoc_location)),
        "public_key": reader.pkoc_key.hex() if reader.pkoc_key is not None else None,
        "pkoc_code": code_of_reader(reader, issuer),
        "version": plan.version,
        "acked_version": plan.acked_version,
        "deny_counter": plan.deny_counter,
        "acked_deny": plan.acked_deny,
        "seen_at": plan.seen_at,
        "missing": view.missing,
        "created_at": reader.created_at,
        "enrolled_at": reader.enrolled_at,
    }


def _columns(row: tables.Base, answer: type[Answer]) -> dict[str, Any]:
    """Return those columns of `row` that `answer` has under the same name."""
    return {name: getattr(row, name) for name in _shared(type(row), answer)}


@cache
def _shared(table: type[tables.Base], answer: type[Answer]) -> tuple[str, ...]:
    """Return the names that columns of `table` and fields of `answer` have in common."""
    columns = table.__table__.columns.keys()
    return tuple(name for name in columns if name in answer.model_fields)
