"""The tables of the plan cache: how a delta or snapshot becomes the plan, in one transaction.

Pages that arrive before the last one are kept aside (`staged`). Which plan the rows are stands in
`state`, under a seal of its own; the rows are held against its digest as they are applied, and
again, all of them, by an `Audit`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from reader.database import blob
from reader.sealed import SEALED, read_sealed, write_sealed
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.rows import decode_row, row_key
from shared.wire.messages import MAX_MESSAGE, PAGE_BYTES, PlanPage, PlanState, RowBody, RowKey

VERSION = 1
SCHEMA = f"""
CREATE TABLE row (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE staged (page INTEGER PRIMARY KEY, stream BLOB NOT NULL, body BLOB NOT NULL);
{SEALED}
"""
# So many rows are added up at a time: a write waits some milliseconds for them.
AUDIT_STEP = 500


class DoesNotAddUp(Exception):
    """A delta does not lead to the plan it was signed for. Nothing was changed."""


class _Staged(msgspec.Struct, frozen=True, array_like=True):
    put: Annotated[tuple[RowBody, ...], msgspec.Meta(max_length=PAGE_BYTES)]
    delete: Annotated[tuple[RowKey, ...], msgspec.Meta(max_length=PAGE_BYTES)]


def read_state(db: sqlite3.Connection) -> PlanState | None:
    """Return which plan is here, None for none. Raises `reader.database.NotAsWritten`."""
    sealed = read_sealed(db)
    return None if sealed is None else sealed.open(PlanState)


def stage(db: sqlite3.Connection, page: PlanPage) -> bool:
    """Keep `page` aside, dropping pages of any other stream. Return whether all are there."""
    stream = cbor.encode([page.base, page.after, page.pages])
    db.execute("DELETE FROM staged WHERE stream != ?", (stream,))
    body = cbor.encode(_Staged(page.put, page.delete))
    db.execute("INSERT OR REPLACE INTO staged VALUES (?, ?, ?)", (page.page, stream, body))
    (count,) = db.execute("SELECT count(*) FROM staged").fetchone()
    return bool(count == page.pages)


def apply_staged(db: sqlite3.Connection, last: PlanPage) -> None:
    """Apply all pages kept aside, of which `last` is one. Raises as `apply` does."""
    pages = (_decoded(db, number) for number in range(last.pages))
    apply(db, last, ((page.put, page.delete) for page in pages))


def _decoded(db: sqlite3.Connection, number: int) -> _Staged:
    found = db.execute("SELECT body FROM staged WHERE page = ?", (number,)).fetchone()
    if found is None:
        raise DoesNotAddUp(f"page {number} is missing")
    return cbor.decode_as(blob(found[0]), _Staged, limit=MAX_MESSAGE)


def drop_staged(db: sqlite3.Connection) -> None:
    """Forget all pages kept aside."""
    db.execute("DELETE FROM staged")


def apply(
    db: sqlite3.Connection,
    last: PlanPage,
    pages: Iterator[tuple[Sequence[bytes], Sequence[bytes]]],
) -> None:
    """Apply `pages`, each rows to put and keys to delete, in the caller's transaction.

    Raises `DoesNotAddUp` or `shared.cbor.Malformed`.
    """
    digest = SetDigest()
    if last.base is None:
        db.execute("DELETE FROM row")
    elif (before := read_state(db)) is not None:
        digest = SetDigest.from_value(before.digest, before.count)
    for put, delete in pages:
        digest = _apply_rows(db, digest, put, delete)
    after = last.after
    if (digest.value, digest.count) != (after.digest, after.count):
        raise DoesNotAddUp(
            f"the rows give {digest.count} rows and another digest than version {after.version}"
        )
    write_sealed(db, after)
    drop_staged(db)


def _apply_rows(
    db: sqlite3.Connection, digest: SetDigest, put: Sequence[bytes], delete: Sequence[bytes]
) -> SetDigest:
    for key in delete:
        digest = _forget(db, digest, key)
        db.execute("DELETE FROM row WHERE key = ?", (key,))
    for body in put:
        key = row_key(decode_row(body))
        digest = _forget(db, digest, key).with_row(body)
        db.execute("INSERT OR REPLACE INTO row VALUES (?, ?)", (key, body))
    return digest


def _forget(db: sqlite3.Connection, digest: SetDigest, key: bytes) -> SetDigest:
    old = db.execute("SELECT body FROM row WHERE key = ?", (key,)).fetchone()
    return digest.without_row(blob(old[0])) if old else digest


class Audit:
    """Adds up all rows, some at a time, and says whether they are the plan that they should be."""

    def __init__(self) -> None:
        """Begin; see `step`."""
        self.holds = True
        self._digest = SetDigest()
        self._last = b""

    def step(self, db: sqlite3.Connection) -> bool:
        """Look at some rows of one moment of the database. Return whether there are more."""
        rows = db.execute(
            "SELECT key, body FROM row WHERE key > ? ORDER BY key LIMIT ?", (self._last, AUDIT_STEP)
        ).fetchall()
        self.holds = all(self._take(key, body) for key, body in rows)
        if rows and self.holds:
            return True
        if self.holds:
            state = read_state(db)
            expected = SetDigest() if state is None else _digest_of(state)
            self.holds = self._digest == expected
        return False

    def _take(self, key: object, body: object) -> bool:
        """Count one row in, if it is one, in its place, and after the one before."""
        if not isinstance(key, bytes) or not isinstance(body, bytes) or key <= self._last:
            return False
        try:
            right = row_key(decode_row(body)) == key
        except cbor.Malformed:
            return False
        self._digest = self._digest.with_row(body)
        self._last = key
        return right


def _digest_of(state: PlanState) -> SetDigest:
    return SetDigest.from_value(state.digest, state.count)
