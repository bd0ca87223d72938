"""A phone at a door, over Bluetooth: find the reader, connect, prove, see what it says."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

from hw.ble.central import Central, ReaderNotFound
from hw.ble.central_link import CentralLink
from hw.ble.radio import random_static_address
from hw.ports import HardwareFault, LinkClosed
from hw.sim.phone.tap import PATIENCE, Light, Tap
from hw.sim.phone.wallet import Key, KnownDoor
from shared.credential.outcome import Refused
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc.ble_holder import Ending, Hint, HolderSession
from shared.credential.pkoc.ble_messages import Status
from shared.credential.pkoc.identity import Keyring
from shared.credential.pkoc.reader_certificate import Issuers
from shared.credential.session import Finished, Send


@contextlib.asynccontextmanager
async def radio(air: str) -> AsyncIterator[Central]:
    """A phone's Bluetooth on the virtual air at `host:port`, under a fresh address.

    Raises `HardwareFault`.
    """
    address = random_static_address(secrets.token_bytes(6))
    central = await Central.open(f"tcp-client:{air}", address=address)
    try:
        yield central
    finally:
        await central.close()


async def tap(air: str, door: KnownDoor, key: Key, *, patience: float = PATIENCE) -> Tap:
    """One tap with a phone that is switched on for it. Never raises for what a reader does."""
    try:
        async with radio(air) as central:
            return await tap_with(central, door, key, patience=patience)
    except HardwareFault as error:
        return Tap(Light.TROUBLE, str(error), 0.0)


async def tap_with(
    central: Central, door: KnownDoor, key: Key, *, patience: float = PATIENCE
) -> Tap:
    """One tap. The clock runs from the moment the phone has seen the door and connects."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        seen = await central.find(name=door.name, patience=patience)
        began = loop.time()
        link = await central.connect(seen.address, patience=patience)
    except (ReaderNotFound, LinkClosed, HardwareFault) as error:
        return Tap(Light.TROUBLE, str(error), _since(began))
    try:
        ending = await _converse(link, _session(door, key))
        took = _since(began)
    finally:
        await link.close()
    return _seen(door, ending, took)


def _session(door: KnownDoor, key: Key) -> HolderSession:
    return HolderSession(
        key.private,
        PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1())),
        Keyring([door.reader]),
        last_update=key.made,
        now=asyncio.get_running_loop().time(),
        issuers=None if door.issuer is None else _issuers(door.reader.site, door.issuer.point),
        unix_time=int(time.time()),
    )


@lru_cache(maxsize=256)
def _issuers(site: bytes, issuer: bytes) -> Issuers:
    """One for as long as this phone runs: a certificate that was good once is remembered."""
    return Issuers({site: PublicKey.parse(issuer)})


async def _converse(link: CentralLink, session: HolderSession) -> Ending:
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout_at(session.deadline):
                message = await link.receive()
            step = session.receive(message, loop.time())
            if isinstance(step, Send):
                await link.send(step.message)
        except TimeoutError:
            step = session.expire(loop.time())
        except LinkClosed:
            step = session.lost()
        if isinstance(step, Finished):
            return step.outcome


def _seen(door: KnownDoor, ending: Ending, took: float) -> Tap:
    match ending:
        case Hint(Status.GRANTED):
            return Tap(Light.GREEN, f"{door.name} opens", took)
        case Hint(Status.DENIED):
            return Tap(Light.RED, f"{door.name} stays shut", took)
        case Hint(status):
            return Tap(Light.TROUBLE, f"{door.name} says {status.name.lower()}", took)
        case Refused(reason, detail):
            return Tap(Light.TROUBLE, f"{door.name}: {reason.value}: {detail}", took)


def _since(began: float) -> float:
    return (asyncio.get_running_loop().time() - began) * 1000
