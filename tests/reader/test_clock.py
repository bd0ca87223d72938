"""The reader's clock: signed time, uptime, floor, and what a reboot leaves of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.clock import MAX_ROUND_TRIP, MAX_STEP_BACK, ReaderClock, SystemTime
from shared.access.mode import Clock, Trust
from tests.reader.clocks import NOW, Machine


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> ReaderClock:
    """A clock that has just been set."""
    clock = ReaderClock(machine)
    assert clock.set(NOW, machine.uptime())
    return clock


def restarted(clock: ReaderClock, machine: Machine) -> ReaderClock:
    return ReaderClock(machine, clock.anchor, clock.floor)


def test_a_new_reader_knows_no_time(machine: Machine) -> None:
    clock = ReaderClock(machine)
    assert clock.read() == Clock(int(NOW), Trust.UNKNOWN)
    assert clock.trusted_seconds() is None
    assert clock.checkpoint() == 0


def test_signed_time_is_carried_on_by_uptime_whatever_the_wall_clock_does(
    clock: ReaderClock, machine: Machine
) -> None:
    machine.forward(1000)
    machine.wall_error = -86_400.0
    assert clock.read() == Clock(int(NOW) + 1000, Trust.TRUSTED)
    assert clock.trusted_seconds() == int(NOW) + 1000


def test_half_the_round_trip_is_added(machine: Machine) -> None:
    clock = ReaderClock(machine)
    asked = machine.uptime()
    machine.forward(3)
    assert clock.set(NOW + 1, asked)
    assert clock.seconds() == NOW + 2.5


@pytest.mark.parametrize("late", [MAX_ROUND_TRIP + 0.01, 3600.0, -0.01])
def test_a_late_answer_is_not_believed(machine: Machine, late: float) -> None:
    clock = ReaderClock(machine)
    asked = machine.uptime()
    machine.forward(late)
    assert not clock.set(NOW + 500, asked)
    assert clock.trust is Trust.UNKNOWN


def test_a_late_answer_takes_no_trust_away(clock: ReaderClock, machine: Machine) -> None:
    asked = machine.uptime()
    machine.forward(60)
    assert not clock.set(NOW - 5_000_000, asked)
    assert clock.read() == Clock(int(NOW) + 60, Trust.TRUSTED)


def test_trust_survives_a_restart_of_the_daemon(clock: ReaderClock, machine: Machine) -> None:
    machine.forward(30)
    after = restarted(clock, machine)
    assert after.read() == Clock(int(NOW) + 30, Trust.TRUSTED)


def test_a_reboot_leaves_the_floor(clock: ReaderClock, machine: Machine) -> None:
    machine.forward(120)
    clock.checkpoint()
    machine.power_cut(3600)
    machine.wall_error = -(10**9)
    after = restarted(clock, machine)
    assert after.read() == Clock(int(NOW) + 120, Trust.FLOOR)
    assert after.trusted_seconds() is None
    machine.wall_error = 0.0
    assert after.read() == Clock(int(NOW) + 120 + 3610, Trust.FLOOR)


def test_untrusted_time_does_not_raise_the_floor(clock: ReaderClock, machine: Machine) -> None:
    clock.checkpoint()
    machine.power_cut(1)
    machine.wall_error = 10.0**9
    after = restarted(clock, machine)
    assert after.checkpoint() == NOW


def test_a_small_correction_backwards_makes_the_clock_stand_still(
    clock: ReaderClock, machine: Machine
) -> None:
    machine.forward(600)
    # The controller's clock was 40 seconds ahead, and has been put right.
    assert clock.set(NOW + 560, machine.uptime())
    assert clock.read() == Clock(int(NOW) + 600, Trust.TRUSTED)
    machine.forward(39)
    assert clock.seconds() == NOW + 600
    machine.forward(11)
    assert clock.seconds() == NOW + 610


def test_a_correction_is_taken_however_often_the_floor_was_written_down(
    clock: ReaderClock, machine: Machine
) -> None:
    # A crystal that runs fast must not lock the reader into its own time.
    for _ in range(100):
        machine.forward(900)
        clock.checkpoint()
        assert clock.set(machine.true - 0.05, machine.uptime())
    assert clock.seconds() == pytest.approx(machine.true, abs=0.06)


def test_time_that_contradicts_what_was_signed_before_ends_all_trust(
    clock: ReaderClock, machine: Machine
) -> None:
    machine.forward(600)
    assert not clock.set(NOW + 600 - MAX_STEP_BACK - 1, machine.uptime())
    assert clock.read() == Clock(int(NOW) + 600, Trust.FLOOR)
    # Not a restart either brings it back,
    assert restarted(clock, machine).trust is Trust.FLOOR
    # only time that fits.
    machine.forward(100)
    assert clock.set(NOW + 600, machine.uptime())
    assert clock.trust is Trust.TRUSTED


STEPS = st.lists(
    st.tuples(st.just("pass"), st.floats(0, 5_000))
    | st.tuples(st.just("set"), st.floats(-200, 200))
    | st.tuples(st.just("checkpoint"), st.just(0.0))
    | st.tuples(st.just("restart"), st.just(0.0)),
    max_size=30,
)


@given(STEPS)
def test_trusted_time_never_runs_backwards(steps: list[tuple[str, float]]) -> None:
    machine = Machine()
    clock = ReaderClock(machine)
    last = 0.0
    for what, amount in steps:
        match what:
            case "pass":
                machine.forward(amount)
            case "set":
                clock.set(machine.true + amount, machine.uptime())
            case "checkpoint":
                clock.checkpoint()
            case _:
                clock = restarted(clock, machine)
        if clock.trust is Trust.TRUSTED:
            assert clock.seconds() >= last
            last = clock.seconds()


@given(STEPS)
def test_the_floor_never_falls(steps: list[tuple[str, float]]) -> None:
    machine = Machine()
    clock = ReaderClock(machine)
    floor = 0.0
    for what, amount in steps:
        match what:
            case "pass":
                machine.forward(amount)
            case "set":
                clock.set(machine.true + amount, machine.uptime())
            case "checkpoint":
                clock.checkpoint()
            case _:
                machine.power_cut(60)
                clock = restarted(clock, machine)
                assert clock.trust is not Trust.TRUSTED
        assert clock.floor >= floor
        assert clock.seconds() >= clock.floor
        floor = clock.floor


def test_the_machine_has_clocks() -> None:
    system = SystemTime()
    assert len(system.boot) == 36
    assert system.boot == SystemTime().boot
    first = system.uptime()
    assert 0 < first <= system.uptime()
    assert abs(system.wall() - time.time()) < 5
