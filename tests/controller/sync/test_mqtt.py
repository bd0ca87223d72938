"""The bus over a real client library: what arrives, and that a flood costs the flooder, not us."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sync.bus import BusLost, Publication
from controller.sync.mqtt import BrokerAddress, MqttBus, arrivals
from shared.wire.topics import Leaf, topic
from tests.reader.tiny_broker import CONNECT, PUBLISH, SUBSCRIBE, TinyBroker, serving

HELLO = topic("reader01", Leaf.HELLO)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.sync.mqtt.TIMEOUT", 0.3)


def bus(broker: TinyBroker) -> MqttBus:
    return MqttBus(BrokerAddress("127.0.0.1", broker.port), "test")


def message(size: int) -> aiomqtt.Message:
    return aiomqtt.Message(HELLO, bytes(size), 1, retain=False, mid=1, properties=None)


async def test_it_subscribes_publishes_and_listens() -> None:
    async with serving(TinyBroker()) as broker, bus(broker).connect((HELLO,)) as connection:
        await connection.publish(Publication(HELLO, b"down"))
        broker.send(HELLO, b"up")
        broker.send(HELLO, b"")
        messages = connection.messages()
        assert await anext(messages) == Publication(HELLO, b"up")
        assert await anext(messages) == Publication(HELLO, b"")
        assert broker.published == [(HELLO, b"down", False)]
        [subscribe] = broker.subscribed
        assert HELLO.encode() + b"\x01" in subscribe


@pytest.mark.parametrize("broker", [TinyBroker(refuse=5), TinyBroker(drop_at=CONNECT)])
async def test_a_connection_that_does_not_come_about_is_a_lost_bus(broker: TinyBroker) -> None:
    async with serving(broker):
        with pytest.raises(BusLost, match=r"127\.0\.0\.1"):
            async with bus(broker).connect((HELLO,)):
                pass


async def test_a_broker_that_hangs_up_is_a_lost_bus() -> None:
    async with serving(TinyBroker()) as broker:
        with pytest.raises(BusLost):
            await _listen_to_the_end(broker)


async def _listen_to_the_end(broker: TinyBroker) -> None:
    async with bus(broker).connect((HELLO,)) as connection:
        broker.cut()
        await anext(connection.messages())


async def test_a_flood_that_nobody_reads_is_dropped_and_the_line_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("controller.sync.mqtt.MAX_INCOMING_BYTES", 100_000)
    monkeypatch.setattr("controller.sync.mqtt.TIMEOUT", 10.0)
    async with serving(TinyBroker()) as broker, bus(broker).connect((HELLO,)) as connection:
        for number in range(1_000):
            broker.send(HELLO, number.to_bytes(2, "big") * 5_000)
        await connection.publish(Publication(HELLO, b"after the flood"))
        messages = connection.messages()
        for number in range(10):
            assert (await anext(messages)).payload[:2] == number.to_bytes(2, "big")
        broker.send(HELLO, b"again")
        async with asyncio.timeout(10):
            while (await anext(messages)).payload != b"again":
                pass


class TestArrivals:
    """What waits is bounded in number and in bytes."""

    def test_in_number(self) -> None:
        queue = arrivals(1_000)(3)
        for _ in range(3):
            queue.put_nowait(message(0))
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(message(0))

    def test_in_bytes(self) -> None:
        queue = arrivals(1_000)(100)
        queue.put_nowait(message(999))
        queue.put_nowait(message(5_000))  # there was room when it came
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(message(0))
        queue.get_nowait()
        assert queue.full()
        queue.get_nowait()
        queue.put_nowait(message(1))

    @given(sizes=st.lists(st.integers(0, 400), max_size=60), taken=st.integers(0, 60))
    def test_whatever_comes_and_goes(self, sizes: list[int], taken: int) -> None:
        queue, there = arrivals(1_000)(20), list[int]()
        for size in sizes:
            if len(there) < 20 and sum(there) < 1_000:
                queue.put_nowait(message(size))
                there.append(size)
            else:
                assert queue.full()
        for size in there[:taken]:
            assert len(bytes(queue.get_nowait().payload)) == size
        rest = there[taken:]
        assert queue.qsize() == len(rest)
        assert queue.full() == (len(rest) == 20 or sum(rest) >= 1_000)


@pytest.mark.parametrize("broker", [TinyBroker(drop_at=PUBLISH), TinyBroker(drop_at=SUBSCRIBE)])
async def test_what_cannot_be_handed_over_is_a_lost_bus(broker: TinyBroker) -> None:
    async with serving(broker):
        with pytest.raises(BusLost):
            async with bus(broker).connect((HELLO,)) as connection:
                await connection.publish(Publication(HELLO, b"x"))
