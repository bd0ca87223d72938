"""A reader that is killed at any moment finds all that it had promised, and nothing half done."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reader.memory import Memory, open_memory
from shared.access.decide import DenyCause
from shared.wire.events import decode_event
from tests.reader.clocks import Machine
from tests.reader.crashing import GRANT, VERSIONS, office_at
from tests.reader.office import made_up
from tests.reader.test_cache import content
from tests.reader.virtual import run

ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(folder: Path, seconds: float) -> int:
    """Let the process work for `seconds`, kill it, return the last version it promised."""
    command = [sys.executable, "-m", "tests.reader.crashing", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        lines = process.stdout.read().split()
    return int(lines[-1]) if lines else 0


def check(folder: Path, promised: int) -> None:
    """Assert that all is whole, nothing promised is missing, and at most one step more is there."""
    possible = (promised, promised + 1)
    memory = open_memory(folder, Machine())
    try:
        check_plan(memory, possible)
        assert run(memory.denials.verify())
        assert memory.denials.state.counter in possible
        if promised:
            assert memory.denials.look_up(made_up(promised - 1).key)[1] is DenyCause.REVOKED
        assert memory.floor.version in possible
        check_journal(memory, possible)
    finally:
        memory.close()


def check_plan(memory: Memory, possible: tuple[int, int]) -> None:
    assert run(memory.cache.verify())
    plan = memory.cache.plan
    if plan is None:
        assert possible[0] == 0
        return
    office = office_at(plan.version)
    assert plan.version in possible
    assert plan == office.state
    assert content(memory.cache) == office.plans[plan.version]


def check_journal(memory: Memory, possible: tuple[int, int]) -> None:
    batch = memory.journal.batch(1, 2 * VERSIONS)
    entries = batch.entries if batch else ()
    assert len(entries) in possible
    assert [decode_event(entry).seq for entry in entries] == list(range(1, len(entries) + 1))
    # An entry and the use it stands for are there together or not at all.
    assert memory.journal.spent(GRANT) == len(entries) == memory.journal.next_seq - 1


@pytest.mark.slow
def test_what_was_promised_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(11)
    promises = []
    for number in range(15):
        folder = tmp_path / str(number)
        promises.append(run_and_kill(folder, chance.uniform(0.0, 0.2)))
        check(folder, promises[-1])
    assert max(promises) > 3
