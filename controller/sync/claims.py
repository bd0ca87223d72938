"""Answers readers that ask for one use of a key which several of them share.

Somebody stands at the door meanwhile: what arrives while one transaction commits is answered
together by the next, and what cannot wait its turn is dropped, for the reader to refuse.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from controller import uses
from controller.store.uninterrupted import uninterrupted
from controller.sync.bus import Connection, Publication
from controller.sync.lanes import Urgency
from controller.sync.post import Post
from controller.sync.roster import Member
from shared.wire.messages import Claim, Claimed, Verdict
from shared.wire.topics import Leaf, topic

# A reader serves eight phones and a card at once; whoever asks for more does not mean it.
MAX_PER_READER = 9


class Claims:
    """`offer` from anywhere, `run` once."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._waiting: list[tuple[Member, Claim]] = []
        self._per_reader: Counter[str] = Counter()
        self._offered = asyncio.Event()

    def offer(self, member: Member, claim: Claim) -> None:
        """Take a claim that is authentic, of the session its reader is in; or drop it."""
        if claim.session != member.link.session or self._per_reader[claim.reader] >= MAX_PER_READER:
            return
        self._per_reader[claim.reader] += 1
        self._waiting.append((member, claim))
        self._offered.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            waiting, self._waiting = self._waiting, []
            self._per_reader.clear()
            verdicts = await uninterrupted(self._judge([claim for _, claim in waiting]))
            for (member, claim), verdict in zip(waiting, verdicts, strict=True):
                if verdict is not None:
                    self._answer(member, Claimed(reader=claim.reader, id=claim.id, verdict=verdict))

    async def _judge(self, claims: list[Claim]) -> list[Verdict | None]:
        database = self._post.database
        async with database.transaction() as session:
            return [await uses.claim(session, claim, database.clock()) for claim in claims]

    def _answer(self, member: Member, claimed: Claimed) -> None:
        async def job(connection: Connection) -> None:
            payload = member.pairwise.seal(claimed, Leaf.CLAIMED)
            await connection.publish(Publication(topic(claimed.reader, Leaf.CLAIMED), payload))

        if self._post.lanes.open:
            self._post.lanes.urgent.submit(job, Urgency.CLAIMED)
