"""What every simulator process needs: a port others can find, and an end on a signal."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path


def write_port(path: Path, port: int) -> None:
    """Write `port` in decimal; whoever waits for the file never sees half a number."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n", encoding="ascii")
    draft.replace(path)


def announce(what: str, port: int, port_file: Path | None) -> None:
    """Say where `what` listens: one line for a person, and the file for a program."""
    if port_file is not None:
        write_port(port_file, port)
    print(f"{what} listens on 127.0.0.1:{port}", flush=True)


async def until_stopped() -> None:
    """Return when the process is asked to stop (SIGTERM, or Ctrl-C)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
