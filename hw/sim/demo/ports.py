"""TCP ports for daemons that must come back where they were."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST = 10_000
# Linux gives outgoing connections ports from here on, if nobody says otherwise.
_OUTGOING_FROM = 32_768
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


class NoFreePort(Exception):
    """Nothing is free on loopback."""


def free_port() -> int:
    """A port nobody listens on, below those that the kernel gives to outgoing connections.

    One from that range could be taken by anybody's connection while our daemon is down; a client
    that keeps knocking there would even, sooner or later, connect to itself.
    """
    below = max(_LOWEST + 1000, min(_outgoing_from(), 65_536))
    for port in random.SystemRandom().sample(range(_LOWEST, below), _TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoFreePort("no free TCP port on 127.0.0.1")


def _outgoing_from() -> int:
    try:
        return int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _OUTGOING_FROM
