"""Things go away in the worst moment: broker, reader, controller. Nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time

from cryptography.hazmat.primitives.asymmetric import ec

from hw.sim.demo.holders import Holder
from hw.sim.demo.keys import plan_key
from hw.sim.demo.office import Done, Json
from hw.sim.demo.opening import NFC
from hw.sim.demo.site import ADA, BEN, CLEO, FRONT, STAFF, STORE, WORKSHOP
from hw.sim.demo.stage import Stage, expect
from hw.sim.demo.steps import Seen, Step
from hw.sim.phone import wallet
from shared.credential.p256 import PrivateKey
from shared.wire.messages import PlanPage

CROWD = 10_000
_DOORS = (FRONT, WORKSHOP)


async def broker_stopped(stage: Stage) -> Seen:
    ada, cleo = stage.holders[ADA], stage.holders[CLEO]
    stranger = ada.stranger()
    stage.gap_begins = {door: await stage.mark(door) for door in _DOORS}
    await stage.world.broker.stop()
    front, workshop = stage.post(FRONT), stage.post(WORKSHOP)
    tap = await stage.opens_unseen(FRONT, lambda: ada.tap_ble(stage.world, front))
    await stage.opens_unseen(WORKSHOP, lambda: cleo.tap_nfc(workshop))
    await stage.refuses_unseen(FRONT, lambda: stranger.tap_ble(stage.world, front), lamp="not here")
    for door, seq in stage.gap_begins.items():
        expect(that=await stage.mark(door) == seq, seen="the office heard of it without a broker")
    return Seen("phone and card open, the stranger is refused", tap.milliseconds)


async def broker_back(stage: Stage) -> Seen:
    began = time.monotonic()
    await stage.world.broker.start()
    front, workshop = stage.site.readers[FRONT], stage.site.readers[WORKSHOP]
    refused = {"kind": "access", "reason": "unknown"}
    await stage.office.event(front, refused, after=stage.gap_begins[FRONT], patience=30)
    entered = {"kind": "entered"}
    await stage.office.event(workshop, entered, after=stage.gap_begins[WORKSHOP], patience=30)
    took = (time.monotonic() - began) * 1000
    await stage.settled()
    count = 0
    for door, wanted in ((FRONT, ["granted", "unknown"]), (WORKSHOP, ["granted"])):
        events = await stage.office.events(stage.site.readers[door], after=stage.gap_begins[door])
        _expect_once_in_order(events, stage.gap_begins[door], wanted)
        count += len(events)
    return Seen(f"{count} events of the gap, once, in order, marked as replayed", took)


def _expect_once_in_order(events: list[Json], before: int, wanted: list[str]) -> None:
    numbers = [event["seq"] for event in events]
    expected = list(range(before + 1, before + 1 + len(events)))
    expect(that=numbers == expected, seen=f"the numbers are {numbers}, not {expected}")
    times = [event["occurred_at"] for event in events]
    expect(that=times == sorted(times), seen="the events are not in order of time")
    reasons = [event["reason"] for event in events if event["kind"] == "access"]
    expect(that=reasons == wanted, seen=f"the taps were {reasons}, not {wanted}")
    live = [event["kind"] for event in events if not event["replayed"]]
    expect(that=not live, seen=f"not marked as replayed: {live}")


async def reader_killed(stage: Stage) -> Seen:
    somebody, group = await _import_crowd(stage)
    reader, post = stage.site.readers[STORE], stage.post(STORE)
    after = await stage.mark(STORE)
    done, page = await _kill_during_delta(stage, group)
    before = await stage.office.get(f"/readers/{reader}")
    expect(that=before["acked_version"] < page.after.version, seen="it was killed too late")
    began = time.monotonic()
    await stage.world.start_reader(post)
    await stage.processed(done.change, STORE)
    took = (time.monotonic() - began) * 1000
    await stage.settled()
    await stage.opens_unseen(STORE, lambda: somebody.tap_nfc(post))
    stranger = stage.holders[ADA].stranger()
    await stage.refuses_unseen(STORE, lambda: stranger.tap_nfc(post), lamp="not here")
    await stage.event(STORE, after, kind="started")
    damaged = [e for e in await stage.office.events(reader, after=after) if e["kind"] == "cache"]
    expect(that=not damaged, seen=f"the plan cache was damaged: {damaged}")
    text = f"killed at page 1 of {page.pages}; started, {page.after.count} rows acknowledged"
    return Seen(text, took)


async def _kill_during_delta(stage: Stage, group: int) -> tuple[Done, PlanPage]:
    """Give the crowd a door, and kill its reader as the first page of many comes by."""
    reader, post = stage.site.readers[STORE], stage.post(STORE)
    plan = {"name": "The crowd", "group_ids": [group], "door_ids": [stage.site.doors[STORE]]}
    key = await plan_key(post)
    hearing = asyncio.ensure_future(stage.attacker.next_page(reader, key, patience=30))
    granting = asyncio.ensure_future(stage.office.post("/access_plans", plan))
    try:
        page = await hearing
        await stage.world.kill_reader(post)
        return await granting, page
    finally:
        for task in (hearing, granting):
            task.cancel()
        await asyncio.gather(hearing, granting, return_exceptions=True)


async def _import_crowd(stage: Stage) -> tuple[Holder, int]:
    """Ten thousand people with a card each, and one of them with the card in hand."""
    group = (await stage.office.post("/groups", {"name": "The crowd"})).body["id"]
    keys = await asyncio.to_thread(
        lambda: [PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1())) for _ in range(CROWD)]
    )
    people = [
        {
            "first_name": "Person",
            "last_name": f"Number {number}",
            "group_ids": [group],
            "cards": [{"public_key": key.public.point.hex()}],
        }
        for number, key in enumerate(keys, start=1)
    ]
    done = await stage.office.post("/people/import", {"people": people})
    expect(that=done.body["credentials"] == CROWD, seen=f"imported: {done.body}")
    path = stage.world.folder / "somebody.json"
    wallet.save(path, wallet.Wallet((wallet.Key("Card", 0, keys[CROWD // 2]),)))
    return Holder("Somebody", path, stage.world.processes), group


async def controller_killed(stage: Stage) -> Seen:
    ben, site, post = stage.holders[BEN], stage.site, stage.post(WORKSHOP)
    heard = len(stage.attacker.heard(site.readers[WORKSHOP]))
    await stage.world.broker.stop()
    done = await stage.office.put(f"/groups/{site.groups[STAFF]}/people/{site.people[BEN]}")
    # Committed, and there is no broker: it cannot have been published.
    await stage.world.kill_controller()
    await stage.world.broker.start()
    await stage.attacker.ready()
    await stage.refuses_unseen(WORKSHOP, lambda: ben.tap_nfc(post), lamp="not now")
    pages = stage.attacker.heard(site.readers[WORKSHOP])[heard:]
    expect(that=not pages, seen="a plan was published before the controller was killed")
    await stage.world.start_controller()
    began = time.monotonic()
    await stage.processed(done.change, WORKSHOP)
    took = (time.monotonic() - began) * 1000
    await stage.opens(WORKSHOP, lambda: ben.tap_nfc(post), person=BEN, method=NFC)
    return Seen("refused until the controller was back; then the delta came, and it opens", took)


NO_BROKER = Step(
    "Broker stopped",
    "known phone opens, stranger refused",
    broker_stopped,
    "The broker dies. Doors need no network to decide.",
)
BROKER_BACK = Step(
    "Broker back",
    "the gap's events once, in order, replayed",
    broker_back,
    "The broker is back, and what happened meanwhile reaches the office: once, and in order.",
)
READER_KILLED = Step(
    "Reader killed in a 10,000-grant delta",
    "starts, consistent, catches up",
    reader_killed,
    "Ten thousand people get a door, and its reader dies in the middle of the news.",
)
CONTROLLER_KILLED = Step(
    "Controller killed before publishing",
    "the delta arrives after its restart",
    controller_killed,
    "An edit is committed while the broker is down; then the controller dies too.",
)
