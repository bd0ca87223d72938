"""The plan cache: every row of this reader's plan, in SQLite.

A delta or snapshot is one transaction, checked against the digest it was signed with; what does
not add up leaves the plan as it was. Memory does not grow with the number of grants. A file that
turns out damaged is no longer used; it makes room for a new one, which a snapshot fills.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from reader import plan_rows
from reader.database import (
    Damaged,
    Database,
    NotAsWritten,
    Unusable,
    blob,
    open_or_set_aside,
    set_aside,
)
from reader.plan_rows import Audit, DoesNotAddUp
from reader.sealed import Sealed, read_sealed
from shared import cbor
from shared.access.rows import (
    Calendar,
    Door,
    Grant,
    Row,
    decode_row,
    grants_prefix,
)
from shared.access.schedule import Schedule
from shared.wire.messages import CacheHealth, PlanPage, PlanState

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """The rows that every decision needs, at one version of the plan."""

    door: Door | None = None
    calendar: Calendar | None = None
    schedules: dict[int, Schedule] = field(default_factory=dict)


NOTHING = Settings()


@dataclass(frozen=True, slots=True)
class _Head:
    """What every decision needs of a plan, kept at hand as long as `sealed` stays what it was."""

    sealed: Sealed | None = None
    plan: PlanState | None = None
    settings: Settings = NOTHING


class PlanCache:
    """The rows of one reader. What is damaged is never used; it shows in `health`."""

    def __init__(self, path: Path) -> None:
        """Open or create the cache at `path`. Raises `Unusable` or `reader.database.TooNew`."""
        self._path = path
        self._database, self._fresh = _open(path)
        self._damaged = self._fresh
        self._head = _Head()
        self.broken = asyncio.Event()  # set when damage is found; whoever waits for it clears it
        if self._damaged:
            self.broken.set()

    @property
    def health(self) -> CacheHealth:
        """Whether there is a plan to decide by."""
        if self.plan is None:
            return CacheHealth.DAMAGED if self._damaged else CacheHealth.EMPTY
        return CacheHealth.GOOD

    @property
    def plan(self) -> PlanState | None:
        """Which plan is in force; None if none is, or none that can be read and believed."""
        try:
            return None if self._damaged else self._look(_nothing)[0].plan
        except Unusable as error:
            logger.warning("%s", error)
            return None

    def settings(self) -> Settings:
        """Return door, calendar and schedules of the plan in force. Raises `Unusable`."""
        return NOTHING if self._damaged else self._look(_nothing)[0].settings

    def look_up(self, key: bytes) -> tuple[Settings, tuple[Grant, ...]]:
        """Return the settings, and every grant to the public key `key`. Raises `Unusable`."""
        if self._damaged:
            return NOTHING, ()
        head, grants = self._look(lambda db: _grants(db, key))
        return head.settings, grants

    async def take_page(self, page: PlanPage) -> bool:
        """Keep `page`; apply all once the last is there. Return whether the plan changed.

        The caller has checked that the page fits the plan in force. Raises `DoesNotAddUp`,
        `shared.cbor.Malformed` (nothing was changed) or `Unusable`.
        """
        if self._damaged:
            self.start_over()
        if page.pages == 1:
            rows = iter([(page.put, page.delete)])
            await self._write(lambda db: plan_rows.apply(db, page, rows))
        elif not await self._write(lambda db: plan_rows.stage(db, page)):
            return False
        else:
            await self._apply_staged(page)
        self._damaged = False
        return True

    def start_over(self) -> None:
        """Make room for a snapshot, if the file is damaged. Raises `Unusable`."""
        if self._damaged and not self._fresh:
            self._database.close()
            set_aside(self._path)
            self._database, _ = _open(self._path)
            self._fresh, self._head = True, _Head()

    async def verify(self) -> bool:
        """Add up all rows, a little at a time. Return whether they are what they should be.

        What does not hold is no longer used: the reader refuses, says so, and asks for a snapshot.
        """
        if self._damaged:
            return False
        database, audit = self._database, Audit()
        try:
            await database.survey(audit.step)
        except Damaged as error:
            self._found(error)
            return False
        if not audit.holds and self._database is database:
            self._found(Damaged(f"{self._path}: the rows are not those of the plan"))
        return audit.holds

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    async def _apply_staged(self, page: PlanPage) -> None:
        try:
            await self._write(lambda db: plan_rows.apply_staged(db, page))
        except (DoesNotAddUp, cbor.Malformed):
            await self._write(plan_rows.drop_staged)
            raise

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except Damaged as error:
            self._found(error)
            raise

    def _look(self, work: Callable[[sqlite3.Connection], T]) -> tuple[_Head, T]:
        """Return the head and what `work` reads, both of one moment."""
        try:
            last = self._head
            self._head, found = self._database.read(lambda db: (_read_head(db, last), work(db)))
        except Damaged as error:
            self._found(error)
            raise
        return self._head, found

    def _found(self, error: Damaged) -> None:
        """Stop using the file."""
        if not self._damaged:
            logger.error("%s; everybody is refused until a snapshot is here", error)
            self._damaged = True
            self.broken.set()
        self._fresh = False


def _read_head(db: sqlite3.Connection, last: _Head) -> _Head:
    sealed = read_sealed(db)
    if sealed is None or sealed == last.sealed:
        return last if sealed else _Head()
    return _Head(sealed, plan_rows.state_of(sealed), _read_settings(db))


def _open(path: Path) -> tuple[Database, bool]:
    return open_or_set_aside(path, plan_rows.SCHEMA, plan_rows.VERSION)


def _nothing(_: sqlite3.Connection) -> None:
    return None


def _grants(db: sqlite3.Connection, key: bytes) -> tuple[Grant, ...]:
    prefix = grants_prefix(key)
    query = "SELECT body FROM row WHERE key BETWEEN ? AND ?"
    found = db.execute(query, (prefix, prefix + b"\xff" * 9)).fetchall()
    return tuple(row for row in map(_row, found) if isinstance(row, Grant))


def _read_settings(db: sqlite3.Connection) -> Settings:
    door: Door | None = None
    calendar: Calendar | None = None
    schedules = {}
    for found in db.execute("SELECT body FROM row WHERE key < ?", (b"\x04",)):
        match _row(found):
            case Door() as door:
                pass
            case Calendar() as calendar:
                pass
            case Schedule() as schedule:
                schedules[schedule.id] = schedule
            case Grant():
                pass
    return Settings(door, calendar, schedules)


def _row(found: tuple[object]) -> Row:
    try:
        return decode_row(blob(found[0]))
    except cbor.Malformed as error:
        raise NotAsWritten(f"a row of the plan cannot be read: {error}") from error
