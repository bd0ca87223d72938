"""Calls into bumble end when they are told to, and never end their caller."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine

import pytest

from hw.ble.tasks import Abandoned, apart, stop


async def test_a_result_and_an_error_pass_through(nothing_left_behind: None) -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise ZeroDivisionError

    assert await apart(answer()) == 42
    with pytest.raises(ZeroDivisionError):
        await apart(fail())


async def test_a_call_that_is_cancelled_from_inside_does_not_end_us(
    nothing_left_behind: None,
) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(Abandoned):
        await apart(cancelled())


async def test_a_call_that_swallows_a_cancellation_cannot_hold_us(
    nothing_left_behind: None,
) -> None:
    """What `asyncio.wait_for` of Python 3.11 does when the answer comes at the same moment."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed == 2:
                    raise
                swallowed += 1

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await apart(stubborn())
    assert swallowed == 2


async def test_what_a_call_raises_as_it_is_stopped_is_not_complained_of(
    nothing_left_behind: None,
) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("the transport is lost")

    for ending in (apart(fail()), _stopped(fail())):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ending
    gc.collect()
    assert complaints == []


async def _stopped(work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    finally:
        await stop([task])


async def test_stopping_what_has_ended_does_nothing() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    await stop([task])
    assert isinstance(task.exception(), ZeroDivisionError)
