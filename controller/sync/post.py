"""What all senders share: the roster, the lanes, the seal, and the notes of who is left alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controller.store.database import Database
from controller.sync.bus import Connection, Publication
from controller.sync.core import Wanted
from controller.sync.lanes import Lanes
from controller.sync.recorder import Recorder
from controller.sync.roster import Member, Roster
from controller.sync.source import QUARANTINE
from shared.credential.p256 import PrivateKey
from shared.wire.envelope import seal_signed
from shared.wire.messages import Message
from shared.wire.topics import Leaf, topic

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """One per process. `wake` asks for another look at a reader."""

    database: Database
    signing: PrivateKey
    roster: Roster
    lanes: Lanes
    recorder: Recorder
    wake: Callable[[str], None]
    monotonic: Callable[[], float]

    def seconds(self) -> int:
        """Return the time, UTC."""
        return self.database.clock() // 1000

    async def say(self, connection: Connection, message: Message, leaf: Leaf) -> None:
        """Sign and publish `message`."""
        payload = seal_signed(message, self.signing, leaf)
        await connection.publish(Publication(topic(message.reader, leaf), payload))

    def want(self, member: Member, wanted: Wanted) -> None:
        """Take note of what the reader should have, unless something newer is known already."""
        known = member.link.wanted
        if known is not None and _order(wanted) < _order(known):
            return
        with self.watching(member):
            member.link.want(wanted, self.monotonic())
        if wanted != known:
            self.wake(member.reader)

    @contextmanager
    def watching(self, member: Member) -> Iterator[None]:
        """Write it down if, meanwhile, the reader is found to have what we never gave it."""
        link = member.link
        before = link.quarantine
        yield
        if link.quarantine is not None and before is None:
            epoch = link.wanted.plan.epoch if link.wanted is not None else 0
            logger.error(
                "reader %s %s: it is left alone until an operator decides",
                member.reader,
                link.quarantine,
            )
            state = {"why": link.quarantine, "epoch": epoch}
            self.recorder.state(member.reader, **{QUARANTINE: state})
        elif before is not None and link.quarantine is None:
            self.recorder.state(member.reader, **{QUARANTINE: None})


def _order(wanted: Wanted) -> tuple[int, int, int]:
    return wanted.plan.epoch, wanted.plan.version, wanted.deny_counter
