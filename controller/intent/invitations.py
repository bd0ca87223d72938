"""Invitations: secrets that turn one phone into one credential, once.

By code, for typing: 16 characters without look-alikes in four groups, 79 bits. By link, for
tapping: 32 random bytes in the fragment of an address, which no server sees. Only a hash of the
secret is kept; it is shown once, in the answer to the request that made it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.tables import Invitation
from controller.store.uow import UnitOfWork
from shared.wire.proofs import CODE_SIZE, code_hash

# No 0 and O, 1, I and L: what can be confused on paper is not there.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What the holder is told, and how: `by` "code" or "link"."""

    by: str
    text: str

    def __repr__(self) -> str:
        return f"Secret(by={self.by!r})"


def new_secret(by: str, random_bytes: Callable[[int], bytes]) -> Secret:
    """Return a fresh secret."""
    if by == "link":
        return Secret(by, base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode())
    drawn = ""
    while len(drawn) < CODE_SIZE:
        # Five bits a character; 31, which has none, is drawn again so that all are as likely.
        number = random_bytes(1)[0] & 31
        drawn += ALPHABET[number : number + 1]
    return Secret(by, "-".join(drawn[start : start + 4] for start in range(0, CODE_SIZE, 4)))


async def invite(uow: UnitOfWork, credential: int, by: str) -> tuple[Invitation, Secret]:
    """Make the one open invitation for `credential`; an older one is void from now on."""
    await void(uow, [credential], "replaced")
    secret = new_secret(by, uow.random_bytes)
    invitation = Invitation(
        credential_id=credential,
        code_hash=code_hash(secret.text),
        by=by,
        status="pending",
        created_at=uow.now,
        expires_at=uow.now + LIFE // timedelta(milliseconds=1),
    )
    uow.session.add(invitation)
    await uow.session.flush()
    return invitation, secret


async def void(uow: UnitOfWork, credentials: Iterable[int], status: str) -> None:
    """End the pending invitations of `credentials`; `status` says why."""
    await uow.session.execute(
        update(Invitation)
        .where(Invitation.credential_id.in_(credentials), Invitation.status == "pending")
        .values(status=status, ended_at=uow.now)
    )


async def latest(session: AsyncSession, credentials: Iterable[int]) -> dict[int, Invitation]:
    """Return the newest invitation of each of `credentials` that has one."""
    newest = (
        select(func.max(Invitation.id))
        .where(Invitation.credential_id.in_(credentials))
        .group_by(Invitation.credential_id)
    )
    found = await session.scalars(select(Invitation).where(Invitation.id.in_(newest)))
    return {invitation.credential_id: invitation for invitation in found}


def status_at(invitation: Invitation, now: int) -> str:
    """Return what has become of an invitation: pending, expired, redeemed, declined, replaced."""
    overdue = invitation.status == "pending" and invitation.expires_at <= now
    return "expired" if overdue else invitation.status
