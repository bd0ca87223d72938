"""Tells every reader what it lacks, as soon as it lacks it: refusals first, then plans.

A ring after each commit, and once a second a look of its own, show which readers should have
something newer than what is on its way to them. Two tasks serve them, so that a refusal never
waits until somebody's long plan has been read from the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

from controller.compiler.chunks import chunks
from controller.store.database import Database
from controller.sync import source
from controller.sync.lanes import Lanes
from controller.sync.plans import send_plans
from controller.sync.post import Post
from controller.sync.recorder import Recorder
from controller.sync.refusals import send_denials, send_lease
from controller.sync.roster import Member, Roster
from controller.sync.timers import Timers
from shared.credential.p256 import PrivateKey

logger = logging.getLogger(__name__)

# A ring that was missed costs no more than this.
LOOK_EVERY = 1.0
# What is due but cannot be done (a reader that is being removed) is tried again after this.
PATIENCE = 0.005
# What is heard within this is served together: a thousand receipts are a few rounds, not hundreds.
PACE = 0.005


class Publisher:
    """Decides what to send. `run` once; while the lanes are closed it only looks."""

    def __init__(
        self,
        database: Database,
        signing: PrivateKey,
        roster: Roster,
        lanes: Lanes,
        recorder: Recorder,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self.post = Post(database, signing, roster, lanes, recorder, self.wake, monotonic)
        self._roster = roster
        self._recorder = recorder
        self._monotonic = monotonic
        self._timers = Timers()
        self._stale = True
        self._urgent, self._unhurried = _Heard(), _Heard()

    def ring(self) -> None:
        """Something was committed."""
        self._stale = True
        self._urgent.woken.set()

    def wake(self, reader: str) -> None:
        """Something was heard from `reader`, or an errand for it is done."""
        self._urgent.add(reader)

    def reset(self) -> None:
        """There is no connection: nothing is in flight any more, what was may not have arrived."""
        self.post.lanes.clear()
        for member in self._roster:
            member.link.lost()

    def resume(self) -> None:
        """There is a connection: look at everybody."""
        self.ring()
        for member in self._roster:
            self.wake(member.reader)

    async def look(self) -> None:
        """Read from the database what every reader should have."""
        self._stale = False
        async with self.post.database.read() as session:
            rows = await source.plans(session)
            for part in chunks(self._roster.strangers(rows)):
                for stranger in await source.members(session, part):
                    self._roster.admit(stranger)
        for row in rows:
            member = self._roster.get(row.reader)
            if member is not None and member.link.wanted != row.wanted:
                self.post.want(member, row.wanted)

    async def run(self) -> None:
        """Serve readers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve_urgent())
            tasks.create_task(self._serve_unhurried())

    async def _serve_urgent(self) -> None:
        """Deny sets and leases; then it is the turn of the plans."""
        looked = -math.inf
        while True:
            if self._stale or self._monotonic() - looked >= LOOK_EVERY:
                looked = self._monotonic()
                await self.look()
            members = self._members(self._urgent.take())
            await send_denials(self.post, [member for member in members if member.link.deny_due])
            for member in members:
                if member.link.lease_due:
                    send_lease(self.post, member)
                self._unhurried.add(member.reader)
            await self._rest(self._urgent, looked + LOOK_EVERY)

    async def _serve_unhurried(self) -> None:
        """Plans, and whatever has to be sent again."""
        while True:
            now = self._monotonic()
            members = self._members(self._unhurried.take() | self._timers.due(now))
            for member in members:
                self._tick(member, now)
            await send_plans(self.post, [member for member in members if member.link.plan_due(now)])
            for member in members:
                self._timers.look_at(member.reader, max(member.link.deadline, now + PATIENCE))
            await self._rest(self._unhurried, self._timers.next)

    def _tick(self, member: Member, now: float) -> None:
        if member.link.tick(now):
            logger.warning("reader %s does not answer", member.reader)
            self._recorder.gone(member.reader)
        if member.link.deny_due:
            self.wake(member.reader)

    def _members(self, readers: set[str]) -> list[Member]:
        """Return who can be served now; after a loss everybody is looked at again."""
        if not self.post.lanes.open:
            return []
        found = (self._roster.get(reader) for reader in sorted(readers))
        return [member for member in found if member is not None]

    async def _rest(self, heard: _Heard, until: float) -> None:
        """Wait for a word, but not longer than `until`, after a moment in any case."""
        await asyncio.sleep(PACE)
        wait = max(0.0, until - self._monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if wait == math.inf else wait):
                await heard.woken.wait()


class _Heard:
    """Readers that have to be looked at."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._readers: set[str] = set()

    def add(self, reader: str) -> None:
        self._readers.add(reader)
        self.woken.set()

    def take(self) -> set[str]:
        """Return them, and begin anew."""
        self.woken.clear()
        readers, self._readers = self._readers, set()
        return readers
