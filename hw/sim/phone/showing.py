"""What the command lines read and show alike: addresses, and how a tap went."""

from __future__ import annotations

import json
import os
import sys

from hw.sim.phone.tap import Light, Tap

_COLOURS = {Light.GREEN: "\x1b[32m", Light.RED: "\x1b[31m", Light.TROUBLE: "\x1b[33m"}


def show(tap: Tap, *, as_json: bool) -> int:
    """Print how `tap` went; return the exit code."""
    if as_json:
        seen = {"light": tap.light.name, "text": tap.text, "milliseconds": tap.milliseconds}
        print(json.dumps(seen))
    else:
        print(f"{_COLOURS[tap.light]}{tap}\x1b[0m" if _in_colour() else tap)
    return tap.light.value


def address(text: str, example: str) -> tuple[str, int]:
    """Read host and port. `ValueError`, which shows an `example`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address: write {example}")
    return host, int(port)


def _in_colour() -> bool:
    """Whether somebody looks, at something that knows colours."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
