"""/access_plans"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.answers import AccessPlanAnswer, Result
from controller.api.bodies import AccessPlanBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import plans

router = APIRouter(prefix="/access_plans", tags=["access plans"])
Body = Annotated[Draft, reads(AccessPlanBody)]
EXAMPLE = {"name": "Staff", "schedule_id": 1, "group_ids": [1], "door_ids": [1, 2]}


@router.get("", responses=errors(422))
async def list_plans(who: Asking, window: Paged, response: Response) -> list[AccessPlanAnswer]:
    """Return access plans in order of name."""
    async with who.read() as session:
        return show(await plans.page(session, window), response, AccessPlanAnswer.of)


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(AccessPlanBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_plan(who: Asking, body: Body) -> AccessPlanAnswer:
    """Make an access plan: who may open which doors, and when (no schedule: always)."""
    async with who.edit("access_plan.create") as uow:
        return AccessPlanAnswer.of(await plans.create(uow, body))


@router.get("/{plan_id}", responses=errors(404))
async def get_plan(who: Asking, plan_id: Number) -> AccessPlanAnswer:
    """Return one access plan."""
    async with who.read() as session:
        return AccessPlanAnswer.of(await plans.get(session, plan_id))


@router.put(
    "/{plan_id}",
    openapi_extra=takes(AccessPlanBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_plan(who: Asking, plan_id: Number, body: Body) -> AccessPlanAnswer:
    """Change an access plan; lists that are given replace those there were."""
    async with who.edit("access_plan.update", f"access plan {plan_id}") as uow:
        return AccessPlanAnswer.of(await plans.update(uow, plan_id, body))


@router.delete("/{plan_id}", responses=errors(404))
async def delete_plan(who: Asking, plan_id: Number) -> Result:
    """Remove an access plan; nobody enters by it any more."""
    async with who.edit("access_plan.delete", f"access plan {plan_id}") as uow:
        await plans.remove(uow, plan_id)
    return Result()
