"""Rights change: how soon a door knows, and how soon the office knows that it does."""

from __future__ import annotations

from dataclasses import dataclass

from hw.sim.demo.office import Done, Json, unix
from hw.sim.demo.opening import BLE, BY_CODE, NFC, expect_active, invite, register_card
from hw.sim.demo.site import ADA, ALWAYS, DOORS, DORA, EMIL, FRONT, STAFF, STORE, WORKSHOP
from hw.sim.demo.stage import Stage, expect, walk_through
from hw.sim.demo.steps import Seen, Step
from hw.sim.phone.eyes import watch


async def grant_in_force(stage: Stage) -> Seen:
    dora, site, post = stage.holders[DORA], stage.site, stage.post(WORKSHOP)
    await register_card(stage, DORA)
    await stage.refuses(WORKSHOP, lambda: dora.tap_nfc(post), reason="unknown", lamp="not here")
    done = await stage.office.put(f"/groups/{site.groups[STAFF]}/people/{site.people[DORA]}")
    change = await stage.processed(done.change, FRONT, WORKSHOP)
    tap = await stage.opens(WORKSHOP, lambda: dora.tap_nfc(post), person=DORA, method=NFC)
    got = receipt(stage, change, WORKSHOP, done)
    return Seen(f"refused before; {got}; then {tap.text}", got.after_commit)


async def phone_learns(stage: Stage) -> Seen:
    ada, doors = stage.holders[ADA], stage.site.doors
    plan = stage.site.plans[ALWAYS]
    body = {"door_ids": [doors[name] for name in DOORS]}
    done = await stage.office.put(f"/access_plans/{plan}", body)
    change = await stage.processed(done.change, STORE)
    shows = await stage.office.put(f"/doors/{doors[STORE]}", {"reader_certificate": True})
    await stage.processed(shows.change, STORE)
    said = (await ada.phone("doors")).splitlines()[-1]
    expect(that=STORE in said, seen=f"the phone says: {said}")
    await stage.opens(
        STORE, lambda: ada.tap_ble(stage.world, stage.post(STORE)), person=ADA, method=BLE
    )
    return Seen(f"{said}; {STORE} opens", receipt(stage, change, STORE, done).after_commit)


async def enrol_by_code(stage: Stage) -> Seen:
    emil, post = stage.holders[EMIL], stage.post(FRONT)
    credential = await invite(stage, EMIL, BY_CODE)
    code = credential["invitation_code"]
    said = await emil.phone("redeem", code, "--controller", stage.office.url)
    await expect_active(stage, credential)
    await stage.settled()
    tap = await stage.opens(FRONT, lambda: emil.tap_ble(stage.world, post), person=EMIL, method=BLE)
    return Seen(f"{said.splitlines()[-1]}; {tap.text}", tap.milliseconds)


async def one_visit(stage: Stage) -> Seen:
    emil = stage.holders[EMIL]
    person = stage.site.people[EMIL]
    [credential] = await stage.office.get(f"/people/{person}/credentials")
    path = f"/credentials/{credential['id']}"
    await stage.processed((await stage.office.put(path, {"max_uses": 1})).change, FRONT, WORKSHOP)
    tap = await stage.opens(
        FRONT,
        lambda: emil.tap_ble(stage.world, stage.post(FRONT)),
        person=EMIL,
        method=BLE,
    )
    await stage.refuses(
        WORKSHOP,
        lambda: emil.tap_ble(stage.world, stage.post(WORKSHOP)),
        reason="used_up",
        lamp="not now",
    )
    uses = (await stage.office.get(path))["uses"]
    expect(that=uses == 1, seen=f"the office counts {uses} uses")
    await stage.processed((await stage.office.put(path, {"max_uses": None})).change)
    return Seen(f"{FRONT} opens; then {WORKSHOP} refuses: used_up", tap.milliseconds)


