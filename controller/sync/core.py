"""What a reader lacks, judged from what it says it has. Pure decisions, no database, no clock.

A reader that has something we never gave it is left alone: it followed a controller whose later
past we have lost (a restored backup), and might have been told to refuse what we would let in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.wire.messages import PlanState

# A delta that long is no better than the plan itself, which is read page by page.
MERGE_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader should have."""

    plan: PlanState
    deny_counter: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a reader says it has; `plan` None: none that can be used."""

    plan: PlanState | None = None
    deny_counter: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """The plan after one delta of the outbox, and the size of that delta in bytes."""

    version: int
    digest: bytes
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Whole:
    """Send a snapshot."""


@dataclass(frozen=True, slots=True)
class From:
    """Send the deltas after version `base`, as one."""

    base: int


@dataclass(frozen=True, slots=True)
class Forked:
    """Send nothing: the reader has a plan that we did not make."""

    why: str


Route: TypeAlias = Whole | From | Forked


def ahead(wanted: Wanted, held: Held) -> str | None:
    """Return why the reader has something that we never gave it, or None."""
    ours, theirs = wanted.plan, held.plan
    if held.deny_counter > wanted.deny_counter:
        return f"has deny set {held.deny_counter}, here it is {wanted.deny_counter}"
    if theirs is None or theirs.epoch < ours.epoch:
        return None
    if theirs.epoch > ours.epoch:
        return f"has a plan of epoch {theirs.epoch}, here it is {ours.epoch}"
    if theirs.version > ours.version:
        return f"has plan version {theirs.version}, here it is {ours.version}"
    if theirs.version == ours.version and theirs != ours:
        return f"has another plan of version {theirs.version}"
    return None


def route(
    wanted: PlanState, have: PlanState | None, records: Sequence[Record], *, sure: bool
) -> Route:
    """Return how to lead a reader from `have`, which is not `wanted`, to `wanted`.

    `records` are those of the outbox from version `have` on, in order. `sure`: `have` is known to
    be a plan of ours even if its own record is gone.
    """
    if have is None or have.epoch != wanted.epoch:
        return Whole()
    own = next((record for record in records if record.version == have.version), None)
    if own is not None and (own.digest, own.count) != (have.digest, have.count):
        return Forked(f"has another plan of version {have.version}")
    if own is None and not sure:
        return Whole()
    steps = [record for record in records if have.version < record.version <= wanted.version]
    expected = range(have.version + 1, wanted.version + 1)
    if [step.version for step in steps] != list(expected):
        return Whole()
    return From(have.version) if sum(step.size for step in steps) <= MERGE_LIMIT else Whole()
