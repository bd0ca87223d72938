"""A phone asks again which doors it opens: rights that were given later, or a key taken away."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from controller.identity.opens import OpenDoor, doors_of
from controller.identity.possession import Errors, check_proof, parse_point
from controller.intent.keys import key_hash
from controller.problems import Gone, Invalid, NotFound
from controller.store.database import Database
from controller.store.tables import Credential
from shared.wire.proofs import doors_proof

# A question is good for so long, by the clocks of phone and controller together.
QUESTION_LIFE_MS = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Question:
    """What a phone sends. `time`: milliseconds since 1970; `public_key` 65 bytes, `proof` 64."""

    credential: str
    public_key: bytes
    time: int
    proof: bytes


class UnknownCredential(NotFound):
    """No such credential has this key; to be counted against the source."""

    def __init__(self) -> None:
        super().__init__("there is no such credential with this key")


async def doors(database: Database, question: Question, origin: str) -> tuple[OpenDoor, ...]:
    """Return the doors that the credential opens.

    Raises `Invalid`, `UnknownCredential`, and `Gone` for a credential that was removed.
    """
    errors = Errors()
    key = parse_point(question.public_key, "public_key", errors)
    if key is not None:
        statement = doors_proof(origin, question.credential, question.time, key.point)
        check_proof(key, question.proof, statement, "proof", errors)
    if abs(database.clock() - question.time) > QUESTION_LIFE_MS:
        errors.say("time", "is more than five minutes from the time here: set the phone's clock")
    if errors:
        raise Invalid(errors)
    async with database.read() as session:
        # A removed credential has lost its key, but not the key's hash.
        query = select(Credential).where(
            Credential.handle == question.credential,
            Credential.key_hash == key_hash(question.public_key),
        )
        credential = await session.scalar(query)
        if credential is None:
            raise UnknownCredential
        if credential.deleted_at is not None or credential.issuance != "active":
            raise Gone("this credential was removed")
        return await doors_of(session, database.issuer, credential.person_id)
