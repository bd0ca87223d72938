"""Runs a simulator as a process of its own, as a person would, and ends it properly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def simulator(
    port_file: Path, module: str, *options: str, ends: int = 0
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """`python -m module` with a port file; yields the process and its port.

    `ends` is the exit code to expect.
    """
    command = (sys.executable, "-m", module, *options, "--port-file", str(port_file))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(20.0):
            while (port := _port(port_file)) is None:
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield process, port
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5.0):
            await process.wait()
    assert process.returncode == ends


def _port(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None
