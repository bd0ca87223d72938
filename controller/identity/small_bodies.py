"""Strangers may say only so much: a body is read no further than anything they have to say.

Here anybody may ask, and a body would be held in memory whole before the first look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from controller.incoming import read_body

# Two keys and two proofs in hex are a kilobyte.
MAX_BODY = 16 * 1024
MAX_SECONDS = 10.0


class SmallBodies(APIRoute):
    """A route that raises `TooLarge` and `TooSlow` before anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the usual handler, given a body that has been read already."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            body = bytes(await read_body(request, limit=MAX_BODY, seconds=MAX_SECONDS))

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await handle(Request(request.scope, receive))

        return handle_small
