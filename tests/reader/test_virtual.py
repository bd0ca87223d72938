"""The virtual loop itself: it sleeps without sleeping, and waits for threads without passing."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.reader.virtual import VirtualLoop


async def test_a_day_passes_at_once() -> None:
    loop = asyncio.get_running_loop()
    before, really = loop.time(), time.monotonic()
    await asyncio.sleep(86_400)
    assert loop.time() == pytest.approx(before + 86_400)
    assert time.monotonic() - really < 5


async def test_time_stands_still_for_a_thread() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    sleeper = asyncio.create_task(asyncio.sleep(0.001))
    await loop.run_in_executor(None, time.sleep, 0.05)
    assert loop.time() == before
    await sleeper


def test_a_test_that_would_hang_says_so() -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        with pytest.raises(RuntimeError, match="nothing will ever happen"):
            runner.run(asyncio.Event().wait())
        runner.get_loop().call_later(0, lambda: None)
