"""Databases of earlier releases come along with everything in them."""

from __future__ import annotations

import sqlite3
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from controller.store.engine import Engines
from controller.store.schema import migrate

OLD = ("0001", "0002", "0003")


async def made(path: Path, revision: str) -> None:
    """Make the database that the release with this schema would have made."""

    def upgrade(connection: Connection) -> None:
        with as_file(files("controller.store") / "migrations") as folder:
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    engines = Engines.sqlite(path)
    async with engines.writer.begin() as connection:
        await connection.run_sync(upgrade)
    await engines.dispose()


@pytest.mark.parametrize("revision", OLD)
async def test_sites_and_doors_come_along(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "old.db"
    await made(path, revision)
    old = sqlite3.connect(path)
    old.execute(
        "INSERT INTO site (id, name, time_zone, offsets_until) VALUES (7, 'Main', 'UTC', 9)"
    )
    old.execute("INSERT INTO setting (name, value) VALUES ('epoch', '3')")
    old.commit()
    old.close()

    engines = Engines.sqlite(path)
    assert await migrate(engines)
    assert not await migrate(engines)
    await engines.dispose()

    new = sqlite3.connect(path)
    row = new.execute("SELECT id, name, time_zone, offsets_until, card_issuers FROM site")
    assert row.fetchall() == [(7, "Main", "UTC", 9, "{}")]
    assert new.execute("SELECT value FROM setting").fetchall() == [("3",)]
    assert new.execute("SELECT count(*) FROM use_claim").fetchone() == (0,)
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    new.close()
