"""The field of the simulated PN532 as a TCP port: a program connects, and is a card in the field.

    every message, both ways:   length (2, big-endian) ‖ payload

    client, first:    flags (1) ‖ UID (4, 7 or 10)        the card is brought to the reader
                      flags: 01 = speaks ISO 14443-4, 00 = has nothing but its UID
    server:           command APDU                        the reader asks
    client:           response APDU, or an empty payload to stay silent
    server:           empty payload                       the reader has let go of the card
    either side closes                                    the card has left, or the reader has

One card is in the field at a time. Who comes second waits in line, as the card under another card
does, and at most eight wait; the ninth is turned away by closing its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Self

from hw.sim.isodep import Abilities, Ask, Picc
from hw.sim.pn532_chip import Chip

logger = logging.getLogger(__name__)

FLAG_ISO_DEP = 0x01
UID_LENGTHS = (4, 7, 10)
_WAITING_MAX = 8
_HELLO_SECONDS = 5.0
# No hand exchanges two cards faster, and a reader must see that the field was empty.
_SWAP_SECONDS = 0.15
_UNANSWERED_MAX = 8
# A card asks for patience before the reader loses it: at this part of its frame waiting time.
_PATIENCE = 0.7


def frame(payload: bytes) -> bytes:
    """One message of the socket."""
    return len(payload).to_bytes(2) + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Raises `IncompleteReadError` when the other side has gone."""
    length = int.from_bytes(await reader.readexactly(2))
    return await reader.readexactly(length)


class _Visitor:
    """A card that is a TCP client. See `hw.sim.pn532_chip.Target`."""

    def __init__(self, hello: bytes, writer: asyncio.StreamWriter, slow: float) -> None:
        self.uid = hello[1:]
        self.sak = 0x20 if hello[0] & FLAG_ISO_DEP else 0x08
        self._picc = Picc(Abilities())
        self._writer = writer
        self._slow = slow
        self._touched = False
        self._gone = False
        # Answers come in the order of the questions, also to questions that nobody awaits any more.
        self._unanswered: deque[asyncio.Future[bytes]] = deque()
        self._question: asyncio.Future[bytes] | None = None

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Read answers until the client leaves, or says something unasked."""
        try:
            while True:
                answer = await read_frame(reader)
                if not self._unanswered:
                    logger.warning("card %s answers without a question", self.uid.hex())
                    return
                question = self._unanswered.popleft()
                asyncio.get_running_loop().call_later(self._slow, _resolve, question, answer)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._gone = True

    async def exchange(self, frame_in: bytes) -> bytes | None:
        if not self.sak & 0x20:
            return None
        match self._picc.receive(frame_in):
            case Ask(apdu):
                return await self._think(apdu)
            case reply:
                self._touched = self._touched or reply is not None
                return reply

    async def _think(self, apdu: bytes) -> bytes | None:
        """The client's answer, or a plea for more time if it does not come soon enough."""
        if self._question is None:
            self._question = self._ask(apdu)
        patience = self._picc.abilities.frame_wait * _PATIENCE
        await asyncio.wait([self._question], timeout=patience)
        if self._gone:
            return None
        if not self._question.done():
            return self._picc.extend()
        answer, self._question = self._question.result(), None
        return self._picc.answer(answer) if answer else None

    def _ask(self, apdu: bytes) -> asyncio.Future[bytes]:
        question: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if len(self._unanswered) < _UNANSWERED_MAX:
            self._unanswered.append(question)
            self._writer.write(frame(apdu))
        return question

    def field_off(self) -> None:
        self._picc.reset()
        self._question = None
        if (self._touched or not self.sak & 0x20) and not self._gone:
            self._touched = False
            self._writer.write(frame(b""))


def _resolve(question: asyncio.Future[bytes], answer: bytes) -> None:
    if not question.done():
        question.set_result(answer)


class Field:
    """The TCP server. Use it as an async context manager."""

    def __init__(self, chip: Chip, *, port: int = 0, slow: float = 0.0) -> None:
        """`slow`: seconds that every card takes longer for its answers."""
        self._chip = chip
        self._wanted_port = port
        self.slow = slow
        self._waiting = 0
        self._place = asyncio.Lock()
        self._free_at = 0.0
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the field is not open: use it with `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._come, "127.0.0.1", self._wanted_port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is None:
            return
        self._server.close()
        visits = list(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.get_running_loop().create_task(self._visit(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        visit.add_done_callback(lambda _: writer.close())

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = await _hello(reader)
            if hello is None:
                return
            if self._waiting >= _WAITING_MAX:
                logger.warning("card %s is turned away: the queue is full", hello[1:].hex())
                return
            await self._take_turn(reader, _Visitor(hello, writer, self.slow))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _take_turn(self, reader: asyncio.StreamReader, card: _Visitor) -> None:
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            await self._place.acquire()
        finally:
            self._waiting -= 1
        try:
            await asyncio.sleep(self._free_at - loop.time())
            if reader.at_eof():
                return
            self._chip.present(card)
            await card.serve(reader)
        finally:
            self._chip.remove(card)
            self._free_at = loop.time() + _SWAP_SECONDS
            self._place.release()


async def _hello(reader: asyncio.StreamReader) -> bytes | None:
    """The client's first message, or `None` if it is none."""
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            hello = await read_frame(reader)
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return None
    if len(hello) - 1 not in UID_LENGTHS or hello[0] & ~FLAG_ISO_DEP:
        logger.warning("a card must begin with flags and a UID of 4, 7 or 10 bytes")
        return None
    return hello
