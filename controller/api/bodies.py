"""What a request may say, field by field. Which fields are required is the use case's to say."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from controller.api import fields as f
from controller.api.pkoc import read_supplier
from controller.card_issuers import check_documents, check_whole
from controller.intent.credential_states import STATES
from controller.timetable import MAX_BLOCKS

# Fields that are not given keep their value (or get the default of something new).
_OPEN: Any = None


class Body(BaseModel):
    """Parent of all. `wrapper` is the key that may stand around the fields."""

    model_config = ConfigDict(extra="ignore")
    wrapper: ClassVar[str]
    required: ClassVar[tuple[str, ...]] = ()


def _differ(times: Times) -> Times:
    if times.start_time == times.end_time:
        raise f.refuse("start and end are the same; a whole day is 00:00 to 24:00")
    return times


class Times(BaseModel):
    """From a time of day to another; an end that is not later is on the next day."""

    start_time: f.TimeOfDay
    end_time: f.EndOfDay


class Block(Times):
    """Times on a day, or on the days that one name stands for."""

    day: f.DayName


class HolidayTimes(BaseModel):
    """What a schedule does on holidays of one kind: nothing, as usual, or at special times."""

    kind: Annotated[int, Field(strict=True, ge=1, le=16)]
    as_usual: f.Bool = False
    times: Annotated[
        list[Annotated[Times, AfterValidator(_differ)]], Field(max_length=MAX_BLOCKS)
    ] = []


def _one_of_each(rules: list[HolidayTimes]) -> list[HolidayTimes]:
    if len({rule.kind for rule in rules}) < len(rules):
        raise f.refuse("must have one rule for each kind of holiday at most")
    return rules


def _in_order(holiday: Holiday) -> Holiday:
    if holiday.last_day < holiday.first_day:
        raise f.refuse("ends before it begins")
    return holiday


class Holiday(BaseModel):
    """Days on which schedules follow their holiday rules, both ends included."""

    name: f.Line
    first_day: f.Day
    last_day: f.Day
    kind: Annotated[int, Field(strict=True, ge=1, le=16)] = 1


def _of_code(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read_supplier(value)
    except ValueError as error:
        raise f.refuse(str(error)) from None


class SupplierBody(BaseModel):
    """Somebody who issues PKOC cards with certificates: this, or the text of the QR code."""

    reference: f.SupplierReference
    public_key: f.SupplierKey


class CardIssuersBody(BaseModel):
    """Whose certificates count at the doors that want one. It replaces what was there."""

    suppliers: Annotated[
        list[Annotated[SupplierBody, BeforeValidator(_of_code)]], Field(max_length=16)
    ] = []
    authorities: Annotated[list[f.CertificatePem], Field(max_length=8)] = []
    intermediates: Annotated[list[f.CertificatePem], Field(max_length=8)] = []
    revocation_lists: Annotated[list[f.RevocationListPem], Field(max_length=8)] = []
    document_issuers: Annotated[list[f.DocumentIssuerKey], Field(max_length=8)] = []
    document_authorities: Annotated[list[f.DocumentAuthorityPem], Field(max_length=8)] = []
    access_elements: Annotated[list[f.ElementId], Field(max_length=8)] = []
    revocation_elements: Annotated[list[f.ElementId], Field(max_length=8)] = []
    revocation_lists_required: f.Bool = False


class RefusedKeyBody(BaseModel):
    """The device key of somebody whom an issuer's document would let in."""

    public_key: f.DocumentIssuerKey
    cause: Literal["revoked", "stolen", "lost", "suspended"] = "revoked"


def _once(keys: list[RefusedKeyBody]) -> list[RefusedKeyBody]:
    if len({each.public_key for each in keys}) != len(keys):
        raise f.refuse("has the same key twice")
    return keys


def _fits(issuers: CardIssuersBody) -> CardIssuersBody:
    try:
        check_documents(issuers.model_dump())
        check_whole(issuers.model_dump())
    except ValueError as error:
        raise f.refuse(str(error)) from None
    return issuers


class SiteBody(Body):
    """A building."""

    wrapper = "site"
    required = ("name", "time_zone")
    name: f.Line = _OPEN
    time_zone: f.Zone = _OPEN
    holidays: Annotated[
        list[Annotated[Holiday, AfterValidator(_in_order)]], Field(max_length=400)
    ] = _OPEN
    card_issuers: Annotated[CardIssuersBody, AfterValidator(_fits)] = _OPEN
    refused_keys: Annotated[list[RefusedKeyBody], Field(max_length=1000), AfterValidator(_once)] = (
        _OPEN
    )


class ScheduleBody(Body):
    """Weekly times, at most twelve blocks, and rules for holidays."""

    wrapper = "schedule"
    required = ("name",)
    name: f.Line = _OPEN
    times: Annotated[
        list[Annotated[Block, AfterValidator(_differ)]], Field(max_length=MAX_BLOCKS)
    ] = _OPEN
    holidays: Annotated[list[HolidayTimes], Field(max_length=16), AfterValidator(_one_of_each)] = (
        _OPEN
    )


