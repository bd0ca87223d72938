"""One value in a database, under a hash of its own: a flipped bit must not pass for another value.

SQLite keeps no checksums. Rows are held against a digest, which is such a value.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from typing import NamedTuple

from reader.database import NotAsWritten, blob

SEALED = """
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL, seal BLOB NOT NULL)
"""


class Sealed(NamedTuple):
    """The value as it lies there, not looked into yet; to compare it costs almost nothing."""

    body: bytes
    seal: bytes

    def open(self) -> bytes:
        """Return the value. Raises `reader.database.NotAsWritten`."""
        if not hmac.compare_digest(hashlib.sha256(self.body).digest(), self.seal):
            raise NotAsWritten("the state does not match its seal")
        return self.body


def read_sealed(db: sqlite3.Connection) -> Sealed | None:
    """Return the value, None if it was never written. Raises `NotAsWritten`."""
    found = db.execute("SELECT body, seal FROM state").fetchone()
    return None if found is None else Sealed(blob(found[0]), blob(found[1]))


def write_sealed(db: sqlite3.Connection, body: bytes) -> None:
    """Replace the value."""
    seal = hashlib.sha256(body).digest()
    db.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (body, seal))
