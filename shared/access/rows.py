"""The rows a plan is made of: door, site's calendar, schedules, issuers, certificates, grants.

A plan is a set of rows. A row travels, is stored and is hashed as its deterministic CBOR array,
whose first member is the kind; `row_key` names the place it takes, so that a newer row replaces an
older one. Readers hold no personal data: a grant has a public key, opaque numbers and flags.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from shared import cbor
from shared.access.calendar import Holiday, Instant, LocalTime, OffsetFrom, local_time, offset_at
from shared.access.schedule import MAX_ID, Schedule

MAX_ROW = 16_384  # a schedule of 84 intervals and 16 holiday rules stays below 3 KiB
MAX_KEY = 65

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]


class Method(enum.Enum):
    """How somebody proves who they are. A door names the methods it permits, in its own order."""

    PKOC_NFC = "pkoc-nfc"
    PKOC_BLE = "pkoc-ble"  # the un-encrypted flow; only where a door allows it
    PKOC_BLE_ECDHE = "pkoc-ble-ecdhe"
    PKOC_NFC_VALIDATED = "pkoc-nfc-validated"  # with a certificate of a supplier in `CardIssuers`
    ALIRO_NFC = "aliro-nfc"
    ALIRO_NFC_DOCUMENT = "aliro-nfc-document"  # with a document of an issuer in `CardIssuers`
    PIV_NFC = "piv-nfc"
    PIV_NFC_VALIDATED = "piv-nfc-validated"  # with one that leads to an authority in `CardIssuers`
    CARD_NUMBER = "card-number"  # cloneable: a number that anybody can copy, for migration only


# For these a reader needs a certificate of its site's issuer, which wallets know.
ALIRO_METHODS = frozenset({Method.ALIRO_NFC, Method.ALIRO_NFC_DOCUMENT})


class Flag(enum.IntFlag):
    """What a grant is, besides a schedule."""

    SUSPENDED = 1  # the credential or its person is disabled
    LOST = 2
    STOLEN = 4
    OVERRIDE = 8  # enters in lockdown
    RESPONDER = 16  # exempt from the lease; at most five a door
    SECOND_FACTOR = 32
    EXTENDED = 64  # gets the longer release time
    OWNED_USES = 128  # this reader alone counts the uses


ALL_FLAGS = sum(Flag)


class Modes(msgspec.Struct, frozen=True, array_like=True):
    """The modes an operator wants of a door, until they change their mind or the time comes."""

    lockdown: bool = False
    maintenance: bool = False
    lock_until: Instant | None = None
    unlock_until: Instant | None = None


class Door(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The settings of the one door a reader serves. Times are seconds."""

    id: Id
    methods: Annotated[tuple[Method, ...], msgspec.Meta(max_length=16)]
    release: Annotated[int, msgspec.Meta(ge=1, le=120)] = 5
    release_extended: Annotated[int, msgspec.Meta(ge=1, le=600)] = 20
    held_after: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    # How long a plan may be used without word from the controller: one hour to thirty days.
    lease: Annotated[int, msgspec.Meta(ge=3600, le=30 * 86_400)] = 7 * 86_400
    fail_safe: bool = False  # at rest a fail-safe lock is released, a fail-secure one locked
    unlock_schedule: Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)] = 0  # 0: none
    first_person_in: bool = False  # the schedule unlocks only after somebody has come in
    modes: Modes = Modes()


class Calendar(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The site's UTC offsets, valid from the first `since` until `until`, and its holidays."""

    until: Instant
    offsets: Annotated[tuple[OffsetFrom, ...], msgspec.Meta(min_length=1, max_length=200)]
    holidays: Annotated[tuple[Holiday, ...], msgspec.Meta(max_length=400)] = ()

    def __post_init__(self) -> None:
        starts = [offset.since for offset in self.offsets]
        if starts != sorted(set(starts)):
            raise ValueError("the UTC offsets are not in order of time")

    def local(self, now: int) -> LocalTime | None:
        """Return the wall clock at the UTC second `now`, or None outside the compiled range."""
        return local_time(self.offsets, self.until, now)

    def offset(self, now: int) -> int | None:
        """Return how many seconds the site is ahead of UTC then, or None likewise."""
        return offset_at(self.offsets, self.until, now)


class Supplier(msgspec.Struct, frozen=True, array_like=True):
    """Somebody who issues PKOC cards: the name in their certificates, and a public key.

    `key` is a point (65 bytes, uncompressed), or an RSA key as SubjectPublicKeyInfo in DER.
    """

    reference: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{16}\Z")]
    key: Annotated[bytes, msgspec.Meta(min_length=65, max_length=600)]


Der = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ROW)]


