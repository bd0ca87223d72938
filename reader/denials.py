"""The deny set: keys that are refused whatever the plan says, in a file and a thread of their own.

Revocations must not wait behind a long snapshot. Every update is one transaction; entries are held
against a digest that is kept with the counter.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import msgspec

from reader.database import NotAsWritten, Unusable, blob
from reader.inbound import DenyState
from reader.sealed import SEALED, read_sealed, write_sealed
from reader.store import Store
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
AUDIT_STEP = 2_000

_STATE_AND_CAUSE = (
    "SELECT body, seal FROM state UNION ALL SELECT cause, NULL FROM deny WHERE key = ?"
)


class _State(msgspec.Struct, frozen=True, array_like=True):
    epoch: Count = 0
    counter: Count = 0
    digest: Hash = bytes(32)
    entries: Count = 0


class DenySet(Store[_State]):
    """The deny set of one reader."""

    def __init__(self, path: Path) -> None:
        """Open or create the set at `path`. Raises `Unusable` or `reader.database.TooNew`."""
        super().__init__(path, SCHEMA, VERSION, read_head=_read_state, audit=_Audit)

    @property
    def state(self) -> DenyState:
        """Up to where the set is complete; the beginning, if it cannot be read and believed."""
        try:
            return _summary(self.head)
        except Unusable as error:
            logger.warning("%s", error)
            return DenyState()

    def look_up(self, key: bytes) -> tuple[DenyState, DenyCause | None]:
        """Return the state, and why `key` is refused, or None. Raises `Unusable`: then refuse."""
        state, causes = self.look(_STATE_AND_CAUSE, (key,), _cause)
        return _summary(state), causes[0] if causes else None

    async def take(self, update: DenyUpdate) -> None:
        """Make `update`, which fits the state, part of the set, durably. Raises `Unusable`."""
        await self.start_over()
        await self.write(lambda db: _apply(db, update))


def _summary(state: _State) -> DenyState:
    return DenyState(state.epoch, state.counter)


def _read_state(db: sqlite3.Connection) -> _State:
    sealed = read_sealed(db)
    return _State() if sealed is None else sealed.open(_State)


def _cause(value: object) -> DenyCause:
    try:
        return DenyCause(blob(value).decode())
    except ValueError as error:
        raise NotAsWritten(f"a cause in the deny set cannot be read: {error}") from error


def _apply(db: sqlite3.Connection, update: DenyUpdate) -> None:
    state = _read_state(db)
    digest = SetDigest.from_value(state.digest, state.entries)
    for entry in update.entries:
        digest = _apply_entry(db, digest, entry)
    now = _State(update.epoch, update.counter, digest.value, digest.count)
    write_sealed(db, now)


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
