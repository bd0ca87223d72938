"""Takes what readers say. Nothing is looked into before its MAC or signature holds.

Messages on topics that were not asked for, and from those who are no members, are dropped in
silence; forged and malformed ones are counted, and logged now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from controller.sync.bus import Connection, Publication
from controller.sync.claims import Claims
from controller.sync.complaints import Complaints
from controller.sync.link import Receipt
from controller.sync.post import Post
from controller.sync.roster import Member
from controller.sync.wallet_keys import WalletKeys
from shared.cbor import Malformed
from shared.wire.envelope import Forged, open_signed
from shared.wire.messages import Ack, Claim, EventBatch, Hello, State
from shared.wire.topics import UP, Leaf, Place, every, parse

logger = logging.getLogger(__name__)

SUBSCRIPTIONS = tuple(every(leaf) for leaf in UP)


class Journals(Protocol):
    """Where batches of events go."""

    def offer(self, batch: EventBatch) -> bool:
        """Take `batch`, whose signature holds; False: no room, the reader will send it again."""


class Inbox:
    """Takes one message at a time, and never waits while it does."""

    def __init__(
        self,
        post: Post,
        journals: Journals,
        claims: Claims,
        wallet_keys: WalletKeys,
        monotonic: Callable[[], float],
    ) -> None:
        self._post = post
        self._journals = journals
        self._claims = claims
        self._wallet_keys = wallet_keys
        self._monotonic = monotonic
        self.complaints = Complaints()

    async def listen(self, connection: Connection) -> None:
        """Take messages until cancelled. Raises `BusLost`."""
        async for message in connection.messages():
            self.take(message)

    def take(self, message: Publication) -> None:
        """Take one message, whatever it is."""
        place = parse(message.topic)
        if place is None or place.leaf not in UP:
            return
        member = self._post.roster.get(place.reader)
        if member is None or (place.leaf is Leaf.STATE and not message.payload):
            return  # An empty retained message is how a topic is cleared.
        try:
            self._open(member, place, message.payload)
        except (Malformed, Forged) as error:
            if self.complaints.worth_a_line(member.reader, self._monotonic()):
                logger.warning("%s from reader %s: %s", place.leaf.value, member.reader, error)

    def _open(self, member: Member, place: Place, payload: bytes) -> None:
        match place.leaf:
            case Leaf.HELLO:
                self._hello(member, member.pairwise.open(payload, place, Hello))
            case Leaf.ACK:
                self._ack(member, member.pairwise.open(payload, place, Ack))
            case Leaf.STATE:
                self._state(member, member.pairwise.open(payload, place, State))
            case Leaf.CLAIM:
                self._claims.offer(member, member.pairwise.open(payload, place, Claim))
            case Leaf.EVENT:
                self._events(open_signed(payload, member.identity, place, EventBatch))
            case _:
                pass

    def _hello(self, member: Member, hello: Hello) -> None:
        link, recorder = member.link, self._post.recorder
        began = link.session != hello.session
        with self._post.watching(member):
            receipt = link.hello(hello)
        if receipt is None:
            return
        if began:
            logger.info("reader %s is there, software %s", member.reader, ascii(hello.software))
            recorder.state(
                member.reader,
                software=hello.software,
                health=hello.health.value,
            )
        recorder.heard(member.reader, hello.session)
        self._wallet_keys.offer(member, hello.wallet_key)
        self._received(member, receipt)

    def _ack(self, member: Member, ack: Ack) -> None:
        with self._post.watching(member):
            receipt = member.link.ack(ack)
        if receipt is not None:
            self._post.recorder.heard(member.reader)
            self._received(member, receipt)

    def _received(self, member: Member, receipt: Receipt) -> None:
        if member.link.quarantine is None:
            self._post.recorder.received(member.reader, receipt)
        self._post.wake(member.reader)

    def _state(self, member: Member, state: State) -> None:
        link, recorder = member.link, self._post.recorder
        if not state.online:
            if link.gone(state.session):
                logger.info("reader %s is gone", member.reader)
                recorder.gone(member.reader)
            return
        if not link.alive(state.session):
            return  # Of a session that is over, or of a reader whose hello is still on its way.
        recorder.heard(member.reader, state.session)
        recorder.state(
            member.reader,
            mode=state.mode,
            contact=state.contact,
            health=state.health,
            devices=dict(state.devices),
        )
        self._post.wake(member.reader)

    def _events(self, batch: EventBatch) -> None:
        if not self._journals.offer(batch):
            logger.debug("no room for events of reader %s now", batch.reader)
