"""Strangers may say only so much: a body is read no further than anything they have to say.

Here anybody may ask, and a body would be held in memory whole before the first look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from controller.problems import TooLarge

# Two keys and two proofs in hex are a kilobyte.
MAX_BODY = 16 * 1024


class SmallBodies(APIRoute):
    """A route that raises `TooLarge` for longer bodies, before anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the usual handler, given a body that has been read already."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            body = await _read(request)

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await handle(Request(request.scope, receive))

        return handle_small


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise TooLarge(f"the body has more than {MAX_BODY} bytes")
    return bytes(body)
