"""A file that the controller can fill again: under one sealed state, and out of use once damaged.

Plan cache and deny set are such files. What turns out damaged is not read any more; it makes room
for an empty file, and until that has caught up with the floor everybody is refused.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from reader.database import Damaged, Database, Unusable, blob, open_or_set_aside, set_aside
from reader.sealed import Sealed, read_sealed

T = TypeVar("T")
Head = TypeVar("Head")

logger = logging.getLogger(__name__)

_STATE = "SELECT body, seal FROM state"


class Audit(Protocol):
    """Adds up a whole file, some of it at a time."""

    holds: bool

    def step(self, db: sqlite3.Connection) -> bool:
        """Look at some more of one moment of the database. Return whether there is more."""


class _Kept(NamedTuple, Generic[Head]):
    """The head, good as long as `sealed` is what lies in the file."""

    sealed: Sealed | None
    head: Head


class Store(Generic[Head]):
    """One such file. `Head` is what every question needs of it; it is read when the state changes.

    Everything here raises `Unusable` where the file cannot be used, for now or for good.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        version: int,
        *,
        read_head: Callable[[sqlite3.Connection], Head],
        audit: Callable[[], Audit],
    ) -> None:
        """Open or create the file at `path`. Raises `reader.database.TooNew` as well."""
        self._path, self._schema, self._version = path, schema, version
        self._read_head, self._audit = read_head, audit
        self._database, lost = open_or_set_aside(path, schema, version)
        self._kept: _Kept[Head] | None = None
        self._damaged = False
        self._making_room = asyncio.Lock()
        self.broken = asyncio.Event()  # set when damage is found; whoever waits for it clears it
        if lost:
            self.broken.set()

    @property
    def head(self) -> Head:
        """What every question needs."""
        return self.look(_STATE, (), blob)[0]

    def look(
        self, query: str, values: tuple[object, ...], take: Callable[[object], T]
    ) -> tuple[Head, list[T]]:
        """Return the head, and what `query` finds as `take` understands it, both of one moment.

        `query` is one statement, which gives the sealed state as (body, seal), and everything else
        as (value, NULL). `take` may raise `reader.database.NotAsWritten`.
        """
        if self._damaged:
            raise Unusable(f"{self._path} is damaged; the controller is asked for a new one")
        database = self._database
        try:
            while True:
                sealed, found = database.glance(lambda db: _look(db, query, values, take))
                if self._kept is not None and self._kept.sealed == sealed:
                    return self._kept.head, found
                self._kept = database.read(lambda db: _Kept(read_sealed(db), self._read_head(db)))
        except Damaged as error:
            self._found(error, database)
            raise

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; return when it is durable. Raises what `work` raises."""
        database = self._database
        try:
            return await database.write(work)
        except Damaged as error:
            self._found(error, database)
            raise

    async def start_over(self) -> None:
        """If the file is damaged, begin an empty one."""
        async with self._making_room:
            if self._damaged:
                # A long write may be under way, and the door must not wait for it.
                await self._database.close_soon()
                set_aside(self._path)
                self._database, _ = open_or_set_aside(self._path, self._schema, self._version)
                self._damaged, self._kept = False, None

    async def verify(self) -> bool:
        """Add everything up, a little at a time. Return whether it is what it should be.

        What does not hold is not used any more.
        """
        if self._damaged:
            return False
        database, audit = self._database, self._audit()
        try:
            await database.survey(audit.step)
        except Damaged as error:
            self._found(error, database)
            return False
        if not audit.holds:
            self._found(Damaged(f"{self._path}: not what was written"), database)
        return audit.holds

    def close(self) -> None:
        """Finish what is being written and close the file."""
        self._database.close()

    def _found(self, error: Damaged, database: Database) -> None:
        """Stop using the file, unless another has taken its place."""
        if database is self._database and not self._damaged:
            logger.error("%s; everybody is refused until the controller has sent it again", error)
            self._damaged = True
            self.broken.set()


def _look(
    db: sqlite3.Connection, query: str, values: tuple[object, ...], take: Callable[[object], T]
) -> tuple[Sealed | None, list[T]]:
    sealed, found = None, []
    for value, seal in db.execute(query, values).fetchall():
        if seal is None:
            found.append(take(value))
        else:
            sealed = Sealed(blob(value), blob(seal))
    return sealed, found
