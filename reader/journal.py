"""The event journal: everything that happened at this door, in order, until it is stored elsewhere.

Entries are numbered and chained by hash. They are durable before anybody is told, and forgotten
only when the controller has confirmed that it stored them. Beside them lie the few values that
must survive anything: uses that were spent, clock floor, lease, and the highest plan ever seen.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from reader.database import Damaged, Database, NotAsWritten, Unusable, blob, number
from shared.wire.events import GENESIS, Event, chain, encode_event
from shared.wire.messages import MAX_BATCH

T = TypeVar("T")

logger = logging.getLogger(__name__)

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
        self.id = database.read(lambda db: blob(_head(db, "journal")))
        self._next = self._read_next()

    async def append(self, events: Sequence[Event], *, spend: bytes | None = None) -> int:
        """Write `events` durably, numbering them, and return the number of the first.

        With `spend`, one use of that grant is counted in the same transaction.
        """
        first = await self._database.write(lambda db: _append(db, events, spend))
        self.grown.set()
        return first

    def batch(self, first: int, limit: int = MAX_BATCH) -> Batch | None:
        """Return up to `limit` entries from number `first` on, or None if there are none.

        This and all others but `next_seq` raise `reader.database.Unusable`.
        """
        return self._database.read(lambda db: _batch(db, first, limit))

    @property
    def next_seq(self) -> int:
        """The number that the next entry will have; the first is 1. The last known, if need be."""
        try:
            self._next = self._read_next()
        except Unusable as error:
            logger.warning("%s", error)
        return self._next

    @property
    def kept_from(self) -> int:
        """The number of the oldest entry that is not known to be stored elsewhere."""
        return self._database.glance(lambda db: number(_head(db, "kept_from")))

    async def forget(self, upto: int) -> None:
        """Drop the entries up to number `upto`, which are stored elsewhere."""
        await self._database.write(lambda db: _forget(db, upto))

    def spent(self, grant_id: bytes) -> int:
        """Return how many uses of a grant have been spent here."""
        return self._database.glance(lambda db: _spent(db, grant_id))

    def note(self, name: str, kind: type[T]) -> T | None:
        """Return the value kept under `name`, or None."""
        return self._database.read(lambda db: _note(db, name, kind))

    async def keep(self, name: str, value: object) -> None:
        """Write `value` durably under `name`; None removes it."""
        await self._database.write(lambda db: _keep(db, name, value))

    async def keep_all(self, values: Mapping[str, object]) -> None:
        """Write several at once: after a power cut all of them are there or none."""

        def write(db: sqlite3.Connection) -> None:
            for name, value in values.items():
                _keep(db, name, value)

        await self._database.write(write)

    def keep_now(self, name: str, value: object) -> None:
        """Do what `keep` does, in the calling thread: for start-up."""
        self._database.write_now(lambda db: _keep(db, name, value))

    def _read_next(self) -> int:
        return self._database.glance(lambda db: number(_head(db, "next")))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def open_journal(path: Path) -> Journal:
    """Open or create the journal at `path`. Raises `reader.database.Damaged` or `TooNew`.

    A damaged journal is not replaced silently: it holds what nobody else has.
    """
    try:
        database = Database(path, SCHEMA, VERSION)
        try:
            database.write_now(_begin)
            return Journal(database)
        except BaseException:
            database.close()
            raise
    except Damaged as error:
        raise Damaged(
            f"{error}. Put it back from a copy, or move it away and start again: what it holds and "
            "was not sent is lost then, and keys that open so many times count from the beginning"
        ) from error


def _begin(db: sqlite3.Connection) -> None:
    """Give a new journal its name; one whose beginning has been lost must not begin again."""
    (begun,) = db.execute("SELECT count(*) FROM head").fetchone()
    (entries,) = db.execute("SELECT count(*) FROM entry").fetchone()
    if entries and not begun:
        raise NotAsWritten("the journal has entries and no head")
    if not begun:
        values = (secrets.token_bytes(8), GENESIS, GENESIS)
        db.execute("INSERT INTO head VALUES (1, ?, 1, ?, 1, ?)", values)


def _head(db: sqlite3.Connection, column: str) -> object:
    value: object = db.execute(f"SELECT {column} FROM head").fetchone()[0]  # noqa: S608 - ours
    return value


def _batch(db: sqlite3.Connection, first: int, limit: int) -> Batch | None:
    rows = db.execute(
        "SELECT seq, body FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit)
    ).fetchall()
    if not rows:
        return None
    start = rows[0][0]
    before = db.execute("SELECT hash FROM entry WHERE seq = ?", (start - 1,)).fetchone()
    previous = blob(before[0] if before else _head(db, "kept_hash"))
    return Batch(start, previous, tuple(blob(body) for _, body in rows))


def _spent(db: sqlite3.Connection, grant_id: bytes) -> int:
    row = db.execute("SELECT uses FROM spent WHERE grant_id = ?", (grant_id,)).fetchone()
    return number(row[0]) if row else 0


def _note(db: sqlite3.Connection, name: str, kind: type[T]) -> T | None:
    row = db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
    try:
        return msgspec.json.decode(blob(row[0]), type=kind) if row else None
    except msgspec.MsgspecError as error:
        raise NotAsWritten(f"the note '{name}' cannot be read") from error


def _keep(db: sqlite3.Connection, name: str, value: object) -> None:
    db.execute("DELETE FROM note WHERE name = ?", (name,))
    if value is not None:
        db.execute("INSERT INTO note VALUES (?, ?)", (name, msgspec.json.encode(value)))


def _append(db: sqlite3.Connection, events: Sequence[Event], spend: bytes | None) -> int:
    first, head = number(_head(db, "next")), blob(_head(db, "hash"))
    for seq, event in enumerate(events, first):
        body = encode_event(msgspec.structs.replace(event, seq=seq))
        head = chain(head, body)
        db.execute("INSERT INTO entry VALUES (?, ?, ?)", (seq, head, body))
    db.execute("UPDATE head SET next = ?, hash = ?", (first + len(events), head))
    if spend is not None:
        db.execute(
            "INSERT INTO spent VALUES (?, 1) ON CONFLICT DO UPDATE SET uses = uses + 1", (spend,)
        )
    return first


def _forget(db: sqlite3.Connection, upto: int) -> None:
    row = db.execute("SELECT hash FROM entry WHERE seq = ?", (upto,)).fetchone()
    if row is None:
        return
    db.execute("DELETE FROM entry WHERE seq <= ?", (upto,))
    db.execute("UPDATE head SET kept_from = ?, kept_hash = ?", (upto + 1, row[0]))
