"""What every `hw.ports.LinkListener` does, whatever radio is behind it.

A module of tests subclasses `LinkContract` and provides the fixture `bench`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from hw.ble.central import Central
from hw.ble.central_link import CentralLink
from hw.ports import HardwareFault, Link, LinkClosed, LinkListener

PATIENCE = 3.0
HELLO = bytes(range(78))


@dataclass(frozen=True)
class LinkBench:
    """A listener that advertises `name`, and how to get another phone."""

    listener: LinkListener
    name: str
    phone: Callable[[], Awaitable[Central]]

    async def meet(self, phone: Central | None = None) -> tuple[CentralLink, Link]:
        """A phone and the reader, connected: the phone's end and the reader's."""
        phone = phone or await self.phone()
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(self.listener.accept())
            sighting = await phone.find(name=self.name)
            theirs = await phone.connect(sighting.address)
        return theirs, accepting.result()


async def closed(waiting: Awaitable[object]) -> str:
    """Why the link has ended."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LinkClosed) as caught:
            await waiting
    return str(caught.value)


class LinkContract:
    """Phones come and go; each has whole messages of its own."""

    async def test_messages_pass_whole_both_ways(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        assert ours.mtu == theirs.mtu >= 247
        async with asyncio.timeout(PATIENCE):
            for message in (HELLO, b"\x04\x01\x03", bytes(ours.mtu - 3)):
                await ours.send(message)
                assert await theirs.receive() == message
            for message in (b"\x07" + bytes(165), b"\x01", bytes(min(512, theirs.mtu - 3))):
                await theirs.send(message)
                assert await ours.receive() == message

    async def test_a_write_with_response_is_a_message_too(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        async with asyncio.timeout(PATIENCE):
            await theirs.send(bytes(512), acknowledged=True)
            assert await ours.receive() == bytes(512)

    async def test_reading_returns_the_current_message(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        async with asyncio.timeout(PATIENCE):
            assert await theirs.read() == b""
            await ours.send(HELLO)
            assert await theirs.read() == HELLO

    async def test_a_message_that_does_not_fit_is_our_bug(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        with pytest.raises(ValueError, match="do not fit"):
            await ours.send(bytes(ours.mtu - 2))
        with pytest.raises(ValueError, match="do not fit"):
            await theirs.send(bytes(theirs.mtu - 2))

    async def test_the_reader_hangs_up_and_its_last_words_arrive(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        await ours.send(b"granted")
        await ours.close()
        await ours.close()
        assert await theirs.receive() == b"granted"
        assert "disconnected" in await closed(theirs.receive())
        assert await closed(ours.receive())
        assert await closed(ours.send(b"late"))
        assert await closed(theirs.send(b"late"))

    async def test_the_phone_hangs_up(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        await theirs.send(b"bye")
        await theirs.close()
        await theirs.close()
        async with asyncio.timeout(PATIENCE):
            assert await ours.receive() == b"bye"
        assert await closed(ours.receive())
        assert await closed(ours.send(b"late"))

    async def test_enabling_again_is_a_new_link(self, bench: LinkBench) -> None:
        theirs, old = await bench.meet()
        await theirs.subscribe()
        async with asyncio.timeout(PATIENCE):
            new = await bench.listener.accept()
        assert "again" in await closed(old.receive())
        assert await closed(old.send(HELLO))
        await old.close()  # must not take the new one with it
        async with asyncio.timeout(PATIENCE):
            await new.send(HELLO)
            assert await theirs.receive() == HELLO
            await theirs.send(b"answer")
            assert await new.receive() == b"answer"
        assert new.peer == old.peer

    async def test_several_phones_have_each_their_own(self, bench: LinkBench) -> None:
        pairs = [await bench.meet() for _ in range(3)]
        assert len({ours.peer for _, ours in pairs}) == 3
        async with asyncio.timeout(PATIENCE):
            for n, (theirs, ours) in enumerate(pairs):
                await ours.send(b"to %d" % n)
                await theirs.send(b"from %d" % n)
            for n, (theirs, ours) in enumerate(pairs):
                assert await theirs.receive() == b"to %d" % n
                assert await ours.receive() == b"from %d" % n

    async def test_one_phone_may_come_many_times(self, bench: LinkBench) -> None:
        phone = await bench.phone()
        for _ in range(5):
            theirs, ours = await bench.meet(phone)
            await theirs.send(b"knock")
            async with asyncio.timeout(PATIENCE):
                assert await ours.receive() == b"knock"
            await ours.close()
            await closed(theirs.receive())

    async def test_a_phone_that_floods_is_cut_off(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        other, ours_too = await bench.meet()
        assert await closed(_flood(theirs))
        unread: list[bytes] = []
        assert await closed(_collect(ours, unread))
        assert 1 <= len(unread) <= 16
        async with asyncio.timeout(PATIENCE):
            await other.send(b"patient")
            assert await ours_too.receive() == b"patient"

    async def test_a_cancelled_accept_loses_no_phone(self, bench: LinkBench) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await bench.listener.accept()
        theirs, ours = await bench.meet()
        await ours.send(HELLO)
        assert await theirs.receive() == HELLO

    async def test_a_cancelled_receive_loses_no_message(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ours.receive()
        await theirs.send(b"kept")
        async with asyncio.timeout(PATIENCE):
            assert await ours.receive() == b"kept"

    async def test_close_ends_everything(self, bench: LinkBench) -> None:
        theirs, ours = await bench.meet()
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(_refused(bench.listener))
            receiving = tasks.create_task(closed(ours.receive()))
            await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                await bench.listener.close()
                await bench.listener.close()
        assert accepting.result()
        assert receiving.result()
        assert await closed(theirs.receive())
        with pytest.raises(HardwareFault, match="closed"):
            await bench.listener.accept()


async def _refused(listener: LinkListener) -> bool:
    with pytest.raises(HardwareFault):
        await listener.accept()
    return True


async def _flood(phone: CentralLink) -> None:
    while True:
        await phone.send(bytes(100))
        await asyncio.sleep(0)


async def _collect(link: Link, messages: list[bytes]) -> None:
    while True:
        messages.append(await link.receive())
