"""A mailbox keeps order, has a limit, and gives what came before the end."""

from __future__ import annotations

import asyncio

import pytest

from hw.ble.mailbox import Mailbox
from hw.ports import LinkClosed


async def test_messages_come_in_order() -> None:
    box = Mailbox(limit=4)
    for message in (b"1", b"2", b"3"):
        assert box.deliver(message)
    assert [await box.receive() for _ in range(3)] == [b"1", b"2", b"3"]


async def test_a_waiting_reader_wakes() -> None:
    box = Mailbox(limit=4)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(box.receive())
        await asyncio.sleep(0)
        box.deliver(b"late")
    assert waiting.result() == b"late"


async def test_a_full_mailbox_takes_no_more_until_somebody_reads() -> None:
    box = Mailbox(limit=2)
    assert box.deliver(b"1")
    assert box.deliver(b"2")
    assert not box.deliver(b"3")
    await box.receive()
    assert box.deliver(b"4")


async def test_the_last_words_are_read_after_the_end() -> None:
    box = Mailbox(limit=2)
    box.deliver(b"granted")
    box.close("gone")
    assert await box.receive() == b"granted"
    with pytest.raises(LinkClosed, match="gone"):
        await box.receive()


async def test_the_first_reason_stays_and_late_messages_are_dropped() -> None:
    box = Mailbox(limit=1)
    box.close("first")
    box.close("second")
    assert box.deliver(b"late")
    assert box.closed == "first"
    with pytest.raises(LinkClosed, match="first"):
        await box.receive()


async def test_the_end_wakes_everybody_who_waits() -> None:
    box = Mailbox(limit=1)
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(_closed(box))
        ending = tasks.create_task(box.ended())
        await asyncio.sleep(0)
        box.close("over")
    assert receiving.result() == "over"
    assert ending.done()


async def _closed(box: Mailbox) -> str:
    with pytest.raises(LinkClosed) as caught:
        await box.receive()
    return str(caught.value)


async def test_a_cancelled_reader_loses_nothing() -> None:
    box = Mailbox(limit=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await box.receive()
    box.deliver(b"kept")
    assert await box.receive() == b"kept"
