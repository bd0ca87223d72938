"""A reader as its own documentation has it, in memory and without a door: for tests of the sync.

It checks what a real one checks, so that a controller that cheats or muddles is found out: pages
count only when all are there and the digest is right, versions and counters never go back, a lease
counts only for the nonce of the last hello and for exactly this plan and deny set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply
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
    PlanState,
    Pulse,
)

RETRY = 5.0
RENEW = 900.0


@dataclass(slots=True)
class ModelReader:
    """`rows`, `denied`, `plan` and `deny_counter` are durable; all else ends with the session."""

    reader: str
    random_bytes: Callable[[int], bytes]
    rows: dict[bytes, bytes] = field(default_factory=dict)
    denied: dict[bytes, str] = field(default_factory=dict)
    plan: PlanState | None = None
    deny_counter: int = 0
    wallet_key: bytes | None = None
    floor: tuple[int, int] = (0, 0)
    session: bytes = b""
    nonce: bytes | None = None
    hello_due: float = 0.0
    leases: int = 0
    hellos: int = 0
    pulses: list[Pulse] = field(default_factory=list)
    receipts: list[EventReceipt] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    applied: set[tuple[int, bytes]] = field(default_factory=set)
    _pages: dict[int, PlanPage] = field(default_factory=dict)
    _stream: tuple[int | None, PlanState, int] | None = None
    _unanswered: int = 0

    def connect(self, now: float) -> list[Message]:
        """Begin a session."""
        self.session, self._unanswered = self.random_bytes(16), 0
        self._pages, self._stream = {}, None
        return [self.hello(now)]

    def lose_cache(self) -> None:
        """The card went bad: the plan is gone, what was in force before stays the floor."""
        self.rows, self.denied, self.plan, self.deny_counter = {}, {}, None, 0
        self._pages, self._stream = {}, None

    def hello(self, now: float) -> Hello:
        self.nonce = self.random_bytes(16)
        self.hello_due = now + min(RETRY * 2**self._unanswered, 60.0)
        self._unanswered += 1
        self.hellos += 1
        return Hello(
            reader=self.reader,
            session=self.session,
            nonce=self.nonce,
            plan=self.plan,
            health=CacheHealth.EMPTY if self.plan is None else CacheHealth.GOOD,
            deny_counter=self.deny_counter,
            journal=b"journal1",
            next_seq=1,
            software="model 1",
            wallet_key=self.wallet_key,
        )

    def tick(self, now: float) -> list[Message]:
        """Say hello again, if it is time to."""
        return [self.hello(now)] if now >= self.hello_due else []

    def take(self, message: Message, now: float) -> list[Message]:
        """Take a message; return what is said to it."""
        match message:
            case PlanPage():
                return self._page(message, now)
            case DenyUpdate():
                return self._deny(message, now)
            case Lease():
                self._lease(message, now)
            case Pulse():
                self.pulses.append(message)
            case EventReceipt():
                self.receipts.append(message)
            case Claimed():
                self.claimed.append(message)
            case _:
                self.wrong.append(f"a {type(message).__name__}")
        return []

    def _page(self, page: PlanPage, now: float) -> list[Message]:
        after = page.after
        if self.plan == after:
            return [self._ack()]
        if (after.epoch, after.version) < self.floor:
            self.wrong.append(f"version {after.version} after {self.floor[1]}")
            return []
        if self.plan is not None and after.version == self.plan.version:
            self.wrong.append(f"two plans of version {after.version}")
            return []
        if page.base is not None and (self.plan is None or self.plan.version != page.base):
            self.hello_due = min(self.hello_due, now + 0.2)
            return []
        stream = (page.base, after, page.pages)
        if stream != self._stream:
            self._pages, self._stream = {}, stream
        self._pages[page.page] = page
        self.hello_due = max(self.hello_due, now + RETRY)
        if len(self._pages) < page.pages:
            return []
        return self._apply(after, now)

    def _apply(self, after: PlanState, now: float) -> list[Message]:
        pages = [self._pages[number] for number in sorted(self._pages)]
        rows = {} if pages[0].base is None else self.rows
        for page in pages:
            rows = apply(Delta(page.put, page.delete), rows)
        self._pages, self._stream = {}, None
        digest = SetDigest.of(rows.values())
        if (digest.value, digest.count) != (after.digest, after.count):
            self.wrong.append(f"the rows of version {after.version} do not add up")
            return []
        self.rows, self.plan, self.floor = rows, after, (after.epoch, after.version)
        self.applied.add((after.version, after.digest))
        return self._in_force(now)

    def _deny(self, update: DenyUpdate, now: float) -> list[Message]:
        if update.counter == self.deny_counter:
            return [self._ack()]
        if update.counter < self.deny_counter:
            return []  # A late repetition; a real reader reports it.
        if update.base > self.deny_counter:
            self.hello_due = min(self.hello_due, now + 0.2)
            return []
        counters = [item.counter for item in update.entries]
        if counters != sorted(set(counters)) or any(
            not update.base < counter <= update.counter for counter in counters
        ):
            self.wrong.append("entries out of order")
        for item in update.entries:
            if item.cause is None:
                self.denied.pop(item.key, None)
            else:
                self.denied[item.key] = item.cause.value
        self.deny_counter = update.counter
        return self._in_force(now)

    def _in_force(self, now: float) -> list[Message]:
        if self.nonce is not None:
            self.hello_due = min(self.hello_due, now + 0.2)
        return [self._ack()]

    def _lease(self, lease: Lease, now: float) -> None:
        if lease.nonce != self.nonce:
            return
        if (lease.plan, lease.deny_counter) != (self.plan, self.deny_counter):
            self.hello_due = min(self.hello_due, now + 0.2)
            return
        self.nonce, self._unanswered = None, 0
        self.hello_due = now + RENEW
        self.leases += 1

    def _ack(self) -> Ack:
        return Ack(
            reader=self.reader,
            session=self.session,
            plan=self.plan,
            deny_counter=self.deny_counter,
        )
