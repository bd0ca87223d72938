"""The readers that have enrolled: their keys, and the state of the link to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from controller.sync.link import Link
from controller.sync.source import MemberRow, PlanRow
from shared.credential.p256 import PrivateKey, PublicKey
from shared.wire.envelope import PairwiseKey


class Member:
    """One enrolled reader."""

    def __init__(self, row: MemberRow, agreement: PrivateKey, link: Link) -> None:
        self.reader = row.reader
        self.identity = PublicKey.parse(row.identity_key)
        self.link = link
        self.wallet_key = row.wallet_key
        self._agreement = agreement

    @cached_property
    def pairwise(self) -> PairwiseKey:
        """The key that reader and controller share; agreed on when it is first needed."""
        return PairwiseKey(self._agreement, self.identity, self.reader)


class Roster:
    """All members, by id. `jitter` gives numbers in [0, 1)."""

    def __init__(self, agreement: PrivateKey, jitter: Callable[[], float]) -> None:
        self._agreement = agreement
        self._jitter = jitter
        self._members: dict[str, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def get(self, reader: str) -> Member | None:
        """Return the member `reader`, if it is one."""
        return self._members.get(reader)

    def strangers(self, rows: list[PlanRow]) -> list[str]:
        """Return who of `rows` is not known yet, or has enrolled anew; forget who is not there."""
        there = {row.reader: row.identity_key for row in rows}
        for reader in [known for known in self._members if known not in there]:
            del self._members[reader]
        return [
            reader
            for reader, key in there.items()
            if (member := self._members.get(reader)) is None or member.identity.point != key
        ]

    def admit(self, row: MemberRow) -> None:
        """Make the reader of `row` a member, as an earlier run of the controller knew it."""
        link = Link(row.reader, self._jitter)
        if row.quarantine is not None:
            link.isolate(row.quarantine, row.quarantine_epoch)
        if row.session is not None:
            link.restore(row.session, row.held, live=row.online, sure=row.sure)
        self._members[row.reader] = Member(row, self._agreement, link)
