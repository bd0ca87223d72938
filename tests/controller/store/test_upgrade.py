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

OLD = ("0001", "0002", "0003", "0004")


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
    row = new.execute(
        "SELECT id, name, time_zone, offsets_until, card_issuers, refused_keys FROM site"
    )
    assert row.fetchall() == [(7, "Main", "UTC", 9, "{}", "[]")]
    assert new.execute("SELECT value FROM setting").fetchall() == [("3",)]
    assert new.execute("SELECT count(*) FROM use_claim").fetchone() == (0,)
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    new.close()


@pytest.mark.parametrize("revision", OLD)
async def test_every_site_gets_a_group_of_its_own_and_doors_show_no_certificate(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "old.db"
    await made(path, revision)
    old = sqlite3.connect(path)
    for number in (7, 8):
        old.execute(
            "INSERT INTO site (id, name, time_zone, offsets_until) VALUES (?, ?, 'UTC', 9)",
            (number, f"Site {number}"),
        )
    filled(old, "door", id=3, site_id=7, name="Front")
    filled(old, "reader", id="r", door_id=3, name="Front reader", pkoc_key=b"kept")
    old.commit()
    old.close()

    engines = Engines.sqlite(path)
    assert await migrate(engines)
    await engines.dispose()

    new = sqlite3.connect(path)
    groups = [group for (group,) in new.execute("SELECT wallet_group FROM site")]
    assert [len(group) for group in groups] == [16, 16]
    assert len({*groups, b"", bytes(16)}) == 4
    assert new.execute("SELECT name, reader_certificate FROM door").fetchall() == [("Front", 0)]
    row = new.execute("SELECT door_id, pkoc_key, aliro_key FROM reader")
    assert row.fetchall() == [(3, b"kept", None)]
    new.close()


def filled(db: sqlite3.Connection, table: str, **values: object) -> None:
    """Insert a row: `values`, and an empty value wherever the table wants one."""
    empty = {
        name: "" if kind.startswith(("VARCHAR", "TEXT", "JSON")) else 0
        for _, name, kind, required, default, _ in db.execute(f"PRAGMA table_info({table})")
        if required and default is None
    }
    row = {**empty, **values}
    places = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))  # noqa: S608 - names of this test
