"""Asks the controller for one use of a key whose uses several doors share, and waits two seconds.

The controller sets the use aside before it answers. What became of it stands in this reader's
journal under the number of the claim, so that a use which nobody made is given back, also when the
answer came too late.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from reader.bus import BusLost
from shared.access.decide import Reservation
from shared.access.rows import Grant
from shared.wire.messages import Claimed, Verdict

logger = logging.getLogger(__name__)

# Somebody stands at the door; an answer takes milliseconds, or something is wrong with the line.
ANSWER_WITHIN = 2.0

Ask = Callable[[bytes, Grant], Awaitable[None]]

_MEANING = {Verdict.RESERVED: Reservation.MADE, Verdict.USED_UP: Reservation.NONE_LEFT}


class Reserved(NamedTuple):
    """What came of asking, and the number of the claim; None: nobody was asked."""

    reservation: Reservation = Reservation.NONE
    claim: bytes | None = None


class Claims:
    """The claims that wait for an answer. While there is no line nobody is asked."""

    def __init__(self) -> None:
        self._ask: Ask | None = None
        self._waiting: dict[bytes, asyncio.Future[Verdict]] = {}

    @contextmanager
    def line(self, ask: Ask) -> Iterator[None]:
        """Have claims sent by `ask` (claim id, grant), which raises `BusLost`."""
        self._ask = ask
        try:
            yield
        finally:
            self._ask = None

    async def reserve(self, grant: Grant) -> Reserved:
        """Ask for one use of `grant`. The caller writes down what becomes of it."""
        if self._ask is None:
            return Reserved()
        claim = secrets.token_bytes(16)
        answer = self._waiting[claim] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._ask(claim, grant)
                return Reserved(_MEANING[await answer], claim)
        except (TimeoutError, BusLost):
            logger.warning("no answer to a claim: a key whose uses are shared does not open")
            return Reserved(Reservation.NONE, claim)
        finally:
            del self._waiting[claim]

    def answered(self, claimed: Claimed) -> None:
        """Take an answer that is authentic; nobody may be waiting for it any more."""
        answer = self._waiting.get(claimed.id)
        if answer is not None and not answer.done():
            answer.set_result(claimed.verdict)
