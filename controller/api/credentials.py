"""/credentials, and the same under /people"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response

from controller.api.answers import CredentialAnswer, CredentialTypeAnswer
from controller.api.bodies import CredentialBody, FlatCredentialBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Handle, Number
from controller.api.operator import Asking, Operator
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import credentials
from controller.intent.credential_types import TYPES
from controller.intent.credentials import CredentialView

router = APIRouter(tags=["credentials"])
Body = Annotated[Draft, reads(CredentialBody)]
FlatBody = Annotated[Draft, reads(FlatCredentialBody)]
PHONE = {"credential_type_id": 9, "label": "Ada's phone"}
DELETED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The phone is revoked at every door."},
    **errors(404),
}
FLAG = {"state": "lost", "reason": "left on the train"}


@router.get("/credential_types", responses=errors())
async def list_credential_types(_: Asking) -> list[CredentialTypeAnswer]:
    """Return the kinds of credentials there are."""
    return [
        CredentialTypeAnswer(
            id=kind.id,
            label=kind.label,
            name=kind.label,
            slug=kind.slug,
            format=kind.format,
            description=kind.description,
            cloneable=kind.cloneable,
        )
        for kind in TYPES.values()
    ]


@router.get("/people/{person_id}/credentials", responses=errors(404, 422))
async def list_credentials_of(
    who: Asking, person_id: Number, window: Paged, response: Response
) -> list[CredentialAnswer]:
    """Return the credentials of one person, oldest first."""
    async with who.read() as session:
        page = await credentials.page(session, person_id, window)
        return show(page, response, lambda view: _shown(who, view))


@router.post(
    "/people/{person_id}/credentials",
    status_code=201,
    responses=errors(400, 404, 409, 422),
    openapi_extra=takes(CredentialBody, new=True, example=PHONE),
)
async def create_credential_of(who: Asking, person_id: Number, body: Body) -> CredentialAnswer:
    """Give a person a card (type 5, with `value`), or invite them by code (8) or link (9).

    Type 1001 is a mere card number, which anybody can copy. The code or the address of an
    invitation is shown this once.
    """
    async with who.edit("credential.create") as uow:
        view = await credentials.create(uow, person_id, body)
    return _shown(who, view)


@router.get("/people/{person_id}/credentials/{handle}", responses=errors(404))
async def get_credential_of(who: Asking, person_id: Number, handle: Handle) -> CredentialAnswer:
    """Return one credential of one person."""
    async with who.read() as session:
        return _shown(who, await credentials.get(session, handle, person_id))


@router.put(
    "/people/{person_id}/credentials/{handle}",
    responses=errors(400, 404, 409, 422),
    openapi_extra=takes(CredentialBody, new=False, example=FLAG),
)
async def update_credential_of(
    who: Asking, person_id: Number, handle: Handle, body: Body
) -> CredentialAnswer:
    """Enable, disable, flag, limit or name a credential."""
    async with who.edit("credential.update", f"credential {handle}") as uow:
        return _shown(who, await credentials.update(uow, handle, body, person_id))


@router.delete("/people/{person_id}/credentials/{handle}", status_code=204, responses=DELETED)
async def delete_credential_of(who: Asking, person_id: Number, handle: Handle) -> Response:
    """Revoke a credential for good: 204 for a card, 202 for a phone, which is yet to be told."""
    return await _delete(who, handle, person_id)


@router.get("/credentials", responses=errors(422))
async def list_credentials(
    who: Asking, window: Paged, response: Response
) -> list[CredentialAnswer]:
    """Return the credentials of everybody, oldest first."""
    async with who.read() as session:
        page = await credentials.page(session, None, window)
        return show(page, response, lambda view: _shown(who, view))


@router.post(
    "/credentials",
    status_code=201,
    responses=errors(400, 409, 422),
    openapi_extra=takes(FlatCredentialBody, new=True, example={"person_id": 1, **PHONE}),
)
async def create_credential(who: Asking, body: FlatBody) -> CredentialAnswer:
    """Give the person that is named a credential."""
    async with who.edit("credential.create") as uow:
        view = await credentials.create(uow, None, body)
    return _shown(who, view)


@router.get("/credentials/{handle}", responses=errors(404))
async def get_credential(who: Asking, handle: Handle) -> CredentialAnswer:
    """Return one credential."""
    async with who.read() as session:
        return _shown(who, await credentials.get(session, handle))


@router.put(
    "/credentials/{handle}",
    responses=errors(400, 404, 409, 422),
    openapi_extra=takes(CredentialBody, new=False, example=FLAG),
)
async def update_credential(who: Asking, handle: Handle, body: Body) -> CredentialAnswer:
    """Enable, disable, flag, limit or name a credential."""
    async with who.edit("credential.update", f"credential {handle}") as uow:
        return _shown(who, await credentials.update(uow, handle, body))


@router.delete("/credentials/{handle}", status_code=204, responses=DELETED)
async def delete_credential(who: Asking, handle: Handle) -> Response:
    """Revoke a credential for good: 204 for a card, 202 for a phone, which is yet to be told."""
    return await _delete(who, handle, None)


@router.post("/credentials/{handle}/resend", responses=errors(404, 409))
async def resend_invitation(who: Asking, handle: Handle) -> CredentialAnswer:
    """Replace the invitation of a phone that has not been enrolled; the old one is void."""
    async with who.edit("credential.resend", f"credential {handle}") as uow:
        view = await credentials.resend(uow, handle)
    return _shown(who, view)


async def _delete(who: Operator, handle: str, person: int | None) -> Response:
    async with who.edit("credential.delete", f"credential {handle}") as uow:
        credential = await credentials.remove(uow, handle, person)
    status = 204 if TYPES[credential.type_id].invited_by is None else 202
    return Response(status_code=status, headers=who.response.headers)


def _shown(who: Operator, view: CredentialView) -> CredentialAnswer:
    office = who.office
    return CredentialAnswer.of(view, office.database.clock(), office.public_url)
