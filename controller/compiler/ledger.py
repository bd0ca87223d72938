"""Readers' plans in the course of one edit: rows stored, digests moved on, deltas written.

However many parts an edit is compiled in, each reader gets one delta and one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Executable, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.tables import Base, ChangeTarget, CompiledRow, Outbox, Reader, ReaderPlan
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.plan import Delta

_TABLES = Base.metadata.tables
_COMPILED = _TABLES[CompiledRow.__tablename__]
_PLANS = _TABLES[ReaderPlan.__tablename__]
_THIS_ROW = (
    _COMPILED.c.reader_id == bindparam("at_reader"),
    _COMPILED.c.row_key == bindparam("at_key"),
)
# A thousand readers are a thousand rows in each of these tables; the ORM would take a second.
_INSERT = insert(_COMPILED)
_DELETE = delete(_COMPILED).where(*_THIS_ROW)
_UPDATE = (
    update(_COMPILED)
    .where(*_THIS_ROW)
    .values(
        body=bindparam("new_body"),
        credential_id=bindparam("new_credential"),
        plan_id=bindparam("new_plan"),
    )
)
_OUTBOX = insert(_TABLES[Outbox.__tablename__])
_TARGETS = insert(_TABLES[ChangeTarget.__tablename__])
_PLAN = (
    update(_PLANS)
    .where(_PLANS.c.reader_id == bindparam("at_reader"))
    .values(
        version=bindparam("new_version"),
        digest=bindparam("new_digest"),
        count=bindparam("new_count"),
        deny_counter=bindparam("new_deny_counter"),
    )
)


class StoredRow(NamedTuple):
    """A row of a plan, and for a grant what it was compiled from."""

    body: bytes
    credential: int | None = None
    plan: int | None = None


Rows = Mapping[bytes, StoredRow]  # by row key


@dataclass(slots=True)
class Account:
    """One reader's plan: as stored, and what this edit has made of it so far."""

    enrolled: bool
    version: int
    deny_counter: int
    digest: SetDigest
    put: dict[bytes, bytes] = field(default_factory=dict)
    delete: set[bytes] = field(default_factory=set)
    denials: int = 0

    @property
    def changed(self) -> bool:
        """Whether this edit has anything to tell the reader."""
        return bool(self.put or self.delete or self.denials)

    def replace(self, key: bytes, old: bytes | None, new: bytes | None) -> None:
        """Note that the row at `key` was `old` and is `new` (None: no row)."""
        if old is not None:
            self.digest = self.digest.without_row(old)
        if new is None:
            self.put.pop(key, None)
            self.delete.add(key)
        else:
            self.digest = self.digest.with_row(new)
            self.delete.discard(key)
            self.put[key] = new

    def next_denial(self) -> int:
        """Return the counter of one more entry in the deny set."""
        self.denials += 1
        self.deny_counter += 1
        return self.deny_counter


class Ledger:
    """The accounts of all readers that an edit concerns, within its transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._accounts: dict[str, Account] = {}

    async def open(self, readers: set[str]) -> None:
        """Make the accounts of `readers` available."""
        for part in chunks(sorted(readers - self._accounts.keys())):
            query = (
                select(
                    ReaderPlan.reader_id,
                    Reader.status,
                    ReaderPlan.version,
                    ReaderPlan.deny_counter,
                    ReaderPlan.digest,
                    ReaderPlan.count,
                )
                .join(Reader, Reader.id == ReaderPlan.reader_id)
                .where(ReaderPlan.reader_id.in_(part))
            )
            for reader, status, version, denied, digest, count in await self._session.execute(
                query
            ):
                self._accounts[reader] = Account(
                    enrolled=status == "enrolled",
                    version=version,
                    deny_counter=denied,
                    digest=SetDigest.from_value(digest, count),
                )

    def account(self, reader: str) -> Account:
        """Return the account of a reader that was opened before."""
        return self._accounts[reader]

    @property
    def changed(self) -> dict[str, Account]:
        """The accounts in which something changed, by reader, in order."""
        return {
            reader: account for reader, account in sorted(self._accounts.items()) if account.changed
        }

    async def replace(self, old: Mapping[str, Rows], new: Mapping[str, Rows]) -> None:
        """Store `new` instead of `old`, both by reader; what is in neither stays as it is."""
        await self.open({*old, *new})
        added: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        deleted: list[dict[str, Any]] = []
        for reader in sorted({*old, *new}):
            account, before, after = self.account(reader), old.get(reader, {}), new.get(reader, {})
            for key, row in after.items():
                have = before.get(key)
                if have is None:
                    added.append(_to_insert(reader, key, row))
                elif have != row:
                    updated.append(_to_update(reader, key, row))
                if have is None or have.body != row.body:
                    account.replace(key, have and have.body, row.body)
            for key in before.keys() - after.keys():
                deleted.append(_at(reader, key))
                account.replace(key, before[key].body, None)
        await self._execute(_DELETE, deleted)
        await self._execute(_UPDATE, updated)
        await self._execute(_INSERT, added)

    async def close(self, now: int) -> None:
        """Give every changed plan its next version and write the deltas of enrolled readers."""
        deltas = []
        for reader, account in self.changed.items():
            if account.put or account.delete:
                account.version += 1
                if account.enrolled:
                    deltas.append(_outbox(reader, account, now))
        await self._execute(_OUTBOX, deltas)
        await self._execute(_PLAN, [_plan(*item) for item in self.changed.items()])
        for row in [row for row in self._session if isinstance(row, ReaderPlan)]:
            await self._session.refresh(row)

    async def wait_for(self, change: int) -> None:
        """Make `change` wait for every enrolled reader that it tells something."""
        targets = [
            {
                "change_id": change,
                "reader_id": reader,
                "version": account.version,
                "deny_counter": account.deny_counter,
            }
            for reader, account in self.changed.items()
            if account.enrolled
        ]
        await self._execute(_TARGETS, targets)

    async def _execute(self, statement: Executable, rows: list[dict[str, Any]]) -> None:
        connection = await self._session.connection()
        for part in chunks(rows):
            await connection.execute(statement, part)


def _plan(reader: str, account: Account) -> dict[str, Any]:
    return {
        "at_reader": reader,
        "new_version": account.version,
        "new_digest": account.digest.value,
        "new_count": account.digest.count,
        "new_deny_counter": account.deny_counter,
    }


def _outbox(reader: str, account: Account, now: int) -> dict[str, Any]:
    delta = Delta(
        put=tuple(body for _, body in sorted(account.put.items())),
        delete=tuple(sorted(account.delete)),
    )
    return {
        "reader_id": reader,
        "version": account.version,
        "digest": account.digest.value,
        "count": account.digest.count,
        "delta": cbor.encode(delta),
        "created_at": now,
    }


def _to_insert(reader: str, key: bytes, row: StoredRow) -> dict[str, Any]:
    return {
        "reader_id": reader,
        "row_key": key,
        "body": row.body,
        "credential_id": row.credential,
        "plan_id": row.plan,
    }


def _to_update(reader: str, key: bytes, row: StoredRow) -> dict[str, Any]:
    new = {"new_body": row.body, "new_credential": row.credential, "new_plan": row.plan}
    return {**_at(reader, key), **new}


def _at(reader: str, key: bytes) -> dict[str, Any]:
    return {"at_reader": reader, "at_key": key}
