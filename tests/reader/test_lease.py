"""The lease: what counts as time spent, and that no restart gives any of it back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reader.lease import BOOT_COST, Lease
from tests.reader.clocks import NOW, Machine

DAY = 86_400
START = int(NOW)


def test_a_lease_ends_when_its_time_is_spent() -> None:
    lease = Lease.renewed(START, "boot", 100.0)
    assert lease.live(3600, 100.0)
    assert lease.live(3600, 3699.9)
    assert not lease.live(3600, 3700.0)


def test_a_lease_that_never_was_is_never_live() -> None:
    assert not Lease(0, 0.0, "boot", 0.0).live(30 * DAY, 0.0)


def test_trusted_time_shows_what_uptime_did_not_see() -> None:
    lease = Lease.renewed(START, "boot", 100.0)
    assert not lease.live(3600, 200.0, START + 3600)
    assert lease.live(3600, 200.0, START + 3599)


def test_trusted_time_gives_nothing_back() -> None:
    lease = Lease.renewed(START, "boot", 0.0)
    assert lease.spent_at(1000.0, START - DAY) == 1000.0


def test_a_restart_of_the_daemon_costs_nothing_but_time() -> None:
    lease = Lease.renewed(START, "boot", 100.0)
    assert lease.carried_over("boot", 160.0).spent_at(160.0) == 60.0


def test_a_boot_costs_a_quarter_of_an_hour() -> None:
    lease = Lease.renewed(START, "boot", 100.0).checkpoint(160.0, None)
    after = lease.carried_over("other", 20.0)
    assert after.spent_at(20.0) == 60.0 + BOOT_COST
    assert after.spent_at(50.0) == 60.0 + BOOT_COST + 30.0


def test_an_uptime_that_ran_backwards_is_another_boot() -> None:
    lease = Lease.renewed(START, "boot", 1000.0)
    assert lease.carried_over("boot", 999.0).spent_at(999.0) == BOOT_COST


def test_a_revoked_key_does_not_live_on_by_cutting_the_power() -> None:
    machine = Machine()
    lease = Lease.renewed(START, machine.boot, machine.uptime())
    boots = 0
    while lease.live(7 * DAY, machine.uptime()):
        machine.power_cut(1)
        lease = lease.carried_over(machine.boot, machine.uptime())
        boots += 1
    assert boots == 7 * DAY / BOOT_COST


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "checkpoint", "trusted", "restart", "power cut"]),
            st.floats(0, 100_000),
        ),
        max_size=40,
    )
)
def test_what_is_spent_stays_spent(steps: list[tuple[str, float]]) -> None:
    machine = Machine()
    lease = Lease.renewed(START, machine.boot, machine.uptime())
    spent, seen = 0.0, 0.0
    for what, seconds in steps:
        match what:
            case "pass":
                machine.forward(seconds)
                seen += seconds
            case "checkpoint":
                lease = lease.checkpoint(machine.uptime(), None)
            case "trusted":
                lease = lease.checkpoint(machine.uptime(), int(machine.true))
            case "restart":
                lease = lease.carried_over(machine.boot, machine.uptime())
            case _:
                # The minute since the last checkpoint may be lost, and is paid for by the boot.
                lease = lease.checkpoint(machine.uptime(), None)
                machine.power_cut(seconds)
                lease = lease.carried_over(machine.boot, machine.uptime())
        now = lease.spent_at(machine.uptime())
        assert now >= spent - 1e-3
        assert now >= seen - 1e-3
        spent = now
