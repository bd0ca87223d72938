"""Remote openings: asked for by an operator, carried out by a reader, followed to the end."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from controller.intent import doors
from controller.lookup import existing
from controller.problems import Conflict
from controller.store.tables import Admission
from controller.store.uow import UnitOfWork


async def request(uow: UnitOfWork, door: int) -> Admission:
    """Write down that a door is to be opened once; the sync sends it on after the commit.

    Raises `NotFound`, and `Conflict` where no reader is there to do it.
    """
    view = await doors.get(uow.session, door)
    if view.reader is None or view.plan is None:
        raise Conflict("no reader serves this door", "offline")
    if not view.plan.online:
        raise Conflict(f"the reader {view.reader.name!r} of this door is offline", "offline")
    admission = Admission(
        command=uow.random_bytes(16),
        door_id=door,
        reader_id=view.reader.id,
        operator=uow.actor,
        status="pending",
        requested_at=uow.now,
    )
    uow.session.add(admission)
    await uow.session.flush()
    return admission


async def get(session: AsyncSession, number: int) -> Admission:
    """Return one request. Raises `NotFound`."""
    return await existing(session, Admission, number)
