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
class DenyState:
    """Which deny set, exactly."""

    epoch: int = 0
    counter: int = 0


@dataclass(frozen=True, slots=True)
class Floor:
    """The highest epochs, version and deny counter that were ever in force here."""

    epoch: int = 0
    version: int = 0
    deny_counter: int = 0
    deny_epoch: int = 0

    def raised(self, plan: PlanState | None, denials: DenyState) -> Floor:
        """Return the floor after `plan` and `denials` came into force."""
        epoch, version = self.epoch, self.version
        if plan is not None:
            epoch, version = max((epoch, version), (plan.epoch, plan.version))
        counter = max(self.deny_counter, denials.counter)
        return Floor(epoch, version, counter, max(self.deny_epoch, denials.epoch))

    def reached(self, plan: PlanState, denials: DenyState) -> bool:
        """Return whether `plan` and `denials` are not older than what was in force before."""
        current = (plan.epoch, plan.version) >= (self.epoch, self.version)
        return current and denials.counter >= self.deny_counter

    @property
    def planned(self) -> bool:
        """Whether any plan was ever in force."""
        return (self.epoch, self.version) > (0, 0)

    @property
    def newest(self) -> int:
        """The highest epoch of all: the controller has begun it, and speaks of no older one."""
        return max(self.epoch, self.deny_epoch)


def judge_page(page: PlanPage, plan: PlanState | None, floor: Floor) -> Judgement:
    """Judge one page of a delta or snapshot against the plan in force (None: none, or damaged)."""
    after = page.after
    floor = floor.raised(plan, DenyState())
    if after.epoch < floor.newest:
        return Wrong(f"plan of epoch {after.epoch}, epoch {floor.newest} is in force")
    if after == plan:
        return Known()
    if after.epoch == floor.epoch and after.version < floor.version:
        return Wrong(f"plan version {after.version} again, version {floor.version} is in force")
    if plan is not None and (after.epoch, after.version) == (plan.epoch, plan.version):
        return Wrong(f"two different plans of version {after.version}")
    if page.base is None:
        return Fits()
    fits = plan is not None and (plan.epoch, plan.version) == (after.epoch, page.base)
    return Fits() if fits else Gap()


def judge_denials(update: DenyUpdate, held: DenyState, floor: Floor) -> Judgement:
    """Judge a deny set update against the set in force.

    After a loss the set may come in several updates, so that one below the floor fits, too; the
    door refuses everybody until the floor is reached.
    """
    newest = max(floor.newest, held.epoch)
    if update.epoch < newest:
        return Wrong(f"deny set of epoch {update.epoch}, epoch {newest} is in force")
    if update.base > update.counter:
        return Wrong(f"deny set from {update.base} back to {update.counter}")
    if (update.epoch, update.counter) == (held.epoch, held.counter):
        return Known()
    if update.counter < held.counter:
        return Wrong(f"deny set {update.counter} again, {held.counter} is in force")
    return Fits() if update.base <= held.counter else Gap()


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
