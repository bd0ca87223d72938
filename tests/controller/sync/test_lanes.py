"""Who goes first, how many go at a time, and what waits for whom."""

from __future__ import annotations

import asyncio

import pytest

from controller.sync.bus import BusLost, Connection, Publication
from controller.sync.lanes import (
    DELTA_WORKERS,
    SNAPSHOT_WORKERS,
    URGENT_WORKERS,
    Job,
    Lane,
    Lanes,
    Urgency,
)


class Nowhere:
    """A connection of which only the name is needed."""

    async def publish(self, publication: Publication) -> None:
        raise BusLost("there is nobody")

    async def messages(self) -> None:
        raise NotImplementedError


NOWHERE: Connection = Nowhere()  # type: ignore[assignment]  # nothing is ever sent


def noting(done: list[str], name: str) -> Job:
    async def job(_: Connection) -> None:
        done.append(name)

    return job


async def run_for_a_while(*lanes: Lane) -> None:
    tasks = [asyncio.create_task(lane.run(NOWHERE)) for lane in lanes]
    for _ in range(50):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_the_most_urgent_goes_first_then_the_oldest() -> None:
    lane, done = Lane(1), list[str]()
    for number, urgency in enumerate(
        [Urgency.RECEIPT, Urgency.LEASE, Urgency.DENY, Urgency.PULSE, Urgency.DENY, Urgency.LEASE]
    ):
        lane.submit(noting(done, f"{urgency.name}{number}"), urgency)
    await run_for_a_while(lane)
    assert done == ["DENY2", "DENY4", "PULSE3", "LEASE1", "LEASE5", "RECEIPT0"]


async def test_only_so_many_go_at_a_time() -> None:
    lane, under_way, most = Lane(3), 0, 0

    async def job(_: Connection) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    for _ in range(10):
        lane.submit(job, Urgency.RECEIPT)
    await run_for_a_while(lane)
    assert (most, under_way) == (3, 0)


async def test_plans_wait_for_deny_sets_and_for_nothing_else() -> None:
    urgent, done = Lane(1), list[str]()
    plans = Lane(1, first=urgent)
    plans.submit(noting(done, "plan"), Urgency.PLAN)
    urgent.submit(noting(done, "receipt"), Urgency.RECEIPT)
    await run_for_a_while(plans)
    assert done == ["plan"]

    done.clear()
    plans.submit(noting(done, "plan"), Urgency.PLAN)
    urgent.submit(noting(done, "deny"), Urgency.DENY)
    await run_for_a_while(plans)
    assert done == []
    plans.submit(noting(done, "plan"), Urgency.PLAN)
    await run_for_a_while(urgent, plans)
    assert done == ["deny", "receipt", "plan"]


async def test_what_has_not_begun_is_forgotten() -> None:
    lanes, done = Lanes(), list[str]()
    lanes.open = True
    lanes.urgent.submit(noting(done, "deny"), Urgency.DENY)
    lanes.deltas.submit(noting(done, "delta"), Urgency.PLAN)
    lanes.snapshots.submit(noting(done, "snapshot"), Urgency.PLAN)
    lanes.clear()
    assert not lanes.open
    await run_for_a_while(lanes.urgent, lanes.deltas, lanes.snapshots)
    assert done == []
    lanes.deltas.submit(noting(done, "delta"), Urgency.PLAN)
    await run_for_a_while(lanes.deltas)
    assert done == ["delta"]


async def test_a_lost_connection_ends_all_lanes() -> None:
    lanes = Lanes()

    async def job(connection: Connection) -> None:
        await connection.publish(Publication("a", b""))

    lanes.snapshots.submit(job, Urgency.PLAN)
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(lanes.run(NOWHERE), 5)
    assert raised.group_contains(BusLost)


def test_together_they_stay_within_what_the_client_likes() -> None:
    assert URGENT_WORKERS + DELTA_WORKERS + SNAPSHOT_WORKERS == 20
