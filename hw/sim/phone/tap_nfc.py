"""A card, or a phone that plays one, held to a simulated NFC reader.

A card is told nothing. Whoever holds it looks at the lamp of the door; with `lamp` so do we.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hw.sim.card import CardGone, bring
from hw.sim.phone.eyes import VERDICTS, DoorGone, NotSeen, watch
from hw.sim.phone.tap import PATIENCE, Light, Tap
from hw.sim.phone.wallet import Key
from shared.credential.card import Card
from shared.credential.pkoc.nfc_holder import PkocApplication

# SELECT and AUTHENTICATE: fewer, and the reader has not asked who this is.
_APDUS = 2
# ISO 14443-3: a UID of four bytes that begins so is random.
_RANDOM_UID = b"\x08"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is held to a reader: a serial number, and what answers commands, if anything does."""

    uid: bytes
    respond: Callable[[bytes], bytes]
    iso_dep: bool = True


def phone(key: Key) -> Shown:
    """A phone that plays a PKOC card, with a serial number that is another each time."""
    uid = _RANDOM_UID + secrets.token_bytes(3)
    return Shown(uid, Card([PkocApplication(key.private)]).receive)


async def tap(
    reader: tuple[str, int],
    card: Shown,
    *,
    lamp: tuple[str, int] | None = None,
    patience: float = PATIENCE,
) -> Tap:
    """One tap at the field `reader`. Without `lamp`, green says no more than *it was read*.

    `milliseconds` count from the card's arrival to the lamp, or to the end of reading.
    """
    try:
        async with asyncio.timeout(patience):
            if lamp is None:
                return await _read(reader, card)
            return await _read_and_look(reader, card, lamp, patience)
    except TimeoutError:
        return Tap(Light.TROUBLE, f"no reader took the card in {patience:g} s", patience * 1000)
    except CardGone:
        return Tap(Light.TROUBLE, "the card left the field in the middle", 0.0)
    except (ConnectionError, DoorGone, NotSeen) as error:
        return Tap(Light.TROUBLE, str(error), 0.0)


async def _read_and_look(
    reader: tuple[str, int], card: Shown, lamp: tuple[str, int], patience: float
) -> Tap:
    async with watch(*lamp) as eyes:
        await eyes.calm(patience=patience)
        loop = asyncio.get_running_loop()
        began = loop.time()
        reading = loop.create_task(_read(reader, card))
        looking = loop.create_task(
            eyes.see(lambda line: line.signal in VERDICTS, patience=patience)
        )
        try:
            await asyncio.wait([reading, looking], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # where no reader is, no lamp will say so
            line = await looking
            took = (loop.time() - began) * 1000
            await reading
        finally:
            reading.cancel()
            looking.cancel()
            await asyncio.gather(reading, looking, return_exceptions=True)
    light = {"granted": Light.GREEN, "trouble": Light.TROUBLE}.get(line.signal, Light.RED)
    return Tap(light, f"the lamp says {line.signal}", took)


async def _read(reader: tuple[str, int], card: Shown) -> Tap:
    began = asyncio.get_running_loop().time()
    visit = await bring(*reader, card.uid, card.respond, iso_dep=card.iso_dep)
    took = (asyncio.get_running_loop().time() - began) * 1000
    if not visit.released:
        return Tap(Light.TROUBLE, "the reader has gone, or is busy with others", took)
    if card.iso_dep and visit.apdus < _APDUS:
        return Tap(Light.TROUBLE, "the reader lost interest in the card", took)
    return Tap(Light.GREEN, "the card was read; the lamp at the door says whether it opens", took)
