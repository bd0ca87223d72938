"""/people, and the import of many"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from controller.api.answers import ImportAnswer, PersonAnswer, Result
from controller.api.bodies import ImportBody, ImportedPerson, PersonBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.api.reading import MAX_IMPORT, draft_of, read_object
from controller.drafts import Draft
from controller.intent import imports, people
from controller.problems import Invalid
from shared.access.schedule import MAX_ID

router = APIRouter(prefix="/people", tags=["people"])
Body = Annotated[Draft, reads(PersonBody)]
EXAMPLE = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"}
Text = Annotated[str | None, Query(max_length=200)]


@router.get("", responses=errors(422))
async def list_people(
    *,
    who: Asking,
    window: Paged,
    response: Response,
    email: Annotated[Text, Query(description="A part of the e-mail address.")] = None,
    system_id: Annotated[Text, Query(description="Your own id of the person, whole.")] = None,
    q: Annotated[
        Text, Query(description="What words of name, e-mail address or your own id begin with.")
    ] = None,
    group_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> list[PersonAnswer]:
    """Return people in order of last name."""
    which = people.Filter(email=email, system_id=system_id, words=q, group_id=group_id)
    async with who.read() as session:
        return show(await people.page(session, which, window), response, PersonAnswer.of)


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(PersonBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_person(who: Asking, body: Body) -> PersonAnswer:
    """Make a person."""
    async with who.edit("person.create") as uow:
        return PersonAnswer.of(await people.create(uow, body))


@router.post("/import", openapi_extra=takes(ImportBody, new=True), responses=errors(400, 413, 422))
async def import_people(who: Asking, request: Request) -> ImportAnswer:
    """Make up to 20,000 people with their cards, all or none.

    What is wrong is said with the index of the person: `people[17].email`.
    """
    drafts = await _drafts(await read_object(request, limit=MAX_IMPORT))
    async with who.edit("people.import") as uow:
        done = await imports.import_people(uow, drafts)
    return ImportAnswer(created=done.created, credentials=done.credentials)


@router.get("/{person_id}", responses=errors(404))
async def get_person(who: Asking, person_id: Number) -> PersonAnswer:
    """Return one person."""
    async with who.read() as session:
        return PersonAnswer.of(await people.get(session, person_id))


@router.put(
    "/{person_id}",
    openapi_extra=takes(PersonBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_person(who: Asking, person_id: Number, body: Body) -> PersonAnswer:
    """Change a person; `group_ids` replace their groups."""
    async with who.edit("person.update", f"person {person_id}") as uow:
        return PersonAnswer.of(await people.update(uow, person_id, body))


@router.delete("/{person_id}", responses=errors(404))
async def delete_person(who: Asking, person_id: Number) -> Result:
    """Remove a person and revoke all credentials; the name stays in the events."""
    async with who.edit("person.delete", f"person {person_id}") as uow:
        await people.remove(uow, person_id)
    return Result()


async def _drafts(value: dict[str, Any]) -> list[Draft]:
    rows = value.get("people")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid({"people": ["must be a list of people"]})
    if not 1 <= len(rows) <= imports.MAX_PEOPLE:
        raise Invalid({"people": [f"must have 1 to {imports.MAX_PEOPLE} entries"]})
    # Thousands of people take seconds to check; others must not wait meanwhile.
    return await asyncio.to_thread(lambda: [draft_of(ImportedPerson, row) for row in rows])
