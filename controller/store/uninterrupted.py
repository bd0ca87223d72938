"""What has begun to be written is written to the end, also when its task is told to stop.

A cancellation in the middle of a statement leaves the driver's connection behind, transaction and
lock and all, until the garbage collector finds it: nobody else could write until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns. A cancellation meanwhile takes effect after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
