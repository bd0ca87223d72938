"""The end of every edit: what was touched becomes rows, deltas, denials and a change.

Only what the edit can affect is compiled; it is compared with the rows that are stored, and the
difference is what the readers concerned will be told.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.compiler.denials import update_denials, update_refusals
from controller.compiler.frame import Frames
from controller.compiler.grants import Grants
from controller.compiler.ledger import Ledger, StoredRow
from controller.compiler.scope import GrantScope, Scopes
from controller.store.tables import Change, CompiledRow, Credential
from controller.store.uow import UnitOfWork

StoredRows = dict[str, dict[bytes, StoredRow]]  # by reader and row key

# The row keys of grants begin with this; those of all other rows are smaller.
_FIRST_GRANT = b"\x04"


async def finish(uow: UnitOfWork) -> None:
    """Compile what `uow` touched and record the change, in the transaction of `uow`."""
    session, ledger, grants = uow.session, Ledger(uow.session), Grants(uow.session)
    scope = await Scopes(session, grants).of(uow.touched)
    await update_denials(session, ledger, scope.own, uow.now)
    await update_refusals(session, ledger, uow.touched.refused_keys, scope.frames, uow.now)
    await _compile_frames(session, ledger, Frames(session, uow.issuer), scope.frames)
    await _compile_grants(session, ledger, grants, list(scope.grants))
    await ledger.close(uow.now)
    await _record(uow, ledger)


async def _compile_frames(
    session: AsyncSession, ledger: Ledger, frames: Frames, readers: tuple[str, ...]
) -> None:
    for part in chunks(readers):
        wanted = await frames.wanted(part)
        query = select(CompiledRow.reader_id, CompiledRow.row_key, CompiledRow.body).where(
            CompiledRow.reader_id.in_(part), CompiledRow.row_key < _FIRST_GRANT
        )
        stored: StoredRows = defaultdict(dict)
        for reader, key, body in await session.execute(query):
            stored[reader][key] = StoredRow(body)
        await ledger.replace(
            stored,
            {
                reader: {key: StoredRow(body) for key, body in rows.items()}
                for reader, rows in wanted.items()
            },
        )


async def _compile_grants(
    session: AsyncSession, ledger: Ledger, grants: Grants, scopes: list[GrantScope]
) -> None:
    counted: set[int] = set()
    for scope in scopes:
        for part in chunks(scope.credentials):
            await _compile_part(session, ledger, grants, scope, part)
            if scope.plan is not None or scope.readers is not None:
                counted |= await _counted(session, part)
    # Whether a reader counts the uses depends on all grants of the credential.
    for part in chunks(sorted(counted)):
        await _compile_part(session, ledger, grants, GrantScope(tuple(part)), part)


async def _compile_part(
    session: AsyncSession, ledger: Ledger, grants: Grants, scope: GrantScope, part: list[int]
) -> None:
    wanted = await grants.wanted(part, plan=scope.plan, readers=scope.readers)
    await ledger.replace(
        await _stored_grants(session, scope, part),
        {
            reader: {row.row_key: StoredRow(row.body, row.credential, row.plan) for row in rows}
            for reader, rows in wanted.items()
        },
    )


async def _stored_grants(session: AsyncSession, scope: GrantScope, part: list[int]) -> StoredRows:
    query = select(
        CompiledRow.reader_id,
        CompiledRow.row_key,
        CompiledRow.body,
        CompiledRow.credential_id,
        CompiledRow.plan_id,
    ).where(CompiledRow.credential_id.in_(part))
    if scope.plan is not None:
        # By credential, please: a large plan has as many rows as all its people at all its doors,
        # and an expression keeps the database from choosing the plan's index.
        query = query.where(CompiledRow.plan_id + 0 == scope.plan)
    if scope.readers is not None:
        query = query.where(CompiledRow.reader_id.in_(scope.readers))
    stored: StoredRows = defaultdict(dict)
    for reader, key, body, credential, plan in await session.execute(query):
        stored[reader][key] = StoredRow(body, credential, plan)
    return stored


async def _counted(session: AsyncSession, credentials: list[int]) -> set[int]:
    query = select(Credential.id).where(
        Credential.id.in_(credentials), Credential.max_uses.is_not(None)
    )
    return set(await session.scalars(query))


async def _record(uow: UnitOfWork, ledger: Ledger) -> None:
    """Write the change and whom it waits for; one that concerns no reader is processed at once."""
    waits = any(account.enrolled for account in ledger.changed.values())
    change = Change(
        actor=uow.actor,
        action=uow.action,
        subject=uow.subject,
        detail=uow.detail,
        committed_at=uow.now,
        processed_at=None if waits else uow.now,
    )
    uow.session.add(change)
    await uow.session.flush()
    uow.change_id = change.id
    await ledger.wait_for(change.id)
