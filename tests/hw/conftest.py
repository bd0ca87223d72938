"""What every hardware test can ask for: proof that nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fails if the test leaves a task, a thread or an open file. Ask for it first."""
    tasks, threads, files = asyncio.all_tasks(), set(threading.enumerate()), _open_files()
    yield
    async with asyncio.timeout(2.0):
        # Sockets close and threads end a moment after they are told to.
        while _open_files() > files or set(threading.enumerate()) - threads:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert asyncio.all_tasks() - tasks - {asyncio.current_task()} == set()
