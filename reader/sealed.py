"""One value in a database, under a hash of its own: a flipped bit must not pass for another value.

SQLite keeps no checksums. Rows are held against a digest, which is such a value.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from typing import NamedTuple, TypeVar

import msgspec

from reader.database import NotAsWritten, blob
from shared import cbor

T = TypeVar("T", bound=msgspec.Struct)

SEALED = """
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL, seal BLOB NOT NULL)
"""
STATE_BYTES = 256


class Sealed(NamedTuple):
    """The value as it lies there, not looked into yet; to compare it costs almost nothing."""

    body: bytes
    seal: bytes

    def open(self, kind: type[T]) -> T:
        """Return the value. Raises `reader.database.NotAsWritten`."""
        if not hmac.compare_digest(hashlib.sha256(self.body).digest(), self.seal):
            raise NotAsWritten("the state does not match its seal")
        try:
            return cbor.decode_as(self.body, kind, limit=STATE_BYTES)
        except cbor.Malformed as error:
            raise NotAsWritten(f"the state cannot be read: {error}") from error


def read_sealed(db: sqlite3.Connection) -> Sealed | None:
    """Return the value, None if it was never written. Raises `NotAsWritten`."""
    found = db.execute("SELECT body, seal FROM state").fetchone()
    return None if found is None else Sealed(blob(found[0]), blob(found[1]))


def write_sealed(db: sqlite3.Connection, value: msgspec.Struct) -> None:
    """Replace the value."""
    body = cbor.encode(value)
    seal = hashlib.sha256(body).digest()
    db.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (body, seal))
