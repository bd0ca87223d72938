"""From a committed change to every reader's receipt, with many readers on one machine.

A broker and a controller run as processes of their own. The readers share one process, but each is
the real thing from MQTT to SQLite: its own connection, keys, plan cache and journal; only radio
and door are missing. For comparison the same broker carries as many messages and answers of the
usual size between clients with nothing behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiomqtt
import httpx

from hw.none import NoDoor
from reader.claims import Claims
from reader.clock import SystemTime
from reader.config import Broker
from reader.doorkeeper import Doorkeeper
from reader.enrol import enrol
from reader.identity import load_or_make_keys, new_private_key
from reader.memory import Memory, open_memory
from reader.mqtt import MqttBus
from reader.refusals import Refusals
from reader.session import Session
from reader.uplink import Uplink
from tests.bench.crowd import crowd
from tests.bench.report import Figure, Progress, quantile
from tests.bench.servers import Servers, serve

DELTA_BYTES, ACK_BYTES = 300, 100
PATIENCE = 60.0
SOFTWARE = "doorward bench"


@dataclass(frozen=True, slots=True)
class _Site:
    """What the benchmark edits: a person's credential, and a group that opens every door."""

    group: int
    person: int
    credential: str


def run(progress: Progress, readers: int = 100, changes: int = 20) -> list[Figure]:
    """Measure with `readers` online readers and `changes` edits of each kind."""
    with TemporaryDirectory(prefix="doorward-bench-") as folder:
        return asyncio.run(_run(Path(folder), progress, readers, changes))


async def _run(folder: Path, progress: Progress, readers: int, changes: int) -> list[Figure]:
    async with serve(folder) as servers, asyncio.TaskGroup() as tasks:
        steps = readers + 3 * changes
        opened = []
        for number in range(readers):
            memory, uplink = await _new_reader(servers, folder, number)
            opened.append((memory, tasks.create_task(uplink.run())))
            progress(number + 1, steps)
        site = await _new_site(servers)
        granted, revoked, bare = [], [], []
        for number in range(changes):
            granted.append(await _toggle_member(servers, site, join=number % 2 == 1))
            revoked.append(await _toggle_credential(servers, site, enabled=number % 2 == 1))
            progress(readers + 2 * (number + 1), steps)
        async with _bare_clients(servers.broker, readers) as clients:
            for number in range(changes):
                bare.append(await clients.fan_out())
                progress(readers + 2 * changes + number + 1, steps)
        for memory, task in opened:
            task.cancel()
            await asyncio.wait([task])
            memory.close()
    plain = quantile(bare, 0.5)
    return [
        Figure(f"change to last receipt, {readers} readers, p50", quantile(granted, 0.5), "ms"),
        Figure(
            f"change to last receipt, {readers} readers, p99", quantile(granted, 0.99), "ms", 1e3
        ),
        Figure("disabling to last receipt, p50", quantile(revoked, 0.5), "ms"),
        Figure("disabling to last receipt, p99", quantile(revoked, 0.99), "ms", 1e3),
        Figure(f"bare fan-out of {readers} messages and answers, p50", plain, "ms"),
        Figure("change to last receipt, over bare", quantile(granted, 0.5) / plain, "x"),
    ]


def run_light(progress: Progress, readers: int, changes: int) -> list[Figure]:
    """Measure the controller alone, with as many light readers and edits."""
    with TemporaryDirectory(prefix="doorward-bench-") as folder:
        return asyncio.run(_run_light(Path(folder), progress, readers, changes))


async def _run_light(folder: Path, progress: Progress, readers: int, changes: int) -> list[Figure]:
    async with serve(folder) as servers, crowd(servers, readers, progress):
        site = await _new_site(servers)
        granted = [
            await _toggle_member(servers, site, join=number % 2 == 1) for number in range(changes)
        ]
    return [
        Figure(
            f"change to last receipt, {readers} light readers, p50", quantile(granted, 0.5), "ms"
        ),
        Figure("change to last receipt, longest", max(granted), "ms", 1e3),
    ]


