"""What `doorward-phone` does at a door: taps by Bluetooth or as a card, and crowds that do."""

from __future__ import annotations

import argparse
import sys
import time

from hw.sim.phone import load, tap_ble, tap_nfc, wallet
from hw.sim.phone.showing import address, show
from hw.sim.phone.tap import Light
from hw.sim.phone.wallet import Key, KnownDoor, WalletError

_CROWD = ("  taps", " green", "   red", "trouble", "p50 ms", "p99 ms", "max ms", "taps/s")


async def tap_over_ble(options: argparse.Namespace) -> int:
    """One tap over Bluetooth; returns the exit code."""
    door, keys = _door_and_keys(options)
    tap = await tap_ble.tap(options.air, door, keys[0], patience=options.patience)
    return show(tap, as_json=options.json)


async def tap_over_nfc(options: argparse.Namespace) -> int:
    """One tap as a card; returns the exit code."""
    key = wallet.load(options.wallet).find(options.key)
    if options.stranger:
        key = _stranger()
    tap = await tap_nfc.tap(
        address(options.reader, "127.0.0.1:9100"),
        tap_nfc.phone(key),
        lamp=None if options.lamp is None else address(options.lamp, "127.0.0.1:9200"),
        patience=options.patience,
    )
    return show(tap, as_json=options.json)


async def load_door(options: argparse.Namespace) -> int:
    """Many taps at once, and a table of them; returns the exit code of the worst."""
    door, keys = _door_and_keys(options)
    seen = await load.crowd(
        options.air,
        door,
        keys,
        phones=options.phones,
        taps=options.taps,
        patience=options.patience,
    )
    lights = [str(seen.count(light)) for light in Light]
    took = [f"{seen.quantile(share):.0f}" for share in (0.5, 0.99, 1.0)]
    row = [str(len(seen.taps)), *lights, *took, f"{len(seen.taps) / seen.seconds:.1f}"]
    for line in (_CROWD, row):
        print("  ".join(f"{cell:>{len(title)}}" for title, cell in zip(_CROWD, line, strict=True)))
    for text, count in seen.troubles.items():
        print(f"{count} x {text}", file=sys.stderr)
    return next((light.value for light in (Light.TROUBLE, Light.RED) if seen.count(light)), 0)


def _door_and_keys(options: argparse.Namespace) -> tuple[KnownDoor, list[Key]]:
    """The door, and the keys that know it: the one that is wanted first."""
    address(options.air, "127.0.0.1:9000")
    held = wallet.load(options.wallet)
    key = held.find(options.key, door=options.door)
    door = key.door(options.door)
    if door is None:
        raise WalletError(f"'{key.name}' does not know a door called {options.door!r}")
    if options.stranger:
        return door, [_stranger()]
    others = [other for other in held.keys if other is not key and options.key is None]
    return door, [key, *(other for other in others if door in other.doors)]


def _stranger() -> Key:
    """Somebody who has learnt where the door is, and has a key of their own."""
    return wallet.new_key("stranger", time.time())
