"""Credentials: cards and phones of people, from invitation to removal."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller import uses
from controller.drafts import Draft
from controller.intent import invitations
from controller.intent.card_values import read_value
from controller.intent.credential_states import new_state
from controller.intent.credential_types import TYPES, CredentialType
from controller.intent.invitations import Secret
from controller.intent.keys import OURS, is_ours, key_hash, own_keys
from controller.lookup import check_exist, existing
from controller.pages import Page, Window, fetch
from controller.problems import Conflict, NotFound
from controller.store.tables import Credential, Invitation, Person
from controller.store.uow import UnitOfWork

LIMITS = ("not_before", "not_after", "max_uses")
_MAX_OWN_ID = 200


@dataclass(frozen=True, slots=True)
class CredentialView:
    """A credential, its newest invitation, and the secret of one that was made just now.

    `uses` are those that were spent or are set aside, where they are limited.
    """

    credential: Credential
    invitation: Invitation | None = None
    secret: Secret | None = None
    uses: int = 0


async def page(session: AsyncSession, person: int | None, window: Window) -> Page[CredentialView]:
    """Return a page of credentials (of `person`), oldest first. Raises `NotFound`."""
    query = select(Credential).where(Credential.deleted_at.is_(None)).order_by(Credential.id)
    if person is not None:
        await existing(session, Person, person)
        query = query.where(Credential.person_id == person)
    found = await fetch(session, query, window)
    views = await _views(session, [row for (row,) in found.items])
    return Page(views, found.total, window)


async def get(session: AsyncSession, handle: str, person: int | None = None) -> CredentialView:
    """Return one credential (of `person`). Raises `NotFound`."""
    credential = await find(session, handle, person)
    [view] = await _views(session, [credential])
    return view


async def _views(session: AsyncSession, rows: list[Credential]) -> list[CredentialView]:
    newest = await invitations.latest(session, [row.id for row in rows])
    spent = await uses.spent(session, [row.id for row in rows if row.max_uses is not None])
    return [CredentialView(row, newest.get(row.id), uses=spent.get(row.id, 0)) for row in rows]


async def find(session: AsyncSession, handle: str, person: int | None = None) -> Credential:
    """Return the row of a credential (of `person`). Raises `NotFound`."""
    query = select(Credential).where(Credential.handle == handle, Credential.deleted_at.is_(None))
    if person is not None:
        query = query.where(Credential.person_id == person)
    if (credential := await session.scalar(query)) is None:
        raise NotFound("there is no such credential")
    return credential


async def create(uow: UnitOfWork, person: int | None, draft: Draft) -> CredentialView:
    """Give `person` (None: whom the draft's `person_id` names) a card, or invite their phone.

    Raises `NotFound`, `Invalid`, and `Conflict` for a card they have already.
    """
    if person is not None:
        await existing(uow.session, Person, person)
    else:
        draft.require("person_id")
        await check_exist(uow.session, Person, draft, "person_id")
    draft.require("credential_type_id")
    kind = TYPES.get(draft.get("credential_type_id"))
    if "credential_type_id" in draft and kind is None:
        draft.add("credential_type_id", f"is none of {', '.join(map(str, TYPES))}")
    credential = Credential(
        handle=new_handle(uow),
        person_id=person or draft.get("person_id"),
        type_id=draft.get("credential_type_id"),
        label=draft.get("label", kind.label if kind else ""),
        state="active",
        issuance="invited" if kind and kind.invited_by else "active",
        created_at=uow.now,
    )
    if kind is not None and kind.invited_by is None:
        draft.require("value")
    await _apply(uow, credential, draft)
    draft.check()
    uow.session.add(credential)
    await uow.session.flush()
    uow.subject = f"credential {credential.handle}"
    uow.touch_credentials([credential.id])
    return await _invite(uow, credential)


async def update(
    uow: UnitOfWork, handle: str, draft: Draft, person: int | None = None
) -> CredentialView:
    """Change a credential: enable, disable, flag, limit, name.

    Raises `NotFound`, `Invalid`, and `Conflict` for a card they have already.
    """
    credential = await find(uow.session, handle, person)
    await _apply(uow, credential, draft)
    draft.check()
    uow.detail = draft.get("reason")
    if "label" in draft:
        credential.label = draft.get("label")
    uow.touch_credentials([credential.id])
    await uow.session.flush()
    return await get(uow.session, handle)


async def remove(uow: UnitOfWork, handle: str, person: int | None = None) -> Credential:
    """Revoke a credential for good; readers refuse it at once. Raises `NotFound`.

    The hash of its key stays, so that its phone can be told.
    """
    credential = await find(uow.session, handle, person)
    await _revoke(uow, [credential])
    return credential


async def remove_all_of(uow: UnitOfWork, person: int) -> None:
    """Revoke every credential of `person`."""
    query = select(Credential).where(
        Credential.person_id == person, Credential.deleted_at.is_(None)
    )
    await _revoke(uow, list(await uow.session.scalars(query)))


async def resend(uow: UnitOfWork, handle: str) -> CredentialView:
    """Replace the invitation of a phone that has not been enrolled.

    Raises `NotFound`, and `Conflict` for what is enrolled already.
    """
    credential = await find(uow.session, handle)
    if credential.issuance != "invited":
        raise Conflict("only a phone that has not been enrolled yet can be invited again")
    return await _invite(uow, credential)


def new_handle(uow: UnitOfWork) -> str:
    """Return a short random id for a credential, as the API shows it."""
    return base64.b32encode(uow.random_bytes(10)).decode().lower()


async def _invite(uow: UnitOfWork, credential: Credential) -> CredentialView:
    by = TYPES[credential.type_id].invited_by
    if by is None:
        return CredentialView(credential)
    return CredentialView(credential, *await invitations.invite(uow, credential.id, by))


async def _revoke(uow: UnitOfWork, credentials: list[Credential]) -> None:
    await invitations.void(uow, [credential.id for credential in credentials], "cancelled")
    for credential in credentials:
        credential.deleted_at = credential.updated_at = uow.now
        credential.issuance = "revoked"
        credential.public_key = None
        if TYPES[credential.type_id].cloneable:
            credential.external_id = None  # it is the key
    uow.touch_credentials(credential.id for credential in credentials)


async def _apply(uow: UnitOfWork, credential: Credential, draft: Draft) -> None:
    """Set what `draft` gives, as far as it holds; what does not is said in `draft`."""
    credential.state = new_state(credential.state, draft)
    draft.copy_to(credential, LIMITS)
    credential.updated_at = uow.now
    not_before, not_after = credential.not_before, credential.not_after
    if not_before is not None and not_after is not None and not_after <= not_before:
        draft.add("not_after", "is not after not_before")
    kind = TYPES.get(credential.type_id)
    if "value" not in draft or kind is None:
        return
    if kind.invited_by is None:
        await _set_key(uow, credential, kind, draft)
    else:
        _set_own_id(credential, draft)


def _set_own_id(credential: Credential, draft: Draft) -> None:
    value: str = draft.get("value")
    if credential.issuance != "invited":
        draft.add("value", "cannot be set: the phone has enrolled a key of its own")
    elif len(value) > _MAX_OWN_ID or not value.isprintable():
        draft.add("value", f"must be a line of at most {_MAX_OWN_ID} characters")
    else:
        credential.external_id = value


async def _set_key(
    uow: UnitOfWork, credential: Credential, kind: CredentialType, draft: Draft
) -> None:
    try:
        given = read_value(kind, draft.get("value"))
    except ValueError as error:
        draft.add("value", str(error))
        return
    if is_ours(given.identifier, await own_keys(uow.session, uow.issuer)):
        draft.add("value", OURS)
        return
    query = select(Credential).where(Credential.public_key == given.identifier)
    holder = await uow.session.scalar(query)
    if holder is not None and holder is not credential:
        if holder.person_id == credential.person_id and not draft.errors:
            raise Conflict(f"this person has this card already, as credential {holder.handle}")
        draft.add("value", "is in use")
        return
    credential.public_key, credential.key_hash = given.identifier, key_hash(given.identifier)
    credential.external_id = given.text if kind.cloneable else None
