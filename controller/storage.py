"""Open the controller's database: schema brought up to date, edits wired to the compiler."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from controller.compiler.commit import finish
from controller.store.database import Database, unix_millis
from controller.store.engine import Engines
from controller.store.schema import migrate


async def open_database(
    path: Path,
    *,
    clock: Callable[[], int] = unix_millis,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Database:
    """Return the database in the file `path`, which is made if need be.

    Raises `controller.store.schema.UnknownSchema`. Call `close` when done.
    """
    engines = Engines.sqlite(path)
    try:
        await migrate(engines)
    except BaseException:
        await engines.dispose()
        raise
    return Database(engines, finish, clock=clock, random_bytes=random_bytes)
