"""The deny set: keys that are refused whatever the plan says, in a file and a thread of their own.

Revocations must not wait behind a long snapshot. Every update is one transaction; entries are held
against a digest that is kept with the counter. What turns out damaged makes room for a new file,
and until that has caught up with the floor everybody is refused.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from reader.database import (
    Damaged,
    Database,
    NotAsWritten,
    Unusable,
    blob,
    open_or_set_aside,
    set_aside,
)
from reader.inbound import DenyState
from reader.sealed import SEALED, Sealed, read_sealed, write_sealed
from shared import cbor
from shared.access.decide import DenyCause
from shared.access.digest import SetDigest
from shared.wire.messages import Count, DenyEntry, DenyUpdate, Hash

logger = logging.getLogger(__name__)

VERSION = 1
SCHEMA = f"""
CREATE TABLE deny (key BLOB PRIMARY KEY, cause BLOB NOT NULL) WITHOUT ROWID;
{SEALED}
"""
STATE_BYTES = 256
AUDIT_STEP = 2_000


class _State(msgspec.Struct, frozen=True, array_like=True):
    epoch: Count = 0
    counter: Count = 0
    digest: Hash = bytes(32)
    entries: Count = 0


@dataclass(frozen=True, slots=True)
class _Head:
    """The state, kept at hand as long as `sealed` stays what it was."""

    sealed: Sealed | None = None
    state: _State = field(default_factory=_State)


class DenySet:
    """The deny set of one reader."""

    def __init__(self, path: Path) -> None:
        """Open or create the set at `path`. Raises `Unusable` or `reader.database.TooNew`."""
        self._path = path
        self._database, lost = _open(path)
        self._damaged = False
        self._head = _Head()
        self.broken = asyncio.Event()  # set when damage is found; whoever waits for it clears it
        if lost:
            self.broken.set()

    @property
    def state(self) -> DenyState:
        """Up to where the set is complete; the beginning, if it cannot be read and believed."""
        if self._damaged:
            return DenyState()
        try:
            self._head = self._database.read(lambda db: _read_head(db, self._head))
        except Unusable as error:
            self._found(error)
            return DenyState()
        return DenyState(self._head.state.epoch, self._head.state.counter)

    def cause(self, key: bytes) -> DenyCause | None:
        """Return why `key` is refused, or None. Raises `Unusable`: then refuse."""
        if self._damaged:
            raise Unusable(f"{self._path} is damaged; a new deny set is on its way")
        try:
            return self._database.read(lambda db: _cause(db, key))
        except Unusable as error:
            self._found(error)
            raise

    async def take(self, update: DenyUpdate) -> None:
        """Make `update`, which fits the state, part of the set, durably. Raises `Unusable`."""
        self.start_over()
        try:
            await self._database.write(lambda db: _apply(db, update))
        except Unusable as error:
            self._found(error)
            raise

    def start_over(self) -> None:
        """If the file is damaged, begin an empty one. Raises `Unusable`."""
        if self._damaged:
            self._database.close()
            set_aside(self._path)
            self._database, _ = _open(self._path)
            self._damaged, self._head = False, _Head()

    async def verify(self) -> bool:
        """Add up all entries. Return whether they are what they should be."""
        if self._damaged:
            return False
        database, audit = self._database, _Audit()
        try:
            await database.survey(audit.step)
        except Damaged as error:
            self._found(error)
            return False
        if not audit.holds and self._database is database:
            self._found(Damaged(f"{self._path}: the entries are not those that were written"))
        return audit.holds

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _found(self, error: Unusable) -> None:
        """Stop using the file if its content is broken."""
        if isinstance(error, Damaged) and not self._damaged:
            logger.error("%s; everybody is refused until the deny set is here again", error)
            self._damaged = True
            self.broken.set()
        elif not self._damaged:
            logger.warning("%s", error)


def _open(path: Path) -> tuple[Database, bool]:
    return open_or_set_aside(path, SCHEMA, VERSION)


def _read_head(db: sqlite3.Connection, last: _Head) -> _Head:
    sealed = read_sealed(db)
    return last if sealed == last.sealed else _Head(sealed, _state_of(sealed))


def _read_state(db: sqlite3.Connection) -> _State:
    return _state_of(read_sealed(db))


def _state_of(sealed: Sealed | None) -> _State:
    return cbor.decode_as(sealed.open(), _State, limit=STATE_BYTES) if sealed else _State()


def _cause(db: sqlite3.Connection, key: bytes) -> DenyCause | None:
    found = db.execute("SELECT cause FROM deny WHERE key = ?", (key,)).fetchone()
    if found is None:
        return None
    try:
        return DenyCause(blob(found[0]).decode())
    except ValueError as error:
        raise NotAsWritten(f"a cause in the deny set cannot be read: {error}") from error


def _apply(db: sqlite3.Connection, update: DenyUpdate) -> None:
    state = _read_state(db)
    digest = SetDigest.from_value(state.digest, state.entries)
    for entry in update.entries:
        digest = _apply_entry(db, digest, entry)
    now = _State(update.epoch, update.counter, digest.value, digest.count)
    write_sealed(db, cbor.encode(now))


def _apply_entry(db: sqlite3.Connection, digest: SetDigest, entry: DenyEntry) -> SetDigest:
    old = db.execute("SELECT cause FROM deny WHERE key = ?", (entry.key,)).fetchone()
    if old is not None:
        digest = digest.without_row(_line(entry.key, blob(old[0])))
    if entry.cause is None:
        db.execute("DELETE FROM deny WHERE key = ?", (entry.key,))
        return digest
    cause = entry.cause.value.encode()
    db.execute("INSERT OR REPLACE INTO deny VALUES (?, ?)", (entry.key, cause))
    return digest.with_row(_line(entry.key, cause))


def _line(key: bytes, cause: bytes) -> bytes:
    return cbor.encode([key, cause])


class _Audit:
    """Adds up all entries, some at a time."""

    def __init__(self) -> None:
        self.holds = True
        self._digest = SetDigest()
        self._last = b""

    def step(self, db: sqlite3.Connection) -> bool:
        """Look at some entries of one moment. Return whether there are more."""
        entries = db.execute(
            "SELECT key, cause FROM deny WHERE key > ? ORDER BY key LIMIT ?",
            (self._last, AUDIT_STEP),
        ).fetchall()
        self.holds = all(self._take(blob(key), blob(cause)) for key, cause in entries)
        if entries and self.holds:
            return True
        state = _read_state(db)
        expected = SetDigest.from_value(state.digest, state.entries)
        self.holds = self.holds and self._digest == expected
        return False

    def _take(self, key: bytes, cause: bytes) -> bool:
        in_order = key > self._last
        self._digest = self._digest.with_row(_line(key, cause))
        self._last = key
        return in_order
