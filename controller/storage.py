"""Open the controller's database: schema brought up to date, edits wired to the compiler."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.commit import finish
from controller.reader_issuer import ReaderIssuer
from controller.store.database import Database, unix_millis
from controller.store.engine import Engines
from controller.store.schema import migrate
from controller.store.tables import Setting

# Which issuer the readers of this installation are certified by: there is one, for good.
ISSUER = "reader_issuer"


async def open_database(
    path: Path,
    load_issuer: Callable[[str | None], ReaderIssuer],
    *,
    clock: Callable[[], int] = unix_millis,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Database:
    """Return the database in the file `path`, which is made if need be.

    `load_issuer` is told the fingerprint of the issuer that this installation has had from its
    first start on, None if this is it; what it raises is passed on.

    Raises `controller.store.schema.UnknownSchema`. Call `close` when done.
    """
    engines = await _migrated(path)
    try:
        issuer = await _issuer(engines, load_issuer)
    except BaseException:
        await engines.dispose()
        raise
    return Database(engines, finish, issuer, clock=clock, random_bytes=random_bytes)


async def bring_up_to_date(path: Path) -> None:
    """Bring the database in the file `path` to this release's schema. Raises `UnknownSchema`."""
    await (await _migrated(path)).dispose()


async def _migrated(path: Path) -> Engines:
    engines = Engines.sqlite(path)
    try:
        await migrate(engines)
    except BaseException:
        await engines.dispose()
        raise
    return engines


async def _issuer(
    engines: Engines, load_issuer: Callable[[str | None], ReaderIssuer]
) -> ReaderIssuer:
    async with AsyncSession(engines.writer) as session, session.begin():
        known = await session.get(Setting, ISSUER)
        issuer = load_issuer(None if known is None else known.value)
        if known is None:
            session.add(Setting(name=ISSUER, value=issuer.fingerprint))
    return issuer
