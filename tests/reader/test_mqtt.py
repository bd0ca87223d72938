"""The bus over a real client library: what it sends, and that every way to fail is a lost bus."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hw.none import NoDoor, NoLinks, NoTags
from reader import app
from reader.bus import BusLost, Publication
from reader.config import Broker
from reader.memory import open_memory
from reader.mqtt import MqttBus
from reader.uplink import _first
from shared.wire.envelope import MAX_ENVELOPE
from shared.wire.topics import DOWN, Leaf, topic
from tests.reader.clocks import Machine
from tests.reader.keys import ENROLMENT, KEYS, READER
from tests.reader.tiny_broker import CONNECT, PUBLISH, SUBSCRIBE, TinyBroker, serving

STATE = topic(READER, Leaf.STATE)
PLAN = topic(READER, Leaf.PLAN)
WILL = Publication(STATE, b"gone", retain=True)


def real(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` in real time: there are real sockets in it."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(asyncio.wait_for(main, 20))


def bus(port: int, name: str = "test") -> MqttBus:
    return MqttBus(Broker("127.0.0.1", port), name)


def test_it_connects_subscribes_publishes_and_listens() -> None:
    async def main() -> None:
        async with serving(TinyBroker()) as broker:
            async with bus(broker.port, "doorward-x").connect((PLAN, STATE), WILL) as connection:
                await connection.publish(Publication(STATE, b"here", retain=True))
                broker.send(PLAN, b"page")
                broker.send(STATE, b"")
                messages = connection.messages()
                assert await anext(messages) == Publication(PLAN, b"page")
                assert await anext(messages) == Publication(STATE, b"")
            assert broker.published == [(STATE, b"here", True)]
            [connect] = broker.connected
            assert connect.startswith(b"\x00\x04MQTT\x04")
            # Clean session, a retained will at least once, no user, twenty seconds.
            assert connect[7:10] == bytes([0b00101110, 0, 20])
            assert connect[10:].startswith(b"\x00\x0adoorward-x")
            assert connect.endswith(b"\x00\x04gone")
            [subscribe] = broker.subscribed
            assert PLAN.encode() + b"\x01" in subscribe

    real(main())


@pytest.mark.parametrize(
    "broker",
    [
        TinyBroker(refuse=5),
        TinyBroker(drop_at=CONNECT),
        TinyBroker(drop_at=SUBSCRIBE),
    ],
    ids=["refused", "dropped at once", "dropped when subscribing"],
)
def test_a_connection_that_does_not_come_about_is_a_lost_bus(
    broker: TinyBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reader.mqtt.CONNECT_TIMEOUT", 0.3)

    async def main() -> None:
        async with serving(broker):
            with pytest.raises(BusLost, match=f"broker 127.0.0.1:{broker.port}: "):
                async with bus(broker.port).connect((PLAN,), WILL):
                    pytest.fail("connected")

    real(main())


def test_a_broker_that_is_not_there_is_a_lost_bus() -> None:
    async def main() -> None:
        with pytest.raises(BusLost, match=r"broker 127\.0\.0\.1:1: "):
            async with bus(1).connect((PLAN,), WILL):
                pytest.fail("connected")

    real(main())


def test_a_line_that_breaks_is_a_lost_bus_for_whoever_listens_and_speaks() -> None:
    async def main() -> None:
        async with serving(TinyBroker()) as broker:

            async def listen_and_speak() -> None:
                async with (
                    bus(broker.port).connect((PLAN,), WILL) as connection,
                    asyncio.TaskGroup() as tasks,
                ):
                    tasks.create_task(read(connection.messages()))
                    broker.cut()
                    while True:
                        await connection.publish(Publication(STATE, b"x"))

            with pytest.raises(BaseExceptionGroup) as lost:
                await listen_and_speak()
            assert isinstance(_first(lost.value), BusLost)

    async def read(messages: Any) -> None:
        async for _ in messages:
            pass

    real(main())


def test_what_is_larger_than_any_message_takes_up_no_memory() -> None:
    async def main() -> None:
        async with (
            serving(TinyBroker()) as broker,
            bus(broker.port).connect((PLAN,), WILL) as connection,
        ):
            broker.send(PLAN, b"x" * (MAX_ENVELOPE + 1))
            broker.send(PLAN, b"y" * MAX_ENVELOPE)
            assert (await anext(connection.messages())).payload == b"y" * MAX_ENVELOPE

    real(main())


def test_a_topic_that_none_can_have_is_a_lost_bus() -> None:
    async def main() -> None:
        async with (
            serving(TinyBroker()) as broker,
            bus(broker.port).connect((PLAN,), WILL) as connection,
        ):
            broker.send("doorward/#", b"x")
            with pytest.raises(BusLost):
                await anext(connection.messages())

    real(main())


def test_a_broker_that_goes_does_not_stop_the_reader(tmp_path: Path) -> None:
    async def main() -> None:
        memory = open_memory(tmp_path, Machine())
        devices = app.Devices(NoDoor(), NoLinks(), NoTags())
        async with serving(TinyBroker(drop_at=PUBLISH)) as broker:
            task = asyncio.create_task(app.run(devices, bus(broker.port), ENROLMENT, KEYS, memory))
            while broker.connects < 2:
                await asyncio.sleep(0.01)
                assert not task.done()
            broker.drop_at = 0
            while not broker.published:
                await asyncio.sleep(0.01)
                assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        memory.close()

    real(main())


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs the package mosquitto")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
            yield process
        finally:
            process.kill()


def wait_for(connect: Callable[[], object]) -> None:
    for _ in range(200):
        try:
            connect()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("the broker does not listen")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_mosquitto_carries_and_keeps(tmp_path: Path) -> None:
    port = free_port()
    topics = (*(topic(READER, leaf) for leaf in DOWN), STATE)

    async def main() -> None:
        async with bus(port, "watcher").connect((STATE,), Publication("x", b"")) as watcher:
            async with bus(port, "door").connect(topics, WILL) as door:
                await door.publish(Publication(STATE, b"here", retain=True))
                assert (await anext(watcher.messages())).payload == b"here"
                assert (await anext(door.messages())).payload == b"here"  # its own echo
            async with bus(port, "late").connect((STATE,), Publication("x", b"")) as late:
                found = await anext(late.messages())
                assert (found.payload, found.retain) == (b"here", True)

    with mosquitto(tmp_path, port):
        real(main())


@pytest.mark.slow
def test_mosquitto_may_be_killed(tmp_path: Path) -> None:
    port = free_port()

    async def main(process: subprocess.Popen[bytes]) -> None:
        async with bus(port).connect((PLAN,), WILL) as connection:
            process.send_signal(signal.SIGKILL)
            with pytest.raises(BusLost):
                await anext(connection.messages())

    with mosquitto(tmp_path, port) as process:
        real(main(process))
