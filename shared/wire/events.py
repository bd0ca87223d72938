"""One entry of a reader's journal: what happened at a door, when, and why.

An entry is a CBOR map. Its bytes are hashed into a chain by the reader and stored as they are by
the controller, so that nothing can be changed, dropped or repeated unnoticed in between.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Annotated

import msgspec

from shared import cbor
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.access.rows import Method
from shared.wire.messages import MAX_EVENT, MAX_TEXT, Count, Hash, Nonce, Text

GENESIS = bytes(32)


class EventKind(enum.Enum):
    """What happened. Values are stable: they are stored for years."""

    STARTED = "started"
    ACCESS = "access"  # a credential was presented; `reason` says what came of it
    ENTERED = "entered"
    NOT_ENTERED = "not_entered"
    REMOTE = "remote"  # an operator's pulse; never a tap
    EXIT = "exit"
    FORCED = "forced"
    HELD = "held"
    CLOSED = "closed"  # after forced or held
    TAMPER = "tamper"
    FIRE = "fire"
    MESSAGE_REFUSED = "message_refused"  # a plan, deny set, lease or command that does not hold
    CACHE = "cache"  # the plan cache is damaged, restored, replaced
    LEASE = "lease"  # warned or ended
    CLOCK = "clock"
    DEVICE = "device"  # a radio, reader or sensor failed or came back
    GAP = "gap"  # entries had to be dropped; `count` says how many
    REPEATED = "repeated"  # `count` refusals of one unknown key, merged
    CLONE = "clone"  # noted by the controller: two journals claim to be this reader's
    UNREADABLE = "unreadable"  # noted by the controller: an entry of a version it does not know


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journal entry. `at`: milliseconds since 1970 by the reader's clock, believed as `trust`."""

    seq: Count
    at: Annotated[int, msgspec.Meta(ge=0, le=2**52)]
    trust: Trust
    kind: EventKind
    reason: Reason | None = None
    reasons: tuple[Reason, ...] = ()
    method: Method | None = None
    credential: Count | None = None
    person: Count | None = None
    plan: Count | None = None
    key_hash: Hash | None = None  # SHA-256 of a presented key that no grant names
    command: Nonce | None = None
    operator: Count | None = None
    counted: bool = False  # one use of the credential is spent
    claim: Nonce | None = None  # the claim that this entry settles
    count: Count | None = None
    detail: Text | None = None


def encode_event(event: Event) -> bytes:
    """Return the bytes that are stored, chained and sent, with an overlong `detail` cut.

    An entry that the controller had to refuse would hold up every later one.
    """
    if event.detail is not None:
        event = msgspec.structs.replace(event, detail=event.detail[:MAX_TEXT])
    return cbor.encode(event)


def decode_event(body: bytes) -> Event:
    """Return the entry that `body` is. Raises `shared.cbor.Malformed`."""
    return cbor.decode_as(body, Event, limit=MAX_EVENT)


def chain(previous: bytes, body: bytes) -> bytes:
    """Return the hash after `body`, given the hash before it."""
    return hashlib.sha256(previous + body).digest()
