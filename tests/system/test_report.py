"""How a step is judged, and how a run is told."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable

import pytest
from rich.console import Console

from hw.sim.demo.office import OfficeError
from hw.sim.demo.processes import ProcessFailed
from hw.sim.demo.report import Environment, Report
from hw.sim.demo.stage import Differs, Stage, expect
from hw.sim.demo.steps import Outcome, Seen, Step, play
from hw.sim.phone.eyes import DoorGone, NotSeen
from hw.sim.phone.wallet import WalletError

MADE = Environment("amqtt", "0.12", "3.11.1", 61.2, 7.0)


@pytest.fixture
def stage() -> Stage:
    """Steps of these tests look at nothing."""
    return object.__new__(Stage)


def _step(act: Callable[[Stage], Awaitable[Seen]]) -> Step:
    return Step("Open", "a door", act)


async def test_what_was_seen_is_kept_with_its_time(stage: Stage) -> None:
    async def act(_: Stage) -> Seen:
        return Seen("the door", 12.3456)

    assert await play(_step(act), stage) == Outcome("Open", "a door", "the door", True, 12.3)


@pytest.mark.parametrize(
    "error",
    [
        Differs("shut"),
        OfficeError("shut"),
        ProcessFailed("shut"),
        WalletError("shut"),
        DoorGone("shut"),
        NotSeen("shut"),
    ],
)
async def test_trouble_is_what_was_seen(stage: Stage, error: Exception) -> None:
    async def act(_: Stage) -> Seen:
        raise error

    assert await play(_step(act), stage) == Outcome("Open", "a door", "shut", False, None)


async def test_a_bug_of_the_script_is_no_outcome(stage: Stage) -> None:
    async def act(_: Stage) -> Seen:
        raise KeyError("id")

    with pytest.raises(KeyError):
        await play(_step(act), stage)


def test_expect() -> None:
    expect(that=True, seen="shut")
    with pytest.raises(Differs, match="shut"):
        expect(that=False, seen="shut")


def _report(*, ok: bool) -> Report:
    steps = (
        Outcome("Open", "a door", "the door", ok=True, milliseconds=12.3),
        Outcome("Shut", "a door", "[red]nothing[/] at all", ok=ok, milliseconds=None),
    )
    return Report(steps, MADE)


def test_json_says_everything() -> None:
    found = json.loads(_report(ok=False).to_json())
    assert found["ok"] is False
    assert found["steps"][0] == {
        "step": "Open",
        "expected": "a door",
        "seen": "the door",
        "ok": True,
        "milliseconds": 12.3,
    }
    assert found["environment"] == {
        "broker": "amqtt",
        "broker_version": "0.12",
        "python": "3.11.1",
        "total_seconds": 61.2,
        "first_opened_door_seconds": 7.0,
    }


def test_the_table_shows_what_was_seen_as_it_was() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(_report(ok=False).table())
    assert "[red]nothing[/] at all" in out.getvalue()
    assert " NO " in out.getvalue()
    assert " 12 " in out.getvalue()


def test_the_summary_is_one_line() -> None:
    assert _report(ok=True).summary() == (
        "2 steps, all as expected; first door opened after 7.0 s, 61.2 s in all; "
        "amqtt 0.12, Python 3.11.1"
    )
    never = Report(_report(ok=False).steps, Environment("amqtt", "0.12", "3.11.1", 61.2, None))
    assert "1 not as expected; no door opened" in never.summary()
