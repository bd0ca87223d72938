"""The plan cache: every row of this reader's plan, in SQLite.

A delta or snapshot is one transaction, checked against the digest it was signed with; what does
not add up leaves the plan as it was. Memory does not grow with the number of grants.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from reader import plan_rows
from reader.database import NotAsWritten, Unusable, blob
from reader.plan_rows import DoesNotAddUp
from reader.store import Store
from shared import cbor
from shared.access.rows import (
    Calendar,
    CardIssuers,
    Door,
    Grant,
    ReaderCertificates,
    Row,
    decode_row,
    grants_prefix,
)
from shared.access.schedule import Schedule
from shared.wire.messages import PlanPage, PlanState

logger = logging.getLogger(__name__)

_STATE_AND_GRANTS = (
    "SELECT body, seal FROM state UNION ALL SELECT body, NULL FROM row WHERE key BETWEEN ? AND ?"
)

NO_ISSUERS = CardIssuers()
NO_CERTIFICATES = ReaderCertificates()


@dataclass(frozen=True, slots=True)
class Settings:
    """Which plan it is, and the rows of it that every decision needs."""

    plan: PlanState | None = None
    door: Door | None = None
    calendar: Calendar | None = None
    schedules: dict[int, Schedule] = field(default_factory=dict)
    card_issuers: CardIssuers = NO_ISSUERS
    certificates: ReaderCertificates = NO_CERTIFICATES


class PlanCache(Store[Settings]):
    """The rows of one reader's plan."""

    def __init__(self, path: Path) -> None:
        """Open or create the cache at `path`. Raises `Unusable` or `reader.database.TooNew`."""
        super().__init__(
            path,
            plan_rows.SCHEMA,
            plan_rows.VERSION,
            read_head=_read_settings,
            audit=plan_rows.Audit,
        )

    @property
    def plan(self) -> PlanState | None:
        """Which plan is here; None if none is, or none that can be read and believed."""
        try:
            return self.head.plan
        except Unusable as error:
            logger.warning("%s", error)
            return None

    def look_up(self, key: bytes) -> tuple[Settings, tuple[Grant, ...]]:
        """Return the settings, and every grant to the public key `key`. Raises `Unusable`."""
        prefix = grants_prefix(key)
        settings, rows = self.look(_STATE_AND_GRANTS, (prefix, prefix + b"\xff" * 9), _row)
        return settings, tuple(row for row in rows if isinstance(row, Grant))

    async def take_page(self, page: PlanPage) -> bool:
        """Keep `page`; apply all once the last is there. Return whether the plan changed.

        The caller has checked that the page fits the plan in force. Raises `DoesNotAddUp`,
        `shared.cbor.Malformed` (nothing was changed) or `Unusable`.
        """
        await self.start_over()
        if page.pages == 1:
            rows = iter([(page.put, page.delete)])
            await self.write(lambda db: plan_rows.apply(db, page, rows))
        elif not await self.write(lambda db: plan_rows.stage(db, page)):
            return False
        else:
            await self._apply_staged(page)
        return True

    async def _apply_staged(self, page: PlanPage) -> None:
        try:
            await self.write(lambda db: plan_rows.apply_staged(db, page))
        except (DoesNotAddUp, cbor.Malformed):
            await self.write(plan_rows.drop_staged)
            raise


def _read_settings(db: sqlite3.Connection) -> Settings:
    plan = plan_rows.read_state(db)
    if plan is None:
        return Settings()
    door: Door | None = None
    calendar: Calendar | None = None
    issuers, certificates = NO_ISSUERS, NO_CERTIFICATES
    schedules = {}
    for (body,) in db.execute("SELECT body FROM row WHERE key < ?", (b"\x04",)):
        match _row(body):
            case Door() as door:
                pass
            case Calendar() as calendar:
                pass
            case Schedule() as schedule:
                schedules[schedule.id] = schedule
            case CardIssuers() as issuers:
                pass
            case ReaderCertificates() as certificates:
                pass
            case Grant():
                pass
    return Settings(plan, door, calendar, schedules, issuers, certificates)


def _row(body: object) -> Row:
    try:
        return decode_row(blob(body))
    except cbor.Malformed as error:
        raise NotAsWritten(f"a row of the plan cannot be read: {error}") from error
