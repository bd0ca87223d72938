"""Readers: the daemons at the doors, from the token that lets one enrol to its removal."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Select, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.drafts import Draft
from controller.lookup import check_exist
from controller.pages import Page, Window, fetch
from controller.problems import NotFound
from controller.store.tables import (
    Change,
    ChangeTarget,
    Denial,
    Door,
    Outbox,
    Reader,
    ReaderPlan,
    Setting,
    Site,
)
from controller.store.uow import UnitOfWork
from shared.access.digest import SetDigest
from shared.wire.proofs import token_hash

TOKEN_LIFE = timedelta(hours=24)
# Counts restores of the whole installation; readers refuse a lower one than they know.
EPOCH = "plan_epoch"


@dataclass(frozen=True, slots=True)
class ReaderView:
    """A reader, its plan, and how many changes it has not confirmed.

    `certified_by` is the group of its site if its door shows phones a certificate.
    """

    reader: Reader
    plan: ReaderPlan
    missing: int
    certified_by: bytes | None


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """What a reader needs to enrol, once: shown to the operator and kept only as a hash."""

    token: str
    expires_at: int


async def page(session: AsyncSession, window: Window) -> Page[ReaderView]:
    """Return a page of readers, in order of name."""
    found = await fetch(session, _readers().order_by(Reader.name, Reader.id), window)
    return Page([ReaderView(*row) for row in found.items], found.total, window)


async def get(session: AsyncSession, reader: str) -> ReaderView:
    """Return one reader. Raises `NotFound`."""
    row = (await session.execute(_readers().where(Reader.id == reader))).one_or_none()
    if row is None:
        raise NotFound("there is no such reader")
    return ReaderView(*row)


async def create(uow: UnitOfWork, draft: Draft) -> tuple[ReaderView, Enrolment]:
    """Make a reader for a door that has none. Raises `Invalid`."""
    draft.require("door_id", "name")
    await check_exist(uow.session, Door, draft, "door_id")
    await _check_door_free(uow.session, draft)
    draft.check()
    reader = Reader(
        id=base64.b32encode(uow.random_bytes(10)).decode().lower(),
        door_id=draft.get("door_id"),
        name=draft.get("name"),
        status="pending",
        # Phone apps keep one key per site: every reader is a site of its own to them.
        pkoc_site=uuid.UUID(bytes=uow.random_bytes(16), version=4).bytes,
        pkoc_location=uuid.UUID(bytes=uow.random_bytes(16), version=4).bytes,
        created_at=uow.now,
    )
    uow.session.add(reader)
    await uow.session.flush()
    uow.session.add(await _empty_plan(uow.session, reader.id))
    uow.subject = f"reader {reader.id}"
    uow.touch_readers([reader.id])
    enrolment = _new_token(uow, reader)
    await uow.session.flush()
    return await get(uow.session, reader.id), enrolment


async def new_token(uow: UnitOfWork, number: str) -> tuple[ReaderView, Enrolment]:
    """Give a reader a new enrolment token; an older one is void. Raises `NotFound`.

    A reader that is enrolled goes on with its keys until the token is used.
    """
    view = await get(uow.session, number)
    enrolment = _new_token(uow, view.reader)
    await uow.session.flush()
    return view, enrolment


async def remove(uow: UnitOfWork, number: str) -> None:
    """Take a reader out of service for good; its door is free for another. Raises `NotFound`.

    The row stays for the events that name it. Changes do not wait for it any longer.
    """
    reader = (await get(uow.session, number)).reader
    reader.status = "revoked"
    reader.door_id = None
    reader.token_hash = reader.token_expires_at = None
    uow.touch_readers([number])
    for table in (Outbox, Denial):
        await uow.session.execute(delete(table).where(table.reader_id == number))
    waiting = ChangeTarget.acked_at.is_(None)
    of_reader = delete(ChangeTarget).where(ChangeTarget.reader_id == number, waiting)
    changes = list(await uow.session.scalars(of_reader.returning(ChangeTarget.change_id)))
    still = select(ChangeTarget.change_id).where(ChangeTarget.change_id == Change.id, waiting)
    await uow.session.execute(
        update(Change)
        .where(Change.id.in_(changes), Change.processed_at.is_(None), ~still.exists())
        .values(processed_at=uow.now)
    )


async def _check_door_free(session: AsyncSession, draft: Draft) -> None:
    if "door_id" in draft:
        query = select(Reader.name).where(Reader.door_id == draft.get("door_id"))
        if (name := await session.scalar(query)) is not None:
            draft.add("door_id", f"has a reader already: {name}")


async def _empty_plan(session: AsyncSession, reader: str) -> ReaderPlan:
    epoch = await session.get(Setting, EPOCH)
    return ReaderPlan(
        reader_id=reader,
        epoch=int(epoch.value) if epoch else 1,
        version=0,
        digest=SetDigest().value,
        count=0,
        deny_counter=0,
    )


def _new_token(uow: UnitOfWork, reader: Reader) -> Enrolment:
    token = base64.urlsafe_b64encode(uow.random_bytes(32)).rstrip(b"=").decode()
    reader.token_hash = token_hash(token)
    reader.token_expires_at = uow.now + TOKEN_LIFE // timedelta(milliseconds=1)
    return Enrolment(token, reader.token_expires_at)


def _readers() -> Select[Reader, ReaderPlan, int, bytes | None]:
    waiting = (
        select(func.count())
        .select_from(ChangeTarget)
        .where(ChangeTarget.reader_id == Reader.id, ChangeTarget.acked_at.is_(None))
        .scalar_subquery()
    )
    return (
        select(Reader, ReaderPlan, waiting, Site.wallet_group)
        .join(ReaderPlan, ReaderPlan.reader_id == Reader.id)
        .outerjoin(Door, and_(Door.id == Reader.door_id, Door.reader_certificate))
        .outerjoin(Site, Site.id == Door.site_id)
        .where(Reader.status != "revoked")
    )
