"""The messages between reader and controller, as typed structs over CBOR maps.

Every message is a map with `v` (the version of this vocabulary, 1), `type` and `reader`. Unknown
members are ignored, an unknown version or type is refused, sizes are capped. What a message
proves depends on its envelope, see `shared.wire.envelope`.
"""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any, TypeVar

import msgspec

from shared import cbor
from shared.access.calendar import Instant
from shared.access.decide import DenyCause
from shared.access.rows import MAX_KEY, MAX_ROW
from shared.cbor import Malformed
from shared.wire.topics import READER_ID

VERSION = 1
# A page of plan rows is filled up to 256 KiB; the rest is room for one last row and the frame.
PAGE_BYTES = 256 * 1024
MAX_MESSAGE = PAGE_BYTES + 64 * 1024
MAX_EVENT = 2_048
MAX_BATCH = 500
# Entries of a batch together: 500 of the largest would not fit into a message.
BATCH_BYTES = PAGE_BYTES
MAX_DENY_ENTRIES = 1_000

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Nonce = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Point = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
JournalId = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
Reader = Annotated[str, msgspec.Meta(pattern=READER_ID)]
Key = Annotated[bytes, msgspec.Meta(min_length=4, max_length=MAX_KEY)]
RowKey = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_KEY + 10)]
RowBody = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ROW)]
EventBody = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_EVENT)]
MAX_TEXT = 200
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
# A door has a strike, two heads, a few sensors: thirty-two is roomy.
Devices = Annotated[dict[Text, Text], msgspec.Meta(max_length=32)]
_NAME = r"[a-z0-9_]{1,24}"


class PlanState(msgspec.Struct, frozen=True):
    """Which plan, exactly: the digest is `shared.access.digest.SetDigest` over its rows."""

    epoch: Count
    version: Count
    digest: Hash
    count: Count


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all have in common."""

    reader: Reader
    v: int = VERSION


class PlanPage(Message, frozen=True, kw_only=True, tag="plan"):
    """Page `page` of `pages` (from 0) of the way from version `base` to the plan `after`.

    `base` None is a snapshot: what was there before is gone. A page is worth nothing until all
    pages of the same (`base`, `after`) are there.
    """

    base: Count | None
    after: PlanState
    issued_at: Instant
    page: Annotated[int, msgspec.Meta(ge=0, lt=100_000)]
    pages: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    put: Annotated[tuple[RowBody, ...], msgspec.Meta(max_length=PAGE_BYTES)] = ()
    delete: Annotated[tuple[RowKey, ...], msgspec.Meta(max_length=PAGE_BYTES)] = ()

    def __post_init__(self) -> None:
        if not self.page < self.pages:
            raise ValueError(f"page {self.page} of {self.pages}, counted from 0")


class DenyEntry(msgspec.Struct, frozen=True, array_like=True):
    """`key` is refused because of `cause`, or (None) no longer refused, as of `counter`."""

    counter: Count
    key: Key
    cause: DenyCause | None


class DenyUpdate(Message, frozen=True, kw_only=True, tag="deny"):
    """All changes of the deny set after counter `base`, up to `counter`, in order of counter."""

    epoch: Count
    base: Count
    counter: Count
    issued_at: Instant
    entries: Annotated[tuple[DenyEntry, ...], msgspec.Meta(max_length=MAX_DENY_ENTRIES)]


class Lease(Message, frozen=True, kw_only=True, tag="lease"):
    """The controller's word that this plan and deny set are current, for the nonce of a hello.

    Also the reader's source of signed time: `issued_at` is milliseconds since 1970, UTC.
    """

    plan: PlanState
    deny_counter: Count
    nonce: Nonce
    issued_at: Annotated[int, msgspec.Meta(ge=0, le=2**52)]


class Pulse(Message, frozen=True, kw_only=True, tag="pulse"):
    """Release the door once. Good for one `session` of the reader, once per `id`, for ten seconds.

    `operator` is an opaque number; `override` opens even in lockdown. `issued_at` in milliseconds.
    """

    id: Nonce
    session: Nonce
    operator: Count
    override: bool = False
    issued_at: Annotated[int, msgspec.Meta(ge=0, le=2**52)]


class EventReceipt(Message, frozen=True, kw_only=True, tag="event_receipt"):
    """Every event of `journal` up to `upto` is stored for good and may be forgotten."""

    journal: JournalId
    upto: Count


class Verdict(enum.Enum):
    """What the controller says to a claim."""

    RESERVED = "reserved"  # one use is set aside; the journal entry with this claim settles it
    USED_UP = "used_up"


class Claimed(Message, frozen=True, kw_only=True, tag="claimed"):
    """The answer to the claim `id`. A claim that makes no sense gets none."""

    id: Nonce
    verdict: Verdict


class CacheHealth(enum.Enum):
    """What a reader says of its plan."""

    GOOD = "good"
    EMPTY = "empty"
    DAMAGED = "damaged"


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The reader is here (again), and this is what it has. Answered with what it lacks.

    `wallet_key` is what it proves to phone wallets, to be certified by the site's issuer. A reader
    of an earlier release has none, and is told no certificates: it does not know that row.
    """

    session: Nonce
    nonce: Nonce
    plan: PlanState | None
    health: CacheHealth
    deny_counter: Count
    journal: JournalId
    next_seq: Count
    software: Text
    wallet_key: Point | None = None


