"""An operator with curl: requests to the real application, and worlds to make them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from controller.store.database import Database
from controller.store.tables import Reader, ReaderPlan
from tests.controller.keys import hex_key, point

TOKEN = "t" * 43
PUBLIC_URL = "http://controller.test"
PREFIX = "/api/3"


class Refused(AssertionError):
    """An answer that was expected to be good is not."""


@dataclass
class Api:
    """Asks, and returns the JSON of answers that are good; `ask` returns any answer."""

    client: httpx.AsyncClient
    database: Database
    change: int = 0  # of the last edit

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Return whatever is answered. `body` is JSON, or bytes that are sent as they are."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        response = await self.client.request(
            method,
            PREFIX + path,
            headers={"Authorization": f"Bearer {TOKEN}"},
            **({} if body is None else content),
        )
        self.change = int(response.headers.get("Doorward-Change", self.change))
        return response

    async def good(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON of a good answer. Raises `Refused`."""
        response = await self.ask(method, path, body)
        if not response.is_success:
            raise Refused(f"{method} {path}: {response.status_code} {response.text}")
        return response.json() if response.content else None

    async def get(self, path: str) -> Any:
        return await self.good("GET", path)

    async def post(self, path: str, body: object = None) -> Any:
        return await self.good("POST", path, body)

    async def put(self, path: str, body: object = None) -> Any:
        return await self.good("PUT", path, body)

    async def delete(self, path: str) -> Any:
        return await self.good("DELETE", path)

    async def refused(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and JSON of an answer that is a refusal."""
        response = await self.ask(method, path, body)
        assert response.is_error, response.text
        return response.status_code, response.json()

    async def wrong(self, method: str, path: str, body: object = None) -> dict[str, list[str]]:
        """Return the errors by field of a 422."""
        status, said = await self.refused(method, path, body)
        assert (status, said["error"]) == (422, "validation_failed"), said
        errors: dict[str, list[str]] = said["errors"]
        return errors

    # --- Worlds ----------------------------------------------------------------------------------

    async def person(self, **fields: Any) -> int:
        """Make a person; return the number."""
        body = {"first_name": "Ada", "last_name": "Lovelace", **fields}
        return int((await self.post("/people", body))["id"])

    async def card(self, person: int, key: int, **fields: Any) -> str:
        """Give a person a card; return its handle."""
        body = {"credential_type_id": 5, "value": hex_key(key), **fields}
        return str((await self.post(f"/people/{person}/credentials", body))["id"])

    async def door(self, name: str = "Front", **fields: Any) -> int:
        """Make a door; return the number."""
        return int((await self.post("/doors", {"name": name, **fields}))["id"])

    async def reader(self, door: int, *, online: bool = False) -> str:
        """Make a reader that is enrolled, with keys of its own; return its id."""
        made = await self.post("/readers", {"door_id": door, "name": f"Reader {door}"})
        async with self.database.transaction() as session:
            reader = await session.get_one(Reader, made["id"])
            reader.status = "enrolled"
            reader.identity_key, reader.pkoc_key = point(9000 + door), point(9500 + door)
            (await session.get_one(ReaderPlan, made["id"])).online = online
        return str(made["id"])
