"""Everything that runs in the demo, each in a process of its own; how to lose and restore it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hw.sim.demo.broker import Broker
from hw.sim.demo.office import Office
from hw.sim.demo.ports import free_port
from hw.sim.demo.processes import Processes, ProcessFailed
from hw.sim.demo.site import DOORS

CONTROLLER, AIR = "controller", "air"
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Post:
    """A door with its reader: its files, its NFC field, and its reader's id once it has one."""

    door: str
    folder: Path

    @property
    def slug(self) -> str:
        return self.door.lower().replace(" ", "-")

    @property
    def reader(self) -> str:
        """The name of the reader's process."""
        return f"reader-{self.slug}"

    @property
    def chip(self) -> str:
        """The name of the NFC simulator's process."""
        return f"nfc-{self.slug}"

    @property
    def config(self) -> Path:
        return self.folder / f"{self.reader}.toml"

    @property
    def data(self) -> Path:
        return self.folder / self.reader

    @property
    def field(self) -> tuple[str, int]:
        """Where cards are held to it."""
        return "127.0.0.1", _port(self.field_file)

    @property
    def wires(self) -> tuple[str, int]:
        """Where strike and lamp are seen, as long as the reader runs."""
        return "127.0.0.1", _port(self.wires_file)

    @property
    def field_file(self) -> Path:
        return self.folder / f"{self.chip}.port"

    @property
    def wires_file(self) -> Path:
        return self.folder / f"{self.reader}.port"


class World:
    """The running site. `start` it, then let `readers_online` be waited for."""

    def __init__(self, processes: Processes, broker: Broker) -> None:
        """Choose ports; nothing runs yet."""
        self.folder = processes.folder
        self.processes = processes
        self.broker = broker
        self._port = free_port()
        data = self.folder / CONTROLLER
        self.office = Office(f"http://127.0.0.1:{self._port}", data / "operator.token")
        self.posts = {door: Post(door, self.folder) for door in DOORS}

    @property
    def air(self) -> str:
        """Where phones and readers join the air."""
        return f"127.0.0.1:{_port(self._air_file)}"

    @property
    def _air_file(self) -> Path:
        return self.folder / "air.port"

    async def start(self) -> None:
        """Start broker, controller, air and NFC simulators. Raises `ProcessFailed`."""
        self._write_controller_config()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.start_controller())
            tasks.create_task(self.broker.start())
            tasks.create_task(self._start_sim(AIR, self._air_file, "hw.sim.air"))
            for post in self.posts.values():
                tty = str(self.folder / f"{post.chip}.tty")
                tasks.create_task(
                    self._start_sim(post.chip, post.field_file, "hw.sim.pn532", "--tty", tty)
                )

    async def start_controller(self) -> None:
        """Start the controller, or start it again, and wait until it answers."""
        config = str(self.folder / "controller.toml")
        await self.processes.start(
            CONTROLLER, sys.executable, "-m", "controller", "--config", config
        )
        await self.processes.ready(CONTROLLER, self.office.up, patience=_PATIENCE)

    async def kill_controller(self) -> None:
        await self.processes.kill(CONTROLLER)

    async def enrol_readers(self, tokens: Mapping[str, str]) -> None:
        """Introduce each door's reader to the controller and start it. Raises `ProcessFailed`."""
        async with asyncio.TaskGroup() as tasks:
            for door, post in self.posts.items():
                tasks.create_task(self._enrol(post, tokens[door]))

    async def start_reader(self, post: Post) -> None:
        """Start a reader, or start it again, and wait until its door is served."""
        post.wires_file.unlink(missing_ok=True)
        await self.processes.start(
            post.reader, *_reader(post, "run"), "--door-port-file", str(post.wires_file)
        )
        await self.processes.ready(post.reader, _exists(post.wires_file), patience=_PATIENCE)

    async def kill_reader(self, post: Post) -> None:
        await self.processes.kill(post.reader)

    async def readers_online(self, *, patience: float = 20.0) -> None:
        """Wait until every reader has the newest plan and has said so. Raises `OfficeError`."""

        def settled(readers: list[dict[str, object]]) -> bool:
            return all(
                reader["online"] and reader["acked_version"] == reader["version"]
                for reader in readers
            )

        await self.office.until("/readers", settled, patience)

    async def _enrol(self, post: Post, token: str) -> None:
        self._write_reader_config(post)
        token_file = self.folder / f"{post.reader}.token"
        token_file.touch(mode=0o600)
        token_file.write_text(token, encoding="ascii")
        said = await self.processes.run(
            *_reader(post, "enrol"),
            *("--controller", self.office.url, "--token-file", str(token_file)),
        )
        token_file.unlink()
        if said.code:
            raise ProcessFailed(f"{post.reader} does not enrol: {said.output}")
        await self.start_reader(post)

    async def _start_sim(self, name: str, port_file: Path, module: str, *more: str) -> None:
        command = (sys.executable, "-m", module, "--port-file", str(port_file), *more)
        await self.processes.start(name, *command)
        await self.processes.ready(name, _exists(port_file), patience=_PATIENCE)

    def _write_controller_config(self) -> None:
        settings = {
            "data": str(self.folder / CONTROLLER),
            "listen": f"127.0.0.1:{self._port}",
            "public_url": self.office.url,
            "broker": self.broker.address,
        }
        _write_toml(self.folder / "controller.toml", settings)

    def _write_reader_config(self, post: Post) -> None:
        settings = {
            "data": str(post.data),
            "ble": f"bumble:tcp-client:{self.air}",
            "nfc": f"pn532:{self.folder / f'{post.chip}.tty'}",
            "door": "sim:127.0.0.1:0",
        }
        _write_toml(post.config, settings)


def _reader(post: Post, command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "reader", command, "--config", str(post.config))


def _exists(path: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await asyncio.to_thread(path.exists)

    return check


def _port(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _write_toml(path: Path, settings: dict[str, str]) -> None:
    # A JSON string is a TOML string, and asks nothing of the folder's name.
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    path.write_text("".join(lines), encoding="utf-8")
