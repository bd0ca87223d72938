"""The event journal: everything that happened at this door, in order, until it is stored elsewhere.

Entries are numbered and chained by hash. They are durable before anybody is told, and forgotten
only when the controller has confirmed that it stored them. Beside them lie the few values that
must survive anything: uses that were spent, clock floor, lease, and the highest plan ever seen.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from reader.database import Database
from shared.wire.events import GENESIS, Event, chain, encode_event
from shared.wire.messages import MAX_BATCH

T = TypeVar("T")

VERSION = 1
SCHEMA = """
CREATE TABLE entry (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE head (
  one INTEGER PRIMARY KEY CHECK (one = 1), journal BLOB NOT NULL,
  next INTEGER NOT NULL, hash BLOB NOT NULL,
  kept_from INTEGER NOT NULL, kept_hash BLOB NOT NULL);
CREATE TABLE spent (grant_id BLOB PRIMARY KEY, uses INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive entries from number `first` on, and the hash before them."""

    first: int
    previous: bytes
    entries: tuple[bytes, ...]


class Journal:
    """The entries of one reader, and what must survive."""

    def __init__(self, database: Database) -> None:
        """Take an open database; see `open_journal`."""
        self._database = database
        self.grown = asyncio.Event()  # set by every append; whoever waits for it clears it
        (self.id,) = database.reader.execute("SELECT journal FROM head").fetchone()

    async def append(self, events: Sequence[Event], *, spend: bytes | None = None) -> int:
        """Write `events` durably, numbering them, and return the number of the first.

        With `spend`, one use of that grant is counted in the same transaction.
        """
        first = await self._database.write(lambda db: _append(db, events, spend))
        self.grown.set()
        return first

    def batch(self, first: int, limit: int = MAX_BATCH) -> Batch | None:
        """Return up to `limit` entries from number `first` on, or None if there are none."""
        db = self._database.reader
        rows = db.execute(
            "SELECT seq, body FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit)
        ).fetchall()
        if not rows:
            return None
        start = rows[0][0]
        before = db.execute("SELECT hash FROM entry WHERE seq = ?", (start - 1,)).fetchone()
        if before is None:
            before = db.execute("SELECT kept_hash FROM head").fetchone()
        return Batch(start, before[0], tuple(body for _, body in rows))

    @property
    def next_seq(self) -> int:
        """The number that the next entry will have; the first is 1."""
        return int(self._database.reader.execute("SELECT next FROM head").fetchone()[0])

    @property
    def kept_from(self) -> int:
        """The number of the oldest entry that is not known to be stored elsewhere."""
        return int(self._database.reader.execute("SELECT kept_from FROM head").fetchone()[0])

    async def forget(self, upto: int) -> None:
        """Drop the entries up to number `upto`, which are stored elsewhere."""
        await self._database.write(lambda db: _forget(db, upto))

    def spent(self, grant_id: bytes) -> int:
        """Return how many uses of a grant have been spent here."""
        row = self._database.reader.execute(
            "SELECT uses FROM spent WHERE grant_id = ?", (grant_id,)
        ).fetchone()
        return int(row[0]) if row else 0

    def note(self, name: str, kind: type[T]) -> T | None:
        """Return the value kept under `name`, or None."""
        row = self._database.reader.execute(
            "SELECT value FROM note WHERE name = ?", (name,)
        ).fetchone()
        return msgspec.json.decode(row[0], type=kind) if row else None

    async def keep(self, name: str, value: object) -> None:
        """Write `value` durably under `name`."""
        body = msgspec.json.encode(value)
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, body))
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def open_journal(path: Path) -> Journal:
    """Open or create the journal at `path`. Raises `reader.database.Damaged` or `TooNew`.

    A damaged journal is not replaced silently: it holds what nobody else has.
    """
    database = Database(path, SCHEMA, VERSION)
    database.write_now(_begin)
    return Journal(database)


def _begin(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT OR IGNORE INTO head VALUES (1, ?, 1, ?, 1, ?)",
        (secrets.token_bytes(8), GENESIS, GENESIS),
    )


def _append(db: sqlite3.Connection, events: Sequence[Event], spend: bytes | None) -> int:
    first, head = db.execute("SELECT next, hash FROM head").fetchone()
    for number, event in enumerate(events, first):
        body = encode_event(msgspec.structs.replace(event, seq=number))
        head = chain(head, body)
        db.execute("INSERT INTO entry VALUES (?, ?, ?)", (number, head, body))
    db.execute("UPDATE head SET next = ?, hash = ?", (first + len(events), head))
    if spend is not None:
        db.execute(
            "INSERT INTO spent VALUES (?, 1) ON CONFLICT DO UPDATE SET uses = uses + 1", (spend,)
        )
    return int(first)


def _forget(db: sqlite3.Connection, upto: int) -> None:
    row = db.execute("SELECT hash FROM entry WHERE seq = ?", (upto,)).fetchone()
    if row is None:
        return
    db.execute("DELETE FROM entry WHERE seq <= ?", (upto,))
    db.execute("UPDATE head SET kept_from = ?, kept_hash = ?", (upto + 1, row[0]))
