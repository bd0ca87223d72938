"""Runs a script on a site of its own: build, play, report, and take everything down again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hw.sim.demo.attacker import Attacker
from hw.sim.demo.broker import Broker
from hw.sim.demo.environment import began, python_version
from hw.sim.demo.narrate import Narrator
from hw.sim.demo.processes import Processes
from hw.sim.demo.report import Environment, Report
from hw.sim.demo.site import make_doors, make_people
from hw.sim.demo.stage import Stage
from hw.sim.demo.steps import Outcome, Step, play
from hw.sim.demo.story import EVERYTHING, TOUR
from hw.sim.demo.world import World


async def direct(
    folder: Path, *, kind: str, once: bool, say: Narrator, done: Callable[[Report], None]
) -> None:
    """Play `EVERYTHING`, or the `TOUR`, and tell `done`; the tour then stays up until cancelled.

    Raises `NoBroker`, and `ProcessFailed` and `OfficeError` (also in groups) if the site cannot be
    built. No process is left, however it ends.
    """
    async with Processes(folder) as processes:
        broker = Broker(kind, processes)
        say.note(_introduction(broker))
        world = World(processes, broker)
        try:
            await _on_stage(world, once=once, say=say, done=done)
        finally:
            await world.office.close()


async def _on_stage(
    world: World, *, once: bool, say: Narrator, done: Callable[[Report], None]
) -> None:
    await world.start()
    say.note("They run. The readers enrol, and the office makes doors, people and plans.")
    attacker = Attacker(world.broker.port)
    async with attacker.overhearing():
        await attacker.ready()
        stage = await build_stage(world, attacker)
        outcomes = await _play_all(EVERYTHING if once else TOUR, stage, say)
        report = Report(outcomes, await _environment(stage))
        done(report)
        if once:
            say.report(report)
            return
        say.summary(report)
        if report.ok:
            say.stays_up(stage)
            await asyncio.get_running_loop().create_future()


async def build_stage(world: World, attacker: Attacker) -> Stage:
    """Make the sample site on a world that has been started, with its readers at their doors."""
    doors = await make_doors(world.office)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.enrol_readers(doors.tokens))
        making = tasks.create_task(make_people(world.office, doors))
    await world.readers_online()
    return Stage(world, making.result(), attacker)


async def _play_all(steps: Sequence[Step], stage: Stage, say: Narrator) -> list[Outcome]:
    outcomes = []
    for step in steps:
        say.begin(step)
        outcomes.append(await play(step, stage))
        say.end(outcomes[-1])
    return outcomes


async def _environment(stage: Stage) -> Environment:
    start = began()
    opened = stage.first_opened
    return Environment(
        broker=stage.world.broker.kind,
        broker_version=await stage.world.broker.version(),
        python=python_version(),
        total_seconds=round(time.time() - start, 2),
        first_opened_door_seconds=None if opened is None else round(opened - start, 2),
    )


def _introduction(broker: Broker) -> str:
    text = f"Starting broker, controller, air and NFC simulators. The broker is {broker.kind}"
    if broker.kind == "mosquitto":
        return f"{text}."
    return (
        f"{text}, which is enough for a demo and for nothing else (Debian: apt install mosquitto)."
    )
