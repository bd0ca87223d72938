"""Many phones at one door at once, from one process: how long do they wait?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from hw.ble.central import Central
from hw.sim.phone.tap import Light, Tap
from hw.sim.phone.tap_ble import radio, tap_with
from hw.sim.phone.wallet import Key, KnownDoor

# Switching on a Bluetooth controller takes thirty commands; a crowd does not do it in one instant.
_SWITCHED_ON_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Load:
    """What a crowd saw."""

    taps: tuple[Tap, ...]
    seconds: float

    def count(self, light: Light) -> int:
        return sum(tap.light is light for tap in self.taps)

    def quantile(self, share: float) -> float:
        """The milliseconds that this share of the answered taps stayed below; 0 if none was."""
        took = sorted(tap.milliseconds for tap in self.taps if tap.light is not Light.TROUBLE)
        return took[min(len(took) - 1, int(share * len(took)))] if took else 0.0

    @property
    def troubles(self) -> dict[str, int]:
        """What went wrong, and how often."""
        texts = [tap.text for tap in self.taps if tap.light is Light.TROUBLE]
        return {text: texts.count(text) for text in dict.fromkeys(texts)}


async def crowd(
    air: str, door: KnownDoor, keys: Sequence[Key], *, phones: int, taps: int, patience: float
) -> Load:
    """`phones` phones tap at once, each `taps` times in a row; they take the keys in turn.

    Raises `HardwareFault` if the air has no room for them.
    """
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        centrals = await _switch_on(air, phones, stack)
        began = loop.time()
        results = await asyncio.gather(
            *(
                _tap_often(central, door, keys[number % len(keys)], taps, patience)
                for number, central in enumerate(centrals)
            )
        )
        took = loop.time() - began
    return Load(tuple(tap for each in results for tap in each), took)


async def _switch_on(air: str, phones: int, stack: contextlib.AsyncExitStack) -> list[Central]:
    slots = asyncio.Semaphore(_SWITCHED_ON_AT_ONCE)

    async def one() -> Central:
        async with slots:
            return await stack.enter_async_context(radio(air))

    opened = await asyncio.gather(*(one() for _ in range(phones)), return_exceptions=True)
    for each in opened:
        if isinstance(each, BaseException):
            raise each
    return [each for each in opened if isinstance(each, Central)]


async def _tap_often(
    central: Central, door: KnownDoor, key: Key, taps: int, patience: float
) -> list[Tap]:
    return [await tap_with(central, door, key, patience=patience) for _ in range(taps)]
