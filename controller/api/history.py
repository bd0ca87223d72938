"""/changes and /events"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from controller.api import fields
from controller.api.documents import errors
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import MOST, Paged, show
from controller.api.records import ChangeAnswer, EventAnswer
from controller.pages import Window
from controller.records import changes, events
from shared.access.schedule import MAX_ID
from shared.wire.events import EventKind

router = APIRouter(tags=["history"])
OneNumber = Annotated[int | None, Query(ge=1, le=MAX_ID)]
OneText = Annotated[str | None, Query(max_length=32)]


@router.get("/changes", responses=errors(422))
async def list_changes(
    *,
    who: Asking,
    window: Paged,
    response: Response,
    processing: Annotated[bool, Query(description="Only changes that are on their way.")] = False,
) -> list[ChangeAnswer]:
    """Return changes, newest first: who did what, and which readers have it."""
    async with who.read() as session:
        page = await changes.page(session, processing=processing, window=window)
        return show(page, response, ChangeAnswer.of)


@router.get("/changes/{change_id}", responses=errors(404))
async def get_change(who: Asking, change_id: Number) -> ChangeAnswer:
    """Return one change: processed, or the readers that are missing and why."""
    async with who.read() as session:
        return ChangeAnswer.of(await changes.get(session, change_id))


def _which(
    *,
    door_id: OneNumber = None,
    person_id: OneNumber = None,
    credential: OneText = None,
    reader_id: OneText = None,
    kind: EventKind | None = None,
    since: Annotated[fields.Instant, Query(description="ISO 8601, with Z or an offset.")] = None,
    sort: Annotated[Literal["ASC", "DESC"], Query(description="By time.")] = "DESC",
) -> events.Filter:
    return events.Filter(
        door_id=door_id,
        person_id=person_id,
        credential=credential,
        reader_id=reader_id,
        kind=kind.value if kind is not None else None,
        since=since,
        newest_first=sort == "DESC",
    )


@router.get("/events", responses=errors(422))
async def list_events(
    *,
    who: Asking,
    window: Paged,
    response: Response,
    which: Annotated[events.Filter, Depends(_which)],
    n: Annotated[int | None, Query(ge=1, le=MOST, description="The same as per_page.")] = None,
) -> list[EventAnswer]:
    """Return what happened at the doors, newest first unless `sort` is ASC."""
    wanted = window if n is None else Window(window.page, n)
    async with who.read() as session:
        return show(await events.page(session, which, wanted), response, EventAnswer.of)


@router.get("/events/{event_id}", responses=errors(404))
async def get_event(who: Asking, event_id: Number) -> EventAnswer:
    """Return one event."""
    async with who.read() as session:
        return EventAnswer.of(await events.get(session, event_id))
