"""An event loop whose clock jumps: nobody in a test really waits, and every run takes the same.

Time stands still while anything can happen, also in a thread (a database that writes); only when
all wait for a later time does it become that time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

# Longer than anything in a thread takes here; then the test hangs, and this says so.
STUCK = 30.0


class _Selector(selectors.BaseSelector):
    """Asks the real selector what is ready now; lets time pass where nothing is."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (found := self._real.select(0)) or timeout == 0:
            return found
        if self._loop.threads_busy:
            if found := self._real.select(STUCK):
                return found
            raise RuntimeError("a thread does not come to an end")
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self._loop.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `now` is the time; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.threads_busy = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]  # as the base class has it, less the varargs
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self.threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        del timeout  # not known before Python 3.12
        self.threads_busy += 1
        await super().shutdown_default_executor()

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self.threads_busy -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a virtual loop of its own: for tests that need many."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
