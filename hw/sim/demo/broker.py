"""The broker of the demo: mosquitto where it is installed, else amqtt. Loopback, no memory."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from hw.sim.demo.ports import free_port
from hw.sim.demo.processes import Processes, listens

NAME = "broker"
KINDS = ("auto", "mosquitto", "amqtt")
_PATIENCE = 15.0
# Debian keeps daemons where only root's PATH leads.
_DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"


class NoBroker(Exception):
    """The broker that was asked for is not installed, or mute. The text has the remedy."""


class Broker:
    """A broker that can go away and come back at the same port."""

    def __init__(self, kind: str, processes: Processes) -> None:
        """`kind` is one of `KINDS`. Raises `NoBroker`."""
        self._program = None if kind == "amqtt" else _mosquitto()
        if kind == "mosquitto" and self._program is None:
            raise NoBroker(
                "mosquitto is not installed (Debian: apt install mosquitto); or use --broker amqtt"
            )
        self.kind = "amqtt" if self._program is None else "mosquitto"
        self.port = free_port()
        self._processes = processes

    @property
    def address(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def version(self) -> str:
        if self._program is None:
            return version("amqtt")
        said = await self._processes.run(self._program, "-h")
        found = re.search(r"version (\S+)", said.output)
        return found[1] if found else "unknown"

    async def start(self) -> None:
        """Start, or start again. Raises `ProcessFailed`."""
        if self._program is None:
            port = str(self.port)
            command: tuple[str, ...] = (sys.executable, "-m", "hw.sim.broker", "--port", port)
        else:
            command = (self._program, "-c", str(self._write_config()))
        await self._processes.start(NAME, *command)
        await self._processes.ready(NAME, lambda: listens(self.port), patience=_PATIENCE)

    async def stop(self) -> None:
        """As after a power cut: nothing it knew is kept."""
        await self._processes.kill(NAME)

    def _write_config(self) -> Path:
        path = self._processes.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 10000",
            "log_dest stdout",
            "log_type error",
            "log_type warning",
            # As root it would become another user, who may not read this folder.
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _mosquitto() -> str | None:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which("mosquitto", path=f"{path}{os.pathsep}{_DAEMONS}")
