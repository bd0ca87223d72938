"""The simulated door as a TCP port: one JSON object a line, to act at the door and to watch it.

    client:  {"do": "open"}                        push the door; {"force": true} gives way always
             {"do": "close"}
             {"do": "walk-through", "seconds": 1}  open, pass, let it fall shut
             {"do": "rex"}                         press the exit button and let it go
             {"do": "rex", "active": true}         hold it; false lets it go
             {"do": "tamper", "active": true}      open the reader's housing; default true
             {"do": "fire", "active": true}        the fire alarm; default true
    server:  {"ok": "open"}                        done
             {"error": "the door is locked: …"}    not done, and why
             {"at": 1763776800.123, "change": "strike", "strike": "released", "door": "closed",
              "rex": false, "tamper": false, "fire": false, "signal": "granted"}

The last kind comes with every change (`strike`, `signal`, `contact`, `rex`, `tamper`, `fire`), and
once at the start with the change `snapshot`. `at` is in UNIX seconds. What an order changes is told
before its `ok`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Literal, Self

import msgspec

from hw.ports import Sensor
from hw.sim.door import DoorChange, DoorLocked, DoorSim, SensorsIgnored

logger = logging.getLogger(__name__)

_LINE_MAX = 1024
_WALK_SECONDS_MAX = 60.0


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client wants done."""

    do: Literal["open", "close", "walk-through", "rex", "tamper", "fire"]
    force: bool = False
    active: bool | None = None
    seconds: float = 1.0


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    ok: str


class NotDone(msgspec.Struct, frozen=True):
    """It was not done; why, and what to do about it."""

    error: str


class StateLine(msgspec.Struct, frozen=True):
    """What happened, and how everything is now."""

    at: float
    change: str
    strike: Literal["released", "secured"]
    door: Literal["open", "closed"]
    rex: bool
    tamper: bool
    fire: bool
    signal: str

    @classmethod
    def of(cls, change: DoorChange) -> Self:
        state = change.state
        return cls(
            at=change.at,
            change=change.what,
            strike="released" if state.released else "secured",
            door="open" if Sensor.CONTACT in state.active else "closed",
            rex=Sensor.REX in state.active,
            tamper=Sensor.TAMPER in state.active,
            fire=Sensor.FIRE in state.active,
            signal=state.signal.value,
        )


class DoorControl:
    """The server. Use it as an async context manager."""

    def __init__(self, door: DoorSim, *, port: int = 0) -> None:
        self._door = door
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the control port is not open: use it with `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._come, "127.0.0.1", self._wanted_port, limit=_LINE_MAX
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)
        client.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Obey and report until either ends: the client leaves, or it does not read."""
        loop = asyncio.get_running_loop()
        with self._door.watch() as changes:
            obeying = loop.create_task(self._obey(reader, writer, changes))
            reporting = loop.create_task(_report(writer, changes))
            try:
                await asyncio.wait([obeying, reporting], return_when=asyncio.FIRST_COMPLETED)
            finally:
                writer.close()
                obeying.cancel()
                reporting.cancel()
                await asyncio.gather(obeying, reporting, return_exceptions=True)
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _obey(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        changes: asyncio.Queue[DoorChange],
    ) -> None:
        with contextlib.suppress(OSError):
            while line := await self._line(reader):
                answer = await self._do(line)
                await changes.join()  # what it changed is told before that it is done
                await _write(writer, answer)

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readline()
        except ValueError:
            logger.warning("a line of more than %s bytes is no order for a door", _LINE_MAX)
            return b""

    async def _do(self, line: bytes) -> Done | NotDone:
        try:
            order = msgspec.json.decode(line, type=Order)
            await self._act(order)
        except (msgspec.MsgspecError, DoorLocked, SensorsIgnored) as error:
            return NotDone(str(error))
        return Done(order.do)

    async def _act(self, order: Order) -> None:
        match order.do:
            case "open":
                self._door.open(force=order.force)
            case "close":
                self._door.shut()
            case "walk-through":
                await self._door.walk_through(min(max(order.seconds, 0.0), _WALK_SECONDS_MAX))
            case "rex":
                self._door.set_sensor(Sensor.REX, active=order.active is not False)
                if order.active is None:
                    self._door.set_sensor(Sensor.REX, active=False)
            case "tamper":
                self._door.set_sensor(Sensor.TAMPER, active=order.active is not False)
            case "fire":
                self._door.set_sensor(Sensor.FIRE, active=order.active is not False)


async def _report(writer: asyncio.StreamWriter, changes: asyncio.Queue[DoorChange]) -> None:
    with contextlib.suppress(OSError):
        while True:
            await _write(writer, StateLine.of(await changes.get()))
            changes.task_done()


async def _write(writer: asyncio.StreamWriter, line: Done | NotDone | StateLine) -> None:
    writer.write(msgspec.json.encode(line) + b"\n")
    await writer.drain()


class ServedDoor:
    """A `DoorSim` with its control port, as one piece of `hw.ports.DoorHardware`."""

    def __init__(self, door: DoorSim, control: DoorControl) -> None:
        self._door = door
        self._control = control
        self.strike = door.strike
        self.sensors = door.sensors
        self.indicator = door.indicator

    @classmethod
    async def open(cls, door: DoorSim, port: int) -> Self:
        """Raises `OSError` if the port is taken."""
        return cls(door, await DoorControl(door, port=port).__aenter__())

    @property
    def port(self) -> int:
        """Where programs act and watch."""
        return self._control.port

    async def close(self) -> None:
        await self._door.close()
        await self._control.__aexit__()
