"""The keys that readers prove to phone wallets: what they say, held against everybody else's."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.intent.keys import own_keys
from controller.reader_issuer import ReaderIssuer
from controller.store.tables import Credential, Reader
from controller.store.uow import UnitOfWork
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey

logger = logging.getLogger(__name__)


async def news(
    session: AsyncSession, issuer: ReaderIssuer, said: Mapping[str, bytes]
) -> dict[str, PublicKey]:
    """Return which of the keys (points) that readers (by id) say they have are new, and theirs.

    They are believed: a certificate for a key that a reader does not hold is of use to nobody. But
    no key of anybody else becomes theirs, and with it one that can be nobody's credential.
    """
    query = select(Reader.id, Reader.aliro_key).where(
        Reader.id.in_(said), Reader.status == "enrolled"
    )
    known = dict((await session.execute(query)).all())
    fresh = {reader: said[reader] for reader, key in known.items() if key != said[reader]}
    if not fresh:
        return {}
    held = select(Credential.public_key).where(Credential.public_key.in_(fresh.values()))
    holders, own = set(await session.scalars(held)), await own_keys(session, issuer)
    found: dict[str, PublicKey] = {}
    for reader, point in fresh.items():
        try:
            key = PublicKey.parse(point)
        except RuleBroken as broken:
            logger.warning("reader %s is not certified for wallets: %s", reader, broken)
            continue
        if point in holders or key in own or key in found.values():
            logger.warning("reader %s is not certified for wallets: not its own key", reader)
            continue
        found[reader] = key
    return found


async def take(uow: UnitOfWork, said: Mapping[str, bytes]) -> None:
    """Remember what is new, and certify these readers where a door needs it."""
    for number, key in (await news(uow.session, uow.issuer, said)).items():
        reader = await uow.session.get_one(Reader, number)
        reader.aliro_key = key.point
        if reader.door_id is not None:
            uow.touch_doors([reader.door_id])
