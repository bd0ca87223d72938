"""/doors, their modes, and opening one from afar"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from controller.api.answers import DoorAnswer, Result
from controller.api.bodies import DoorBody, UnlockBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.api.records import AdmissionAnswer, NewAdmissionAnswer
from controller.drafts import Draft
from controller.intent import doors
from controller.records import admissions
from shared.access.schedule import MAX_ID

router = APIRouter(tags=["doors"])
Body = Annotated[Draft, reads(DoorBody)]
Until = Annotated[Draft, reads(UnlockBody)]
EXAMPLE = {"name": "Front door", "release_seconds": 5}


@router.get("/doors", responses=errors(422))
async def list_doors(
    who: Asking,
    window: Paged,
    response: Response,
    site_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> list[DoorAnswer]:
    """Return doors in order of name."""
    async with who.read() as session:
        return show(await doors.page(session, site_id, window), response, DoorAnswer.of)


@router.post(
    "/doors",
    status_code=201,
    openapi_extra=takes(DoorBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_door(who: Asking, body: Body) -> DoorAnswer:
    """Make a door, at the only site if there is one and none is named."""
    async with who.edit("door.create") as uow:
        return DoorAnswer.of(await doors.create(uow, body))


@router.get("/doors/{door_id}", responses=errors(404))
async def get_door(who: Asking, door_id: Number) -> DoorAnswer:
    """Return one door."""
    async with who.read() as session:
        return DoorAnswer.of(await doors.get(session, door_id))


@router.put(
    "/doors/{door_id}",
    openapi_extra=takes(DoorBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_door(who: Asking, door_id: Number, body: Body) -> DoorAnswer:
    """Change settings and modes of a door."""
    async with who.edit("door.update", f"door {door_id}") as uow:
        return DoorAnswer.of(await doors.update(uow, door_id, body))


@router.delete("/doors/{door_id}", responses=errors(404, 409))
async def delete_door(who: Asking, door_id: Number) -> Result:
    """Remove a door that has no reader (any more)."""
    async with who.edit("door.delete", f"door {door_id}") as uow:
        await doors.remove(uow, door_id)
    return Result()


@router.post("/doors/{door_id}/admit", status_code=202, responses=errors(404, 409))
async def admit(who: Asking, door_id: Number) -> NewAdmissionAnswer:
    """Open a door once, from afar: the request is sent on, `/admission_requests` tells the end.

    409 `offline` where no reader is there to do it.
    """
    async with who.edit("door.admit", f"door {door_id}") as uow:
        admission = await admissions.request(uow, door_id)
    return NewAdmissionAnswer(admission_request_id=admission.id, status=admission.status)


@router.post("/doors/{door_id}/lockdown", responses=errors(404))
async def lockdown(who: Asking, door_id: Number) -> DoorAnswer:
    """From now on only those with the override right enter; going out stays possible."""
    async with who.edit("door.lockdown", f"door {door_id}") as uow:
        return DoorAnswer.of(await doors.lockdown(uow, door_id, on=True))


@router.post("/doors/{door_id}/unlockdown", responses=errors(404))
async def unlockdown(who: Asking, door_id: Number) -> DoorAnswer:
    """End a lockdown."""
    async with who.edit("door.unlockdown", f"door {door_id}") as uow:
        return DoorAnswer.of(await doors.lockdown(uow, door_id, on=False))


@router.post(
    "/doors/{door_id}/unlock",
    openapi_extra=takes(UnlockBody, new=True, example={"relock_at": "2030-01-01T18:00:00Z"}),
    responses=errors(400, 404, 422),
)
async def unlock(who: Asking, door_id: Number, body: Until) -> DoorAnswer:
    """Keep a door unlocked until `relock_at`, or until it is set to normal."""
    async with who.edit("door.unlock", f"door {door_id}") as uow:
        return DoorAnswer.of(await doors.unlock(uow, door_id, body))


@router.post("/doors/{door_id}/normal", responses=errors(404))
async def normal(who: Asking, door_id: Number) -> DoorAnswer:
    """End an unlock or a lock that was set by hand; a lockdown stays."""
    async with who.edit("door.normal", f"door {door_id}") as uow:
        return DoorAnswer.of(await doors.normal(uow, door_id))


@router.get("/admission_requests/{request_id}", responses=errors(404))
async def get_admission(who: Asking, request_id: Number) -> AdmissionAnswer:
    """Return what became of a remote opening."""
    async with who.read() as session:
        return AdmissionAnswer.of(await admissions.get(session, request_id))
