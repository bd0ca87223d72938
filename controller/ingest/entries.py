"""Journal entries as events; one that this version cannot read stops nothing and hides nothing."""

from __future__ import annotations

from shared.access.mode import Trust
from shared.cbor import Malformed
from shared.wire.events import Event, EventKind, decode_event

_TEXT = 200


def read_entry(body: bytes, seq: int, at: int) -> Event:
    """Return the event that `body` is, or one that says why it cannot be read.

    `seq` and `at` (milliseconds) are what is known of it otherwise.
    """
    try:
        return decode_event(body)
    except Malformed as error:
        detail = f"cannot be read by this version: {error}"[:_TEXT]
        return Event(seq=seq, at=at, trust=Trust.UNKNOWN, kind=EventKind.UNREADABLE, detail=detail)
