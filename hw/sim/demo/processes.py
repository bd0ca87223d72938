"""Child processes with names, log files and readiness; none survives whoever started it.

A child has a session of its own, so that Ctrl-C reaches the director alone, which then stops them
in order. Should the director itself be killed, the kernel kills the children (`setpriv`, part of
util-linux, asks it to).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# A daemon of ours stops within a second; a hung one is not waited for.
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02
_TAIL_LINES = 12


class ProcessFailed(Exception):
    """A child did not start, or ended by itself. The text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a short-lived child left behind."""

    code: int
    output: str


@dataclass(slots=True)
class _Child:
    command: tuple[str, ...]
    log: Path
    process: asyncio.subprocess.Process


class Processes:
    """The children of one director, by name. Use it as an async context manager."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the logs, and is where the children run."""
        self.folder = folder
        self._children: dict[str, _Child] = {}
        setpriv = shutil.which("setpriv")
        self._leash = (setpriv, "--pdeathsig", "KILL") if setpriv else ()

    async def __aenter__(self) -> Processes:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop all, the youngest first, and never leave one behind."""
        stopping = asyncio.get_running_loop().create_task(self._stop_all())
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping  # an impatient Ctrl-C gets what it wants, a little later
            raise

    async def _stop_all(self) -> None:
        for name in reversed(list(self._children)):
            self.signal(name, signal.SIGTERM)
            self.signal(name, signal.SIGCONT)
        await asyncio.gather(*(self.stop(name) for name in list(self._children)))

    def log(self, name: str) -> Path:
        """Where the child's output goes; a child that starts again continues its log."""
        return self.folder / f"{name}.log"

    async def start(self, name: str, *command: str) -> None:
        """Start `command` as `name`. Raises `ProcessFailed` if there is no such program."""
        log = self.log(name)
        with log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._leash,
                    *command,
                    cwd=self.folder,
                    env=environment(),
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ProcessFailed(f"{name} does not start: {command[0]}: {error}") from error
        self._children[name] = _Child(command, log, process)

    async def ready(
        self, name: str, check: Callable[[], Awaitable[bool]], *, patience: float
    ) -> None:
        """Wait until `check` holds. Raises `ProcessFailed` when it never will."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while not await check():
            if not self.alive(name):
                raise ProcessFailed(f"{name} ended at once:\n{self.tail(name)}")
            if loop.time() > deadline:
                raise ProcessFailed(f"{name} is not ready in {patience:g} s:\n{self.tail(name)}")
            await asyncio.sleep(_POLL_SECONDS)

    async def run(self, *command: str, patience: float = 30.0) -> Finished:
        """Run a short-lived child to its end; its errors are part of the output."""
        process = await asyncio.create_subprocess_exec(
            *self._leash,
            *command,
            cwd=self.folder,
            env=environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(patience):
                output, _ = await process.communicate()
        except TimeoutError:
            raise ProcessFailed(f"'{' '.join(command[:4])} …' takes over {patience:g} s") from None
        finally:
            if process.returncode is None:
                _signal(process, signal.SIGKILL)
                await process.wait()
        return Finished(process.returncode or 0, output.decode(errors="replace").strip())

    def alive(self, name: str) -> bool:
        """Whether the child has been started and has not ended."""
        child = self._children.get(name)
        return child is not None and child.process.returncode is None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal, if there is anybody to get it."""
        if self.alive(name):
            _signal(self._children[name].process, number)

    async def stop(self, name: str) -> None:
        """Ask it to end, insist if it does not, and wait for the end."""
        if name not in self._children:
            return
        process = self._children[name].process
        self.signal(name, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
        del self._children[name]

    async def kill(self, name: str) -> None:
        """SIGKILL: what a power cut looks like to a process."""
        self.signal(name, signal.SIGKILL)
        await self._children.pop(name).process.wait()

    def tail(self, name: str) -> str:
        """The last lines of the child's log, for an error message."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:]) or "    (it said nothing)"

    @property
    def pids(self) -> Mapping[str, int]:
        """Who runs."""
        return {name: child.process.pid for name, child in self._children.items()}


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # Python 3.11's own method may reap the child under the nose of asyncio, which then complains.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def environment() -> dict[str, str]:
    """What a child inherits: not the settings of a Doorward that may run here besides."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
    return {**mine, "PYTHONUNBUFFERED": "1"}


async def listens(port: int) -> bool:
    """Whether somebody takes TCP connections on loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
