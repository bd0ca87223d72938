"""May this credential enter, here and now? One pure function, fifteen checks.

Identify first; every check that can be made is made and reported; the first that fails is *the*
reason. Where several grants name a credential, the one that gets furthest speaks for it, so the
order of grants never matters. Anything missing or in doubt refuses.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.access.mode import Clock
from shared.access.rows import Calendar, Door, Flag, Grant, Method
from shared.access.schedule import ALWAYS, Opening, Schedule, opening


class Reason(enum.Enum):
    """Why the answer was what it was, in the order the checks are made."""

    NO_PLAN = "no_plan"
    BAD_PROOF = "bad_proof"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    STOLEN = "stolen"
    LOST = "lost"
    SUSPENDED = "suspended"
    FAULT = "fault"
    LOCKDOWN = "lockdown"
    BUSY = "busy"
    LEASE_ENDED = "lease_ended"
    CLOCK = "clock"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    OUT_OF_HOURS = "out_of_hours"
    HOLIDAY = "holiday"
    USED_UP = "used_up"
    RESERVE_ONLINE = "reserve_online"
    FACTOR_MISSING = "factor_missing"
    FACTOR_WRONG = "factor_wrong"
    JOURNAL = "journal"
    GRANTED = "granted"


# Anything else that may be said of a document is `unknown`.
DOCUMENT_SAYS = frozenset(
    {
        Reason.REVOKED,
        Reason.UNKNOWN,
        Reason.CLOCK,
        Reason.NOT_YET,
        Reason.EXPIRED,
        Reason.OUT_OF_HOURS,
        Reason.JOURNAL,
        Reason.GRANTED,
    }
)
_ORDER = {reason: position for position, reason in enumerate(Reason)}


class Shown(enum.Enum):
    """All that somebody at the door learns of a refusal."""

    NOT_HERE = "not here"
    NOT_NOW = "not now"
    TROUBLE = "trouble"


_NOT_HERE = {
    Reason.BAD_PROOF,
    Reason.REVOKED,
    Reason.UNKNOWN,
    Reason.STOLEN,
    Reason.LOST,
    Reason.SUSPENDED,
}
_TROUBLE = {
    Reason.NO_PLAN,
    Reason.FAULT,
    Reason.LEASE_ENDED,
    Reason.CLOCK,
    Reason.RESERVE_ONLINE,
    Reason.JOURNAL,
}


def shown(reason: Reason) -> Shown:
    """Return what the door shows for a refusal with `reason`."""
    if reason in _NOT_HERE:
        return Shown.NOT_HERE
    return Shown.TROUBLE if reason in _TROUBLE else Shown.NOT_NOW


class Factor(enum.Enum):
    """What became of the second factor, where one is asked."""

    NONE = "none"
    RIGHT = "right"
    WRONG = "wrong"


class Reservation(enum.Enum):
    """What the controller said of a use that readers share, where it was asked."""

    NONE = "none"  # it was not asked, or has not answered
    MADE = "made"  # one use is set aside for this attempt
    NONE_LEFT = "none_left"


class DenyCause(enum.Enum):
    """Why a key is in the deny set, and so the `Reason` (by value) that check 3 gives."""

    REVOKED = "revoked"
    STOLEN = "stolen"
    LOST = "lost"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was presented. `key` is None when not even a key was shown.

    `document` is one of `DOCUMENT_SAYS`, where an issuer's document was asked for: granted, or why
    it does not let its holder in. It never speaks for a key that has a grant; but a key that an
    issuer has revoked is refused in any case.
    """

    key: bytes | None
    method: Method
    proven: bool
    factor: Factor = Factor.NONE
    reservation: Reservation = Reservation.NONE
    document: Reason | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the reader knows that bears on one attempt."""

    door: Door | None = None
    calendar: Calendar | None = None
    schedules: Mapping[int, Schedule] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    denied: DenyCause | None = None
    uses_spent: Mapping[bytes, int] = field(default_factory=dict)  # by grant id
    fault: bool = False  # of the door's output
    lease_live: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """The door may be released for `seconds`, once `counts` uses are durably spent.

    Without a grant: an issuer's document lets its holder in.
    """

    grant: Grant | None
    seconds: int
    counts: bool

    def without_journal(self) -> Denied:
        """Return what this becomes when the use cannot be written down."""
        return Denied(Reason.JOURNAL, (Reason.JOURNAL,), self.grant)


@dataclass(frozen=True, slots=True)
class Denied:
    """No release. `reason` is the first of `reasons`; `grant` is the one that came furthest."""

    reason: Reason
    reasons: tuple[Reason, ...]
    grant: Grant | None = None


def decide(attempt: Attempt, known: Knowledge, clock: Clock) -> Granted | Denied:
    """Judge `attempt`. Total: every input gives an answer, and doubt is `Denied`."""
    door, calendar = known.door, known.calendar
    failures = list(_identify(attempt, known))
    grants = [grant for grant in known.grants if grant.key == attempt.key]
    if door is None or calendar is None:
        return Denied(failures[0], tuple(failures))
    if not grants:
        return _by_document(attempt, known, failures, door=door, calendar=calendar, clock=clock)
    verdicts = [
        (tuple(_weigh(grant, attempt, known, door=door, calendar=calendar, clock=clock)), grant)
        for grant in grants
    ]
    reasons, grant = max(verdicts, key=_how_far)
    failures.extend(reason for reason in reasons if reason not in failures)
    if failures:
        return Denied(failures[0], tuple(failures), grant)
    seconds = door.release_extended if grant.has(Flag.EXTENDED) else door.release
    return Granted(grant, seconds, counts=grant.uses is not None)


def _by_document(
    attempt: Attempt,
    known: Knowledge,
    failures: list[Reason],
    *,
    door: Door,
    calendar: Calendar,
    clock: Clock,
) -> Granted | Denied:
    """Judge a key without a grant: it may have a document, which has dates and no privileges."""
    said = _said(attempt)
    if said is None:
        return Denied(failures[0], tuple(failures))
    failures.extend(_modes(known, door))
    if not known.lease_live:
        failures.append(Reason.LEASE_ENDED)
    if not clock.trusted or calendar.offset(clock.now) is None:
        failures.append(Reason.CLOCK)
    if said not in (Reason.GRANTED, Reason.REVOKED, *failures):
        failures.append(said)
    if failures:
        return Denied(failures[0], tuple(failures))
    return Granted(None, door.release, counts=False)


def _said(attempt: Attempt) -> Reason | None:
    """What a document says of somebody who came by one; None if nobody vouches for them."""
    if attempt.method is not Method.ALIRO_NFC_DOCUMENT or attempt.document is Reason.UNKNOWN:
        return None
    return attempt.document if attempt.document in DOCUMENT_SAYS else None


def _how_far(verdict: tuple[tuple[Reason, ...], Grant]) -> tuple[int, bool, int]:
    reasons, grant = verdict
    # Of two that grant, one that spends no use is better; the plan number settles the rest.
    return (_ORDER[reasons[0]] if reasons else len(_ORDER), grant.uses is None, -grant.plan)


def _identify(attempt: Attempt, known: Knowledge) -> Iterator[Reason]:
    """Checks 1 to 4, which concern the key and not one grant."""
    planned = known.door is not None and known.calendar is not None
    if not planned:
        yield Reason.NO_PLAN
    enrolled = any(grant.key == attempt.key for grant in known.grants)
    by_document = attempt.method is Method.ALIRO_NFC_DOCUMENT
    permitted = known.door is None or attempt.method in known.door.methods
    # A key that has been enrolled meanwhile has to come as what it is now.
    permitted = permitted and not (by_document and enrolled)
    if not attempt.proven or attempt.key is None or not permitted:
        yield Reason.BAD_PROOF
    if known.denied is not None:
        yield Reason(known.denied.value)
    elif attempt.document is Reason.REVOKED:
        yield Reason.REVOKED
    if planned and not enrolled and _said(attempt) is None:
        yield Reason.UNKNOWN


def _weigh(
    grant: Grant,
    attempt: Attempt,
    known: Knowledge,
    *,
    door: Door,
    calendar: Calendar,
    clock: Clock,
) -> Iterator[Reason]:
    """Checks 5 to 13 for one grant: every reason it fails for, in order."""
    yield from _flags(grant)
    yield from _modes(known, door, overrides=grant.has(Flag.OVERRIDE))
    if not known.lease_live and not grant.has(Flag.RESPONDER):
        yield Reason.LEASE_ENDED
    yield from _times(grant, known, calendar, clock)
    yield from _uses(grant, attempt, known)
    if grant.has(Flag.SECOND_FACTOR) and attempt.factor is not Factor.RIGHT:
        wrong = attempt.factor is Factor.WRONG
        yield Reason.FACTOR_WRONG if wrong else Reason.FACTOR_MISSING


def _flags(grant: Grant) -> Iterator[Reason]:
    if grant.has(Flag.STOLEN):
        yield Reason.STOLEN
    if grant.has(Flag.LOST):
        yield Reason.LOST
    if grant.has(Flag.SUSPENDED):
        yield Reason.SUSPENDED


def _modes(known: Knowledge, door: Door, *, overrides: bool = False) -> Iterator[Reason]:
    if known.fault:
        yield Reason.FAULT
    if door.modes.lockdown and not overrides:
        yield Reason.LOCKDOWN
    if door.modes.maintenance:
        yield Reason.BUSY


def _times(grant: Grant, known: Knowledge, calendar: Calendar, clock: Clock) -> Iterator[Reason]:
    """Checks 9 to 11: a clock that can be believed, validity, schedule."""
    limited = grant.schedule != ALWAYS or (grant.not_before, grant.not_after) != (None, None)
    if not limited:
        return
    if not clock.trusted:
        yield Reason.CLOCK
        return
    local = calendar.local(clock.now)
    if grant.schedule != ALWAYS and local is None:
        yield Reason.CLOCK
    if grant.not_before is not None and clock.now < grant.not_before:
        yield Reason.NOT_YET
    if grant.not_after is not None and clock.now >= grant.not_after:
        yield Reason.EXPIRED
    if grant.schedule != ALWAYS and local is not None:
        schedule = known.schedules.get(grant.schedule)
        closed = schedule and _CLOSED[opening(schedule, calendar.holidays, local)]
        if schedule is None or closed:
            yield closed or Reason.OUT_OF_HOURS


_CLOSED = {
    Opening.OPEN: None,
    Opening.CLOSED: Reason.OUT_OF_HOURS,
    Opening.HOLIDAY: Reason.HOLIDAY,
}


def _uses(grant: Grant, attempt: Attempt, known: Knowledge) -> Iterator[Reason]:
    if grant.uses is None:
        return
    if grant.has(Flag.OWNED_USES):
        if known.uses_spent.get(grant.id, 0) >= grant.uses:
            yield Reason.USED_UP
    elif attempt.reservation is Reservation.NONE_LEFT:
        yield Reason.USED_UP
    elif attempt.reservation is Reservation.NONE:
        yield Reason.RESERVE_ONLINE
