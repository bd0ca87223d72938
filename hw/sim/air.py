"""The virtual air: one process, one TCP port, and a Bluetooth controller for everyone who connects.

    python -m hw.sim.air --port 9000

Every accepted connection speaks HCI in H4 framing to a software controller of its own. All these
controllers are on one link, so a reader that opens `tcp-client:127.0.0.1:9000` and a phone that
opens the same find each other. When the connection ends, however it ends, the controller leaves
the link and its peers see the connection time out.

H4 packet: type (1) ‖ header ‖ parameters. A seat that sends anything else is thrown out.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Self, cast

from bumble.core import InvalidPacketError
from bumble.transport.common import PacketParser

from hw.sim.air_link import AirController, AirLink, Weather
from hw.sim.serve import announce, until_stopped

logger = logging.getLogger(__name__)

_BACKLOG_BYTES = 1 << 20  # a process that stops reading is not worth more of the air's memory
_SEATS_MAX = 512


class _Seat(asyncio.Protocol):
    """One process on the air: its socket on one side, its controller on the other."""

    def __init__(self, air: Air, number: int) -> None:
        self._air = air
        self._number = number
        self._parser = PacketParser(_Inbox(self))
        self._controller: AirController | None = None
        self._socket: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        if not self._air.admit(self):
            logger.warning("no seat left on the air: at most %s", _SEATS_MAX)
            self._socket.abort()
            return
        address = f"00:00:{self._number >> 24 & 0xFF:02X}:{self._number >> 16 & 0xFF:02X}:" + (
            f"{self._number >> 8 & 0xFF:02X}:{self._number & 0xFF:02X}"
        )
        self._controller = AirController(
            f"seat {self._number}", link=self._air.link, public_address=f"{address}/P"
        )
        self._controller.host = self

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except InvalidPacketError:
            self.throw_out("sent bytes that are not HCI")

    def to_controller(self, packet: bytes) -> None:
        if self._controller is None or self._socket is None or self._socket.is_closing():
            return
        try:
            self._controller.on_packet(packet)
        except Exception as error:  # noqa: BLE001 - whatever a hostile packet trips over in bumble
            self.throw_out(f"sent a packet that cannot be followed ({type(error).__name__})")

    def on_packet(self, packet: bytes) -> None:
        """A packet from the controller to the process (bumble's sink protocol)."""
        if self._socket is None or self._socket.is_closing():
            return
        self._socket.write(packet)
        if self._socket.get_write_buffer_size() > _BACKLOG_BYTES:
            self.throw_out("does not read what it is sent")

    def throw_out(self, why: str) -> None:
        logger.warning("seat %s %s: thrown off the air", self._number, why)
        self.leave()

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._air.dismiss(self)
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.host = None
            self._air.link.remove(controller)


class _Inbox:
    """bumble's parser hands each packet to a sink; a seat is already the sink of its controller."""

    def __init__(self, seat: _Seat) -> None:
        self._seat = seat

    def on_packet(self, packet: bytes) -> None:
        self._seat.to_controller(packet)


class Air:
    """The air itself. Use it as an async context manager; `port` is where to join."""

    def __init__(self, *, port: int = 0, weather: Weather | None = None) -> None:
        self.link = AirLink(weather)
        self._wanted_port = port
        self._numbers: Iterator[int] = itertools.count(1)
        self._seats: set[_Seat] = set()
        self._empty = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the air is not open: use it with `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def transport(self) -> str:
        """The name under which bumble opens a seat here."""
        return f"tcp-client:127.0.0.1:{self.port}"

    @property
    def seats(self) -> int:
        return len(self._seats)

    def admit(self, seat: _Seat) -> bool:
        if len(self._seats) >= _SEATS_MAX:
            return False
        self._seats.add(seat)
        self._empty.clear()
        return True

    def dismiss(self, seat: _Seat) -> None:
        self._seats.discard(seat)
        if not self._seats:
            self._empty.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Seat(self, next(self._numbers)), "127.0.0.1", self._wanted_port
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is None:
            return
        self._server.close()
        for seat in list(self._seats):
            seat.leave()
        if self._seats:
            await self._empty.wait()
        await self._server.wait_closed()
        self._server = None


async def _serve(options: argparse.Namespace) -> None:
    weather = Weather(interval=options.interval, loss=options.loss, seed=options.seed)
    async with Air(port=options.port, weather=weather) as air:
        announce("the air", air.port, options.port_file)
        await until_stopped()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m hw.sim.air", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port to listen on; 0 picks one")
    parser.add_argument("--port-file", type=Path, help="write the port into this file")
    parser.add_argument(
        "--interval", type=float, default=0.0, help="connection interval in seconds"
    )
    parser.add_argument("--loss", type=float, default=0.0, help="share of packets lost, 0 to 0.9")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same losses")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(_serve(options))
    except (OSError, OverflowError, ValueError) as error:
        parser.exit(1, f"the air cannot open: {error}\n")


if __name__ == "__main__":
    main()
