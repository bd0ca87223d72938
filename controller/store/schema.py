"""Bring a database to the newest schema, and refuse one that is newer than this program."""

from __future__ import annotations

import sqlite3
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError

from controller.store.engine import Engines


class UnknownSchema(Exception):
    """The file is no database of ours, or one of a later release. It has not been touched."""


async def migrate(engines: Engines) -> bool:
    """Bring the database to the newest schema; return whether there was anything to do.

    All steps are one transaction. Raises `UnknownSchema`.
    """
    try:
        async with engines.writer.begin() as connection:
            migrated = await connection.run_sync(_migrate)
    except DatabaseError as error:
        if not _is_damaged(error):
            raise
        raise UnknownSchema(
            f"{engines.writer.url.database} is not a database, or a damaged one:"
            " restore a backup, or choose another data folder."
        ) from error
    await engines.log_ahead()
    return migrated


def _is_damaged(error: DatabaseError) -> bool:
    codes = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
    return getattr(error.orig, "sqlite_errorcode", None) in codes


def _migrate(connection: Connection) -> bool:
    with as_file(files("controller.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        script = ScriptDirectory.from_config(config)
        have = MigrationContext.configure(connection).get_current_revision()
        if have == script.get_current_head():
            return False
        _must_be_ours(connection, have, {step.revision for step in script.walk_revisions()})
        command.upgrade(config, "head")
    return True


def _must_be_ours(connection: Connection, have: str | None, known: set[str]) -> None:
    if have is not None and have not in known:
        raise UnknownSchema(
            f"the database has schema {have!r}, which this release does not know: it was written"
            " by a later one. Install that release again, or restore a backup from before."
        )
    if have is None and (tables := inspect(connection).get_table_names()):
        raise UnknownSchema(
            f"the file holds a database of something else (table {tables[0]!r});"
            " choose another data folder."
        )
