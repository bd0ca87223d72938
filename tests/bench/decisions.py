"""Random decisions, told a second time by a naive model, across clock changes and holidays.

The model shares no logic with `shared.access.decide`: it walks the published table from top to
bottom, striking out at each line the grants that fail it, and asks `zoneinfo` for the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from shared.access.decide import (
    Attempt,
    Denied,
    Factor,
    Granted,
    Knowledge,
    Reason,
    Reservation,
    decide,
)
from shared.access.mode import Trust
from shared.access.rows import Flag, Grant, Method, Modes
from shared.access.schedule import Opening, Use
from tests.bench.worlds import Situation, situations
from tests.shared.access.wallclock import begins, naive_opening, shown_at


class Answer(NamedTuple):
    """What was decided, made comparable."""

    reasons: tuple[Reason, ...]
    grant: Grant | None
    seconds: int
    counts: bool


def run(count: int, seed: int) -> int:
    """Return how many of `count` random decisions differ from the model's."""
    return sum(1 for _ in differences(count, seed))


def differences(count: int, seed: int) -> Iterator[Situation]:
    """Yield those of `count` random situations that are decided differently."""
    for situation in islice(situations(seed), count):
        if decided(situation) != expected(situation):
            yield situation


def decided(situation: Situation) -> Answer:
    """Return what `decide` says."""
    match decide(situation.attempt, situation.known, situation.clock):
        case Granted(grant, seconds, counts):
            return Answer((), grant, seconds, counts)
        case Denied(reason, reasons, refused):
            return Answer((reason, *reasons[1:]), refused, 0, counts=False)


# The model.


class Line(NamedTuple):
    """One line of the table for one grant: the reason, and whether the grant fails."""

    reason: Reason
    fails: Callable[[Grant, Situation], bool]


def expected(situation: Situation) -> Answer:
    """Return what the published table says."""
    attempt, known, _, _ = situation
    before = list(_before_any_grant(attempt, known))
    left = [grant for grant in known.grants if grant.key == attempt.key]
    if known.door is None or known.calendar is None:
        return Answer(tuple(before), None, 0, counts=False)
    if not left:
        return _by_document(situation, before, known.door.release)
    for line in LINES:
        standing = [grant for grant in left if not line.fails(grant, situation)]
        if not standing:
            break
        left = standing
    best = min(left, key=lambda grant: (grant.uses is not None, grant.plan))
    failed = [line.reason for line in LINES if line.fails(best, situation)]
    reasons = tuple(dict.fromkeys(before + failed))
    if reasons:
        return Answer(reasons, best, 0, counts=False)
    long = best.flags & Flag.EXTENDED
    seconds = known.door.release_extended if long else known.door.release
    return Answer((), best, seconds, best.uses is not None)


def _before_any_grant(attempt: Attempt, known: Knowledge) -> Iterator[Reason]:
    plan = None not in (known.door, known.calendar)
    if not plan:
        yield Reason.NO_PLAN
    enrolled = attempt.key in {grant.key for grant in known.grants}
    permitted = known.door is None or attempt.method in known.door.methods
    if attempt.method is Method.ALIRO_NFC_DOCUMENT and enrolled:
        permitted = False
    if attempt.key is None or not attempt.proven or not permitted:
        yield Reason.BAD_PROOF
    if known.denied is not None:
        yield Reason[known.denied.name]
    elif attempt.document is Reason.REVOKED:
        yield Reason.REVOKED
    if plan and not enrolled and not _vouched(attempt):
        yield Reason.UNKNOWN


# What an issuer can say of somebody whom no grant names, and the lines it stands in.
SAID = ["revoked", "clock", "not_yet", "expired", "out_of_hours", "journal", "granted"]


def _vouched(attempt: Attempt) -> bool:
    said = attempt.document is not None and attempt.document.value in SAID
    return said and attempt.method is Method.ALIRO_NFC_DOCUMENT


def _by_document(situation: Situation, before: list[Reason], seconds: int) -> Answer:
    """The table for a document: no exemption from anything, and always a trusted clock."""
    attempt, known, clock, _ = situation
    if not _vouched(attempt):
        return Answer(tuple(before), None, 0, counts=False)
    modes = known.door.modes if known.door else Modes()
    told = clock.trust is Trust.TRUSTED and _shown(situation) is not None
    lines = [
        (Reason.FAULT, known.fault),
        (Reason.LOCKDOWN, modes.lockdown),
        (Reason.BUSY, modes.maintenance),
        (Reason.LEASE_ENDED, not known.lease_live),
        (Reason.CLOCK, not told or attempt.document is Reason.CLOCK),
        (Reason.NOT_YET, attempt.document is Reason.NOT_YET),
        (Reason.EXPIRED, attempt.document is Reason.EXPIRED),
        (Reason.OUT_OF_HOURS, attempt.document is Reason.OUT_OF_HOURS),
        (Reason.JOURNAL, attempt.document is Reason.JOURNAL),
    ]
    reasons = tuple(before + [reason for reason, fails in lines if fails])
    return Answer(reasons, None, 0 if reasons else seconds, counts=False)


