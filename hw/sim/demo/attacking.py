"""A hostile broker tries three plans: an old one again, one of an old epoch, one of its own."""

from __future__ import annotations

import time

import msgspec

from hw.sim.demo.attacker import page_of
from hw.sim.demo.keys import plan_key, signing_key
from hw.sim.demo.opening import BLE
from hw.sim.demo.site import ADA, FRONT
from hw.sim.demo.stage import Differs, Stage, expect
from hw.sim.demo.steps import Seen, Step
from hw.sim.phone import wallet
from shared.access.rows import Grant, encode_row
from shared.credential.p256 import PrivateKey
from shared.wire.envelope import seal_signed
from shared.wire.messages import PlanPage
from shared.wire.topics import Leaf


async def replayed(stage: Stage) -> Seen:
    pages = await _pages(stage)
    newest = pages[-1][1].after.version
    old = [data for data, page in pages if page.after.version < newest]
    return await _attack(stage, old[-1], "again")


async def old_epoch(stage: Stage) -> Seen:
    forged = _widened(stage, (await _pages(stage))[-1][1], epoch=-1)
    return await _attack(
        stage, seal_signed(forged, await signing_key(stage.world), Leaf.PLAN), "epoch"
    )


async def other_key(stage: Stage) -> Seen:
    forged = _widened(stage, (await _pages(stage))[-1][1], epoch=0)
    own: PrivateKey = wallet.new_key("attacker", 0).private
    return await _attack(stage, seal_signed(forged, own, Leaf.PLAN), "signed by a key")


async def _pages(stage: Stage) -> list[tuple[bytes, PlanPage]]:
    """The plan messages for the front door that went by, the oldest first."""
    reader, key = stage.site.readers[FRONT], await plan_key(stage.post(FRONT))
    found = []
    for data in stage.attacker.heard(reader):
        page = page_of(data, reader, key)
        if page is not None:
            found.append((data, page))
    versions = {page.after.version for _, page in found}
    expect(that=len(versions) > 1, seen=f"only these versions went by: {versions}")
    return found


def _widened(stage: Stage, real: PlanPage, *, epoch: int) -> PlanPage:
    """A snapshot that would let the stranger in, made from the newest real plan."""
    key = stage.holders[ADA].stranger().key.private.public.point
    row = encode_row(Grant(key=key, plan=1, credential=1, person=1))
    after = msgspec.structs.replace(
        real.after, epoch=real.after.epoch + epoch, version=real.after.version + 1
    )
    return msgspec.structs.replace(real, base=None, after=after, put=(row,), delete=())


async def _attack(stage: Stage, message: bytes, detail: str) -> Seen:
    reader, post = stage.site.readers[FRONT], stage.post(FRONT)
    after = await stage.mark(FRONT)
    before = await stage.office.get(f"/readers/{reader}")
    began = time.monotonic()
    await stage.attacker.say(reader, message)
    event = await stage.office.event(reader, {"kind": "message_refused"}, after=after)
    took = (time.monotonic() - began) * 1000
    expect(that=detail in str(event["detail"]), seen=f"refused because: {event['detail']}")
    await stage.settled()
    now = await stage.office.get(f"/readers/{reader}")
    for member in ("version", "acked_version"):
        if now[member] != before[member]:
            raise Differs(f"the plan's {member} is {now[member]}, it was {before[member]}")
    stranger, ada = stage.holders[ADA].stranger(), stage.holders[ADA]
    await stage.refuses(
        FRONT, lambda: stranger.tap_ble(stage.world, post), reason="unknown", lamp="not here"
    )
    await stage.opens(FRONT, lambda: ada.tap_ble(stage.world, post), person=ADA, method=BLE)
    return Seen(f"refused: {event['detail']}", took)


_EXPECTED = "refused, event message_refused, plan unchanged"
REPLAY = Step(
    "A plan replayed",
    _EXPECTED,
    replayed,
    "Somebody on the broker sends an old plan again, really signed by the controller.",
)
OLD_EPOCH = Step(
    "A plan of an old epoch",
    _EXPECTED,
    old_epoch,
    "A plan of a time before a restore, signed with the controller's own key.",
)
OTHER_KEY = Step(
    "A plan signed by another key",
    _EXPECTED,
    other_key,
    "A plan that lets the attacker in, signed with the attacker's key.",
)
