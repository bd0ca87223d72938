"""What a reader knows and must not forget: plan, deny set, journal, clock, lease, floor."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from reader.cache import NO_CERTIFICATES, NO_ISSUERS, PlanCache
from reader.clock import Anchor, ReaderClock, TimeSource
from reader.database import Unusable
from reader.denials import DenySet
from reader.inbound import Floor
from reader.journal import Journal, open_journal
from reader.lease import Lease, Standing
from shared.access.decide import Knowledge
from shared.access.rows import CardIssuers, Grant, ReaderCertificates
from shared.wire.messages import CacheHealth

_ANEW = "began_anew"
CACHE, DENIALS, JOURNAL = "plan.db", "deny.db", "journal.db"

logger = logging.getLogger(__name__)


class Memory:
    """One reader's lasting state, and the answers drawn from it."""

    def __init__(
        self, cache: PlanCache, denials: DenySet, journal: Journal, time: TimeSource
    ) -> None:
        """Pick up where the last run of the daemon left off. Raises `Unusable`."""
        self.cache = cache
        self.denials = denials
        self.journal = journal
        self.time = time
        floor = journal.note("clock_floor", float) or 0.0
        self.clock = ReaderClock(time, journal.note("anchor", Anchor), floor)
        never = Lease(0, 0.0, time.boot, time.uptime())
        kept = journal.note("lease", Lease) or never
        self.lease = kept.carried_over(time.boot, time.uptime())
        self._floor_kept = journal.note("floor", Floor) or Floor()
        self.floor = self._floor_kept
        self.journal_began_anew = journal.note(_ANEW, bool) or False
        self._begin(kept)

    def _begin(self, kept: Lease) -> None:
        """Write down at once what this start costs: the next power cut may come any moment."""
        floor = self.floor = self._raised()
        # What is in force did not come with this journal: the one that it came with is lost.
        anew = self._floor_kept == Floor() != floor
        self.journal_began_anew = self.journal_began_anew or anew
        try:
            if anew:
                self.journal.keep_now(_ANEW, value=True)
            if self.lease != kept:
                self.journal.keep_now("lease", self.lease)
            if floor != self._floor_kept:
                self.journal.keep_now("floor", floor)
                self._floor_kept = floor
        except Unusable as error:
            logger.warning("%s", error)

    @property
    def health(self) -> CacheHealth:
        """Whether plan and deny set are whole, and not older than what was in force before."""
        plan = self.cache.plan
        if plan is None and not self.floor.planned:
            return CacheHealth.EMPTY
        reached = plan is not None and self.floor.reached(plan, self.denials.state)
        return CacheHealth.GOOD if reached else CacheHealth.DAMAGED

    @property
    def ready(self) -> bool:
        """Whether there is something to decide by; otherwise everybody is refused."""
        return self.health is CacheHealth.GOOD

    def lease_standing(self) -> Standing:
        """Return how the lease of the plan in force stands; live without a plan: none is used."""
        door = self.know(None).door
        if door is None:
            return Standing.LIVE
        return self.lease.standing(door.lease, self.time.uptime(), self.clock.trusted_seconds())

    def know(self, key: bytes | None) -> Knowledge:
        """Return all that bears on an attempt with `key`; nothing if anything is in doubt.

        Without a key it is what holds for everybody.
        """
        try:
            return self._know(key or b"")
        except Unusable as error:
            logger.warning("%s", error)
            return Knowledge()

    def card_issuers(self) -> CardIssuers:
        """Return whose certificates count here; nobody's if anything is in doubt."""
        try:
            return self.cache.head.card_issuers
        except Unusable as error:
            logger.warning("%s", error)
            return NO_ISSUERS

    def certificates(self) -> ReaderCertificates:
        """Return what this reader is certified for; nothing if anything is in doubt."""
        try:
            return self.cache.head.certificates
        except Unusable as error:
            logger.warning("%s", error)
            return NO_CERTIFICATES

    def _know(self, key: bytes) -> Knowledge:
        # A key is refused no longer only after the plan says how far it may go: first this, then
        # the plan, or a change of both in between would let it in as far as it once might go.
        held, denied = self.denials.look_up(key)
        settings, grants = self.cache.look_up(key)
        if settings.plan is None or not self.floor.reached(settings.plan, held):
            return Knowledge()
        return Knowledge(
            door=settings.door,
            calendar=settings.calendar,
            schedules=settings.schedules,
            grants=grants,
            denied=denied,
            uses_spent={g.id: self._spent(g) for g in grants if g.uses is not None},
            lease_live=settings.door is not None and self._live(settings.door.lease),
        )

    def _spent(self, grant: Grant) -> int:
        """Return how many uses are spent; all of them, if that cannot be read."""
        try:
            return self.journal.spent(grant.id)
        except Unusable as error:
            logger.warning("%s", error)
            return grant.uses or 0

    def _live(self, limit: int) -> bool:
        return self.lease.live(limit, self.time.uptime(), self.clock.trusted_seconds())

    async def renew(self, signed_ms: int, asked_at: float) -> bool:
        """Renew the lease, and the clock if the answer was quick. Return whether it was.

        `signed_ms` answers a question asked at uptime `asked_at`; the lease counts from there.
        Raises `Unusable` when it cannot be written down; it holds until the next start then.
        """
        trusted = self.clock.set(signed_ms / 1000, asked_at)
        self.lease = Lease.renewed(signed_ms // 1000, self.time.boot, asked_at)
        await self.journal.keep("lease", self.lease)
        await self.journal.keep("anchor", self.clock.anchor)
        return trusted

    async def raise_floor(self) -> None:
        """Remember that what is in force now is the least that will ever be accepted.

        Raises `Unusable`.
        """
        floor = self.floor = self._raised()
        if floor != self._floor_kept:
            await self.journal.keep("floor", floor)
            self._floor_kept = floor

    async def checkpoint(self) -> None:
        """Write down clock floor and lease; called every minute. Raises `Unusable`."""
        self.lease = self.lease.checkpoint(self.time.uptime(), self.clock.trusted_seconds())
        await self.journal.keep("clock_floor", self.clock.checkpoint())
        await self.journal.keep("lease", self.lease)

    def _raised(self) -> Floor:
        return self.floor.raised(self.cache.plan, self.denials.state)

    def close(self) -> None:
        """Finish writing and close all files."""
        self.cache.close()
        self.denials.close()
        self.journal.close()


def open_memory(folder: Path, time: TimeSource) -> Memory:
    """Open (or create) what lies in `folder`. Raises `Unusable` or `reader.database.TooNew`."""
    with ExitStack() as opened:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"{folder} cannot be made: {error.strerror}") from error
        journal = open_journal(folder / JOURNAL)
        opened.callback(journal.close)
        cache = PlanCache(folder / CACHE)
        opened.callback(cache.close)
        denials = DenySet(folder / DENIALS)
        opened.callback(denials.close)
        memory = Memory(cache, denials, journal, time)
        opened.pop_all()
    return memory
