"""Events: what happened at the doors, as the readers told it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.ingest.entries import read_entry
from controller.pages import Page, Window, fetch
from controller.problems import NotFound
from controller.store.tables import Admission, Credential, Door, EventRecord, Person
from shared.wire.events import Event


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as stored and decoded, and the names of what it names."""

    record: EventRecord
    event: Event
    door_name: str | None
    first_name: str | None
    last_name: str | None
    credential: str | None
    operator: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events; None lets all through. `since` is in milliseconds."""

    door_id: int | None = None
    person_id: int | None = None
    credential: str | None = None
    reader_id: str | None = None
    kind: str | None = None
    since: int | None = None
    newest_first: bool = True


async def page(session: AsyncSession, which: Filter, window: Window) -> Page[EventView]:
    """Return a page of the events that `which` lets through, in order of their time."""
    query = select(EventRecord.id)
    for column, value in (
        (EventRecord.door_id, which.door_id),
        (EventRecord.person_id, which.person_id),
        (EventRecord.reader_id, which.reader_id),
        (EventRecord.kind, which.kind),
    ):
        if value is not None:
            query = query.where(column == value)
    if which.since is not None:
        query = query.where(EventRecord.at >= which.since)
    if which.credential is not None:
        # Whose it is says where to look: an index of its own would cost every event.
        for column, of in (
            (EventRecord.credential_id, Credential.id),
            (EventRecord.person_id, Credential.person_id),
        ):
            named = select(of).where(Credential.handle == which.credential)
            query = query.where(column == named.scalar_subquery())
    order = (EventRecord.at, EventRecord.id)
    ordered = query.order_by(*(column.desc() for column in order) if which.newest_first else order)
    found = await fetch(session, ordered, window)
    views = await _views(session, [number for (number,) in found.items])
    return Page(views, found.total, window)


async def get(session: AsyncSession, number: int) -> EventView:
    """Return one event. Raises `NotFound`."""
    views = await _views(session, [number])
    if not views:
        raise NotFound(f"there is no event {number}")
    return views[0]


async def _views(session: AsyncSession, numbers: list[int]) -> list[EventView]:
    found = (await session.execute(_events().where(EventRecord.id.in_(numbers)))).all()
    records = (row[0] for row in found)
    events = {entry.id: read_entry(entry.body, entry.seq, entry.at) for entry in records}
    commands = {event.command for event in events.values() if event.command is not None}
    operators = await _operators(session, commands)
    views: dict[int, EventView] = {}
    for record, door, first, last, credential in found:
        event = events[record.id]
        operator = operators.get(event.command) if event.command else None
        views[record.id] = EventView(record, event, door, first, last, credential, operator)
    return [views[number] for number in numbers if number in views]


async def _operators(session: AsyncSession, commands: set[bytes]) -> dict[bytes, str]:
    """Return who asked for each of `commands`, remote openings, as far as known."""
    query = select(Admission.command, Admission.operator).where(Admission.command.in_(commands))
    return dict((await session.execute(query)).all()) if commands else {}


def _events() -> Select[EventRecord, str | None, str | None, str | None, str | None]:
    return (
        select(EventRecord, Door.name, Person.first_name, Person.last_name, Credential.handle)
        .outerjoin(Door, Door.id == EventRecord.door_id)
        .outerjoin(Person, Person.id == EventRecord.person_id)
        .outerjoin(Credential, Credential.id == EventRecord.credential_id)
    )
