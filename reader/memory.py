"""What a reader knows and must not forget: plan cache, journal, clock, lease, floor."""

from __future__ import annotations

from pathlib import Path

from reader.cache import PlanCache, open_cache
from reader.clock import Anchor, ReaderClock, TimeSource
from reader.database import Damaged
from reader.inbound import Floor
from reader.journal import Journal, open_journal
from reader.lease import Lease
from shared.access.decide import Knowledge
from shared.wire.messages import CacheHealth

CACHE, JOURNAL = "plan.db", "journal.db"


class Memory:
    """One reader's lasting state, and the answers drawn from it."""

    def __init__(self, cache: PlanCache, journal: Journal, time: TimeSource) -> None:
        """Pick up where the last run of the daemon left off."""
        self.cache = cache
        self.journal = journal
        self.time = time
        floor = journal.note("clock_floor", float) or 0.0
        self.clock = ReaderClock(time, journal.note("anchor", Anchor), floor)
        never = Lease(0, 0.0, time.boot, time.uptime())
        kept = journal.note("lease", Lease) or never
        self.lease = kept.carried_over(time.boot, time.uptime())
        self.floor = journal.note("floor", Floor) or Floor()

    @property
    def ready(self) -> bool:
        """Whether plan and deny set are whole, and not older than what was in force before."""
        if self.cache.health is not CacheHealth.GOOD:
            return False
        plan = self.cache.plan
        return (
            plan is not None
            and (plan.epoch, plan.version) >= (self.floor.epoch, self.floor.version)
            and self.cache.deny_counter >= self.floor.deny_counter
        )

    def lease_live(self) -> bool:
        """Whether the plan may still be used."""
        door = self.cache.settings().door
        if door is None:
            return False
        return self.lease.live(door.lease, self.time.uptime(), self.clock.trusted_seconds())

    def know(self, key: bytes | None, *, fault: bool = False) -> Knowledge:
        """Return all that bears on an attempt with `key`; nothing if the cache is in doubt."""
        try:
            return self._know(key, fault=fault) if self.ready else Knowledge()
        except Damaged:
            return Knowledge()

    def _know(self, key: bytes | None, *, fault: bool) -> Knowledge:
        settings = self.cache.settings()
        grants = self.cache.grants(key) if key is not None else ()
        return Knowledge(
            door=settings.door,
            calendar=settings.calendar,
            schedules=settings.schedules,
            grants=grants,
            denied=self.cache.denied(key) if key is not None else None,
            uses_spent={g.id: self.journal.spent(g.id) for g in grants if g.uses is not None},
            fault=fault,
            lease_live=self.lease_live(),
        )

    async def renew(self, signed_ms: int, asked_at: float) -> bool:
        """Renew the lease, and the clock if the answer was quick. Return whether it was.

        `signed_ms` answers a question asked at uptime `asked_at`; the lease counts from there.
        """
        trusted = self.clock.set(signed_ms / 1000, asked_at)
        self.lease = Lease.renewed(signed_ms // 1000, self.time.boot, asked_at)
        await self.journal.keep("lease", self.lease)
        if trusted:
            await self.journal.keep("anchor", self.clock.anchor)
        return trusted

    async def raise_floor(self) -> None:
        """Remember that what is in force now is the least that will ever be accepted."""
        floor = self.floor.raised(self.cache.plan, self.cache.deny_counter)
        if floor != self.floor:
            self.floor = floor
            await self.journal.keep("floor", floor)

    async def checkpoint(self) -> None:
        """Write down clock floor and lease; called every minute."""
        await self.journal.keep("clock_floor", self.clock.checkpoint())
        self.lease = self.lease.checkpoint(self.time.uptime(), self.clock.trusted_seconds())
        await self.journal.keep("lease", self.lease)

    def close(self) -> None:
        """Finish writing and close both files."""
        self.cache.close()
        self.journal.close()


def open_memory(folder: Path, time: TimeSource) -> Memory:
    """Open (or create) what lies in `folder`. Raises `Damaged` for the journal, or `TooNew`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Memory(open_cache(folder / CACHE), open_journal(folder / JOURNAL), time)
