"""Where messages travel: `doorward/<shard>/<reader>/<leaf>`.

The shard is a fixed hash of the reader's id, so that several controllers can later share the work
with the order per reader kept. A reader speaks and listens only under its own id.
"""

from __future__ import annotations

import enum
import hashlib
import re
from typing import NamedTuple

ROOT = "doorward"
SHARDS = 64
# \Z, because $ would let a newline follow. msgspec searches for it, hence the ^.
READER_ID = r"^[a-z0-9]{4,32}\Z"


class Leaf(enum.Enum):
    """The last level of a topic, and with it the direction and the kind of authentication."""

    PLAN = "plan"  # down, signed: plan pages, lease renewals
    DENY = "deny"  # down, signed: deny set
    CMD = "cmd"  # down, signed: pulses; authenticated: receipts for events
    CLAIMED = "claimed"  # down, authenticated: the answer to a claim
    HELLO = "hello"  # up, authenticated
    ACK = "ack"  # up, authenticated: receipts for plan and deny set
    EVENT = "event"  # up, signed: batches of the journal
    CLAIM = "claim"  # up, authenticated: somebody stands here with a key whose uses are shared
    STATE = "state"  # up, authenticated, retained, with a last will


DOWN = (Leaf.PLAN, Leaf.DENY, Leaf.CMD, Leaf.CLAIMED)
UP = (Leaf.HELLO, Leaf.ACK, Leaf.EVENT, Leaf.CLAIM, Leaf.STATE)


class Place(NamedTuple):
    """What a topic says."""

    reader: str
    leaf: Leaf


def shard(reader: str) -> int:
    """Return the shard (0 to 63) that `reader` belongs to, for ever."""
    return hashlib.sha256(reader.encode()).digest()[0] % SHARDS


def topic(reader: str, leaf: Leaf) -> str:
    """Return the topic of `leaf` for `reader`; `ValueError` for what is no id, a wildcard say."""
    if not re.match(READER_ID, reader):
        raise ValueError(f"{reader!a:.40} is no reader id: 4 to 32 of a-z and 0-9")
    return f"{ROOT}/{shard(reader):02d}/{reader}/{leaf.value}"


def every(leaf: Leaf) -> str:
    """Return the subscription of a controller for `leaf` of all readers."""
    return f"{ROOT}/+/+/{leaf.value}"


def parse(text: str) -> Place | None:
    """Return what `text` says, or None if it is no topic of ours: such messages are dropped."""
    match text.split("/"):
        case [root, number, reader, leaf] if root == ROOT and re.match(READER_ID, reader):
            if leaf not in _LEAVES or number != f"{shard(reader):02d}":
                return None
            return Place(reader, Leaf(leaf))
        case _:
            return None


_LEAVES = {leaf.value for leaf in Leaf}
