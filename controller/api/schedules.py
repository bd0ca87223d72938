"""/schedules"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.answers import Result, ScheduleAnswer
from controller.api.bodies import ScheduleBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import schedules

router = APIRouter(prefix="/schedules", tags=["schedules"])
Body = Annotated[Draft, reads(ScheduleBody)]
EXAMPLE = {
    "name": "Office hours",
    "times": [{"day": "Weekdays", "start_time": "08:00", "end_time": "18:00"}],
    "holidays": [{"kind": 1, "as_usual": False, "times": []}],
}


@router.get("", responses=errors(422))
async def list_schedules(who: Asking, window: Paged, response: Response) -> list[ScheduleAnswer]:
    """Return schedules in order of name."""
    async with who.read() as session:
        return show(await schedules.page(session, window), response, ScheduleAnswer.of)


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(ScheduleBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_schedule(who: Asking, body: Body) -> ScheduleAnswer:
    """Make a schedule of at most twelve blocks.

    An end that is not after the start is on the next day; the block belongs to the day it starts.
    Days may also be `Weekdays`, `Weekend` and `Daily`. Blocks that overlap are merged. On holidays
    whose kind no rule names, the schedule is closed.
    """
    async with who.edit("schedule.create") as uow:
        return ScheduleAnswer.of(await schedules.create(uow, body))


@router.get("/{schedule_id}", responses=errors(404))
async def get_schedule(who: Asking, schedule_id: Number) -> ScheduleAnswer:
    """Return one schedule."""
    async with who.read() as session:
        return ScheduleAnswer.of(await schedules.get(session, schedule_id))


@router.put(
    "/{schedule_id}",
    openapi_extra=takes(ScheduleBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_schedule(who: Asking, schedule_id: Number, body: Body) -> ScheduleAnswer:
    """Change a schedule; lists that are given replace those there were."""
    async with who.edit("schedule.update", f"schedule {schedule_id}") as uow:
        return ScheduleAnswer.of(await schedules.update(uow, schedule_id, body))


@router.delete("/{schedule_id}", responses=errors(404, 409))
async def delete_schedule(who: Asking, schedule_id: Number) -> Result:
    """Remove a schedule that no access plan and no door follows."""
    async with who.edit("schedule.delete", f"schedule {schedule_id}") as uow:
        await schedules.delete(uow, schedule_id)
    return Result()
