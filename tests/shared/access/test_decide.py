"""The published table of decisions, line by line, and the rules that stand around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from msgspec import structs

from shared.access.calendar import DAY, Holiday, OffsetFrom
from shared.access.decide import (
    Attempt,
    Denied,
    DenyCause,
    Factor,
    Granted,
    Knowledge,
    Reason,
    Reservation,
    Shown,
    decide,
    shown,
)
from shared.access.mode import Clock, Trust
from shared.access.rows import Calendar, Door, Flag, Grant, Method, Modes
from shared.access.schedule import HolidayRule, Interval, Schedule, Span

KEY, OTHER = b"\x04" + b"k" * 64, b"\x04" + b"o" * 64
TODAY = 20_003  # a Monday
NOON = TODAY * DAY + DAY // 2
WEEKDAYS = Schedule(1, tuple(Interval(day, Span(480, 1080)) for day in range(5)))
EVENINGS = Schedule(2, tuple(Interval(day, Span(1080, 1200)) for day in range(7)))
CALENDAR = Calendar(NOON + 1000 * DAY, (OffsetFrom(0, 0),))
DOOR = Door(1, (Method.PKOC_NFC, Method.PKOC_BLE_ECDHE), release=5, release_extended=20)
ALWAYS_OPEN = Grant(KEY, plan=1, credential=2, person=3)
# Everything that can be asked of somebody is asked, and given.
DEMANDING = Grant(
    KEY,
    plan=1,
    credential=2,
    person=3,
    schedule=1,
    flags=Flag.SECOND_FACTOR | Flag.OWNED_USES,
    not_before=NOON - DAY,
    not_after=NOON + DAY,
    uses=3,
)


@dataclass(frozen=True)
class Tap:
    """Somebody at a door; each method returns the same with something changed, or the answer."""

    attempt: Attempt
    known: Knowledge
    clock: Clock

    def decided(self) -> Granted | Denied:
        return decide(self.attempt, self.known, self.clock)

    def refused(self) -> tuple[Reason, ...]:
        answer = self.decided()
        assert isinstance(answer, Denied)
        assert answer.reason is answer.reasons[0]
        return answer.reasons

    def showing(self, **changes: object) -> Tap:
        return replace(self, attempt=replace(self.attempt, **changes))  # type: ignore[arg-type]

    def knowing(self, **changes: object) -> Tap:
        return replace(self, known=replace(self.known, **changes))  # type: ignore[arg-type]

    def granting(self, *grants: Grant) -> Tap:
        return self.knowing(grants=grants)

    def holding(self, **changes: object) -> Tap:
        """The same, with the demanding grant changed."""
        return self.granting(structs.replace(DEMANDING, **changes))

    def with_modes(self, **changes: bool) -> Tap:
        return self.knowing(door=structs.replace(DOOR, modes=Modes(**changes)))

    def at(self, now: int, trust: Trust = Trust.TRUSTED) -> Tap:
        return replace(self, clock=Clock(now, trust))


# Somebody with the right key at a sound door at noon.
TAP = Tap(
    Attempt(KEY, Method.PKOC_NFC, proven=True, factor=Factor.RIGHT),
    Knowledge(
        door=DOOR,
        calendar=CALENDAR,
        schedules={1: WEEKDAYS, 2: EVENINGS},
        grants=(DEMANDING,),
        uses_spent={DEMANDING.id: 2},
        lease_live=True,
    ),
    Clock(NOON, Trust.TRUSTED),
)
HOLIDAY_TODAY = structs.replace(CALENDAR, holidays=(Holiday(TODAY, TODAY, 1),))

# Ways to each reason, in the order of the table; `granted` and `journal` have tests of their own.
TABLE: list[tuple[Reason, Tap]] = [
    (Reason.NO_PLAN, TAP.knowing(door=None)),
    (Reason.NO_PLAN, TAP.knowing(calendar=None)),
    (Reason.NO_PLAN, replace(TAP, known=Knowledge())),
    (Reason.BAD_PROOF, TAP.showing(proven=False)),
    (Reason.BAD_PROOF, TAP.showing(key=None)),
    (Reason.BAD_PROOF, TAP.showing(method=Method.PKOC_BLE)),
    (Reason.BAD_PROOF, TAP.knowing(door=structs.replace(DOOR, methods=()))),
    (Reason.REVOKED, TAP.knowing(denied=DenyCause.REVOKED)),
    (Reason.STOLEN, TAP.knowing(denied=DenyCause.STOLEN)),
    (Reason.LOST, TAP.knowing(denied=DenyCause.LOST)),
    (Reason.SUSPENDED, TAP.knowing(denied=DenyCause.SUSPENDED)),
    (Reason.UNKNOWN, TAP.showing(key=OTHER)),
    (Reason.UNKNOWN, TAP.showing(key=KEY[:-1])),
    (Reason.UNKNOWN, TAP.granting()),
    (Reason.STOLEN, TAP.holding(flags=Flag.STOLEN)),
    (Reason.LOST, TAP.holding(flags=Flag.LOST)),
    (Reason.SUSPENDED, TAP.holding(flags=Flag.SUSPENDED)),
    (Reason.FAULT, TAP.knowing(fault=True)),
    (Reason.LOCKDOWN, TAP.with_modes(lockdown=True)),
    (Reason.BUSY, TAP.with_modes(maintenance=True)),
    (Reason.LEASE_ENDED, TAP.knowing(lease_live=False)),
    (Reason.CLOCK, TAP.at(NOON, Trust.FLOOR)),
    (Reason.CLOCK, TAP.at(NOON, Trust.UNKNOWN)),
    (Reason.CLOCK, TAP.knowing(calendar=structs.replace(CALENDAR, until=NOON))),
    (Reason.NOT_YET, TAP.holding(not_before=NOON + 1)),
    (Reason.EXPIRED, TAP.holding(not_after=NOON)),
    (Reason.OUT_OF_HOURS, TAP.holding(schedule=2)),
    (Reason.OUT_OF_HOURS, TAP.holding(schedule=99)),
    (Reason.HOLIDAY, TAP.knowing(calendar=HOLIDAY_TODAY)),
    (Reason.USED_UP, TAP.knowing(uses_spent={DEMANDING.id: 3})),
    (Reason.RESERVE_ONLINE, TAP.holding(flags=Flag.SECOND_FACTOR)),
    (Reason.FACTOR_MISSING, TAP.showing(factor=Factor.NONE)),
    (Reason.FACTOR_WRONG, TAP.showing(factor=Factor.WRONG)),
]


def test_with_every_ingredient_the_door_opens() -> None:
    assert TAP.decided() == Granted(DEMANDING, seconds=5, counts=True)


@pytest.mark.parametrize(("reason", "tap"), TABLE)
def test_without_any_one_ingredient_it_does_not(reason: Reason, tap: Tap) -> None:
    answer = tap.decided()
    assert isinstance(answer, Denied)
    assert answer.reason is reason


def test_every_reason_can_be_reached_and_stands_in_the_published_order() -> None:
    reached = [reason for reason, _ in TABLE]
    assert {*reached, Reason.JOURNAL, Reason.GRANTED} == set(Reason)
    assert [reason.value for reason in Reason] == [
        "no_plan",
        "bad_proof",
        "revoked",
        "unknown",
        "stolen",
        "lost",
        "suspended",
        "fault",
        "lockdown",
        "busy",
        "lease_ended",
        "clock",
        "not_yet",
        "expired",
        "out_of_hours",
        "holiday",
        "used_up",
        "reserve_online",
        "factor_missing",
        "factor_wrong",
        "journal",
        "granted",
    ]


def test_a_use_that_cannot_be_written_down_opens_nothing() -> None:
    answer = TAP.decided()
    assert isinstance(answer, Granted)
    assert answer.without_journal() == Denied(Reason.JOURNAL, (Reason.JOURNAL,), DEMANDING)


def test_all_that_is_wrong_is_reported_in_order() -> None:
    hopeless = structs.replace(
        DEMANDING,
        flags=Flag.STOLEN | Flag.LOST | Flag.SUSPENDED | Flag.SECOND_FACTOR,
        schedule=2,
        not_before=NOON + 2,
        not_after=NOON - 2,
    )
    tap = TAP.granting(hopeless).showing(proven=False, factor=Factor.NONE)
    tap = tap.knowing(
        denied=DenyCause.REVOKED,
        fault=True,
        lease_live=False,
        door=structs.replace(DOOR, modes=Modes(lockdown=True, maintenance=True)),
    )
    assert tap.refused() == (
        Reason.BAD_PROOF,
        Reason.REVOKED,
        Reason.STOLEN,
        Reason.LOST,
        Reason.SUSPENDED,
        Reason.FAULT,
        Reason.LOCKDOWN,
        Reason.BUSY,
        Reason.LEASE_ENDED,
        Reason.NOT_YET,
        Reason.EXPIRED,
        Reason.OUT_OF_HOURS,
        Reason.RESERVE_ONLINE,
        Reason.FACTOR_MISSING,
    )


# The deny set.


@pytest.mark.parametrize("cause", DenyCause)
def test_the_deny_set_speaks_before_the_grants_whatever_they_say(cause: DenyCause) -> None:
    reason = Reason(cause.value)
    for flag in (Flag.STOLEN, Flag.LOST, Flag.SUSPENDED, Flag.OVERRIDE, Flag.RESPONDER):
        tap = TAP.granting(structs.replace(ALWAYS_OPEN, flags=flag)).knowing(denied=cause)
        assert tap.refused()[0] is reason
    assert TAP.granting().knowing(denied=cause).refused() == (reason, Reason.UNKNOWN)


@pytest.mark.parametrize(
    ("cause", "flag"),
    [
        (DenyCause.STOLEN, Flag.STOLEN),
        (DenyCause.LOST, Flag.LOST),
        (DenyCause.SUSPENDED, Flag.SUSPENDED),
    ],
)
def test_what_deny_set_and_grant_both_say_is_said_once(cause: DenyCause, flag: Flag) -> None:
    tap = TAP.granting(structs.replace(ALWAYS_OPEN, flags=flag)).knowing(denied=cause)
    assert tap.refused() == (Reason(cause.value),)


def test_a_denied_key_is_named_even_without_a_plan() -> None:
    tap = TAP.knowing(door=None, calendar=None, grants=(), denied=DenyCause.STOLEN)
    assert tap.refused() == (Reason.NO_PLAN, Reason.STOLEN)
    assert tap.showing(proven=False).refused() == (
        Reason.NO_PLAN,
        Reason.BAD_PROOF,
        Reason.STOLEN,
    )
    # Whether a key is known cannot be said without a plan.
    assert TAP.knowing(door=None, grants=()).refused() == (Reason.NO_PLAN,)


# Modes, lease, clock.


def test_lockdown_admits_the_override_right_and_maintenance_nobody() -> None:
    override = TAP.granting(structs.replace(ALWAYS_OPEN, flags=Flag.OVERRIDE))
    locked, both = {"lockdown": True}, {"lockdown": True, "maintenance": True}
    assert isinstance(override.knowing(door=_door(**locked)).decided(), Granted)
    assert override.knowing(door=_door(**both)).refused() == (Reason.BUSY,)
    assert TAP.with_modes(**both).refused() == (Reason.LOCKDOWN, Reason.BUSY)


def _door(**modes: bool) -> Door:
    return structs.replace(DOOR, modes=Modes(**modes))


def test_what_an_operator_wants_of_the_lock_refuses_no_grant() -> None:
    door = structs.replace(DOOR, modes=Modes(lock_until=NOON + DAY, unlock_until=NOON + DAY))
    assert isinstance(TAP.knowing(door=door).decided(), Granted)


def test_a_responder_needs_no_lease_but_everything_else() -> None:
    responder = TAP.granting(structs.replace(ALWAYS_OPEN, flags=Flag.RESPONDER))
    tap = responder.knowing(lease_live=False)
    assert isinstance(tap.decided(), Granted)
    assert tap.knowing(denied=DenyCause.REVOKED).refused() == (Reason.REVOKED,)
    assert tap.knowing(door=_door(lockdown=True)).refused() == (Reason.LOCKDOWN,)


@pytest.mark.parametrize("trust", Trust)
def test_only_what_is_limited_in_time_needs_the_time(trust: Trust) -> None:
    tap = TAP.at(0, trust).granting(ALWAYS_OPEN)
    assert isinstance(tap.decided(), Granted)
    if trust is not Trust.TRUSTED:
        for limits in ({"schedule": 1}, {"not_before": 1}, {"not_after": 2**39}):
            assert tap.granting(structs.replace(ALWAYS_OPEN, **limits)).refused() == (Reason.CLOCK,)


def test_validity_runs_from_the_first_second_to_before_the_last() -> None:
    tap = TAP.granting(structs.replace(ALWAYS_OPEN, not_before=NOON, not_after=NOON + 2))
    assert tap.at(NOON - 1).refused() == (Reason.NOT_YET,)
    assert isinstance(tap.at(NOON).decided(), Granted)
    assert isinstance(tap.at(NOON + 1).decided(), Granted)
    assert tap.at(NOON + 2).refused() == (Reason.EXPIRED,)


def test_validity_is_judged_where_the_calendar_has_run_out() -> None:
    short = TAP.knowing(calendar=structs.replace(CALENDAR, until=NOON))
    only_valid = structs.replace(ALWAYS_OPEN, not_after=NOON + 1)
    assert isinstance(short.granting(only_valid).decided(), Granted)
    expired = structs.replace(ALWAYS_OPEN, not_after=NOON, schedule=1)
    assert short.granting(expired).refused() == (Reason.CLOCK, Reason.EXPIRED)


def test_a_holiday_may_be_as_usual() -> None:
    as_usual = structs.replace(WEEKDAYS, holidays=(HolidayRule(1, as_usual=True),))
    tap = TAP.knowing(calendar=HOLIDAY_TODAY, schedules={1: as_usual})
    assert isinstance(tap.decided(), Granted)
    assert TAP.holding(schedule=2).knowing(calendar=HOLIDAY_TODAY).refused() == (
        Reason.OUT_OF_HOURS,
    )


# Uses and the second factor.


@pytest.mark.parametrize(("spent", "left"), [(0, True), (2, True), (3, False), (4, False)])
def test_a_reader_counts_the_uses_it_owns(spent: int, left: bool) -> None:
    tap = TAP.knowing(uses_spent={DEMANDING.id: spent})
    assert isinstance(tap.decided(), Granted) is left
    # A reservation does not stand in for a use that is spent.
    assert isinstance(tap.showing(reservation=Reservation.MADE).decided(), Granted) is left


def test_uses_of_another_grant_are_another_matter() -> None:
    other = structs.replace(DEMANDING, plan=9)
    assert isinstance(TAP.knowing(uses_spent={other.id: 3}).decided(), Granted)
    assert isinstance(TAP.knowing(uses_spent={}).decided(), Granted)


def test_other_limited_uses_open_only_when_reserved() -> None:
    tap = TAP.granting(structs.replace(ALWAYS_OPEN, uses=1))
    assert tap.refused() == (Reason.RESERVE_ONLINE,)
    answer = tap.showing(reservation=Reservation.MADE).decided()
    assert isinstance(answer, Granted)
    assert answer.counts
    assert tap.showing(reservation=Reservation.NONE_LEFT).refused() == (Reason.USED_UP,)


@pytest.mark.parametrize("factor", Factor)
def test_a_second_factor_counts_only_where_it_is_asked(factor: Factor) -> None:
    assert isinstance(TAP.granting(ALWAYS_OPEN).showing(factor=factor).decided(), Granted)


def test_the_extended_time_is_for_those_who_have_it() -> None:
    extended = structs.replace(ALWAYS_OPEN, flags=Flag.EXTENDED)
    assert TAP.granting(extended).decided() == Granted(extended, seconds=20, counts=False)
    assert TAP.granting(ALWAYS_OPEN).decided() == Granted(ALWAYS_OPEN, seconds=5, counts=False)


# Several grants.


def test_of_several_grants_the_one_that_gets_furthest_speaks() -> None:
    late = structs.replace(ALWAYS_OPEN, plan=2, schedule=2)
    asks = structs.replace(ALWAYS_OPEN, plan=3, flags=Flag.SECOND_FACTOR)
    lost = structs.replace(ALWAYS_OPEN, plan=4, flags=Flag.LOST)
    tap = TAP.granting(late, asks, lost).showing(factor=Factor.NONE)
    assert tap.decided() == Denied(Reason.FACTOR_MISSING, (Reason.FACTOR_MISSING,), asks)
    assert tap.granting(late, lost).decided() == Denied(
        Reason.OUT_OF_HOURS, (Reason.OUT_OF_HOURS,), late
    )


def test_one_that_spends_no_use_is_preferred_and_then_the_lowest_plan() -> None:
    counted = structs.replace(ALWAYS_OPEN, plan=1, uses=5, flags=Flag.OWNED_USES)
    free, later = structs.replace(ALWAYS_OPEN, plan=2), structs.replace(ALWAYS_OPEN, plan=3)
    assert TAP.granting(counted, later, free).decided() == Granted(free, 5, counts=False)


# At the door.


def test_the_door_shows_one_of_three_things_for_every_reason() -> None:
    table = {
        Shown.TROUBLE: "no_plan fault lease_ended clock reserve_online journal",
        Shown.NOT_HERE: "bad_proof revoked unknown stolen lost suspended",
        Shown.NOT_NOW: "lockdown busy not_yet expired out_of_hours holiday used_up "
        "factor_missing factor_wrong",
    }
    expected = {Reason(name): what for what, names in table.items() for name in names.split()}
    assert expected.keys() == set(Reason) - {Reason.GRANTED}
    assert {reason: shown(reason) for reason in expected} == expected
    assert {what.value for what in Shown} == {"not here", "not now", "trouble"}


def test_a_thief_cannot_tell_a_stolen_key_from_an_unknown_one() -> None:
    alike = (Reason.BAD_PROOF, Reason.REVOKED, Reason.UNKNOWN, Reason.STOLEN, Reason.LOST)
    assert {shown(reason) for reason in alike} == {Shown.NOT_HERE}
