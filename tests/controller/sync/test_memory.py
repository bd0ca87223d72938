"""The broker in memory does what a broker does, and its faults are as bad as is said."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from controller.sync.bus import BusLost, Connection, Publication
from controller.sync.memory import Faults, MemoryBroker


async def heard(connection: Connection, count: int) -> list[bytes]:
    arrived = connection.messages()
    return [(await asyncio.wait_for(anext(arrived), 1)).payload for _ in range(count)]


async def everything(connection: Connection) -> list[bytes]:
    """Return what arrives until the connection ends."""
    arrived, messages = [], connection.messages()
    while True:
        try:
            arrived.append((await anext(messages)).payload)
        except BusLost:
            return arrived


async def test_delivers_to_whoever_asked_in_order() -> None:
    broker = MemoryBroker()
    async with broker.connect(("a/+/x",)) as one, broker.connect(("a/1/x", "b")) as other:
        for topic in ("a/1/x", "a/2/x", "a/1/y", "b", "a/1/x/z"):
            await one.publish(Publication(topic, topic.encode()))
        assert await heard(one, 2) == [b"a/1/x", b"a/2/x"]
        assert await heard(other, 2) == [b"a/1/x", b"b"]


async def test_keeps_what_is_retained_for_whoever_asks_for_it() -> None:
    broker = MemoryBroker()
    async with broker.connect(()) as one:
        for payload in (b"1", b"2"):
            await one.publish(Publication("a/state", payload))
    async with broker.connect(("a/+",)) as late, broker.connect(("b/+",)) as other:
        assert await heard(late, 1) == [b"2"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard(other, 1), 0.01)


async def test_a_broken_connection_says_so_at_both_ends() -> None:
    broker = MemoryBroker()
    async with broker.connect(("a",)) as connection:
        broker.drop()
        with pytest.raises(BusLost):
            await connection.publish(Publication("a", b""))
        with pytest.raises(BusLost):
            await heard(connection, 1)
    broker.down = True
    with pytest.raises(BusLost):
        await broker.connect(("a",)).__aenter__()


async def test_faults_lose_repeat_and_reorder() -> None:
    broker = MemoryBroker(Random(3), Faults(lost=0.2, repeated=0.2, reordered=0.2))
    async with broker.connect(("a",)) as connection:
        for number in range(500):
            await connection.publish(Publication("a", number.to_bytes(2, "big")))
        broker.drop()
        arrived = [int.from_bytes(payload, "big") for payload in await everything(connection)]
    counted = Counter(arrived)
    assert 60 < 500 - len(counted) < 140
    assert 40 < sum(count > 1 for count in counted.values()) < 140
    assert arrived != sorted(arrived)
    assert all(abs(place - number) < 200 for place, number in enumerate(arrived))
