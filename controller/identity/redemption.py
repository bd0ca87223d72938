"""An invitation becomes a credential: a secret, a nonce, and a key that the phone made itself.

    begin    the secret opens the invitation; the answer has a nonce, good for five minutes
    redeem   the phone signs secret, nonce, origin and key; from then on its key opens doors
    decline  the holder does not want it

An invitation is spent in the transaction that gives the key its rights: of two phones that redeem
at the same moment one is too late. A key that is refused leaves the invitation open for another.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.identity.opens import OpenDoor, doors_of, site_of
from controller.identity.possession import Errors, check_proof, parse_point
from controller.intent.keys import OURS, key_hash, own_keys
from controller.problems import Conflict, Gone, Invalid, NotFound
from controller.store.database import Database
from controller.store.tables import Credential, Invitation, Person
from controller.store.uow import UnitOfWork
from shared.credential.p256 import OwnKeys, PublicKey
from shared.wire.proofs import NONCE_SIZE, code_hash, redeem_proof

# Between the tap on a link and the key that the phone makes there is one question to answer.
NONCE_LIFE_MS = 5 * 60 * 1000

_ENDED = {
    "redeemed": "used: this invitation has become a key already",
    "declined": "declined: ask whoever invited you for a new invitation",
    "replaced": "replaced: there is a newer invitation",
    "expired": "expired: ask whoever invited you for a new invitation",
}
_CANCELLED = "withdrawn: ask whoever invited you"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a phone learns of an invitation before it decides."""

    invitation: int
    nonce: bytes
    person: str
    site: str


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a phone sends. `public_key` is 65 bytes, `proof` 64."""

    code: str = field(repr=False)
    nonce: bytes
    public_key: bytes
    proof: bytes
    device: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential, as its phone is told."""

    handle: str
    label: str
    first_name: str
    doors: tuple[OpenDoor, ...]


class WrongCode(NotFound):
    """No invitation has this secret. Says no more than that; to be counted against the source."""

    def __init__(self) -> None:
        super().__init__("there is no invitation with this code")


async def begin(database: Database, code: str) -> Opened:
    """Return what the invitation of `code` offers. Raises `WrongCode` or `Gone`.

    A nonce that was given before is void.
    """
    async with database.read() as session:
        await _open_invitation(session, code, database.clock())
    nonce = database.random_bytes(NONCE_SIZE)
    async with database.transaction() as session:
        now = database.clock()
        invitation, credential, person = await _open_invitation(session, code, now)
        invitation.nonce, invitation.nonce_expires_at = nonce, now + NONCE_LIFE_MS
        site = await site_of(session, credential.person_id)
        return Opened(invitation.id, nonce, person.first_name, site)


async def redeem(
    database: Database, redemption: Redemption, origin: str, own: tuple[PublicKey, ...]
) -> Issued:
    """Make the phone's key the credential that it was invited for.

    `origin` is this controller's address as the phone knows it, `own` the controller's public
    keys. Raises `WrongCode`, `Gone`, `Invalid`, and `Conflict` for a key that is a credential
    already or a nonce that is not the last one.
    """
    async with database.read() as session:
        await _open_invitation(session, redemption.code, database.clock())
    key = _proven(redemption, origin)
    async with database.write(actor="holder", action="invitation.redeem") as uow:
        invitation, credential, person = await _open_invitation(
            uow.session, redemption.code, uow.now
        )
        _check_nonce(invitation, redemption.nonce, uow.now)
        await _check_free(uow, key, credential, OwnKeys(own))
        _issue(uow, credential, key, redemption.device)
        _end(invitation, "redeemed", uow.now)
        uow.actor = f"person {person.id}"
        uow.subject = f"credential {credential.handle}"
        doors = await doors_of(uow.session, uow.issuer, person.id)
    return Issued(credential.handle, credential.label, person.first_name, doors)


async def decline(database: Database, code: str) -> None:
    """End the invitation of `code` unused. Raises `WrongCode` or `Gone`."""
    async with database.read() as session:
        await _open_invitation(session, code, database.clock())
    async with database.write(actor="holder", action="invitation.decline") as uow:
        invitation, credential, person = await _open_invitation(uow.session, code, uow.now)
        _end(invitation, "declined", uow.now)
        uow.actor = f"person {person.id}"
        uow.subject = f"credential {credential.handle}"


async def _open_invitation(
    session: AsyncSession, code: str, now: int
) -> tuple[Invitation, Credential, Person]:
    """Return an invitation that can be redeemed now. Raises `WrongCode` or `Gone`."""
    hashed = code_hash(code)
    query = (
        select(Invitation, Credential, Person)
        .join(Credential, Credential.id == Invitation.credential_id)
        .join(Person, Person.id == Credential.person_id)
        .where(Invitation.code_hash == hashed)
    )
    row = (await session.execute(query)).one_or_none()
    # The index has found it by its hash; this is so that a database is not trusted to compare.
    if row is None or not hmac.compare_digest(row[0].code_hash, hashed):
        raise WrongCode
    invitation, credential, person = row
    if invitation.status != "pending":
        _gone(invitation.status)
    if invitation.expires_at <= now:
        _gone("expired")
    if credential.deleted_at is not None or person.deleted_at is not None:
        _gone("cancelled")
    return invitation, credential, person


def _gone(status: str) -> NoReturn:
    raise Gone(_ENDED.get(status, _CANCELLED))


def _proven(redemption: Redemption, origin: str) -> PublicKey:
    """Return the key that the phone has proven to hold. Raises `Invalid`."""
    errors = Errors()
    key = parse_point(redemption.public_key, "public_key", errors)
    if len(redemption.nonce) != NONCE_SIZE:
        errors.say("nonce", f"has {len(redemption.nonce)} bytes, not {NONCE_SIZE}")
    elif key is not None:
        statement = redeem_proof(redemption.code, redemption.nonce, origin, key.point)
        check_proof(key, redemption.proof, statement, "proof", errors)
    if errors or key is None:
        raise Invalid(errors)
    return key


def _check_nonce(invitation: Invitation, nonce: bytes, now: int) -> None:
    current = invitation.nonce is not None and hmac.compare_digest(invitation.nonce, nonce)
    if not current or invitation.nonce_expires_at is None or invitation.nonce_expires_at <= now:
        raise Conflict("the nonce is not the last one, or older than five minutes: begin again")


async def _check_free(
    uow: UnitOfWork, key: PublicKey, credential: Credential, own: OwnKeys
) -> None:
    """Refuse a key that opens doors already, or is one of our own."""
    if key in own or key in await own_keys(uow.session, uow.issuer):
        raise Invalid({"public_key": [OURS]})
    holder = await uow.session.scalar(select(Credential).where(Credential.public_key == key.point))
    if holder is None:
        return
    if (holder.person_id, holder.type_id) == (credential.person_id, credential.type_id):
        raise Conflict("this phone holds this credential already; redeem it on another phone")
    raise Conflict("this key is a credential already; let the phone make a new one")


def _issue(uow: UnitOfWork, credential: Credential, key: PublicKey, device: str) -> None:
    credential.public_key = key.point
    credential.key_hash = key_hash(key.point)
    credential.issuance = "active"
    credential.device = device.strip()[:200] or None
    credential.updated_at = uow.now
    uow.touch_credentials([credential.id])


def _end(invitation: Invitation, status: str, now: int) -> None:
    invitation.status, invitation.ended_at = status, now
    invitation.nonce = invitation.nonce_expires_at = None