async def _new_reader(servers: Servers, folder: Path, number: int) -> tuple[Memory, Uplink]:
    door = await servers.post("/doors", {"name": f"Door {number:03}"})
    reader = await servers.post("/readers", {"door_id": door["id"], "name": f"Reader {number:03}"})
    home = folder / f"reader-{number:03}"
    keys = load_or_make_keys(home)
    token = reader["enrolment"]["token"]
    enrolment = await asyncio.to_thread(enrol, servers.controller, token, keys, SOFTWARE)
    memory = open_memory(home, SystemTime())
    doorkeeper = Doorkeeper(NoDoor(), memory)
    refusals = Refusals()

    def begin() -> Session:
        return Session(
            enrolment, keys, memory, doorkeeper, refusals, claims=Claims(), software=SOFTWARE
        )

    return memory, Uplink(MqttBus(servers.broker, f"bench-{enrolment.reader}"), begin)


async def _new_site(servers: Servers) -> _Site:
    """Make a person with a card, in a group that may open every door; wait until all know."""
    doors = await servers.all("/doors")
    person = await servers.post("/people", {"first_name": "Ada", "last_name": "Bench"})
    card = await servers.post(
        f"/people/{person['id']}/credentials",
        {"credential_type_id": 5, "value": new_private_key().public.point.hex()},
    )
    group = await servers.post("/groups", {"name": "Bench", "person_ids": [person["id"]]})
    body = {
        "name": "Bench",
        "group_ids": [group["id"]],
        "door_ids": [door["id"] for door in doors],
    }
    response = await servers.http.post("/access_plans", json=body)
    await _processed(servers, response)
    return _Site(group["id"], person["id"], card["id"])


async def _toggle_member(servers: Servers, site: _Site, *, join: bool) -> float:
    url = f"/groups/{site.group}/people/{site.person}"
    response = await (servers.http.put(url) if join else servers.http.delete(url))
    return await _processed(servers, response)


async def _toggle_credential(servers: Servers, site: _Site, *, enabled: bool) -> float:
    """Disable or enable the card; while it is in no plan this still concerns the deny sets."""
    response = await servers.http.put(
        f"/people/{site.person}/credentials/{site.credential}", json={"enabled": enabled}
    )
    return await _processed(servers, response)


async def _processed(servers: Servers, response: httpx.Response) -> float:
    """Wait until the change that `response` names is processed; return its milliseconds."""
    response.raise_for_status()
    url = f"/changes/{response.headers['Doorward-Change']}"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        change = (await servers.http.get(url)).raise_for_status().json()
        if change["status"] == "processed":
            return float(change["milliseconds"])
        await asyncio.sleep(0.02)
    missing = [reader["name"] for reader in change["readers"] if not reader["acked_at"]]
    raise TimeoutError(f"change {change['id']} still waits for {len(missing)} readers")


class _BareClients:
    """A publisher, and clients that answer every message."""

    def __init__(self, publisher: aiomqtt.Client, count: int) -> None:
        self._publisher = publisher
        self._count = count

    async def fan_out(self) -> float:
        """Send every client one message; return milliseconds until the last answer is there."""
        start = time.perf_counter()
        for number in range(self._count):
            await self._publisher.publish(f"bare/{number}/down", bytes(DELTA_BYTES), qos=1)
        for _ in range(self._count):
            await anext(aiter(self._publisher.messages))
        return (time.perf_counter() - start) * 1e3


@contextlib.asynccontextmanager
async def _bare_clients(broker: Broker, count: int) -> AsyncIterator[_BareClients]:
    async with contextlib.AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(_client(broker))
        await publisher.subscribe("bare/+/up", qos=1)
        tasks = []
        for number in range(count):
            client = await stack.enter_async_context(_client(broker))
            await client.subscribe(f"bare/{number}/down", qos=1)
            tasks.append(asyncio.create_task(_answer(client, number)))
        try:
            yield _BareClients(publisher, count)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _answer(client: aiomqtt.Client, number: int) -> None:
    async for _ in client.messages:
        await client.publish(f"bare/{number}/up", bytes(ACK_BYTES), qos=1)


def _client(broker: Broker) -> aiomqtt.Client:
    nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    return aiomqtt.Client(broker.host, broker.port, socket_options=nodelay)
