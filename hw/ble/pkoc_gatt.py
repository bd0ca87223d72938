"""What a PKOC reader looks like over Bluetooth: the numbers of its service and its advertisement.

advertisement (31 bytes at most):
  02 01 06                    flags: general discoverable, no BR/EDR
  03 03 F0 FF                 complete list of 16-bit services: FFF0
  len 09 name                 complete local name, or 08 and as much of it as fits
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICE = 0xFFF0
WRITE_CHARACTERISTIC = "fe278a85-89ae-191f-5dde-841202693835"
NOTIFY_CHARACTERISTIC = "e5b1b3b5-3cca-3f76-cd86-a884cc239692"

MESSAGE_MAX = 512  # the longest attribute value that ATT allows
ADVERTISEMENT_MAX = 31

_FLAGS, _SERVICES_16_INCOMPLETE, _SERVICES_16, _NAME_SHORT, _NAME = 0x01, 0x02, 0x03, 0x08, 0x09
_HEAD = bytes((2, _FLAGS, 0x06, 3, _SERVICES_16)) + SERVICE.to_bytes(2, "little")
_NAME_MAX = ADVERTISEMENT_MAX - len(_HEAD) - 2


@dataclass(frozen=True, slots=True)
class Advertised:
    """What one advertisement says: the 16-bit services and the name, empty if there is none."""

    services: frozenset[int]
    name: str


def advertisement(name: str) -> bytes:
    """Advertise a door under its name, cut (never inside a character) to fit."""
    whole = name.encode()
    shown = whole[:_NAME_MAX].decode(errors="ignore").encode()
    kind = _NAME if shown == whole else _NAME_SHORT
    return _HEAD + bytes((1 + len(shown), kind)) + shown


def parse_advertisement(data: bytes) -> Advertised:
    """Read what a stranger advertises. What cannot be read is left out; this never raises."""
    services: set[int] = set()
    name = ""
    while len(data) >= 2 and 0 < data[0] < len(data):
        kind, value, data = data[1], data[2 : 1 + data[0]], data[1 + data[0] :]
        if kind in (_SERVICES_16, _SERVICES_16_INCOMPLETE):
            pairs = (value[i : i + 2] for i in range(0, len(value) - 1, 2))
            services.update(int.from_bytes(pair, "little") for pair in pairs)
        elif kind in (_NAME, _NAME_SHORT):
            name = value.decode(errors="replace")
    return Advertised(frozenset(services), name)
