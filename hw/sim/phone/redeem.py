"""Turn an invitation into a key, and learn later which doors it opens.

    invitation = await begin(link)            the controller offers a nonce
    key = await redeem(invitation, key, ...)  the phone proves that it holds the key it names

The proof names the controller's own address. A phone that was given a link to one controller must
not sign what another one wants, so both must be the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from hw.sim.phone.controllers import ControllerRefused, post
from hw.sim.phone.wallet import Account, Key, KnownDoor, parse_door
from shared.credential.errors import RuleBroken
from shared.wire.proofs import doors_proof, redeem_proof


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the holder is asked: is this for you?"""

    controller: str
    code: str = field(repr=False)
    nonce: bytes = field(repr=False)
    person: str
    site: str


def read_link(text: str, controller: str | None) -> tuple[str, str]:
    """The controller's address and the secret, from a link or a code. `ValueError` with remedy."""
    parts = urlsplit(text)
    if parts.scheme in ("http", "https"):
        if not parts.fragment:
            raise ValueError("this link has no secret behind '#': copy the whole link, in quotes")
        base = text.partition("#")[0].rstrip("/").removesuffix("/wallet")
        return origin(controller or base), parts.fragment
    if controller is None:
        raise ValueError("a code needs its controller: add --controller http://host:8080")
    return origin(controller), text


def origin(url: str) -> str:
    """A controller's address in the one form that is signed and compared. `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:80]!r} is no http:// or https:// address of a controller")
    return url.rstrip("/")


async def begin(controller: str, code: str) -> Invitation:
    """Ask for the invitation behind `code`. Nothing is used up. Raises `ControllerRefused`."""
    answer = await post(f"{controller}/wallet/begin", {"code": code})
    try:
        claimed = origin(answer["origin"])
        nonce = bytes.fromhex(answer["nonce"])
        invitation = Invitation(controller, code, nonce, str(answer["person"]), str(answer["site"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _nonsense(controller) from None
    if claimed != controller:
        raise ControllerRefused(
            f"the controller calls itself {claimed}, the invitation is for {controller}: "
            f"use --controller {claimed} if that is right, and reachable from here; "
            "the controller's `public_url` says what it calls itself"
        )
    return invitation


async def redeem(invitation: Invitation, key: Key, *, device: str) -> Key:
    """Redeem with a fresh `key`; return it as the controller knows it. `ControllerRefused`."""
    controller, public = invitation.controller, key.private.public.point
    try:
        statement = redeem_proof(invitation.code, invitation.nonce, controller, public)
    except ValueError:
        raise _nonsense(controller) from None
    body = {
        "code": invitation.code,
        "nonce": invitation.nonce.hex(),
        "public_key": public.hex(),
        "proof": key.private.sign(statement).hex(),
        "device": device,
    }
    answer = await post(f"{controller}/wallet/redeem", body)
    try:
        account = Account(controller, str(answer["credential"]), invitation.person)
        label = str(answer.get("label") or invitation.site)
    except KeyError:
        raise _nonsense(controller) from None
    return replace(key, name=label, account=account, doors=_doors(controller, answer))


async def refresh(key: Key, *, now: float) -> Key:
    """Ask which doors `key` opens by now (`now` in Unix seconds). Raises `ControllerRefused`."""
    account = key.account
    if account is None:
        raise ControllerRefused(f"'{key.name}' is no phone key: no controller knows it as one")
    public, time = key.private.public.point, int(now * 1000)
    proof = key.private.sign(doors_proof(account.controller, account.credential, time, public))
    body = {
        "credential": account.credential,
        "public_key": public.hex(),
        "time": time,
        "proof": proof.hex(),
    }
    answer = await post(f"{account.controller}/wallet/doors", body)
    return replace(key, doors=_doors(account.controller, answer))


async def decline(controller: str, code: str) -> None:
    """Say no to an invitation. Raises `ControllerRefused`."""
    await post(f"{controller}/wallet/decline", {"code": code})


def _doors(controller: str, answer: dict[str, Any]) -> tuple[KnownDoor, ...]:
    try:
        return tuple(parse_door(door) for door in answer["doors"])
    except (KeyError, TypeError, ValueError, AttributeError, RuleBroken):
        raise _nonsense(controller) from None


def _nonsense(controller: str) -> ControllerRefused:
    return ControllerRefused(f"{controller} does not answer as a controller does")
