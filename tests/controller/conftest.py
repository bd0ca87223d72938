"""A real database per test, copied from one that is migrated once."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.storage import open_database
from controller.store.database import Database

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
    database = await open_database(path)
    await database.close()
    return path


@pytest.fixture
async def database(template: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[Database]:
    """An empty database in a file of its own, with a clock and randomness of the test's."""
    path = tmp_path / "doorward.db"
    shutil.copyfile(template, path)
    database = await open_database(path, clock=clock, random_bytes=random.Random(7).randbytes)
    yield database
    await database.close()
