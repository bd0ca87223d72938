"""Connections to the real web server: those that ask are served, those that do not are closed."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from controller import connections
from controller.connections import Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: door\r\n\r\n"


class Wire(asyncio.Transport):
    """The client's end: keeps what is said to it."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Office:
    """A web server with an application that answers as soon as `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._config = Config(self.app, interface="asgi3", lifespan="off", log_config=None)
        self._config.load()
        self._state = ServerState()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.open.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"yes"})

    def connect(self) -> tuple[Connection, Wire]:
        connection, wire = Connection(self._config, self._state, {}), Wire()
        connection.connection_made(wire)
        return connection, wire

    async def settle(self) -> None:
        """Let requests be answered as far as they are going to be."""
        for _ in range(20):
            await asyncio.sleep(0)

    def leave(self) -> None:
        for connection in list(self._state.connections):
            connection.connection_lost(None)


@pytest.fixture
async def office() -> Office:
    return Office()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nA: b\r\n"])
async def test_who_never_finishes_a_request_is_hung_up_on(office: Office, begun: bytes) -> None:
    connection, wire = office.connect()
    if begun:
        connection.data_received(begun)
    connection.look()
    assert wire.closed
    office.leave()


async def test_who_goes_on_asking_is_served(office: Office) -> None:
    connection, wire = office.connect()
    for number in range(3):
        connection.data_received(REQUEST)
        await office.settle()
        assert wire.said.count(b"200 OK") == number + 1
        connection.look()
        assert not wire.closed
    connection.data_received(b"G")
    connection.look()
    assert wire.closed
    office.leave()


async def test_a_long_answer_is_waited_for(office: Office) -> None:
    office.open.clear()
    connection, wire = office.connect()
    connection.data_received(REQUEST)
    for _ in range(3):
        connection.look()
    assert not wire.closed
    office.open.set()
    await office.settle()
    assert b"200 OK" in wire.said
    office.leave()


async def test_there_is_room_for_so_many(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    wires = [office.connect()[1] for _ in range(3)]
    assert [wire.closed for wire in wires] == [False, False, True]
    office.leave()
