"""One reader, as the controller sees it: what it has, what is on its way, what is due when.

Pure: messages in, questions answered, monotonic time passed in. What was sent counts as there
until the reader says otherwise or says nothing for too long; then it is sent again. So nothing
rests on a broker that keeps its promises.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from controller.sync.core import Held, Wanted, ahead
from shared.wire.messages import Ack, CacheHealth, Hello, PlanState

# Edits are gathered while they keep coming, and never longer than the second, counted from the
# first that was not sent.
GATHER_QUIET = 0.02
GATHER_MOST = 0.1
# A reader writes a delta to its card and confirms it within a second; on a bad line within five.
RETRY_FIRST = 5.0
RETRY_MAX = 60.0
# A snapshot of a million grants has some 400 pages and may take the reader a minute; sent again
# before that, it would only stand in the way of what comes after.
PAGE_TIME = 0.25
# After 5 + 10 + 20 seconds without a word it is not there, whatever the broker believes.
SILENT_AFTER = 3
_PAST_SESSIONS = 16
_PAST_NONCES = 64
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a reader has confirmed; `version` None: a plan that cannot be judged here."""

    version: int | None
    deny_counter: int


class Link:
    """The state of one reader. `jitter` gives numbers in [0, 1)."""

    def __init__(self, reader: str, jitter: Callable[[], float]) -> None:
        self.reader = reader
        self.wanted: Wanted | None = None
        self.held = Held()
        self.session: bytes | None = None
        self.nonce: bytes | None = None
        self.quarantine: str | None = None
        self.live = False  # has said something, and nobody has said that it is gone
        self.silent = False  # does not answer any more
        self.plan_busy = False  # messages are being handed to the broker
        self.deny_busy = False
        self.sent = Held()
        self._jitter = jitter
        self._quarantined_epoch = -1
        self._past: deque[bytes] = deque(maxlen=_PAST_SESSIONS)
        self._nonces: deque[bytes] = deque(maxlen=_PAST_NONCES)
        self._issued: dict[int, PlanState] = {}
        self._moments: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._first_unsent = self._last_change = -math.inf
        self._plan_again_at = self._deny_again_at = math.inf
        self._plan_retries = self._deny_retries = 0
        self._deny_examined: tuple[int, int] | None = None

    # --- What is heard ---------------------------------------------------------------------------

    def restore(self, session: bytes, held: Held, *, live: bool, sure: bool) -> None:
        """Pick up where an earlier run of the controller left off.

        Not `live`: it could not see the reader at the end; the reader may have been there all the
        time, in that session, and need not say hello soon.
        """
        self.session, self.held, self.sent = session, held, held
        self.live = live
        if sure and held.plan is not None:
            self.issue(held.plan)

    def isolate(self, why: str, epoch: int) -> None:
        """Send nothing that widens rights until plans are of a later epoch than `epoch`."""
        self.quarantine, self._quarantined_epoch = why, epoch

    def want(self, wanted: Wanted, now: float) -> None:
        """Take note of what the reader should have as of `now`."""
        before, self.wanted = self.wanted, wanted
        if wanted == before:
            return
        self._moments.append((wanted.plan.version, wanted.deny_counter))
        if before is None or before.plan != wanted.plan:
            self._last_change = now
            if before is not None and self.sent.plan == before.plan:
                self._first_unsent = now
        self._judge()

    def hello(self, hello: Hello) -> Receipt | None:
        """The reader says what it has. None: it was said before, and somebody repeats it.

        A session is not over because somebody repeated the hello of an older one: what it says
        then, with a nonce that was not heard before, makes it the session again.
        """
        if hello.nonce in self._nonces:
            return None
        self._nonces.append(hello.nonce)
        if hello.session != self.session:
            self._begin(hello.session)
        plan = hello.plan if hello.health is CacheHealth.GOOD else None
        self.nonce = hello.nonce
        self.held = Held(plan, hello.deny_counter)
        self._heard()
        self._send_again()
        self._judge()
        return self._receipt(0 if plan is None else None)

    def ack(self, ack: Ack) -> Receipt | None:
        """The reader confirms what it has. None: the word of another session."""
        if self.session is None or ack.session != self.session:
            return None
        before = self.held
        self.held = Held(_later(before.plan, ack.plan), max(before.deny_counter, ack.deny_counter))
        self._heard()
        if self._plan_arrived:
            self._plan_again_at = math.inf
        if self._deny_arrived:
            self._deny_again_at = math.inf
        self._judge()
        return self._receipt(None)

    def alive(self, session: bytes) -> bool:
        """The reader says that it is there. Return whether it can be taken at its word.

        It may have begun a new session whose hello we missed, while we were not connected. Then it
        has at least what it had, and can be told what it lacks without being asked. If nobody is
        there, any session may be the right one: perhaps an old will was repeated.
        """
        if self.session is None or (session in self._past and self.there):
            return False
        if session != self.session:
            self._begin(session)
            self.nonce = None
            self._send_again()
        elif not self.there:
            self._send_again()
        self._heard()
        return True

    def gone(self, session: bytes) -> bool:
        """The broker says that the reader is gone. Return whether that is news."""
        if session != self.session or not self.live:
            return False
        self.live = False
        self._plan_again_at = self._deny_again_at = math.inf
        return True

    def lost(self) -> None:
        """The line to the broker broke: whatever was not confirmed may never have arrived."""
        self.plan_busy = self.deny_busy = False
        self._send_again()

    # --- What is due -----------------------------------------------------------------------------

    @property
    def there(self) -> bool:
        """Whether the reader can be expected to hear."""
        return self.live and not self.silent

    @property
    def lease_due(self) -> bool:
        """Whether the reader has all it should, and waits to be told so."""
        wanted = self.wanted
        return (
            self.live
            and self.nonce is not None
            and self.quarantine is None
            and wanted is not None
            and self.held == Held(wanted.plan, wanted.deny_counter)
        )

    @property
    def deny_due(self) -> bool:
        """Whether there may be something to send of the deny set."""
        if not self.live or self.deny_busy or self.wanted is None:
            return False
        counter = self.wanted.deny_counter
        return self.sent.deny_counter < counter and self._deny_examined != (counter, self.released)

    @property
    def released(self) -> int:
        """Up to which counter a key may be refused no longer: as of the plan in force there."""
        wanted, plan = self.wanted, self.held.plan
        if wanted is None:
            return 0
        if plan is None or plan == wanted.plan:
            return wanted.deny_counter
        if plan.epoch != wanted.plan.epoch:
            return 0
        return max((deny for version, deny in self._moments if version <= plan.version), default=0)

    def plan_due(self, now: float) -> bool:
        """Whether a delta or snapshot should go out now."""
        return self._plan_unsent() and now >= self._gathered_at()

    @property
    def sure(self) -> bool:
        """Whether the plan that the reader has, or will have, is certainly one of ours."""
        plan = self.sent.plan
        return plan is not None and self._issued.get(plan.version) == plan

    @property
    def deadline(self) -> float:
        """When to look at this link again, if nothing happens before."""
        if not self.live or self.plan_busy or self.deny_busy:
            return math.inf
        gathered = self._gathered_at() if self._plan_unsent() else math.inf
        return min(gathered, self._plan_again_at, self._deny_again_at)

    def tick(self, now: float) -> bool:
        """Send again what was not confirmed in time. Return whether the reader fell silent."""
        plan, deny = now >= self._plan_again_at, now >= self._deny_again_at
        if not (plan or deny) or self.plan_busy or self.deny_busy:
            return False
        if plan:
            self._plan_retries += 1
            self._send_plan_again()
        if deny:
            self._deny_retries += 1
            self._send_deny_again()
        if self.silent or max(self._plan_retries, self._deny_retries) < SILENT_AFTER:
            return False
        self.silent = True
        return True

    # --- What was sent ---------------------------------------------------------------------------

    def examined_deny(self) -> None:
        """Remember that what is due of the deny set, as things are, was looked at."""
        if self.wanted is not None:
            self._deny_examined = (self.wanted.deny_counter, self.released)

    def sent_deny(self, counter: int, now: float) -> None:
        """The deny set up to `counter` is with the broker."""
        self.sent = Held(self.sent.plan, counter)
        if not self._deny_arrived:
            self._deny_again_at = now + self._patience(self._deny_retries)

    def issue(self, plan: PlanState) -> None:
        """Messages that lead to `plan` are about to be sent: it may be confirmed from now on."""
        self._issued[plan.version] = plan
        if len(self._issued) > _REMEMBERED:
            del self._issued[next(iter(self._issued))]

    def sent_plan(self, plan: PlanState, now: float, *, pages: int = 1) -> None:
        """All that leads to `plan`, so many pages, is with the broker."""
        self.sent = Held(plan, self.sent.deny_counter)
        if not self._plan_arrived:
            patience = self._patience(self._plan_retries) + (pages - 1) * PAGE_TIME
            self._plan_again_at = now + patience

    def sent_lease(self) -> None:
        """The question is answered."""
        self.nonce = None

    # --- Inside ----------------------------------------------------------------------------------

    def _begin(self, session: bytes) -> None:
        if session in self._past:
            self._past.remove(session)
        if self.session is not None:
            self._past.append(self.session)
        self.session = session

    def _heard(self) -> None:
        self.live, self.silent = True, False
        self._plan_retries = self._deny_retries = 0

    def _send_again(self) -> None:
        """Start again from what the reader is known to have."""
        self._send_plan_again()
        self._send_deny_again()

    def _send_plan_again(self) -> None:
        self.sent = Held(self.held.plan, self.sent.deny_counter)
        self._plan_again_at = math.inf
        self._first_unsent = -math.inf

    def _send_deny_again(self) -> None:
        self.sent = Held(self.sent.plan, self.held.deny_counter)
        self._deny_again_at = math.inf
        self._deny_examined = None

    def _patience(self, retries: int) -> float:
        """Return how long to wait for a receipt: longer every time, spread over a fifth."""
        wait: float = min(RETRY_FIRST * 2**retries, RETRY_MAX)
        return wait * (0.9 + 0.2 * self._jitter())

    @property
    def _plan_arrived(self) -> bool:
        held, sent = self.held.plan, self.sent.plan
        return sent is None or _later(held, sent) == held

    @property
    def _deny_arrived(self) -> bool:
        return self.held.deny_counter >= self.sent.deny_counter

    def _plan_unsent(self) -> bool:
        return (
            self.live
            and not self.plan_busy
            and self.quarantine is None
            and self.wanted is not None
            and self.sent.plan != self.wanted.plan
        )

    def _gathered_at(self) -> float:
        return min(self._first_unsent + GATHER_MOST, self._last_change + GATHER_QUIET)

    def _judge(self) -> None:
        if self.wanted is None:
            return
        if self.quarantine is not None and self.wanted.plan.epoch > self._quarantined_epoch:
            self.quarantine = None
        why = ahead(self.wanted, self.held)
        if why is not None and self.quarantine is None:
            self.isolate(why, self.wanted.plan.epoch)

    def _receipt(self, version: int | None) -> Receipt:
        plan, wanted = self.held.plan, self.wanted
        if plan is not None and wanted is not None and self.quarantine is None:
            if plan == wanted.plan:
                self.issue(plan)
            # Changes wait for versions of this epoch.
            if plan.epoch == wanted.plan.epoch and self._issued.get(plan.version) == plan:
                version = plan.version
        return Receipt(version, self.held.deny_counter)


def _later(one: PlanState | None, other: PlanState | None) -> PlanState | None:
    """Return the plan that came later; of two with one version the second."""
    if one is None or other is None:
        return one or other
    return other if (other.epoch, other.version) >= (one.epoch, one.version) else one
