"""Does a message from the controller fit what this reader has? Pure judgements, no effects.

Versions only grow, deltas only fit where they begin, and whatever was once accepted is a floor
that survives the loss of the cache: a replay, a rollback or a fork is refused and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from shared.wire.messages import DenyUpdate, Lease, PlanPage, PlanState, Pulse

# An operator presses a button and looks at the door; ten seconds later they have given up.
PULSE_LIFE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Fits:
    """Take it."""


@dataclass(frozen=True, slots=True)
class Known:
    """It is what the reader has already; a receipt may be repeated."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something before it is missing: say hello again."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Refuse and report."""

    why: str


Judgement: TypeAlias = Fits | Known | Gap | Wrong


@dataclass(frozen=True, slots=True)
class Floor:
    """The highest epoch, version and deny counter that were ever in force here."""

    epoch: int = 0
    version: int = 0
    deny_counter: int = 0

    def raised(self, plan: PlanState | None, deny_counter: int) -> Floor:
        """Return the floor after `plan` and `deny_counter` came into force."""
        deny = max(self.deny_counter, deny_counter)
        if plan is None or (plan.epoch, plan.version) <= (self.epoch, self.version):
            return Floor(self.epoch, self.version, deny)
        return Floor(plan.epoch, plan.version, deny)


def judge_page(page: PlanPage, plan: PlanState | None, floor: Floor) -> Judgement:
    """Judge one page of a delta or snapshot against the plan in force (None: none, or damaged)."""
    after = page.after
    if page.page >= page.pages:
        return Wrong(f"page {page.page} of {page.pages}")
    if after.epoch < floor.epoch:
        return Wrong(f"plan of epoch {after.epoch}, epoch {floor.epoch} is in force")
    if plan is not None and after == plan:
        return Known()
    if after.epoch == floor.epoch and after.version < floor.version:
        return Wrong(f"plan version {after.version} again, version {floor.version} is in force")
    if plan is not None and (after.epoch, after.version) == (plan.epoch, plan.version):
        return Wrong(f"two different plans of version {after.version}")
    if page.base is None:
        return Fits()
    fits = plan is not None and (plan.epoch, plan.version) == (after.epoch, page.base)
    return Fits() if fits else Gap()


def judge_denials(update: DenyUpdate, counter: int, floor: Floor) -> Judgement:
    """Judge a deny set update against the counter in force."""
    if update.epoch < floor.epoch:
        return Wrong(f"deny set of epoch {update.epoch}, epoch {floor.epoch} is in force")
    if update.base > update.counter:
        return Wrong(f"deny set from {update.base} back to {update.counter}")
    if update.counter == counter:
        return Known()
    if update.counter < counter:
        return Wrong(f"deny set {update.counter} again, {counter} is in force")
    return Fits() if update.base <= counter else Gap()


def judge_lease(
    lease: Lease, plan: PlanState | None, deny_counter: int, nonce: bytes | None
) -> Judgement:
    """Judge a lease renewal: it counts only if plan, deny set and the asker's nonce all match."""
    if nonce is None or lease.nonce != nonce:
        return Known()  # The answer to an older question; a newer one is on its way.
    if plan is None or lease.plan != plan or lease.deny_counter != deny_counter:
        return Gap()
    return Fits()


def judge_pulse(pulse: Pulse, session: bytes, now_ms: int | None, used: set[bytes]) -> Judgement:
    """Judge a remote opening; `now_ms` is signed time carried on by uptime, if there is any."""
    if pulse.session != session:
        return Wrong("remote opening for another session")
    if pulse.id in used:
        return Wrong("remote opening repeated")
    if now_ms is None:
        return Wrong("remote opening, but the clock is not set")
    if not -PULSE_LIFE_MS <= now_ms - pulse.issued_at <= PULSE_LIFE_MS:
        return Wrong("remote opening too late")
    return Fits()