class PersonBody(Body):
    """A cardholder."""

    wrapper = "person"
    required = ("first_name", "last_name")
    first_name: f.Line = _OPEN
    last_name: f.Line = _OPEN
    email: f.Email | None = _OPEN
    mobile: f.Mobile | None = _OPEN
    system_id: f.Line | None = _OPEN
    department: f.Line | None = _OPEN
    job_title: f.Line | None = _OPEN
    notes: f.Notes | None = _OPEN
    enabled: f.Bool = _OPEN
    extended_release: f.Bool = _OPEN
    override_lockdown: f.Bool = _OPEN
    valid_from: f.Instant = _OPEN
    valid_to: f.Instant = _OPEN
    group_ids: f.Ids = _OPEN


class ImportedCard(BaseModel):
    """A card of a person that is imported: by its key, or by a number that anybody can copy."""

    public_key: f.CardValue | None = None
    card_number: f.CardValue | None = None
    label: f.Line | None = None


def _known_by_one(card: ImportedCard) -> ImportedCard:
    if (card.public_key is None) is (card.card_number is None):
        raise f.refuse("must have either public_key or card_number")
    return card


class ImportedPerson(PersonBody):
    """A person with cards."""

    cards: Annotated[
        list[Annotated[ImportedCard, AfterValidator(_known_by_one)]], Field(max_length=20)
    ] = _OPEN


class ImportBody(Body):
    """Many people, all of them or none."""

    wrapper = "import"
    required = ("people",)
    people: list[ImportedPerson] = _OPEN


class GroupBody(Body):
    """People who get access together."""

    wrapper = "group"
    required = ("name",)
    name: f.Line = _OPEN
    notes: f.Notes | None = _OPEN
    person_ids: f.Ids = _OPEN


class DoorBody(Body):
    """A way in."""

    wrapper = "door"
    required = ("name",)
    site_id: f.Id = _OPEN
    name: f.Line = _OPEN
    methods: f.Methods = _OPEN
    release_seconds: Annotated[f.Seconds, Field(ge=1, le=120)] = _OPEN
    release_extended_seconds: Annotated[f.Seconds, Field(ge=1, le=600)] = _OPEN
    held_after_seconds: Annotated[f.Seconds, Field(ge=5, le=3600)] = _OPEN
    lease_seconds: Annotated[f.Seconds, Field(ge=3600, le=30 * 86_400)] = _OPEN
    fail_safe: f.Bool = _OPEN
    unlock_schedule_id: f.Id | None = _OPEN
    first_person_in: f.Bool = _OPEN
    reader_certificate: f.Bool = _OPEN
    lockdown: f.Bool = _OPEN
    maintenance: f.Bool = _OPEN
    lock_until: f.Instant = _OPEN
    unlock_until: f.Instant = _OPEN


class UnlockBody(Body):
    """How long to keep a door unlocked."""

    wrapper = "door"
    relock_at: f.Instant = _OPEN


class ReaderBody(Body):
    """A daemon at a door."""

    wrapper = "reader"
    required = ("door_id", "name")
    door_id: f.Id = _OPEN
    name: f.Line = _OPEN


class AccessPlanBody(Body):
    """Groups and people, at doors, by a schedule."""

    wrapper = "access_plan"
    required = ("name",)
    name: f.Line = _OPEN
    notes: f.Notes | None = _OPEN
    schedule_id: f.Id | None = _OPEN
    group_ids: f.Ids = _OPEN
    person_ids: f.Ids = _OPEN
    door_ids: f.Ids = _OPEN


def _state(text: str) -> str:
    if text not in STATES:
        raise f.refuse(f"must be one of {', '.join(STATES)}")
    return text


class CredentialBody(Body):
    """A card or a phone.

    `value` is a card's public key in hex, or in PEM, or its certificate in PEM; the number of a
    card that has no key (`/credential_types` says how to write it); an id of your own for a phone.
    """

    wrapper = "person_credential"
    required: ClassVar[tuple[str, ...]] = ("credential_type_id",)
    credential_type_id: Annotated[int, Field(strict=True)] = _OPEN
    label: f.Line = _OPEN
    value: f.CardValue = _OPEN
    enabled: f.Bool = _OPEN
    state: Annotated[
        str, Field(strict=True, json_schema_extra={"enum": list(STATES)}), AfterValidator(_state)
    ] = _OPEN
    reason: f.Line = _OPEN
    not_before: f.Instant = _OPEN
    not_after: f.Instant = _OPEN
    max_uses: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = _OPEN


class FlatCredentialBody(CredentialBody):
    """A credential, of the person that is named."""

    required: ClassVar[tuple[str, ...]] = ("person_id", "credential_type_id")
    person_id: f.Id = _OPEN
