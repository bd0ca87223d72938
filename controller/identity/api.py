"""HTTP for those who have no operator's token: phones with an invitation, readers that enrol.

Bytes travel as hex. Wrong codes and tokens are counted per source; too many make it wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from controller.api.documents import problems
from controller.identity import enrolment, redemption, wallet
from controller.identity.enrolment import Application
from controller.identity.keys import ControllerKeys
from controller.identity.opens import OpenDoor
from controller.identity.redemption import Redemption, WrongCode
from controller.identity.small_bodies import SmallBodies
from controller.identity.throttle import Throttle, source_of
from controller.identity.wallet import Question, UnknownCredential
from controller.problems import Gone, Problem, RateLimited
from controller.store.database import Database


def _hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise PydanticCustomError("hex", "must be hex digits, two a byte") from None
    return text


def _printable(text: str) -> str:
    # It will stand in records that people read, on a terminal too.
    if not text.isprintable():
        raise PydanticCustomError("printable", "must not hold control characters")
    return text


Hex = Annotated[str, Field(max_length=512), AfterValidator(_hex)]
Secret = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=200), AfterValidator(_printable)]


class CodeBody(BaseModel):
    """An invitation's secret: from the fragment of a link, or typed in four groups of four."""

    code: Secret


class RedeemBody(CodeBody):
    """The phone's key, with the proof that it holds it (`shared.wire.proofs.redeem_proof`)."""

    nonce: Hex
    public_key: Hex
    proof: Hex
    device: Text = ""


class DoorsBody(BaseModel):
    """A credential that asks for its doors (`shared.wire.proofs.doors_proof`)."""

    credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")]
    public_key: Hex
    time: Annotated[int, Field(ge=0, le=2**52)]
    proof: Hex


class EnrolBody(BaseModel):
    """A reader's two keys, each with a proof (`shared.wire.proofs.enrol_proof`)."""

    token: Secret
    identity_key: Hex
    pkoc_key: Hex
    proof_identity: Hex
    proof_pkoc: Hex
    software: Text = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What answers rest on.

    `origin` is the address that phones know this controller by, without a slash at the end;
    `broker` is where readers find the broker.
    """

    database: Database
    keys: ControllerKeys
    origin: str
    broker: str
    throttle: Throttle = field(default_factory=Throttle)
    monotonic: Callable[[], float] = time.monotonic

    @contextmanager
    def trying(self, request: Request, wrong: type[Problem]) -> Iterator[None]:
        """Let `request` have a try, which is a wrong one if it ends in `wrong`.

        Raises `RateLimited` if its source has to wait.
        """
        source = source_of(request.client.host if request.client else "")
        wait = self.throttle.wait(source, self.monotonic())
        if wait > 0:
            raise RateLimited("too many wrong tries", retry_in=int(wait) + 1)
        self.throttle.count(source, self.monotonic())
        right = True
        try:
            yield
        except wrong:
            right = False
            raise
        finally:
            if right:
                self.throttle.forgive(source, self.monotonic())


def make_router(desk: Desk) -> APIRouter:
    """Return the routes `/wallet/...` and `/enrol/reader`, which stand at the root."""
    router = APIRouter(
        route_class=SmallBodies, responses=problems(400, 404, 408, 410, 413, 422, 429)
    )

    @router.post("/wallet/begin", tags=["wallet"])
    async def begin(body: CodeBody, request: Request) -> dict[str, Any]:
        """Open an invitation: whose it is, and a nonce to redeem it with."""
        with desk.trying(request, WrongCode):
            opened = await redemption.begin(desk.database, body.code)
        return {
            "invitation": opened.invitation,
            "nonce": opened.nonce.hex(),
            "origin": desk.origin,
            "person": opened.person,
            "site": opened.site,
        }

    @router.post("/wallet/redeem", tags=["wallet"], responses=problems(409))
    async def redeem(body: RedeemBody, request: Request) -> dict[str, Any]:
        """Turn an invitation into a credential for a key that the phone holds."""
        with desk.trying(request, WrongCode):
            issued = await redemption.redeem(
                desk.database, _redemption(body), desk.origin, desk.keys.public
            )
        return {
            "credential": issued.handle,
            "label": issued.label,
            "person": {"first_name": issued.first_name},
            "doors": _doors(issued.doors),
        }

    @router.post("/wallet/doors", tags=["wallet"])
    async def doors(body: DoorsBody, request: Request) -> dict[str, Any]:
        """Return the doors of a credential as they are now."""
        question = Question(
            body.credential, bytes.fromhex(body.public_key), body.time, bytes.fromhex(body.proof)
        )
        with desk.trying(request, UnknownCredential):
            found = await wallet.doors(desk.database, question, desk.origin)
        return {"doors": _doors(found)}

    @router.post("/wallet/decline", tags=["wallet"])
    async def decline(body: CodeBody, request: Request) -> dict[str, Any]:
        """End an invitation unused."""
        with desk.trying(request, WrongCode):
            await redemption.decline(desk.database, body.code)
        return {"result": "ok"}

    @router.post("/enrol/reader", tags=["enrolment"])
    async def enrol(body: EnrolBody, request: Request) -> dict[str, Any]:
        """Make a reader, which has a one-time token and two keys, part of the installation."""
        with desk.trying(request, Gone):
            enrolled = await enrolment.enrol(desk.database, _application(body), desk.keys.public)
        return {
            "reader": enrolled.reader,
            "name": enrolled.name,
            "door": enrolled.door,
            "site_uuid": str(enrolled.site),
            "location_uuid": str(enrolled.location),
            "plan_key": desk.keys.signing.public.point.hex(),
            "controller_key": desk.keys.agreement.public.point.hex(),
            "broker": desk.broker,
        }

    return router


def _redemption(body: RedeemBody) -> Redemption:
    return Redemption(
        code=body.code,
        nonce=bytes.fromhex(body.nonce),
        public_key=bytes.fromhex(body.public_key),
        proof=bytes.fromhex(body.proof),
        device=body.device,
    )


def _application(body: EnrolBody) -> Application:
    return Application(
        token=body.token,
        identity_key=bytes.fromhex(body.identity_key),
        pkoc_key=bytes.fromhex(body.pkoc_key),
        proof_identity=bytes.fromhex(body.proof_identity),
        proof_pkoc=bytes.fromhex(body.proof_pkoc),
        software=body.software,
    )


def _doors(found: tuple[OpenDoor, ...]) -> list[dict[str, str]]:
    return [
        {
            "name": door.name,
            "site_uuid": str(door.site),
            "location_uuid": str(door.location),
            "public_key": door.public_key.hex(),
            "issuer_key": door.issuer_key.hex(),
        }
        for door in found
    ]
