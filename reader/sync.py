"""One session with the controller: what is said when, and what becomes of what is heard.

Readers drive recovery. On connecting the reader says hello with what it has, and gets what it
lacks; it says hello again whenever something does not fit, and every quarter of an hour to renew
its lease. Nothing rests on what a broker queued.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reader.database import Unusable
from reader.identity import Enrolment, Keys
from reader.inbound import (
    Fits,
    Gap,
    Judgement,
    Known,
    Wrong,
    judge_denials,
    judge_lease,
    judge_page,
    judge_pulse,
)
from reader.memory import Memory
from reader.plan_rows import DoesNotAddUp
from reader.wallets import aliro_key
from shared.access.mode import Trust
from shared.cbor import Malformed
from shared.wire.envelope import Forged, PairwiseKey, is_signed, open_signed
from shared.wire.messages import (
    Ack,
    CacheHealth,
    Claimed,
    DenyUpdate,
    EventReceipt,
    Hello,
    Lease,
    Message,
    PlanPage,
    Pulse,
)
from shared.wire.topics import Leaf, Place

logger = logging.getLogger(__name__)

# A lease is asked for long before it ends, and soon after a question went unanswered.
RENEW_EVERY = 900.0
ANSWER_WITHIN = 5.0
RETRY_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way up, not yet sealed."""

    leaf: Leaf
    message: Message


