"""A running site for the tests of one file: all daemons in processes, and no radio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hw.sim.demo.attacker import Attacker
from hw.sim.demo.broker import Broker
from hw.sim.demo.director import build_stage
from hw.sim.demo.processes import Processes
from hw.sim.demo.stage import Stage
from hw.sim.demo.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The demo's sample site, every reader online."""
    async with Processes(tmp_path_factory.mktemp("site")) as processes:
        broker = Broker("auto", processes)
        world = World(processes, broker)
        try:
            await world.start()
            yield await build_stage(world, Attacker(broker.port))
        finally:
            await world.office.close()
