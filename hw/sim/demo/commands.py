"""Three commands that a newcomer can paste into another terminal; the script tries them too."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from hw.sim.demo.site import ADA, FRONT
from hw.sim.demo.stage import Stage, expect
from hw.sim.demo.steps import Seen, Step


@dataclass(frozen=True, slots=True)
class Command:
    """A line for a shell, and what it is for."""

    why: str
    line: str


def commands(stage: Stage) -> tuple[Command, ...]:
    """What to try while the demo is up."""
    door = stage.site.doors[FRONT]
    ada = shlex.quote(str(stage.holders[ADA].wallet))
    token = shlex.quote(str(stage.office.token_file))
    api = f"{stage.office.url}/api/3"
    bearer = f'-H "Authorization: Bearer $(cat {token})"'
    return (
        Command(
            f"open the front door with {ADA}'s phone",
            f"{_phone()} --wallet {ada} tap ble {shlex.quote(FRONT)} --air {stage.world.air}",
        ),
        Command(
            "open it from the office",
            f"curl -sS -f -X POST {bearer} {api}/doors/{door}/admit",
        ),
        Command(
            "see what happened",
            f"curl -sS -f {bearer} '{api}/events?per_page=3'",
        ),
    )


async def commands_work(stage: Stage) -> Seen:
    tried = []
    for command in commands(stage):
        if command.line.startswith("curl ") and not await _has_curl(stage):
            continue
        said = await stage.world.processes.run("/bin/sh", "-c", command.line)
        expect(that=said.code == 0, seen=f"{command.line} ended {said.code}: {said.output}")
        tried.append(command)
    return Seen(f"{len(tried)} of {len(commands(stage))} tried, all work")


async def _has_curl(stage: Stage) -> bool:
    return (await stage.world.processes.run("/bin/sh", "-c", "command -v curl")).code == 0


def _phone() -> str:
    program = Path(sys.executable).with_name("doorward-phone")
    if program.exists():
        return shlex.quote(str(program))
    return f"{shlex.quote(sys.executable)} -m hw.sim.phone"


COMMANDS = Step(
    "The commands to try",
    "each one works",
    commands_work,
    "What the tour invites you to type has to work.",
)