class Sync:
    """One session, from connect to disconnect. `say` sends; the other callbacks act here."""

    def __init__(
        self,
        enrolment: Enrolment,
        keys: Keys,
        memory: Memory,
        *,
        say: Callable[[Outgoing], Awaitable[None]],
        pulse: Callable[[Pulse], Awaitable[None]],
        claimed: Callable[[Claimed], None],
        refused: Callable[[str], Awaitable[None]],
        changed: Callable[[], None],
        software: str,
    ) -> None:
        """Begin a session with a nonce of its own."""
        self._enrolment = enrolment
        self._pairwise = PairwiseKey(keys.identity, enrolment.controller_key, enrolment.reader)
        self._memory = memory
        self._say = say
        self._pulse = pulse
        self._claimed = claimed
        self._refused = refused
        self._changed = changed
        self._software = software
        self._wallet_key = aliro_key(keys.pkoc).public
        self.session = secrets.token_bytes(16)
        self._nonce: bytes | None = None
        self._asked_at = 0.0
        self._unanswered = 0
        self._hello_due = 0.0
        self._pulses_used: set[bytes] = set()
        self.stored_upto = 0  # of the journal, as the controller confirmed in this session

    @property
    def deadline(self) -> float:
        """The uptime at which `tick` is due."""
        return self._hello_due

    async def tick(self) -> None:
        """Say hello if it is time to."""
        if self._memory.time.uptime() >= self._hello_due:
            await self.hello()

    async def hello(self) -> None:
        """Tell the controller what is here and ask for what is not."""
        now = self._memory.time.uptime()
        self._nonce, self._asked_at = secrets.token_bytes(16), now
        wait = min(ANSWER_WITHIN * 2**self._unanswered, RETRY_MAX)
        # Spread over a fifth, so that a thousand readers do not ask in step.
        self._hello_due = now + wait * (0.9 + secrets.randbelow(200) / 1000)
        self._unanswered = min(self._unanswered + 1, 8)
        memory = self._memory
        plan = memory.cache.plan
        await self._say(
            Outgoing(
                Leaf.HELLO,
                Hello(
                    reader=self._enrolment.reader,
                    session=self.session,
                    nonce=self._nonce,
                    plan=plan,
                    # One that only lacks a part of the deny set need not come again.
                    health=memory.health if plan is None else CacheHealth.GOOD,
                    deny_counter=memory.denials.state.counter,
                    journal=memory.journal.id,
                    next_seq=memory.journal.next_seq,
                    software=self._software,
                    wallet_key=self._wallet_key.point,
                ),
            )
        )

    async def take(self, place: Place, data: bytes) -> None:
        """Take a message that arrived at `place`. Whatever is wrong with it is refused and said."""
        try:
            await self._take(place, data)
        except (Malformed, Forged) as error:
            await self._refused(f"{place.leaf.value}: {error}")
        except DoesNotAddUp as error:
            await self._refused(f"{place.leaf.value}: {error}")
            await self._doubt_own_rows()
        except Unusable as error:
            logger.warning("%s", error)
            self.ask_again()

    async def _doubt_own_rows(self) -> None:
        """What is signed does not fit what is here: perhaps it is here that something is wrong."""
        try:
            await self._memory.cache.verify()
        except Unusable as error:
            logger.warning("%s", error)
        self.ask_again()

    async def _take(self, place: Place, data: bytes) -> None:
        signer = self._enrolment.plan_key
        match place.leaf:
            case Leaf.PLAN:
                await self._take_plan(open_signed(data, signer, place, PlanPage, Lease))
            case Leaf.DENY:
                await self._take_denials(open_signed(data, signer, place, DenyUpdate))
            case Leaf.CMD if is_signed(data):
                await self._take_pulse(open_signed(data, signer, place, Pulse))
            case Leaf.CMD:
                receipt = self._pairwise.open(data, place, EventReceipt)
                await self._take_receipt(receipt)
            case Leaf.CLAIMED:
                self._claimed(self._pairwise.open(data, place, Claimed))
            case _:
                logger.debug("nothing is expected on %s", place.leaf.value)

    async def _take_plan(self, message: Message) -> None:
        if isinstance(message, PlanPage):
            await self._take_page(message)
        elif isinstance(message, Lease):
            await self._take_lease(message)

    async def _take_page(self, page: PlanPage) -> None:
        memory = self._memory
        judgement = judge_page(page, memory.cache.plan, memory.floor)
        if isinstance(judgement, Fits):
            if await memory.cache.take_page(page):
                await self._in_force()
            else:
                self._hello_due = memory.time.uptime() + ANSWER_WITHIN  # the rest is on its way
            return
        await self._otherwise(judgement)

    async def _take_denials(self, update: DenyUpdate) -> None:
        memory = self._memory
        judgement = judge_denials(update, memory.denials.state, memory.floor)
        if isinstance(judgement, Fits):
            await memory.denials.take(update)
            await self._in_force()
            return
        await self._otherwise(judgement)

    async def _in_force(self) -> None:
        """Something new is durable: remember it as the floor, and give the receipt."""
        await self._memory.raise_floor()
        self._changed()
        await self._acknowledge()
        if self._nonce is not None:
            self.ask_again()  # the question went unanswered while something was missing

    async def _acknowledge(self) -> None:
        ack = Ack(
            reader=self._enrolment.reader,
            session=self.session,
            plan=self._memory.cache.plan,
            deny_counter=self._memory.denials.state.counter,
        )
        await self._say(Outgoing(Leaf.ACK, ack))

    async def _take_lease(self, lease: Lease) -> None:
        memory = self._memory
        counter = memory.denials.state.counter
        judgement = judge_lease(lease, memory.cache.plan, counter, self._nonce)
        if isinstance(judgement, Fits):
            self._nonce = None
            self._unanswered = 0
            self._hello_due = memory.time.uptime() + RENEW_EVERY
            await self._renew(lease)
        elif isinstance(judgement, Gap):
            self.ask_again()

    async def _renew(self, lease: Lease) -> None:
        trusted = self._memory.clock.trust is Trust.TRUSTED
        try:
            await self._memory.renew(lease.issued_at, self._asked_at)
        except Unusable as error:
            # It holds until the next start; asking again would not make room on the card.
            logger.warning("%s", error)
        self._changed()
        if trusted and self._memory.clock.trust is not Trust.TRUSTED:
            await self._refused("time before what was signed earlier; the clock is not trusted")

    async def _take_pulse(self, pulse: Pulse) -> None:
        clock = self._memory.clock
        now_ms = int(clock.seconds() * 1000) if clock.anchor is not None else None
        judgement = judge_pulse(pulse, self.session, now_ms, self._pulses_used)
        if isinstance(judgement, Fits):
            self._pulses_used.add(pulse.id)
            await self._pulse(pulse)
            return
        await self._otherwise(judgement)
        if pulse.session != self.session:
            self.ask_again()

    async def _take_receipt(self, receipt: EventReceipt) -> None:
        journal = self._memory.journal
        if receipt.journal != journal.id or receipt.upto >= journal.next_seq:
            raise Forged("a receipt for entries that this journal does not have")
        if receipt.upto > self.stored_upto:
            self.stored_upto = receipt.upto
            try:
                await journal.forget(receipt.upto)
            except Unusable as error:
                # They are stored elsewhere; to keep them here as well does no harm.
                logger.warning("%s", error)

    async def _otherwise(self, judgement: Judgement) -> None:
        match judgement:
            case Known():
                await self._acknowledge()
                # It would not be repeated if the controller had heard the receipt: perhaps it
                # takes us for another session, and only a hello can tell it otherwise.
                self.ask_again()
            case Gap():
                self.ask_again()
            case Wrong(why):
                await self._refused(why)
            case Fits():
                pass

    def ask_again(self) -> None:
        """Say hello soon (see `deadline`); not at once: more of the same may be on its way."""
        soon = self._memory.time.uptime() + min(0.2 * 2**self._unanswered, RETRY_MAX)
        self._hello_due = min(self._hello_due, soon)
