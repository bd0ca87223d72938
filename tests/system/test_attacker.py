"""The demo's eavesdropper gives up on a broker that takes connections and says nothing."""

from __future__ import annotations

import asyncio

import pytest

from hw.sim.demo import attacker
from hw.sim.demo.broker import NoBroker


async def test_a_mute_broker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacker, "_PATIENCE", 0.05)
    held: list[asyncio.StreamWriter] = []

    def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        somebody = attacker.Attacker(port)
        async with somebody.overhearing():
            with pytest.raises(NoBroker, match=f"port {port}.*says nothing"):
                await somebody.ready()
        for writer in held:
            writer.close()
