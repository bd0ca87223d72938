"""/groups"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.answers import GroupAnswer, Result
from controller.api.bodies import GroupBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import groups

router = APIRouter(prefix="/groups", tags=["groups"])
Body = Annotated[Draft, reads(GroupBody)]
EXAMPLE = {"name": "Staff", "person_ids": [1, 2]}


@router.get("", responses=errors(422))
async def list_groups(who: Asking, window: Paged, response: Response) -> list[GroupAnswer]:
    """Return groups in order of name."""
    async with who.read() as session:
        return show(await groups.page(session, window), response, GroupAnswer.of)


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(GroupBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_group(who: Asking, body: Body) -> GroupAnswer:
    """Make a group."""
    async with who.edit("group.create") as uow:
        return GroupAnswer.of(await groups.create(uow, body))


@router.get("/{group_id}", responses=errors(404))
async def get_group(who: Asking, group_id: Number) -> GroupAnswer:
    """Return one group; who is in it, `/people?group_id=` tells."""
    async with who.read() as session:
        return GroupAnswer.of(await groups.get(session, group_id))


@router.put(
    "/{group_id}",
    openapi_extra=takes(GroupBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_group(who: Asking, group_id: Number, body: Body) -> GroupAnswer:
    """Change a group; `person_ids` replace who is in it."""
    async with who.edit("group.update", f"group {group_id}") as uow:
        return GroupAnswer.of(await groups.update(uow, group_id, body))


@router.delete("/{group_id}", responses=errors(404))
async def delete_group(who: Asking, group_id: Number) -> Result:
    """Remove a group; its people lose what they had by it."""
    async with who.edit("group.delete", f"group {group_id}") as uow:
        await groups.remove(uow, group_id)
    return Result()


@router.put("/{group_id}/people/{person_id}", responses=errors(404))
async def add_to_group(who: Asking, group_id: Number, person_id: Number) -> GroupAnswer:
    """Put one person into a group."""
    async with who.edit("group.add", f"group {group_id}, person {person_id}") as uow:
        return GroupAnswer.of(await groups.add_person(uow, group_id, person_id))


@router.delete("/{group_id}/people/{person_id}", responses=errors(404))
async def remove_from_group(who: Asking, group_id: Number, person_id: Number) -> GroupAnswer:
    """Take one person out of a group."""
    async with who.edit("group.remove", f"group {group_id}, person {person_id}") as uow:
        return GroupAnswer.of(await groups.remove_person(uow, group_id, person_id))
