"""A real database per test, copied from one that is migrated once, and the real app over it."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import cast

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import Engine

from controller.api.operator import Office
from controller.app import build_app
from controller.storage import open_database
from controller.store.database import Database
from tests.controller.client import PUBLIC_URL, TOKEN, Api
from tests.controller.keys import load_issuer

# 2025-06-02 10:00:00 UTC, a Monday.
NOON = 1_748_858_400_000


class Clock:
    """Milliseconds that stand still until a test moves them."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, *, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the newest schema and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "doorward.db"
    database = await open_database(path, load_issuer)
    await database.close()
    return path


_first: dict[str, Engine] = {}


def share_statements(database: Database) -> None:
    """Let all tests' engines share what SQLAlchemy has compiled: most of a short test's time."""
    engines = database._engines
    for name, engine in (("writer", engines.writer), ("reader", engines.reader)):
        first = _first.setdefault(name, engine.sync_engine)
        engine.sync_engine.dialect = first.dialect
        engine.sync_engine._compiled_cache = first._compiled_cache


@pytest.fixture
async def database(template: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[Database]:
    """An empty database in a file of its own, with a clock and randomness of the test's."""
    path = tmp_path / "doorward.db"
    shutil.copyfile(template, path)
    database = await open_database(
        path, load_issuer, clock=clock, random_bytes=random.Random(7).randbytes
    )
    share_statements(database)
    yield database
    await database.close()


@pytest.fixture
def app(database: Database) -> FastAPI:
    """The real application over the test's database; its routes are made once."""
    app = _application()
    app.state.office = Office(database, TOKEN, PUBLIC_URL)
    return app


@cache
def _application() -> FastAPI:
    return build_app(Office(cast("Database", None), "", ""))


@pytest.fixture
async def api(app: FastAPI, database: Database) -> AsyncIterator[Api]:
    """The real application, asked over ASGI with the operator's token, and a site to begin with."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        api = Api(client, database)
        await api.post("/sites", {"name": "Main", "time_zone": "Europe/London"})
        yield api
