"""Somebody who stands at a simulated door: sees lamp and strike, pushes the door, presses buttons.

    async with watch("127.0.0.1", 9200) as eyes:
        ...                                   # tap
        line = await eyes.see(lambda line: line.strike == "released", patience=2.0)

Speaks to the control port of `hw.sim.door_control`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec

from hw.sim.door_control import StateLine

# What a reader shows when a tap has ended, whichever way.
VERDICTS = frozenset(("granted", "not here", "not now", "trouble"))
# A door says how it is as soon as somebody comes.
_SNAPSHOT_SECONDS = 5.0


class DoorGone(Exception):
    """There is no simulated door at that port, or not any more."""


class NotSeen(Exception):
    """It did not happen in time."""


class Eyes:
    """Everything that has happened at the door since the watch began, in `lines`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines: list[StateLine] = []
        self._looked = 0
        self._reader = reader
        self._writer = writer
        self._news = asyncio.Condition()
        self._over = False
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    @property
    def now(self) -> StateLine:
        """How the door is."""
        return self.lines[-1]

    def forget(self) -> None:
        """What comes next is looked for only in what happens from now on."""
        self._looked = len(self.lines)

    async def see(self, wanted: Callable[[StateLine], bool], *, patience: float) -> StateLine:
        """The first line since the last `forget` that is `wanted`. Raises `NotSeen`, `DoorGone`."""
        try:
            async with asyncio.timeout(patience), self._news:
                while True:
                    for line in self.lines[self._looked :]:
                        if wanted(line):
                            return line
                    if self._over:
                        raise DoorGone("the simulated door has gone: its reader has stopped")
                    await self._news.wait()
        except TimeoutError:
            seen = "nothing at all"
            if self.lines:
                seen = f"strike {self.now.strike}, lamp '{self.now.signal}'"
            raise NotSeen(f"not seen in {patience:g} s: {seen}") from None

    async def calm(self, *, patience: float) -> None:
        """Wait until the lamp shows nothing of an earlier tap. Raises `NotSeen`, `DoorGone`."""
        if self.now.signal in VERDICTS:
            self.forget()
            await self.see(lambda line: line.signal not in VERDICTS, patience=patience)
        self.forget()

    async def do(self, order: str, **more: object) -> str | None:
        """Have something done at the door; return why it could not be. Raises `DoorGone`."""
        self._writer.write(msgspec.json.encode({"do": order, **more}) + b"\n")
        answer = await self._answers.get()
        if not answer:
            self._answers.put_nowait(answer)  # for whoever asks next
            raise DoorGone("the simulated door has gone: its reader has stopped")
        return answer.get("error")

    async def listen(self) -> None:
        """Take in what the door says, until it has gone or speaks as no door does."""
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
            while line := await self._reader.readline():
                await self._take(line)
        self._answers.put_nowait({})
        async with self._news:
            self._over = True
            self._news.notify_all()

    async def _take(self, line: bytes) -> None:
        value = msgspec.json.decode(line, type=dict[str, object])
        if "change" not in value:
            self._answers.put_nowait(msgspec.convert(value, dict[str, str]))
            return
        async with self._news:
            self.lines.append(msgspec.convert(value, StateLine))
            self._news.notify_all()


@contextlib.asynccontextmanager
async def watch(host: str, port: int) -> AsyncIterator[Eyes]:
    """Look at a door until the block ends. Raises `DoorGone` if there is none."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise DoorGone(
            f'no simulated door at {host}:{port}: start a reader with door = "sim:127.0.0.1:{port}"'
        ) from error
    eyes = Eyes(reader, writer)
    listening = asyncio.get_running_loop().create_task(eyes.listen())
    try:
        await _look(eyes, host, port)
        yield eyes
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _look(eyes: Eyes, host: str, port: int) -> None:
    try:
        await eyes.see(lambda _: True, patience=_SNAPSHOT_SECONDS)
    except (NotSeen, DoorGone) as error:
        raise DoorGone(
            f"{host}:{port} is no simulated door: give the port of a reader's wires"
        ) from error
    eyes.forget()
