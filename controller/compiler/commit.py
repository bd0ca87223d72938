"""The end of every edit: what was touched becomes rows, deltas, denials and a change."""

from __future__ import annotations

from controller.store.tables import Change
from controller.store.uow import UnitOfWork


async def finish(uow: UnitOfWork) -> None:
    """Compile what `uow` touched and record the change, in the transaction of `uow`."""
    change = Change(
        actor=uow.actor,
        action=uow.action,
        subject=uow.subject,
        detail=uow.detail,
        committed_at=uow.now,
        processed_at=uow.now,
    )
    uow.session.add(change)
    await uow.session.flush()
    uow.change_id = change.id
