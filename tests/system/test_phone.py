"""`doorward-phone` against a real controller and a real reader, each in a process of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from hw.sim.demo.holders import Holder, holder
from hw.sim.demo.opening import BLE, BY_CODE, BY_LINK, expect_active, invite
from hw.sim.demo.processes import Finished
from hw.sim.demo.site import ADA, CLEO, FRONT, STAFF, STORE, WORKSHOP
from hw.sim.demo.stage import Stage
from hw.sim.phone import load, wallet
from hw.sim.phone.tap import Light, Tap
from shared.credential.pkoc.provisioning import encode_credential

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def _phone(stage: Stage, who: Holder, *arguments: str) -> Finished:
    command = (sys.executable, "-m", "hw.sim.phone", "--wallet", str(who.wallet), *arguments)
    return await stage.world.processes.run(*command)


async def _redeemed(stage: Stage, name: str, person: str = ADA) -> Holder:
    """Somebody with a fresh phone that has redeemed a fresh link."""
    who = holder(name, stage.world.processes)
    credential = await invite(stage, person, BY_LINK)
    await who.phone("redeem", credential["url"])
    await expect_active(stage, credential)
    await stage.settled()
    return who


def _at(stage: Stage, who: Holder, door: str = FRONT) -> Callable[[], Awaitable[Tap]]:
    return lambda: who.tap_ble(stage.world, stage.post(door))


async def test_an_invitation_works_once(stage: Stage) -> None:
    first, second = (holder(name, stage.world.processes) for name in ("once-1", "once-2"))
    credential = await invite(stage, ADA, BY_LINK)
    assert (await _phone(stage, first, "redeem", credential["url"])).code == 0
    said = await _phone(stage, second, "redeem", credential["url"])
    assert said.code == 2
    assert "410: used" in said.output
    assert not wallet.load(second.wallet).keys
    await stage.settled()
    await stage.opens(FRONT, _at(stage, first), person=ADA, method=BLE)


async def test_a_wrong_code_is_told_nothing(stage: Stage) -> None:
    who = holder("guess", stage.world.processes)
    said = await _phone(
        stage, who, "redeem", "ABCD-EFGH-JKLM-NPQR", "--controller", stage.office.url
    )
    assert (said.code, said.output) == (
        2,
        "doorward-phone: the controller said 404: there is no invitation with this code",
    )


async def test_a_declined_invitation_is_dead(stage: Stage) -> None:
    who = holder("decliner", stage.world.processes)
    code = (await invite(stage, CLEO, BY_CODE))["invitation_code"]
    where = ("--controller", stage.office.url)
    said = await _phone(stage, who, "redeem", code, *where, "--decline")
    assert (said.code, said.output.splitlines()[0]) == (0, "Main invites Cleo.")
    said = await _phone(stage, who, "redeem", code, *where)
    assert said.code == 2
    assert "410: declined" in said.output


async def test_a_code_may_be_typed_without_hyphens_in_small_letters(stage: Stage) -> None:
    who = holder("typist", stage.world.processes)
    code = (await invite(stage, CLEO, BY_CODE))["invitation_code"]
    typed = code.replace("-", " ").lower()
    said = await _phone(stage, who, "redeem", typed, "--controller", stage.office.url)
    assert said.code == 0, said.output
    assert said.output.endswith(f"You have a key for: {FRONT}, {WORKSHOP}")


async def test_a_suspended_phone_is_refused_and_comes_back(stage: Stage) -> None:
    who = await _redeemed(stage, "suspended")
    other = await _redeemed(stage, "other")
    account = who.key.account
    assert account is not None
    path = f"/credentials/{account.credential}"
    done = await stage.office.put(path, {"enabled": False})
    await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.refuses(FRONT, _at(stage, who), reason="suspended", lamp="not here")
    await stage.opens(FRONT, _at(stage, other), person=ADA, method=BLE)
    done = await stage.office.put(path, {"enabled": True})
    await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)


async def test_two_phones_of_one_person_are_told_apart(stage: Stage) -> None:
    phones = [await _redeemed(stage, f"twin-{number}") for number in (1, 2)]
    for who in phones:
        after = await stage.mark(FRONT)
        await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)
        event = await stage.event(FRONT, after, kind="access")
        assert who.key.account is not None
        assert event["credential_id"] == who.key.account.credential


async def test_a_removed_key_is_refused_at_the_door_and_by_the_office(stage: Stage) -> None:
    who = await _redeemed(stage, "removed")
    assert who.key.account is not None
    done = await stage.office.delete(f"/credentials/{who.key.account.credential}")
    await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.refuses(FRONT, _at(stage, who), reason="revoked", lamp="not here")
    said = await _phone(stage, who, "doors")
    assert said.code == 2
    assert "410: this credential was removed" in said.output


async def test_a_door_in_lockdown_refuses_and_comes_back(stage: Stage) -> None:
    who = await _redeemed(stage, "locked")
    door = stage.site.doors[FRONT]
    done = await stage.office.post(f"/doors/{door}/lockdown", {})
    await stage.processed(done.change, FRONT)
    await stage.refuses(FRONT, _at(stage, who), reason="lockdown", lamp="not now")
    done = await stage.office.post(f"/doors/{door}/unlockdown", {})
    await stage.processed(done.change, FRONT)
    await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)


async def test_rights_follow_the_group(stage: Stage) -> None:
    who = await _redeemed(stage, "leaver", CLEO)
    path = f"/groups/{stage.site.groups[STAFF]}/people/{stage.site.people[CLEO]}"
    done = await stage.office.delete(path)
    await stage.processed(done.change, FRONT, WORKSHOP)
    tap = await stage.refuses_unseen(WORKSHOP, _at(stage, who, WORKSHOP), lamp="not here")
    assert tap.light is Light.RED
    done = await stage.office.put(path)
    await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.opens(WORKSHOP, _at(stage, who, WORKSHOP), person=CLEO, method=BLE)


async def test_a_phone_knows_no_door_it_may_not_open(stage: Stage) -> None:
    who = await _redeemed(stage, "modest")
    said = await _phone(stage, who, "tap", "ble", STORE, "--air", stage.world.air)
    assert said.code == 2
    assert f"there are keys for: {FRONT}, {WORKSHOP}" in said.output


async def test_a_crowd_gets_in_and_every_tap_is_an_event(stage: Stage) -> None:
    who = await _redeemed(stage, "crowd")
    door = who.key.door(FRONT)
    assert door is not None
    after = await stage.mark(FRONT)
    stranger = wallet.new_key("stranger", 0)
    seen = await load.crowd(
        stage.world.air, door, [who.key, stranger], phones=10, taps=2, patience=30
    )
    assert [seen.count(light) for light in Light] == [10, 10, 0], seen.troubles
    reader = stage.site.readers[FRONT]

    await stage.settled()
    events = await stage.office.events_like(
        reader, {"kind": "access"}, after=after, count=20, patience=10
    )
    found = [event["reason"] for event in events]
    assert sorted(found) == ["granted"] * 10 + ["unknown"] * 10


async def test_an_official_app_scans_the_reader_and_is_registered_by_its_key(stage: Stage) -> None:
    who = holder("app", stage.world.processes)
    await who.phone("make-card", "App")
    reader = await stage.office.get(f"/readers/{stage.site.readers[FRONT]}")
    await who.phone("scan", reader["pkoc_code"], FRONT)
    value = encode_credential(who.key.private.public)
    done = await stage.office.post(
        f"/people/{stage.site.people[ADA]}/credentials", {"credential_type_id": 5, "value": value}
    )
    await stage.processed(done.change, FRONT, WORKSHOP)
    shown = {number["bits"]: number["hexadecimal"] for number in done.body["numbers"]}
    assert shown[256] == value[2:66]
    assert value[2:66].endswith(shown[64])
    said = await _phone(stage, who, "tap", "ble", FRONT, "--air", stage.world.air)
    assert (said.code, said.output.split()[0]) == (0, "GREEN:")


async def test_a_phone_judges_a_door_by_its_site(stage: Stage) -> None:
    who = await _redeemed(stage, "careful")
    path = f"/doors/{stage.site.doors[FRONT]}"
    done = await stage.office.put(path, {"reader_certificate": True})
    await stage.processed(done.change, FRONT)
    await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)
    door = who.key.door(FRONT)
    assert door is not None
    foreign = replace(door, issuer=wallet.new_key("another site", 0).private.public)
    wallet.change(who.wallet, who.key.with_door(foreign))
    said = await _phone(stage, who, "tap", "ble", FRONT, "--air", stage.world.air)
    assert said.code == 2
    assert "bad_certificate: the site has not signed the certificate" in said.output
    done = await stage.office.put(path, {"reader_certificate": False})
    await stage.processed(done.change, FRONT)
    await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)


async def test_a_reader_that_hangs_is_trouble_and_no_refusal(stage: Stage) -> None:
    who = await _redeemed(stage, "patient")
    reader = stage.post(FRONT).reader
    stage.world.processes.signal(reader, signal.SIGSTOP)
    try:
        door = who.key.door(FRONT)
        assert door is not None
        said = await _phone(
            stage, who, "tap", "ble", FRONT, "--air", stage.world.air, "--patience", "1"
        )
    finally:
        stage.world.processes.signal(reader, signal.SIGCONT)
    assert said.code == 2
    assert said.output.startswith("TROUBLE: ")
    await stage.settled()
    await stage.opens(FRONT, _at(stage, who), person=ADA, method=BLE)
