"""A card, or a phone that plays one, held to the simulated PN532 by a program.

    visit = await bring("127.0.0.1", 9100, bytes.fromhex("08a1b2c3"), card.respond)

The bytes are those of `hw.sim.pn532_field`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from hw.sim.pn532_field import FLAG_ISO_DEP, UID_LENGTHS, frame, read_frame


class CardGone(Exception):
    """Raised by what answers for a card: it is taken away in the middle."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a card's time in the field went."""

    apdus: int
    """Commands that were answered."""
    released: bool
    """The reader let go of the card; else the reader itself went away, or turned the card away."""


async def bring(
    host: str,
    port: int,
    uid: bytes,
    respond: Callable[[bytes], bytes],
    *,
    iso_dep: bool = True,
    stay: bool = False,
) -> Visit:
    """Hold a card to the reader until the reader lets go, and take it away.

    `respond` answers command APDUs; an empty answer is silence, and `CardGone`, which goes on to
    the caller, takes the card away at once. With `stay` the card is left lying
    on the reader and answers for as long as the reader asks: cancel to take it away. Without
    `iso_dep` it has nothing but its UID. Raises `ConnectionError` if no reader is there.
    """
    if len(uid) not in UID_LENGTHS:
        raise ValueError(f"a UID has 4, 7 or 10 bytes, not {len(uid)}")
    apdus = 0
    async with _connected(host, port) as (reader, writer):
        writer.write(frame(bytes((FLAG_ISO_DEP if iso_dep else 0,)) + uid))
        while True:
            try:
                command = await read_frame(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return Visit(apdus, released=False)
            if command:
                apdus += 1
                writer.write(frame(respond(command)))
            elif not stay:
                return Visit(apdus, released=True)


@contextlib.asynccontextmanager
async def _connected(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise ConnectionError(
            f"no simulated NFC reader at {host}:{port}; start `python -m hw.sim.pn532`"
        ) from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
