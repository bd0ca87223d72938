"""What every `hw.ports.TagListener` does, whatever reader is behind it.

A module of tests subclasses `TagContract` and provides the fixture `bench`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from hw.ports import HardwareFault, TagListener, TagLost
from hw.sim.card import Visit

OK = b"\x90\x00"
UID = bytes.fromhex("04a1b2c3d4e5f6")
OTHER_UID = bytes.fromhex("08123456")
PATIENCE = 3.0


class Bring(Protocol):
    """Holds a card to the reader under test."""

    def __call__(
        self, uid: bytes, respond: Callable[[bytes], bytes], *, stay: bool = False
    ) -> asyncio.Task[Visit]: ...


@dataclass(frozen=True)
class TagBench:
    """A listener, and how to hold a card to it."""

    listener: TagListener
    bring: Bring


def echo(apdu: bytes) -> bytes:
    return apdu + OK


async def take_away(card: asyncio.Task[Visit]) -> None:
    card.cancel()
    await asyncio.gather(card, return_exceptions=True)


class TagContract:
    """One card, told apart from the next, spoken to, let go."""

    async def test_a_card_is_reported_spoken_to_and_let_go(self, bench: TagBench) -> None:
        card = bench.bring(UID, echo)
        async with asyncio.timeout(PATIENCE):
            tag = await bench.listener.accept()
            assert tag.uid == UID
            assert tag.iso_dep
            assert await tag.transceive(b"\x00\xa4\x04\x00") == b"\x00\xa4\x04\x00" + OK
            assert await tag.transceive(b"\x00\xb0") == b"\x00\xb0" + OK
            await tag.release()
            assert await card == Visit(apdus=2, released=True)

    @pytest.mark.parametrize("size", [1, 253, 254, 261, 1500])
    async def test_long_commands_and_answers_pass_whole(self, bench: TagBench, size: int) -> None:
        apdu = bytes(n & 0xFF for n in range(size))
        card = bench.bring(UID, echo)
        async with asyncio.timeout(PATIENCE):
            tag = await bench.listener.accept()
            assert await tag.transceive(apdu) == apdu + OK
            await tag.release()
            await card

    async def test_a_card_that_stays_is_reported_once(self, bench: TagBench) -> None:
        card = bench.bring(UID, echo, stay=True)
        tag = await bench.listener.accept()
        await tag.transceive(b"\x00\xa4")
        await tag.release()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await bench.listener.accept()
        await take_away(card)

    async def test_a_card_that_comes_back_is_reported_again(self, bench: TagBench) -> None:
        for _ in range(2):
            card = bench.bring(UID, echo)
            async with asyncio.timeout(PATIENCE):
                tag = await bench.listener.accept()
                await tag.transceive(b"\x00\xa4")
                await tag.release()
                await card

    async def test_the_next_card_is_reported_when_the_first_has_left(self, bench: TagBench) -> None:
        first, second = bench.bring(UID, echo), bench.bring(OTHER_UID, echo)
        seen = set()
        for _ in range(2):
            async with asyncio.timeout(PATIENCE):
                tag = await bench.listener.accept()
                seen.add(tag.uid)
                await tag.transceive(b"\x00\xa4")
                await tag.release()
        assert seen == {UID, OTHER_UID}
        await asyncio.gather(first, second)

    async def test_a_card_torn_away_is_lost(self, bench: TagBench) -> None:
        torn = asyncio.Event()

        def respond(apdu: bytes) -> bytes:
            torn.set()
            raise ConnectionError("the hand has left")

        card = bench.bring(UID, respond)
        async with asyncio.timeout(PATIENCE):
            tag = await bench.listener.accept()
            with pytest.raises(TagLost):
                await tag.transceive(b"\x00\xa4")
            await tag.release()
        assert torn.is_set()
        await asyncio.gather(card, return_exceptions=True)

    async def test_a_silent_card_is_lost_within_the_deadline(self, bench: TagBench) -> None:
        card = bench.bring(UID, lambda apdu: b"")
        tag = await bench.listener.accept()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(TagLost):
                await tag.transceive(b"\x00\xa4")
            await tag.release()
        await card

    async def test_a_released_tag_is_lost(self, bench: TagBench) -> None:
        card = bench.bring(UID, echo)
        tag = await bench.listener.accept()
        await tag.release()
        await tag.release()
        with pytest.raises(TagLost):
            await tag.transceive(b"\x00\xa4")
        await card

    async def test_a_cancelled_accept_loses_no_card(self, bench: TagBench) -> None:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await bench.listener.accept()
        card = bench.bring(UID, echo)
        async with asyncio.timeout(PATIENCE):
            tag = await bench.listener.accept()
            assert await tag.transceive(b"\x00\xa4") == b"\x00\xa4" + OK
            await tag.release()
            await card

    async def test_while_a_tag_is_out_nobody_else_is_accepted(self, bench: TagBench) -> None:
        card = bench.bring(UID, echo)
        tag = await bench.listener.accept()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(bench.listener.accept())
            await tag.transceive(b"\x00\xa4")
            assert not waiting.done()
            await tag.release()
            await card
            waiting.cancel()

    async def test_close_ends_a_waiting_accept(self, bench: TagBench) -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_refused(bench.listener))
            await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                await bench.listener.close()
        assert waiting.result()

    async def test_closing_twice_does_nothing(self, bench: TagBench) -> None:
        card = bench.bring(UID, echo)
        tag = await bench.listener.accept()
        await bench.listener.close()
        await bench.listener.close()
        with pytest.raises(TagLost):
            await tag.transceive(b"\x00\xa4")
        await tag.release()
        await take_away(card)


async def _refused(listener: TagListener) -> bool:
    with pytest.raises(HardwareFault, match="closed"):
        await listener.accept()
    return True