class Ack(Message, frozen=True, kw_only=True, tag="ack"):
    """This plan and deny set are durable and in force here: the receipt for a change."""

    session: Nonce
    plan: PlanState | None
    deny_counter: Count


class EventBatch(Message, frozen=True, kw_only=True, tag="events"):
    """Consecutive journal entries from number `first` on; `previous` is the hash before them.

    The hash after an entry is SHA-256(previous hash || entry). Entries numbered `live_from` or
    higher were sent as they happened; those below are replayed. Entries below `kept_from` are no
    longer at the reader.
    """

    journal: JournalId
    kept_from: Count
    first: Count
    previous: Hash
    live_from: Count
    entries: Annotated[tuple[EventBody, ...], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class Claim(Message, frozen=True, kw_only=True, tag="claim"):
    """Somebody stands at the door with `credential`, by access plan `plan`: may one use be spent?

    Whatever becomes of it, the entry of `journal` that says so names the claim and is numbered
    `next_seq` or higher. Unless one says otherwise the use is spent.
    """

    id: Nonce
    session: Nonce
    credential: Count
    plan: Count
    journal: JournalId
    next_seq: Count


class State(Message, frozen=True, kw_only=True, tag="state"):
    """How the reader and its door are; retained. The last will is one with `online` false."""

    session: Nonce
    online: bool
    mode: Text = ""
    contact: Text = ""
    health: Text = ""
    devices: Devices = {}


Down = PlanPage | DenyUpdate | Lease | Pulse | EventReceipt | Claimed
Up = Hello | Ack | EventBatch | Claim | State
T = TypeVar("T", bound=Message)


def encode(message: Message) -> bytes:
    """Return the bytes of `message`, without envelope."""
    return cbor.encode(message)


def decode(data: bytes, *kinds: type[T]) -> T:
    """Return `data` as one of `kinds`. Raises `Malformed`, naming version, type or member."""
    value = cbor.decode(data, limit=MAX_MESSAGE)
    if not isinstance(value, dict):
        raise Malformed("a message is a map")
    if value.get("v") != VERSION:
        raise Malformed(f"version {_shown(value.get('v'))} of a message; this is version {VERSION}")
    names = {kind.__struct_config__.tag: kind for kind in kinds}
    kind = names.get(value.get("type")) if isinstance(value.get("type"), str) else None
    if kind is None:
        expected = ", ".join(sorted(map(str, names)))
        raise Malformed(f"type {_shown(value.get('type'))}, expected {expected}")
    return cbor.convert(value, kind)


def _shown(value: Any) -> str:
    """Return a number or plain name that a peer sent; of anything else only what it is."""
    if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(_NAME, value)):
        return repr(value)
    return f"<{type(value).__name__}>"