async def revocation(stage: Stage) -> Seen:
    emil, post = stage.holders[EMIL], stage.post(FRONT)
    person = stage.site.people[EMIL]
    credentials = await stage.office.get(f"/people/{person}/credentials")
    done = await stage.office.delete(f"/people/{person}/credentials/{credentials[0]['id']}")
    change = await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.refuses(
        FRONT, lambda: emil.tap_ble(stage.world, post), reason="revoked", lamp="not here"
    )
    got = receipt(stage, change, FRONT, done)
    return Seen(f"{got}; then refused: revoked", got.after_commit)


async def change_processed(stage: Stage) -> Seen:
    sites = await stage.office.get("/sites")
    day = {"name": "Summer party", "first_day": "2030-07-01", "last_day": "2030-07-01", "kind": 1}
    done = await stage.office.put(f"/sites/{sites[0]['id']}", {"holidays": [day]})
    change = await stage.processed(done.change, *DOORS)
    slowest = max(float(reader["milliseconds"]) for reader in change["readers"])
    text = (
        f"processed, {len(change['readers'])} readers acknowledged, the last after {slowest:.0f} ms"
    )
    return Seen(text, float(change["milliseconds"]))


async def remote_open(stage: Stage) -> Seen:
    door = stage.site.doors[FRONT]
    after = await stage.mark(FRONT)
    async with watch(*stage.post(FRONT).wires) as eyes:
        await eyes.calm(patience=15)
        done = await stage.office.post(f"/doors/{door}/admit", {})
        line = await eyes.see(lambda now: now.strike == "released", patience=5)
        await walk_through(eyes)
    request = await stage.office.until(
        f"/admission_requests/{done.body['admission_request_id']}",
        lambda found: found["status"] != "pending",
        patience=5,
    )
    expect(that=request["status"] == "admitted", seen=f"the request is {request['status']}")
    event = await stage.event(FRONT, after, kind="remote")
    expect(that=bool(event["operator"]), seen="the event does not name the operator")
    await stage.event(FRONT, after, kind="entered")
    taps = [
        e
        for e in await stage.office.events(stage.site.readers[FRONT], after=after)
        if e["kind"] == "access"
    ]
    expect(that=not taps, seen="the remote opening was written down as a tap")
    took = (line.at - unix(request["requested_at"])) * 1000
    return Seen("admitted; strike released, event remote with its operator", took)


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a reader had acknowledged an edit, in milliseconds after its commit and its answer."""

    after_commit: float
    after_answer: float

    def __str__(self) -> str:
        answered = f"{self.after_answer:.0f} ms after" if self.after_answer > 0 else "before"
        return f"receipt {self.after_commit:.0f} ms after the commit, {answered} the answer"


def receipt(stage: Stage, change: Json, door: str, done: Done) -> Receipt:
    """The receipt of the door's reader, as the office has it."""
    reader = next(one for one in change["readers"] if one["id"] == stage.site.readers[door])
    after_answer = (unix(reader["acked_at"]) - done.at) * 1000
    return Receipt(float(reader["milliseconds"]), after_answer)


GRANT = Step(
    "New grant in force",
    "unknown before; receipt; then the card opens",
    grant_in_force,
    "Dora's card is unknown at the workshop. She joins the staff, the signed delta travels.",
)
NEW_DOOR = Step(
    "A door for the phone",
    "the phone learns it and opens it",
    phone_learns,
    "The staff may enter the store room from now on. Ada's phone asks which doors it opens by now. "
    "Its reader shows her phone a certificate of the site.",
)
CODE = Step(
    "Enrol by code",
    "a key, and the door opens",
    enrol_by_code,
    "Emil types a code instead of following a link, and opens the front door.",
)
VISIT = Step(
    "A key for one visit",
    "opens one door once, then none",
    one_visit,
    "Emil's key is good once more, at whichever door. The doors ask the office, which counts.",
)
REVOKE = Step(
    "Revocation",
    "receipt; then refused, event revoked",
    revocation,
    "Emil's key is removed. The refusal overtakes everything else on its way to the doors.",
)
PROCESSED = Step(
    "A change reads processed",
    "all three readers acknowledged",
    change_processed,
    "One edit that concerns every door: a holiday. The office sees who has applied it.",
)
REMOTE = Step(
    "Remote open",
    "admitted, strike released, event remote",
    remote_open,
    "The office opens the front door for a visitor.",
)
