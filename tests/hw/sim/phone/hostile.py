"""An HTTP server that answers whatever a test wants, which no controller of ours would."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

Answer: TypeAlias = tuple[int, bytes]
Reply: TypeAlias = Callable[[str, Any], Answer]


def answer(status: int, value: object) -> Answer:
    return status, json.dumps(value).encode()


@contextlib.asynccontextmanager
async def controller(reply: Reply) -> AsyncIterator[str]:
    """Yields the address; `reply` gets the path and the JSON of each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        lengths = [line.split(":")[1] for line in head if line.lower().startswith("content-len")]
        body = await reader.readexactly(int(lengths[0]))
        status, content = reply(head[0].split()[1], json.loads(body))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            writer.write(content)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
