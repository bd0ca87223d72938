"""Readers say which key they prove to phone wallets, and are certified for it.

What is new while one edit commits is written together by the next, so that a thousand readers of a
new release are a few edits.
"""

from __future__ import annotations

import asyncio

from controller.compiler.chunks import chunks
from controller.intent import wallet_keys
from controller.store.database import Database
from controller.store.uninterrupted import uninterrupted
from controller.sync.roster import Member

# A building's readers come back from a power cut within seconds of each other.
PACE = 0.05


class WalletKeys:
    """`offer` from anywhere, `run` once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offered: dict[str, bytes] = {}
        self._rung = asyncio.Event()

    def offer(self, member: Member, key: bytes | None) -> None:
        """Take the key (65 bytes) that a reader's authentic hello has brought, if it is new."""
        if key is None or key == member.wallet_key:
            return
        member.wallet_key = key
        self._offered[member.reader] = key
        self._rung.set()

    async def run(self) -> None:
        """Write down what is offered until cancelled."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            offered, self._offered = self._offered, {}
            for part in chunks(sorted(offered)):
                await uninterrupted(self._write({reader: offered[reader] for reader in part}))
            await asyncio.sleep(PACE)

    async def _write(self, said: dict[str, bytes]) -> None:
        async with self._database.read() as session:
            fresh = await wallet_keys.news(session, self._database.issuer, said)
        if not fresh:
            return
        subject = f"reader {', '.join(sorted(fresh))}"[:200]
        async with self._database.write(
            actor="reader", action="reader.wallet_key", subject=subject
        ) as uow:
            await wallet_keys.take(uow, said)
