"""Sends plans: what lies between the plan a reader has and the one it should have, or all of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

from controller.sync import source
from controller.sync.bus import Connection
from controller.sync.core import Forked, From, Whole, route
from controller.sync.lanes import Job, Urgency
from controller.sync.pages import decode_delta, delta_pages, merge
from controller.sync.post import Post
from controller.sync.roster import Member
from controller.sync.source import Steps
from shared.access.plan import Delta
from shared.wire.messages import PlanPage
from shared.wire.topics import Leaf

# So many readers are looked up in one statement, unless they are many versions behind.
TOGETHER = 200
STEPS_TOGETHER = 2_000


async def send_plans(post: Post, members: Iterable[Member]) -> None:
    """Have sent what `members` lack."""
    for part in _by_effort(members):
        async with post.database.read() as session:
            found = await source.steps(session, [member.reader for member in part])
        for member in part:
            if member.reader in found:
                post.want(member, found[member.reader].wanted)
                if member.link.plan_due(math.inf):
                    _submit(post, member, found[member.reader])


def _submit(post: Post, member: Member, steps: Steps) -> None:
    link, wanted = member.link, steps.wanted.plan
    match route(wanted, link.sent.plan, steps.records, sure=link.sure):
        case Forked(why):
            with post.watching(member):
                link.isolate(why, wanted.epoch)
        case Whole():
            post.lanes.snapshots.submit(_job(post, member, _send_snapshot), Urgency.PLAN)
        case From(base):

            async def send(post: Post, connection: Connection, member: Member) -> None:
                await _send_delta(post, connection, member, steps, base)

            post.lanes.deltas.submit(_job(post, member, send), Urgency.PLAN)


def _job(
    post: Post, member: Member, send: Callable[[Post, Connection, Member], Awaitable[None]]
) -> Job:
    member.link.plan_busy = True

    async def job(connection: Connection) -> None:
        try:
            await send(post, connection, member)
        finally:
            member.link.plan_busy = False
            post.wake(member.reader)

    return job


async def _send_delta(
    post: Post, connection: Connection, member: Member, steps: Steps, base: int
) -> None:
    wanted = steps.wanted.plan
    deltas: list[Delta] = []
    for version in range(base + 1, wanted.version + 1):
        delta = await _delta(post, member.reader, version, steps)
        if delta is None:
            return  # Confirmed and pruned meanwhile: what is missing now is another delta.
        deltas.append(delta)
    member.link.issue(wanted)
    pages = delta_pages(member.reader, base, wanted, merge(deltas), post.seconds())
    await _send_pages(post, connection, member, _as_they_come(pages))


async def _send_snapshot(post: Post, connection: Connection, member: Member) -> None:
    async with post.database.read() as session:
        wanted, pages = await source.snapshot(session, member.reader, post.seconds())
        if wanted is not None:
            post.want(member, wanted)
            member.link.issue(wanted.plan)
            await _send_pages(post, connection, member, pages)


async def _send_pages(
    post: Post, connection: Connection, member: Member, pages: AsyncGenerator[PlanPage]
) -> None:
    """Send `pages`, all of them or, if the reader begins anew meanwhile, no more."""
    link, line = member.link, member.link.session
    async with contextlib.aclosing(pages):
        async for page in pages:
            if link.session != line:
                return
            await post.say(connection, page, Leaf.PLAN)
    if link.session == line:
        link.sent_plan(page.after, post.monotonic(), pages=page.pages)


async def _as_they_come(pages: Iterator[PlanPage]) -> AsyncGenerator[PlanPage]:
    for page in pages:
        yield page


async def _delta(post: Post, reader: str, version: int, steps: Steps) -> Delta | None:
    if version in steps.deltas:
        return decode_delta(steps.deltas[version])
    async with post.database.read() as session:
        return await source.delta(session, reader, version)


def _by_effort(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Yield members in groups that have so many deltas in all, or are one."""
    group: list[Member] = []
    effort = 0
    for member in members:
        steps = _behind(member)
        if group and (effort + steps > STEPS_TOGETHER or len(group) == TOGETHER):
            yield group
            group, effort = [], 0
        group.append(member)
        effort += steps
    if group:
        yield group


def _behind(member: Member) -> int:
    """Return how many versions lie between what the reader has and should have, at least one."""
    wanted, have = member.link.wanted, member.link.sent.plan
    if wanted is None or have is None:
        return 1
    return max(1, wanted.plan.version - have.version)
