"""The bus over real brokers: what arrives, what happens when one is killed, what an address is."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep as pause

import pytest

from controller.store.database import Database
from controller.sync.bus import Bus, BusLost, Publication
from controller.sync.mqtt import BrokerAddress, MqttBus
from controller.sync.service import SyncService
from tests.controller.building import CONTROLLER, ReaderKeys, build
from tests.controller.sync.ends import ReaderEnd
from tests.controller.sync.model_reader import ModelReader
from tests.controller.sync.site import Site, running, until


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("mqtt://broker", BrokerAddress("broker", 1883)),
            ("mqtt://broker:1884/", BrokerAddress("broker", 1884)),
            ("mqtt://[::1]:1885", BrokerAddress("::1", 1885)),
            ("mqtt://me:p%40ss@broker", BrokerAddress("broker", 1883, "me", "p@ss")),
        ],
    )
    def test_is_read(self, url: str, address: BrokerAddress) -> None:
        assert BrokerAddress.parse(url) == address

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "broker",
            "mqtt://",
            "http://broker",
            "mqtt://a:0",
            "mqtt://a:x",
            "mqtt://a:99999",
            "mqtt://a/b",
            "mqtts://secret:secret@a",
        ],
    )
    def test_or_refused_without_repeating_it(self, url: str) -> None:
        with pytest.raises(ValueError, match="mqtt://host") as raised:
            BrokerAddress.parse(url)
        assert "secret" not in str(raised.value)

    def test_shows_no_password(self) -> None:
        address = BrokerAddress.parse("mqtt://me:hush@broker")
        assert "hush" not in f"{address!r} {address}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run mosquitto on `port` of the loopback."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs mosquitto (Debian: apt install mosquitto)")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with served([program, "-c", str(config)], port) as process:
        yield process


@contextmanager
def served(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a broker until the end, or until somebody kills it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield process
    finally:
        process.kill()
        process.wait(10)


def _await_port(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            probe.settimeout(0.05)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause(0.05)
    raise AssertionError(f"nothing listens on port {port}")


async def no_broker(bus: Bus) -> str:
    """Return what is said when there is none."""
    with pytest.raises(BusLost) as raised:
        await asyncio.wait_for(_connect(bus), 20)
    return str(raised.value)


async def _connect(bus: Bus) -> None:
    async with bus.connect(("doorward/+/+/hello",)):
        pass


async def test_no_broker_is_a_lost_bus() -> None:
    port = free_port()
    said = await no_broker(MqttBus(BrokerAddress("127.0.0.1", port, "me", "hush")))
    assert f"broker 127.0.0.1:{port}" in said
    assert "hush" not in said


async def carries(bus: Bus, other: Bus) -> None:
    """Both directions, wildcards, order, and a message as long as they get."""
    async with (
        bus.connect(("doorward/+/+/hello",)) as office,
        other.connect(("doorward/07/reader0001/plan",)) as reader,
    ):
        payloads = [b"%d" % number for number in range(100)] + [secrets.token_bytes(300_000)]
        for payload in payloads:
            await reader.publish(Publication("doorward/07/reader0001/hello", payload))
            await office.publish(Publication("doorward/07/reader0001/plan", payload))
            await office.publish(Publication("doorward/07/reader0002/plan", payload))
        for connection, leaf in ((office, "hello"), (reader, "plan")):
            arrived = connection.messages()
            for payload in payloads:
                wanted = Publication(f"doorward/07/reader0001/{leaf}", payload)
                assert await asyncio.wait_for(anext(arrived), 10) == wanted


@pytest.mark.slow
async def test_mosquitto_carries(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path, port):
        address = BrokerAddress("127.0.0.1", port)
        await carries(MqttBus(address), MqttBus(address, "reader0001"))


@pytest.mark.slow
async def test_the_broker_of_last_resort_carries() -> None:
    port = free_port()
    with served([sys.executable, "-m", "hw.sim.broker", "--port", str(port)], port):
        address = BrokerAddress("127.0.0.1", port)
        await carries(MqttBus(address), MqttBus(address, "reader0001"))


@pytest.mark.slow
async def test_a_killed_broker_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    bus = MqttBus(BrokerAddress("127.0.0.1", port))

    async def listen(process: subprocess.Popen[bytes]) -> None:
        async with bus.connect(("a",)) as connection:
            process.kill()
            async for _ in connection.messages():
                pass

    with mosquitto(tmp_path, port) as process:
        with pytest.raises(BusLost):
            await asyncio.wait_for(listen(process), 20)
        process.wait(10)
        await no_broker(bus)


class MqttSite(Site):
    """The same, over a broker of its own."""

    def __init__(self, plain: Site, address: BrokerAddress) -> None:
        self.building = plain.building
        self.service = SyncService(
            plain.building.database, CONTROLLER, MqttBus(address), jitter=lambda: 0.5
        )
        self.ends = [
            ReaderEnd(
                ModelReader(reader, secrets.token_bytes),
                ReaderKeys(number),
                MqttBus(address, f"reader-{reader}"),
            )
            for number, reader in enumerate(plain.building.readers)
        ]


@pytest.fixture
async def plain(database: Database) -> Site:
    building = await build(database, 3)
    await building.enrol()
    return Site(building)


@pytest.mark.slow
async def test_readers_stay_in_step_over_mosquitto(plain: Site, tmp_path: Path) -> None:
    port = free_port()
    site = MqttSite(plain, BrokerAddress("127.0.0.1", port))
    with mosquitto(tmp_path, port):
        async with site.up():
            handle = await site.building.add_card(await site.building.add_person(), 7)
            await site.in_step()
            await site.building.remove_card(handle)
            await site.in_step()
            for seconds in range(6, 26):
                await site.building.set_door(seconds % 3, release_seconds=seconds)
            await site.in_step()


@pytest.mark.slow
async def test_a_broker_that_dies_loses_nothing(plain: Site, tmp_path: Path) -> None:
    port = free_port()
    site = MqttSite(plain, BrokerAddress("127.0.0.1", port))
    person = await site.building.add_person()
    with mosquitto(tmp_path, port) as process:
        async with site.up():
            await site.building.add_card(person, 7)
            process.kill()
            process.wait(10)
            await site.building.add_card(person, 8)
            await until(lambda: _lost(site), 30)
            with mosquitto(tmp_path, port):
                await until(site.connected, 30)
                await until(site.processed, 60)
                await site.in_step()


@pytest.mark.slow
async def test_all_come_back_after_a_restart_of_the_broker(plain: Site, tmp_path: Path) -> None:
    """The controller and every reader, in whatever order, and nobody is forgotten."""
    port = free_port()
    site = MqttSite(plain, BrokerAddress("127.0.0.1", port))
    async with running(site.service.run(), *(end.run() for end in site.ends)):
        for seconds in (6, 7):
            with mosquitto(tmp_path, port):
                await until(site.connected, 30)
                await site.building.set_door(0, release_seconds=seconds)
                for end in site.ends:
                    await end.until(lambda model: model.plan is not None, 30)
                await until(site.processed, 60)
                await site.in_step()
            await until(lambda: _lost(site), 30)


async def _lost(site: Site) -> bool:
    return not site.service.connected
