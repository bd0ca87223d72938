"""The operator's desk: the controller's HTTP API, as the director uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import httpx

Json: TypeAlias = dict[str, Any]

_POLL_SECONDS = 0.05
# An import of 10,000 people takes seconds on a slow machine.
_TIMEOUT = 60.0
_EVENTS_PER_PAGE = 100


class OfficeError(Exception):
    """The controller did not do what was asked, or not in time."""


@dataclass(frozen=True, slots=True)
class Done:
    """An edit: what came back, which change it is, and when the answer was here (Unix seconds)."""

    body: Json
    change: int
    at: float


class Office:
    """Use it as long as the demo runs; the controller may come and go."""

    def __init__(self, url: str, token_file: Path) -> None:
        self.url = url
        self.token_file = token_file
        # Environment variables for proxies do not concern loopback.
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def up(self) -> bool:
        """Whether the controller answers."""
        try:
            response = await self._client.get(f"{self.url}/api/3/status")
        except httpx.HTTPError:
            return False
        return response.status_code == 200

    async def get(self, path: str, **query: object) -> Any:
        """GET below /api/3. Raises `OfficeError`."""
        return (await self._call("GET", path, params=query)).json()

    async def post(self, path: str, body: Json) -> Done:
        return await self._edit("POST", path, body)

    async def put(self, path: str, body: Json | None = None) -> Done:
        return await self._edit("PUT", path, body)

    async def delete(self, path: str) -> Done:
        return await self._edit("DELETE", path, None)

    async def processed(self, change: int, *, patience: float = 20.0) -> Json:
        """The change, once it reads *processed*: every reader has applied and acknowledged it."""
        path = f"/changes/{change}"
        found: Json = await self.until(path, lambda now: now["status"] == "processed", patience)
        return found

    async def until(self, path: str, wanted: Callable[[Any], bool], patience: float) -> Any:
        """What is at `path` as soon as it is `wanted`. Raises `OfficeError`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while not wanted(found := await self.get(path)):
            if loop.time() > deadline:
                raise OfficeError(f"{path} is not as expected after {patience:g} s: {found}")
            await asyncio.sleep(_POLL_SECONDS)
        return found

    async def events(self, reader: str, *, after: int) -> list[Json]:
        """What `reader` has reported behind number `after` of its journal, in its order."""
        found: list[Json] = []
        while True:
            number = len(found) // _EVENTS_PER_PAGE + 1
            page = await self.get(
                "/events", reader_id=reader, per_page=_EVENTS_PER_PAGE, page=number
            )
            found += page
            if len(page) < _EVENTS_PER_PAGE:
                new = (event for event in found if event["seq"] > after)
                return sorted(new, key=lambda event: int(event["seq"]))

    async def last_seq(self, reader: str) -> int:
        """The number of the last journal entry that `reader` has reported."""
        events = await self.events(reader, after=0)
        return int(events[-1]["seq"]) if events else 0

    async def event(self, reader: str, wanted: Json, *, after: int, patience: float = 5.0) -> Json:
        """The first entry behind `after` that has the `wanted` members. Raises `OfficeError`."""
        found = await self.events_like(reader, wanted, after=after, count=1, patience=patience)
        return found[0]

    async def events_like(
        self, reader: str, wanted: Json, *, after: int, count: int, patience: float = 5.0
    ) -> list[Json]:
        """All entries behind `after` that have the `wanted` members, once there are `count`.

        Raises `OfficeError`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            events = await self.events(reader, after=after)
            found = [event for event in events if wanted.items() <= event.items()]
            if len(found) >= count:
                return found
            if loop.time() > deadline:
                seen = [(event["kind"], event["reason"]) for event in events]
                raise OfficeError(f"not {count} x {wanted} in {patience:g} s, but {seen}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _edit(self, method: str, path: str, body: Json | None) -> Done:
        response = await self._call(method, path, json=body)
        change = int(response.headers.get("Doorward-Change", 0))
        return Done(response.json() if response.content else {}, change, time.time())

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.token_file.read_text(encoding="ascii").strip()
        try:
            response = await self._client.request(
                method,
                f"{self.url}/api/3{path}",
                headers={"Authorization": f"Bearer {token}"},
                **more,
            )
        except httpx.HTTPError as error:
            raise OfficeError(f"{method} {path}: {type(error).__name__} {error}") from error
        if response.status_code >= 400:
            raise OfficeError(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return response


def unix(text: str) -> float:
    """An instant of the API in Unix seconds."""
    return datetime.fromisoformat(text).timestamp()