Point = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
Element = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Documents(msgspec.Struct, frozen=True, array_like=True):
    """Whose documents count, and the ids of the elements in them that are asked for.

    Keys are points: of issuers, and of authorities that certify issuers.
    """

    issuers: Annotated[tuple[Point, ...], msgspec.Meta(max_length=8)] = ()
    authorities: Annotated[tuple[Point, ...], msgspec.Meta(max_length=8)] = ()
    access: Annotated[tuple[Element, ...], msgspec.Meta(max_length=8)] = ()
    revocation: Annotated[tuple[Element, ...], msgspec.Meta(max_length=8)] = ()

    def __bool__(self) -> bool:
        return bool(self.issuers or self.authorities)


class CardIssuers(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Whose certificates count at this door, as DER, and whose documents, where it wants them."""

    suppliers: Annotated[tuple[Supplier, ...], msgspec.Meta(max_length=16)] = ()
    authorities: Annotated[tuple[Der, ...], msgspec.Meta(max_length=8)] = ()
    intermediates: Annotated[tuple[Der, ...], msgspec.Meta(max_length=8)] = ()
    revocations: Annotated[tuple[Der, ...], msgspec.Meta(max_length=8)] = ()
    documents: Documents = Documents()
    # Without a current list of every authority on the way, nobody is let in by a certificate.
    revocations_required: bool = False

    def __bool__(self) -> bool:
        return bool(self.suppliers or self.authorities or self.documents)


class AliroCertificate(msgspec.Struct, frozen=True, array_like=True):
    """The group of a site's doors, the point of its issuer, and this reader's certificate.

    Wallets know the first two; the certificate is in Aliro's compressed form.
    """

    group: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    issuer: Point
    certificate: Annotated[bytes, msgspec.Meta(min_length=1, max_length=512)]


class PkocCertificate(msgspec.Struct, frozen=True, array_like=True):
    """The point of the issuer that phones know for this reader, and its certificate (2.0.1)."""

    issuer: Point
    certificate: Annotated[bytes, msgspec.Meta(min_length=138, max_length=138)]


class ReaderCertificates(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What the site's issuer says of this reader, where the door's settings need it."""

    aliro: AliroCertificate | None = None
    pkoc: PkocCertificate | None = None

    def __bool__(self) -> bool:
        return self.aliro is not None or self.pkoc is not None


class Grant(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """`key` may enter by access plan `plan`: at times of `schedule`, within validity, so often.

    `key` is a full public key (65 bytes for P-256, uncompressed), never a shortened id.
    Validity runs from `not_before` (inclusive) to `not_after` (exclusive), in UTC seconds.
    """

    key: Annotated[bytes, msgspec.Meta(min_length=4, max_length=MAX_KEY)]
    plan: Id
    credential: Id
    person: Id
    schedule: Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)] = 0  # 0: always
    flags: Annotated[int, msgspec.Meta(ge=0, le=ALL_FLAGS)] = 0
    not_before: Instant | None = None
    not_after: Instant | None = None
    uses: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None

    @property
    def id(self) -> bytes:
        """The place of this grant among all: its row key."""
        return grant_key(self.key, self.plan)

    def has(self, flag: Flag) -> bool:
        """Return whether `flag` is set."""
        return bool(self.flags & flag.value)


Row = Door | Calendar | Schedule | Grant | CardIssuers | ReaderCertificates

CARD_ISSUERS_KEY = b"\x00"
READER_CERTIFICATES_KEY = b"\x00\x01"
DOOR_KEY = b"\x01"
CALENDAR_KEY = b"\x02"


def schedule_key(schedule: int) -> bytes:
    """Return the row key of a schedule."""
    return b"\x03" + schedule.to_bytes(8, "big")


def grants_prefix(key: bytes) -> bytes:
    """Return what the row keys of all grants to `key`, and no others, begin with."""
    return b"\x04" + bytes([len(key)]) + key


def grant_key(key: bytes, plan: int) -> bytes:
    """Return the row key of the grant of access plan `plan` to `key`."""
    return grants_prefix(key) + plan.to_bytes(8, "big")


def row_key(row: Row) -> bytes:
    """Return the place `row` takes in a plan."""
    match row:
        case Door():
            return DOOR_KEY
        case Calendar():
            return CALENDAR_KEY
        case Schedule():
            return schedule_key(row.id)
        case Grant():
            return row.id
        case CardIssuers():
            return CARD_ISSUERS_KEY
        case ReaderCertificates():
            return READER_CERTIFICATES_KEY


def encode_row(row: Row) -> bytes:
    """Return the deterministic bytes of `row`."""
    return cbor.encode(row)


def decode_row(body: bytes) -> Row:
    """Return the row that `body` is. Raises `shared.cbor.Malformed`."""
    return cbor.decode_as(body, Row, limit=MAX_ROW)  # type: ignore[arg-type]  # a union is no type
