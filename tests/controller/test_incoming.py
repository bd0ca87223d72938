"""Bodies from outside: read whole, or refused for being too long or too slow."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request
from starlette.types import Message

from controller.incoming import read_body
from controller.problems import TooLarge, TooSlow


def request(*parts: bytes, then: asyncio.Event | None = None) -> Request:
    """A request whose body comes in `parts`; after them it waits for `then`, if there is one."""
    waiting = list(parts)

    async def receive() -> Message:
        if not waiting and then is not None:
            await then.wait()
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting or then)}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_comes_in_parts() -> None:
    assert await read_body(request(b"ab", b"", b"c"), limit=3, seconds=60) == b"abc"


async def test_may_be_empty() -> None:
    assert await read_body(request(), limit=0, seconds=60) == b""


async def test_is_read_no_further_than_the_limit() -> None:
    with pytest.raises(TooLarge):
        await read_body(request(b"ab", b"cd", then=asyncio.Event()), limit=3, seconds=60)


async def test_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(TooSlow):
        await read_body(request(b"ab", then=asyncio.Event()), limit=3, seconds=0)
