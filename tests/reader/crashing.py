"""A reader's memory in a process of its own, to be killed.

`python -m tests.reader.crashing FOLDER` applies one version of a plan after the other, denies a
key and writes an entry with each, and prints a line when all that is durable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from reader.memory import Memory, open_memory
from shared.access.mode import Trust
from shared.wire.events import Event, EventKind
from tests.reader.clocks import Machine
from tests.reader.office import FRAME, Office, made_up, many

VERSIONS = 200
GRANT = b"grant"


def office_at(version: int) -> Office:
    """The controller when it had committed so many versions; the same in every process."""
    office = Office([*FRAME, *many(20)])
    for number in range(2, version + 1):
        office.edit(many(20, first=number), [made_up(number - 2).id])
    for number in range(version):
        office.deny(made_up(number).key)
    return office


def offices() -> Iterator[Office]:
    """The controller at every version in turn."""
    office = Office([*FRAME, *many(20)])
    office.deny(made_up(0).key)
    yield office
    for number in range(2, VERSIONS + 1):
        office.edit(many(20, first=number), [made_up(number - 2).id])
        office.deny(made_up(number - 1).key)
        yield office


async def main(folder: Path) -> None:
    """Begin in an empty folder."""
    memory = open_memory(folder, Machine())
    print("ready", flush=True)  # noqa: T201
    for office in offices():
        await advance(memory, office)
        print(office.version, flush=True)  # noqa: T201


async def advance(memory: Memory, office: Office) -> None:
    version = office.version
    pages = office.delta(version - 1, pages=2) if memory.cache.plan else office.snapshot(pages=2)
    for page in pages:
        await memory.cache.take_page(page)
    await memory.denials.take(office.deny_update(memory.denials.state.counter))
    await memory.raise_floor()
    event = Event(seq=0, at=version, trust=Trust.UNKNOWN, kind=EventKind.STARTED)
    await memory.journal.append([event], spend=GRANT)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
