"""Remote openings, from the row that asks for one to what the door did.

A pulse goes to the session the reader is in now, once. Nothing is pretended: a reader that is not
there makes it *offline*, one that does not answer in ten seconds *timeout*, and only the reader's
own journal makes it *admitted* or *denied*, however late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence

from sqlalchemy import Update, select, update

from controller.compiler.chunks import chunks
from controller.store.tables import Admission
from controller.store.uninterrupted import uninterrupted
from controller.sync.bus import Connection
from controller.sync.lanes import Urgency
from controller.sync.post import Post
from shared.access.decide import Reason
from shared.wire.events import Event, EventKind
from shared.wire.messages import Pulse
from shared.wire.topics import Leaf

logger = logging.getLogger(__name__)

# As long as a reader takes it; somebody who waits at a door has given up by then.
ANSWER_WITHIN = 10.0
LOOK_EVERY = 1.0
RELEASED = "released"


class Admissions:
    """Finds requests after a commit, sends them, and follows them to the end."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._rung = asyncio.Event()
        self._seen = 0
        self._open: dict[int, float] = {}  # until when an answer is awaited, by number

    def ring(self) -> None:
        """Something was committed."""
        self._rung.set()

    async def begin(self) -> None:
        """Give up what an earlier run of the controller left open; nobody waits for it now."""
        async with self._post.database.transaction() as session:
            newest = select(Admission.id).order_by(Admission.id.desc()).limit(1)
            self._seen = await session.scalar(newest) or 0
            await session.execute(_end("timeout", self._post.database.clock()))

    async def run(self) -> None:
        """Send requests until cancelled, and end those without an answer."""
        while True:
            self._rung.clear()
            await uninterrupted(self._send_new())
            await uninterrupted(self._give_up())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._rung.wait()

    async def answered(self, events: Iterable[tuple[str, Event]]) -> None:
        """Take what readers (by id) say in their journals of requests they were sent."""
        answers = [
            (reader, event)
            for reader, event in events
            if event.kind is EventKind.REMOTE and event.command is not None
        ]
        if not answers:
            return
        now = self._post.database.clock()
        async with self._post.database.transaction() as session:
            for reader, event in answers:
                await session.execute(
                    update(Admission)
                    .where(Admission.command == event.command, Admission.reader_id == reader)
                    .values(status=_status(event), detail=event.detail, completed_at=now)
                )

    async def _send_new(self) -> None:
        async with self._post.database.read() as session:
            query = select(Admission).where(Admission.id > self._seen).order_by(Admission.id)
            requests = list(await session.scalars(query))
        unreachable = [request.id for request in requests if not self._send(request)]
        if requests:
            self._seen = requests[-1].id
        await self._offline(unreachable)

    def _send(self, request: Admission) -> bool:
        """Have a pulse sent, unless the reader is not there to hear it."""
        member = self._post.roster.get(request.reader_id)
        session = member.link.session if member is not None and member.link.there else None
        if not self._post.lanes.open or session is None or request.status != "pending":
            return False
        pulse = Pulse(
            reader=request.reader_id,
            id=request.command,
            session=session,
            operator=request.id,
            issued_at=self._post.database.clock(),
        )

        async def job(connection: Connection) -> None:
            await self._post.say(connection, pulse, Leaf.CMD)

        self._post.lanes.urgent.submit(job, Urgency.PULSE)
        self._open[request.id] = self._post.monotonic() + ANSWER_WITHIN
        return True

    async def _offline(self, numbers: Sequence[int]) -> None:
        for part in chunks(numbers):
            logger.info("%s remote openings, but the reader is not there", len(part))
            async with self._post.database.transaction() as session:
                ended = _end("offline", self._post.database.clock())
                await session.execute(ended.where(Admission.id.in_(part)))

    async def _give_up(self) -> None:
        """End those of our requests that nobody has answered."""
        now, at = self._post.database.clock(), self._post.monotonic()
        overdue = [number for number, until in self._open.items() if at >= until]
        for part in chunks(overdue):
            async with self._post.database.transaction() as session:
                await session.execute(_end("timeout", now).where(Admission.id.in_(part)))
        for number in overdue:
            del self._open[number]


def _end(status: str, now: int) -> Update:
    return (
        update(Admission)
        .where(Admission.status == "pending")
        .values(status=status, completed_at=now)
    )


def _status(event: Event) -> str:
    said = event.reason is Reason.GRANTED if event.reason else event.detail == RELEASED
    return "admitted" if said else "denied"
