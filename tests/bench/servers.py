"""A broker and a controller for a benchmark: processes of their own, gone at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from reader.config import Broker

READY_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they listen, and a client that may do everything."""

    broker: Broker
    controller: str
    pid: int  # of the controller
    http: httpx.AsyncClient

    def processor_seconds(self) -> float:
        """Return what the controller has used of processors so far, which other load leaves."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def post(self, path: str, body: dict[str, object]) -> Any:
        """Make something and return it."""
        response = await self.http.post(path, json=body)
        return response.raise_for_status().json()

    async def all(self, path: str) -> list[Any]:
        """Return every item of a list, page by page."""
        items: list[Any] = []
        while True:
            page = len(items) // 100 + 1
            response = await self.http.get(path, params={"per_page": 100, "page": page})
            found = response.raise_for_status().json()
            items += found
            if len(found) < 100:
                return items


@contextlib.asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Servers]:
    """Start both in `folder`; stop them at the end, whatever happens."""
    port = _free_port()
    config = folder / "controller.toml"
    config.write_text(
        f'data = "controller"\nlisten = "127.0.0.1:0"\nbroker = "mqtt://127.0.0.1:{port}"\n',
        encoding="utf-8",
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(_process(folder / "broker.log", *_broker(folder, port)))
        await _until(lambda: _listens(port), "the broker", folder / "broker.log")
        log = folder / "controller.log"
        command = (sys.executable, "-m", "controller", "--config", str(config))
        process = await stack.enter_async_context(_process(log, *command))
        address = folder / "controller" / "http.address"
        await _until(address.is_file, "the controller", log)
        url = f"http://{address.read_text(encoding='ascii').strip()}"
        token = (folder / "controller" / "operator.token").read_text(encoding="ascii").strip()
        client = httpx.AsyncClient(
            base_url=f"{url}/api/3", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        http = await stack.enter_async_context(client)
        yield Servers(Broker("127.0.0.1", port), url, process.pid, http)


def _broker(folder: Path, port: int) -> tuple[str, ...]:
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if mosquitto is None:
        return (sys.executable, "-m", "hw.sim.broker", "--port", str(port))
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        "max_inflight_messages 1000\nmax_queued_messages 100000\n",
        encoding="ascii",
    )
    return (mosquitto, "-c", str(config))


@contextlib.asynccontextmanager
async def _process(log: Path, *command: str) -> AsyncIterator[Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _until(ready: Callable[[], bool], what: str, log: Path) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN):
            while not ready():  # noqa: ASYNC110 - it is another process that gets ready
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RuntimeError(f"{what} did not start within {READY_WITHIN:.0f} s: see {log}") from None


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
