"""Bodies of requests: bytes from outside, no more and no slower than somebody has to say."""

from __future__ import annotations

import asyncio

from fastapi import Request

from controller.problems import TooLarge, TooSlow


async def read_body(request: Request, *, limit: int, seconds: float) -> bytearray:
    """Return the whole body. Raises `TooLarge` beyond `limit` bytes, `TooSlow` after `seconds`."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise TooLarge(f"the body has more than {limit} bytes: send less at once")
    except TimeoutError:
        raise TooSlow(f"the body has not arrived whole within {seconds:g} seconds") from None
    return body
