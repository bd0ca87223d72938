"""What `doorward-phone` does at a door: taps by Bluetooth or as a card, and crowds that do."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from hw.sim.phone import load, tap_ble, tap_nfc, wallet
from hw.sim.phone.tap import Light, Tap
from hw.sim.phone.wallet import Key, KnownDoor, WalletError

_CROWD = ("  taps", " green", "   red", "trouble", "p50 ms", "p99 ms", "max ms", "taps/s")
_COLOURS = {Light.GREEN: "\x1b[32m", Light.RED: "\x1b[31m", Light.TROUBLE: "\x1b[33m"}


async def tap_over_ble(options: argparse.Namespace) -> int:
    """One tap over Bluetooth; returns the exit code."""
    door, keys = _door_and_keys(options)
    tap = await tap_ble.tap(options.air, door, keys[0], patience=options.patience)
    return _show(tap, as_json=options.json)


async def tap_over_nfc(options: argparse.Namespace) -> int:
    """One tap as a card; returns the exit code."""
    key = wallet.load(options.wallet).find(options.key)
    if options.stranger:
        key = _stranger()
    tap = await tap_nfc.tap(
        _address(options.reader, "127.0.0.1:9100"),
        key,
        lamp=None if options.lamp is None else _address(options.lamp, "127.0.0.1:9200"),
        patience=options.patience,
    )
    return _show(tap, as_json=options.json)


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


def _in_colour() -> bool:
    """Whether somebody looks, at something that knows colours."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _door_and_keys(options: argparse.Namespace) -> tuple[KnownDoor, list[Key]]:
    """The door, and the keys that know it: the one that is wanted first."""
    _address(options.air, "127.0.0.1:9000")
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


def _show(tap: Tap, *, as_json: bool) -> int:
    if as_json:
        print(
            json.dumps(
                {"light": tap.light.name, "text": tap.text, "milliseconds": tap.milliseconds}
            )
        )
        return tap.light.value
    print(f"{_COLOURS[tap.light]}{tap}\x1b[0m" if _in_colour() else tap)
    return tap.light.value


def _address(text: str, example: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address: write {example}")
    return host, int(port)
