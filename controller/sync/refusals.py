"""Sends deny sets and leases: what refuses overtakes everything, and a lease says that all is in.

What no longer refuses waits for the plan that goes with it, see `controller.sync.pages.deny_upto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from controller.sync import source
from controller.sync.bus import Connection
from controller.sync.lanes import Urgency
from controller.sync.pages import deny_updates, deny_upto
from controller.sync.post import Post
from controller.sync.roster import Member
from shared.wire.messages import DenyEntry, DenyUpdate, Lease
from shared.wire.topics import Leaf

# So many readers are asked for in one statement, if their deny sets are that close.
TOGETHER = 200
SPREAD = 50


async def send_denials(post: Post, members: Iterable[Member]) -> None:
    """Have the deny sets of `members` sent, as far as they may be."""
    for near in _close(members):
        low = min(member.link.sent.deny_counter for member in near)
        async with post.database.read() as session:
            found = await source.denials(session, [member.reader for member in near], low)
        for member in near:
            if member.reader in found:
                wanted, entries = found[member.reader]
                post.want(member, wanted)
                _submit(post, member, entries)


def send_lease(post: Post, member: Member) -> None:
    """Answer the reader's question: yes, this is all there is."""
    link = member.link
    nonce, wanted = link.nonce, link.wanted
    if nonce is None or wanted is None:
        return
    link.sent_lease()

    async def job(connection: Connection) -> None:
        lease = Lease(
            reader=member.reader,
            plan=wanted.plan,
            deny_counter=wanted.deny_counter,
            nonce=nonce,
            issued_at=post.database.clock(),
        )
        await post.say(connection, lease, Leaf.PLAN)

    post.lanes.urgent.submit(job, Urgency.LEASE)


def _submit(post: Post, member: Member, entries: list[DenyEntry]) -> None:
    link = member.link
    wanted, base = link.wanted, link.sent.deny_counter
    link.examined_deny()
    if wanted is None or not link.live:
        return
    news = [item for item in entries if item.counter > base]
    if link.quarantine is None:
        upto = deny_upto(news, link.released, wanted.deny_counter)
    else:
        news = list(takewhile(lambda item: item.cause is not None, news))
        upto = news[-1].counter if news else None
    if upto is None:
        return
    part = [item for item in news if item.counter <= upto]
    updates = deny_updates(
        member.reader, wanted.plan.epoch, part, post.seconds(), base=base, upto=upto
    )
    link.deny_busy = True
    _send(post, member, list(updates))


def _send(post: Post, member: Member, updates: list[DenyUpdate]) -> None:
    link, line = member.link, member.link.session

    async def job(connection: Connection) -> None:
        try:
            for update in updates:
                await post.say(connection, update, Leaf.DENY)
            if link.session == line:
                link.sent_deny(updates[-1].counter, post.monotonic())
        finally:
            link.deny_busy = False
            post.wake(member.reader)

    post.lanes.urgent.submit(job, Urgency.DENY)


def _close(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Yield members in groups whose deny counters are near each other."""
    group: list[Member] = []
    for member in sorted(members, key=lambda member: member.link.sent.deny_counter):
        if group:
            far = member.link.sent.deny_counter - group[0].link.sent.deny_counter > SPREAD
            if far or len(group) == TOGETHER:
                yield group
                group = []
        group.append(member)
    if group:
        yield group
