"""Calling bumble so that the caller can always be cancelled, and only by who may.

bumble waits with `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that arrives
together with the answer; and it cancels waiters of its own accord when a connection ends. In a task
of its own a call can do neither to us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")

# Long enough for an answer to arrive and swallow the cancellation; then it is tried again.
_AGAIN_SECONDS = 0.05


class Abandoned(Exception):
    """bumble cancelled the call: the connection or the controller it needed has gone."""


async def apart(work: Coroutine[Any, Any, _T]) -> _T:
    """Await `work` in a task of its own. Raises what it raises, and `Abandoned`."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait([task])
    finally:
        await stop([task])
    if task.cancelled():
        raise Abandoned("the connection has gone")
    return task.result()


async def stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all of them have ended. What they raise by then is not complained of."""
    stopped = list(tasks)
    pending = {task for task in stopped if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
    for task in stopped:
        if not task.cancelled():
            task.exception()  # else asyncio reports it as never retrieved
