"""Readers' plans in the course of one edit: rows stored, digests moved on, deltas written.

However many parts an edit is compiled in, each reader gets one delta and one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.tables import Base, CompiledRow, Outbox, Reader, ReaderPlan
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.plan import Delta

_COMPILED = Base.metadata.tables[CompiledRow.__tablename__]
_INSERT = insert(_COMPILED)
_THIS_ROW = (
    _COMPILED.c.reader_id == bindparam("at_reader"),
    _COMPILED.c.row_key == bindparam("at_key"),
)
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


class StoredRow(NamedTuple):
    """A row of a plan, and for a grant what it was compiled from."""

    body: bytes
    credential: int | None = None
    plan: int | None = None


Rows = Mapping[bytes, StoredRow]  # by row key


@dataclass(slots=True)
class Account:
    """One reader's plan: as stored (`plan`), and what this edit has made of it so far."""

    plan: ReaderPlan
    enrolled: bool
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
        self.plan.deny_counter += 1
        return self.plan.deny_counter


class Ledger:
    """The accounts of all readers that an edit concerns, within its transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._accounts: dict[str, Account] = {}

    async def open(self, readers: set[str]) -> None:
        """Make the accounts of `readers` available."""
        for part in chunks(sorted(readers - self._accounts.keys())):
            query = (
                select(ReaderPlan, Reader.status)
                .join(Reader, Reader.id == ReaderPlan.reader_id)
                .where(ReaderPlan.reader_id.in_(part))
            )
            for plan, status in await self._session.execute(query):
                digest = SetDigest.from_value(plan.digest, plan.count)
                self._accounts[plan.reader_id] = Account(plan, status == "enrolled", digest)

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
        connection = await self._session.connection()
        for statement, rows in ((_DELETE, deleted), (_UPDATE, updated), (_INSERT, added)):
            for part in chunks(rows):
                await connection.execute(statement, part)

    def close(self, now: int) -> None:
        """Give every changed plan its next version and write the deltas of enrolled readers."""
        for reader, account in self.changed.items():
            if not (account.put or account.delete):
                continue
            plan = account.plan
            plan.version += 1
            plan.digest, plan.count = account.digest.value, account.digest.count
            if account.enrolled:
                self._session.add(_outbox(reader, account, now))


def _outbox(reader: str, account: Account, now: int) -> Outbox:
    delta = Delta(
        put=tuple(body for _, body in sorted(account.put.items())),
        delete=tuple(sorted(account.delete)),
    )
    return Outbox(
        reader_id=reader,
        version=account.plan.version,
        digest=account.plan.digest,
        count=account.plan.count,
        delta=cbor.encode(delta),
        created_at=now,
    )


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
