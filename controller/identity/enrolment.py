"""A reader enrols: a one-time token and two keys it made itself become an identity.

A reader is re-keyed only with a new token, which only an operator can make. The token is spent
together with everything that follows from it, in one transaction.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.identity.possession import Errors, check_proof, parse_point
from controller.intent.keys import own_keys
from controller.problems import Gone, Invalid
from controller.store.database import Database
from controller.store.tables import Credential, Door, Reader, ReaderPlan
from controller.store.uow import UnitOfWork
from shared.credential.p256 import OwnKeys, PublicKey
from shared.wire.proofs import Role, enrol_proof, token_hash

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """What a reader sends. Keys are 65 bytes, proofs 64 (`shared.wire.proofs.enrol_proof`)."""

    token: str = field(repr=False)
    identity_key: bytes
    pkoc_key: bytes
    proof_identity: bytes
    proof_pkoc: bytes
    software: str = ""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the reader is told, beside the controller's own keys and broker."""

    reader: str
    name: str
    door: str
    site: uuid.UUID
    location: uuid.UUID


async def enrol(
    database: Database, application: Application, own: tuple[PublicKey, ...]
) -> Enrolled:
    """Make the reader that `application` has the token of an enrolled one.

    `own` are the controller's public keys. Raises `Gone` for a token that is wrong, used or
    expired, and `Invalid` for keys and proofs; the token stays good then.
    """
    identity, pkoc = _checked(application)
    async with database.read() as session:
        await _pending(session, application.token, database.clock())
    async with database.write(actor="reader", action="reader.enrol") as uow:
        reader, door = await _pending(uow.session, application.token, uow.now)
        await _check_unused(uow, reader, identity, pkoc, OwnKeys(own))
        await _admit(uow, reader, identity, pkoc)
        uow.actor, uow.subject = f"reader {reader.id}", f"reader {reader.name}"[:200]
        uow.detail = f"fingerprint {fingerprint(identity)}, {application.software}"[:200]
    logger.info("reader %s enrolled, fingerprint %s", reader.id, fingerprint(identity))
    return Enrolled(
        reader=reader.id,
        name=reader.name,
        door=door.name,
        site=uuid.UUID(bytes=reader.pkoc_site),
        location=uuid.UUID(bytes=reader.pkoc_location),
    )


def fingerprint(key: PublicKey) -> str:
    """Return what an operator compares with what the reader shows: 16 hex digits in fours."""
    digest = hashlib.sha256(key.point).hexdigest()[:16]
    return " ".join(digest[start : start + 4] for start in range(0, 16, 4))


def _checked(application: Application) -> tuple[PublicKey, PublicKey]:
    """Return identity and PKOC key, both proven. Raises `Invalid`."""
    errors = Errors()
    identity = parse_point(application.identity_key, "identity_key", errors)
    pkoc = parse_point(application.pkoc_key, "pkoc_key", errors)
    for key, proof, role in (
        (identity, application.proof_identity, Role.IDENTITY),
        (pkoc, application.proof_pkoc, Role.PKOC),
    ):
        if key is not None:
            statement = enrol_proof(application.token, role, key.point)
            check_proof(key, proof, statement, f"proof_{role.value}", errors)
    if identity is not None and pkoc is not None and identity.x == pkoc.x:
        errors.say("pkoc_key", "is the identity key; the two must be different")
    if errors or identity is None or pkoc is None:
        raise Invalid(errors)
    return identity, pkoc


async def _pending(session: AsyncSession, token: str, now: int) -> tuple[Reader, Door]:
    """Return the reader that waits for `token`, and its door. Raises `Gone`."""
    hashed = token_hash(token)
    query = (
        select(Reader, Door)
        .join(Door, Door.id == Reader.door_id)
        .where(Reader.token_hash == hashed, Reader.status != "revoked")
    )
    row = (await session.execute(query)).one_or_none()
    # The index has found it by its hash; this is so that a database is not trusted to compare.
    if row is None or not hmac.compare_digest(row[0].token_hash or b"", hashed):
        raise Gone("this token is not good (any more): ask an operator for a new one")
    reader, door = row
    if reader.token_expires_at is None or reader.token_expires_at <= now:
        raise Gone("this token has expired: ask an operator for a new one")
    return reader, door


async def _check_unused(
    uow: UnitOfWork, reader: Reader, identity: PublicKey, pkoc: PublicKey, own: OwnKeys
) -> None:
    """Refuse keys that anybody else has; a reader that enrols anew may keep its own."""
    errors = Errors()
    installation = await own_keys(uow.session, uow.issuer)
    holders = set(
        await uow.session.scalars(
            select(Credential.public_key).where(
                Credential.public_key.in_([identity.point, pkoc.point])
            )
        )
    )
    kept = {"identity_key": reader.identity_key, "pkoc_key": reader.pkoc_key}
    for name, key in (("identity_key", identity), ("pkoc_key", pkoc)):
        taken = key in installation and kept[name] != key.point
        if taken or key in own:
            errors.say(name, "is a key of the controller or of another reader")
        elif key.point in holders:
            errors.say(name, "is somebody's credential")
    if errors:
        raise Invalid(errors)


async def _admit(uow: UnitOfWork, reader: Reader, identity: PublicKey, pkoc: PublicKey) -> None:
    if reader.pkoc_key != pkoc.point:
        reader.aliro_key = None  # another one will follow from the new key; the reader says which
    reader.identity_key, reader.pkoc_key = identity.point, pkoc.point
    reader.status, reader.enrolled_at = "enrolled", uow.now
    reader.token_hash = reader.token_expires_at = None
    plan = await uow.session.get_one(ReaderPlan, reader.id)
    # Whatever the machine before it had confirmed, this one has confirmed nothing.
    plan.acked_version = plan.acked_deny = 0
    plan.acked_at, plan.session, plan.online = None, None, False
    uow.touch_readers([reader.id])
