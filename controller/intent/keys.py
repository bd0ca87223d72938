"""Which public keys may become somebody's credential, and which never."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.reader_issuer import ReaderIssuer
from controller.store.tables import Reader, Setting, Site
from shared.credential.identifier import is_point
from shared.credential.p256 import OwnKeys, PublicKey

# Public points of the installation itself (site authority, plan signing), as JSON list of hex.
OWN_KEYS = "own_keys"


def key_hash(identifier: bytes) -> bytes:
    """Return the hash by which a reader names a key that it does not know."""
    return hashlib.sha256(identifier).digest()


def is_ours(identifier: bytes, own: OwnKeys) -> bool:
    """Return whether it is one of `own`, all of which are points."""
    return is_point(identifier) and PublicKey.parse(identifier) in own


async def own_keys(session: AsyncSession, issuer: ReaderIssuer) -> OwnKeys:
    """Return the keys of the installation, of its readers, and of who certifies them."""
    points: list[bytes] = []
    of_readers = select(Reader.identity_key, Reader.pkoc_key, Reader.aliro_key)
    for keys in await session.execute(of_readers):
        points.extend(point for point in keys if point is not None)
    if (setting := await session.get(Setting, OWN_KEYS)) is not None:
        points.extend(map(bytes.fromhex, json.loads(setting.value)))
    groups = await session.scalars(select(Site.wallet_group))
    issuers = [key for group in groups for key in issuer.of(group).public]
    return OwnKeys([*map(PublicKey.parse, points), *issuers])


async def set_own_keys(session: AsyncSession, points: Iterable[bytes]) -> None:
    """Record the public points of the installation, which are never anybody's credential."""
    value = json.dumps(sorted(point.hex() for point in points))
    await session.merge(Setting(name=OWN_KEYS, value=value))


OURS = "is a key of this installation, which can be nobody's credential"