def _flag(flag: Flag) -> Callable[[Grant, Situation], bool]:
    bit = flag.value
    return lambda grant, _: grant.flags & bit != 0


def _mode(name: str, unless: Flag | None = None) -> Callable[[Grant, Situation], bool]:
    def fails(grant: Grant, situation: Situation) -> bool:
        door = situation.known.door
        exempt = unless is not None and grant.flags & unless != 0
        return door is not None and getattr(door.modes, name) and not exempt

    return fails


def _lease(grant: Grant, situation: Situation) -> bool:
    return not (situation.known.lease_live or grant.flags & Flag.RESPONDER)


def _shown(situation: Situation) -> datetime | None:
    """Return what the wall clock shows, where that can be known."""
    now, calendar = situation.clock.now, situation.known.calendar
    known = calendar is not None and begins(situation.era) <= now < calendar.until
    return shown_at(situation.era, now) if known else None


def _clock(grant: Grant, situation: Situation) -> bool:
    if grant.schedule and _shown(situation) is None:
        return True
    limited = grant.schedule or grant.not_before is not None or grant.not_after is not None
    return bool(limited) and situation.clock.trust is not Trust.TRUSTED


def _early(grant: Grant, situation: Situation) -> bool:
    told, now = situation.clock.trust is Trust.TRUSTED, situation.clock.now
    return told and grant.not_before is not None and grant.not_before > now


def _late(grant: Grant, situation: Situation) -> bool:
    told, now = situation.clock.trust is Trust.TRUSTED, situation.clock.now
    return told and grant.not_after is not None and grant.not_after <= now


def _opening(grant: Grant, situation: Situation) -> Opening:
    """Return what the grant's schedule says; open where nothing can be said against it."""
    known, shown = situation.known, _shown(situation)
    told = situation.clock.trust is Trust.TRUSTED and shown is not None
    if not (grant.schedule and told and shown and known.calendar):
        return Opening.OPEN
    if grant.schedule not in known.schedules:
        return Opening.CLOSED
    schedule = known.schedules[grant.schedule]
    return naive_opening(schedule, known.calendar.holidays, shown, Use.ENTRY)


def _spent(grant: Grant, situation: Situation) -> bool:
    if grant.uses is None:
        return False
    if not grant.flags & Flag.OWNED_USES:
        return situation.attempt.reservation is Reservation.NONE_LEFT
    return situation.known.uses_spent.get(grant.id, 0) >= grant.uses


def _unreserved(grant: Grant, situation: Situation) -> bool:
    shared = grant.uses is not None and not grant.flags & Flag.OWNED_USES
    return shared and situation.attempt.reservation is Reservation.NONE


def _factor(found: Factor) -> Callable[[Grant, Situation], bool]:
    def fails(grant: Grant, situation: Situation) -> bool:
        return grant.flags & Flag.SECOND_FACTOR != 0 and situation.attempt.factor is found

    return fails


LINES = [
    Line(Reason.STOLEN, _flag(Flag.STOLEN)),
    Line(Reason.LOST, _flag(Flag.LOST)),
    Line(Reason.SUSPENDED, _flag(Flag.SUSPENDED)),
    Line(Reason.FAULT, lambda _, situation: situation.known.fault),
    Line(Reason.LOCKDOWN, _mode("lockdown", unless=Flag.OVERRIDE)),
    Line(Reason.BUSY, _mode("maintenance")),
    Line(Reason.LEASE_ENDED, _lease),
    Line(Reason.CLOCK, _clock),
    Line(Reason.NOT_YET, _early),
    Line(Reason.EXPIRED, _late),
    Line(Reason.OUT_OF_HOURS, lambda g, s: _opening(g, s) is Opening.CLOSED),
    Line(Reason.HOLIDAY, lambda g, s: _opening(g, s) is Opening.HOLIDAY),
    Line(Reason.USED_UP, _spent),
    Line(Reason.RESERVE_ONLINE, _unreserved),
    Line(Reason.FACTOR_MISSING, _factor(Factor.NONE)),
    Line(Reason.FACTOR_WRONG, _factor(Factor.WRONG)),
]
