"""/readers"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.answers import NewReaderAnswer, ReaderAnswer, Result
from controller.api.bodies import ReaderBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import ReaderId
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import readers

router = APIRouter(prefix="/readers", tags=["readers"])
Body = Annotated[Draft, reads(ReaderBody)]


@router.get("", responses=errors(422))
async def list_readers(who: Asking, window: Paged, response: Response) -> list[ReaderAnswer]:
    """Return readers in order of name."""
    async with who.read() as session:
        issuer = who.office.database.issuer
        page = await readers.page(session, window)
        return show(page, response, lambda view: ReaderAnswer.of(view, issuer))


@router.post(
    "",
    status_code=201,
    responses=errors(400, 422),
    openapi_extra=takes(ReaderBody, new=True, example={"door_id": 1, "name": "Front, outside"}),
)
async def create_reader(who: Asking, body: Body) -> NewReaderAnswer:
    """Make a reader for a door. Its enrolment token is shown this once and good for 24 hours."""
    async with who.edit("reader.create") as uow:
        view, enrolment = await readers.create(uow, body)
    office = who.office
    return NewReaderAnswer.with_token(view, office.database.issuer, enrolment, office.public_url)


@router.get("/{reader_id}", responses=errors(404))
async def get_reader(who: Asking, reader_id: ReaderId) -> ReaderAnswer:
    """Return one reader."""
    async with who.read() as session:
        return ReaderAnswer.of(await readers.get(session, reader_id), who.office.database.issuer)


@router.delete("/{reader_id}", responses=errors(404))
async def delete_reader(who: Asking, reader_id: ReaderId) -> Result:
    """Take a reader out of service for good; its door is free for another."""
    async with who.edit("reader.delete", f"reader {reader_id}") as uow:
        await readers.remove(uow, reader_id)
    return Result()


@router.post("/{reader_id}/token", responses=errors(404))
async def new_token(who: Asking, reader_id: ReaderId) -> NewReaderAnswer:
    """Make a new enrolment token; an older one is void. Without one no reader is keyed anew."""
    async with who.edit("reader.token", f"reader {reader_id}") as uow:
        view, enrolment = await readers.new_token(uow, reader_id)
    office = who.office
    return NewReaderAnswer.with_token(view, office.database.issuer, enrolment, office.public_url)
