"""The first steps: phones and cards get their keys, open what they may, and nothing else."""

from __future__ import annotations

import time

from hw.sim.demo.office import Json
from hw.sim.demo.site import ADA, BEN, CLEO, FRONT, MEMBERS, WORKSHOP
from hw.sim.demo.stage import Stage, expect
from hw.sim.demo.steps import Seen, Step

BLE, NFC = "pkoc-ble-ecdhe", "pkoc-nfc"
CARD, BY_CODE, BY_LINK = 5, 8, 9
_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Neither today, yesterday nor tomorrow, in whatever time zone and however long this takes.
_DAYS_OFF = 3


async def everything_runs(stage: Stage) -> Seen:
    await stage.settled()
    processes = stage.world.processes
    dead = [name for name in processes.pids if not processes.alive(name)]
    expect(that=not dead, seen=f"ended by themselves: {', '.join(dead)}")
    readers = await stage.office.get("/readers")
    return Seen(f"{len(processes.pids)} processes, {len(readers)} readers online")


async def enrol_by_link(stage: Stage) -> Seen:
    ada = stage.holders[ADA]
    credential = await invite(stage, ADA, BY_LINK)
    began = time.monotonic()
    said = await ada.phone("redeem", credential["url"])
    took = (time.monotonic() - began) * 1000
    line = said.splitlines()[-1]
    expect(that=line == f"You have a key for: {FRONT}, {WORKSHOP}", seen=f"the phone says: {line}")
    await expect_active(stage, credential)
    await stage.settled()
    return Seen(line, took)


async def opens_by_ble(stage: Stage) -> Seen:
    ada = stage.holders[ADA]
    air = ("--air", stage.world.air)
    tap = await stage.opens(
        FRONT, lambda: ada.tap_in_process("ble", FRONT, *air), person=ADA, method=BLE
    )
    return Seen(f"{tap.text}; the event has {ADA}'s name", tap.milliseconds)


async def opens_by_nfc(stage: Stage) -> Seen:
    cleo, post = stage.holders[CLEO], stage.post(WORKSHOP)
    await register_card(stage, CLEO)
    await stage.settled()
    arguments = ("--reader", "{}:{}".format(*post.field), "--lamp", "{}:{}".format(*post.wires))
    tap = await stage.opens(
        WORKSHOP, lambda: cleo.tap_in_process("nfc", *arguments), person=CLEO, method=NFC
    )
    return Seen(f"{tap.text}; the event has {CLEO}'s name", tap.milliseconds)


async def stranger_phone(stage: Stage) -> Seen:
    stranger = stage.holders[ADA].stranger()
    tap = await stage.refuses(
        FRONT,
        lambda: stranger.tap_ble(stage.world, stage.post(FRONT)),
        reason="unknown",
        lamp="not here",
    )
    return Seen(f"{tap.text}; reason 'unknown'", tap.milliseconds)


async def stranger_card(stage: Stage) -> Seen:
    stranger = stage.holders[ADA].stranger()
    tap = await stage.refuses(
        WORKSHOP,
        lambda: stranger.tap_nfc(stage.post(WORKSHOP)),
        reason="unknown",
        lamp="not here",
    )
    return Seen(f"{tap.text}; reason 'unknown'", tap.milliseconds)


async def outside_hours(stage: Stage) -> Seen:
    day = _WEEK[(time.gmtime().tm_wday + _DAYS_OFF) % 7]
    await register_card(stage, BEN)
    block = {"day": day, "start_time": "09:00", "end_time": "17:00"}
    schedule = await stage.office.post("/schedules", {"name": f"{day}s", "times": [block]})
    plan = {
        "name": f"Workshop on {day}s",
        "schedule_id": schedule.body["id"],
        "group_ids": [stage.site.groups[MEMBERS]],
        "door_ids": [stage.site.doors[WORKSHOP]],
    }
    done = await stage.office.post("/access_plans", plan)
    await stage.processed(done.change, WORKSHOP)
    tap = await stage.refuses(
        WORKSHOP,
        lambda: stage.holders[BEN].tap_nfc(stage.post(WORKSHOP)),
        reason="out_of_hours",
        lamp="not now",
    )
    return Seen(f"{tap.text}; reason 'out_of_hours', {day}s only", tap.milliseconds)


async def invite(stage: Stage, person: str, kind: int) -> Json:
    """Invite somebody by link or code; return the credential, with the secret."""
    path = f"/people/{stage.site.people[person]}/credentials"
    return (await stage.office.post(path, {"credential_type_id": kind})).body


async def expect_active(stage: Stage, credential: Json) -> None:
    """The office has to see that the invitation has become a key."""
    found = await stage.office.get(f"/credentials/{credential['id']}")
    expect(that=found["status"] == "active", seen=f"the credential is {found['status']}")


async def register_card(stage: Stage, person: str) -> None:
    """Make a card for somebody, and wait until the readers concerned know it."""
    path = f"/people/{stage.site.people[person]}/credentials"
    body = {"credential_type_id": CARD, "value": stage.holders[person].make_card()}
    done = await stage.office.post(path, body)
    await stage.processed(done.change)


RUNNING = Step(
    "Everything runs",
    "all processes alive, three readers online",
    everything_runs,
    "Broker, controller, air, NFC simulators and three readers run, each in a process.",
)
ENROL = Step(
    "Enrol by link",
    "a key for Front door and Workshop",
    enrol_by_link,
    "Ada is invited by a link. Her phone makes a key, proves that it holds it, learns the doors.",
)
OPEN_BLE = Step(
    "Open by BLE",
    "strike released, event granted",
    opens_by_ble,
    "Ada's phone finds the front door over Bluetooth. Both prove who they are; the door decides.",
)
OPEN_NFC = Step(
    "Open by NFC",
    "strike released, event granted",
    opens_by_nfc,
    "Cleo holds a card with a key of its own to the workshop's NFC reader.",
)
STRANGER_BLE = Step(
    "Stranger's phone",
    "refused, strike secured, event unknown",
    stranger_phone,
    "Somebody who knows where the door is tries a key that nobody knows.",
)
STRANGER_NFC = Step(
    "Stranger's card",
    "refused, strike secured, event unknown",
    stranger_card,
    "The same with a card at the workshop.",
)
OUT_OF_HOURS = Step(
    "Outside the schedule",
    "refused, event out_of_hours",
    outside_hours,
    "Ben may enter the workshop, but not on a day like today.",
)
