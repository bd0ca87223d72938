"""Migrations end where the tables say, and a database of a later release is left alone."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.storage import open_database
from controller.store.engine import Engines
from controller.store.schema import UnknownSchema, migrate
from controller.store.tables import Base
from tests.controller.keys import load_issuer


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Engines]:
    engines = Engines.sqlite(tmp_path / "new.db")
    yield engines
    await engines.dispose()


def schema(path: Path) -> dict[str, list[str]]:
    """Return the statements that make up the schema, with clauses in alphabetical order."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    made = {name: clauses(sql) for name, sql in rows}
    connection.close()
    made.pop("alembic_version", None)
    return made


def clauses(sql: str) -> list[str]:
    flat = re.sub(r"\s+", " ", sql.replace('"', ""))
    return sorted(part.strip(" ()") for part in re.split(r", (?![^(]*\))", flat.partition("(")[2]))


async def test_migrations_lead_to_the_tables(tmp_path: Path, engines: Engines) -> None:
    assert await migrate(engines)
    straight = Engines.sqlite(tmp_path / "straight.db")
    async with straight.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await straight.dispose()
    assert schema(tmp_path / "new.db") == schema(tmp_path / "straight.db")


async def test_a_second_migration_has_nothing_to_do(engines: Engines) -> None:
    assert await migrate(engines)
    assert not await migrate(engines)


async def test_a_database_of_a_later_release_is_refused_untouched(template: Path) -> None:
    path = template.with_name("later.db")
    shutil.copyfile(template, path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    before = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    with pytest.raises(UnknownSchema, match=r"'9999'.*later one.*backup"):
        await open_database(path, load_issuer)
    assert connection.execute("SELECT name, sql FROM sqlite_master").fetchall() == before
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


async def test_somebody_elses_database_is_refused_untouched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.commit()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(UnknownSchema, match="recipes"):
        await open_database(tmp_path / "other.db", load_issuer)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    connection.close()
    assert (tmp_path / "other.db").read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_bytes(b"Dear Sir or Madam, " * 100)
    with pytest.raises(UnknownSchema, match=r"letter\.db.*not a database.*backup"):
        await open_database(path, load_issuer)
    assert path.read_bytes() == b"Dear Sir or Madam, " * 100


async def test_a_migration_that_fails_leaves_an_empty_database(
    tmp_path: Path, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All steps are one transaction, tables included."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        await migrate(engines)
    assert schema(tmp_path / "new.db") == {}
