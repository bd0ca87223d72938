"""Changes and events as operators see them."""

from __future__ import annotations

from typing import Any

from controller.ingest.store import store as store_batches
from controller.store.tables import Admission, ChangeTarget, Credential, EventRecord
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.access.rows import Method
from shared.wire.events import GENESIS, Event, EventKind, encode_event
from shared.wire.messages import EventBatch
from tests.controller.client import Api
from tests.controller.conftest import NOON, Clock


async def store(api: Api, reader: str, door: int, *events: Event) -> None:
    """Store events as the ingest does."""
    async with api.database.transaction() as session:
        for event in events:
            session.add(
                EventRecord(
                    reader_id=reader,
                    journal=bytes(8),
                    seq=event.seq,
                    door_id=door,
                    at=event.at,
                    received_at=event.at + 250,
                    replayed=event.seq % 2 == 1,
                    kind=event.kind.value,
                    reason=event.reason.value if event.reason else None,
                    person_id=event.person,
                    credential_id=event.credential,
                    body=encode_event(event),
                )
            )


def tap(seq: int, at: int, **more: Any) -> Event:
    return Event(seq=seq, at=at, trust=Trust.TRUSTED, kind=EventKind.ACCESS, **more)


async def test_an_event_names_door_person_and_credential(api: Api) -> None:
    person = await api.person()
    handle = await api.card(person, 1)
    door = await api.door()
    reader = await api.reader(door)
    async with api.database.read() as session:
        credential = (await session.get_one(Credential, 1)).id
    reasons = (Reason.SUSPENDED, Reason.LOCKDOWN)
    event = tap(
        3, NOON, person=person, credential=credential, reason=reasons[0], reasons=reasons,
        method=Method.PKOC_BLE_ECDHE, detail="x",
    )  # fmt: skip
    await store(api, reader, door, event)
    (said,) = await api.get("/events")
    assert said == {
        "id": 1,
        "door_id": door,
        "door_name": "Front",
        "reader_id": reader,
        "seq": 3,
        "occurred_at": "2025-06-02T10:00:00.000Z",
        "received_at": "2025-06-02T10:00:00.250Z",
        "replayed": True,
        "kind": "access",
        "reason": "suspended",
        "reasons": ["suspended", "lockdown"],
        "method": "pkoc-ble-ecdhe",
        "cloneable": False,
        "person_id": person,
        "person_name": "Ada Lovelace",
        "credential_id": handle,
        "command": None,
        "operator": None,
        "detail": "x",
    }
    assert await api.get("/events/1") == said


async def test_an_event_by_a_card_number_says_that_it_may_be_a_copy(api: Api) -> None:
    door = await api.door()
    event = tap(1, NOON, reason=Reason.GRANTED, reasons=(), method=Method.CARD_NUMBER)
    await store(api, await api.reader(door), door, event)
    (said,) = await api.get("/events")
    assert (said["method"], said["cloneable"]) == ("card-number", True)


async def test_names_outlive_what_they_name(api: Api) -> None:
    person = await api.person()
    await api.card(person, 1)
    door = await api.door()
    reader = await api.reader(door)
    await store(api, reader, door, tap(1, NOON, person=person, credential=1))
    before = await api.get("/events/1")
    await api.delete(f"/people/{person}")
    await api.delete(f"/readers/{reader}")
    await api.delete(f"/doors/{door}")
    assert await api.get("/events/1") == before


async def test_a_remote_opening_names_the_operator(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door, online=True)
    number = (await api.post(f"/doors/{door}/admit"))["admission_request_id"]
    async with api.database.read() as session:
        command = (await session.get_one(Admission, number)).command
    event = Event(
        seq=1, at=NOON, trust=Trust.TRUSTED, kind=EventKind.REMOTE, command=command, operator=number
    )
    await store(api, reader, door, event)
    said = await api.get("/events/1")
    assert (said["kind"], said["command"], said["operator"]) == (
        "remote",
        command.hex(),
        "operator",
    )


async def test_filters_and_order(api: Api) -> None:
    one, two = await api.person(), await api.person()
    handle = await api.card(one, 1)
    front, back = await api.door("Front"), await api.door("Back")
    first, second = await api.reader(front), await api.reader(back)
    minute = 60_000
    await store(api, first, front, tap(1, NOON, person=one, credential=1),
                tap(2, NOON + minute, person=two))  # fmt: skip
    late = Event(seq=3, at=NOON + 2 * minute, trust=Trust.TRUSTED, kind=EventKind.FORCED)
    await store(api, second, back, late)

    async def found(query: str) -> list[int]:
        return [event["seq"] for event in await api.get(f"/events?{query}")]

    assert await found("") == [3, 2, 1]
    assert await found("sort=ASC") == [1, 2, 3]
    assert await found(f"door_id={front}") == [2, 1]
    assert await found(f"person_id={one}") == [1]
    assert await found(f"credential={handle}") == [1]
    assert await found("credential=nobody") == []
    assert await found(f"reader_id={second}") == [3]
    assert await found("kind=forced") == [3]
    assert await found("since=2025-06-02T10:01:00Z") == [3, 2]
    assert await found("since=2025-06-02T12:01:00.001%2B02:00") == [3]
    assert await found("n=1") == [3]
    assert await found("n=1&page=3") == [1]
    assert await found("per_page=2") == [3, 2]


async def test_a_change_from_commit_to_processed(api: Api, clock: Clock) -> None:
    door = await api.door()
    reader = await api.reader(door)
    await api.put(f"/doors/{door}", {"lockdown": True})
    async with api.database.transaction() as session:
        target = await session.get_one(ChangeTarget, (api.change, reader))
        assert (target.version, target.deny_counter, target.acked_at) == (2, 0, None)
        target.acked_at = NOON + 420
    said = await api.get(f"/changes/{api.change}")
    assert said["readers"][0]["milliseconds"] == 420
    assert said["readers"][0]["reason"] is None
    assert (said["actor"], said["action"], said["subject"]) == (
        "operator",
        "door.update",
        f"door {door}",
    )


async def test_every_edit_is_a_change_newest_first(api: Api, clock: Clock) -> None:
    await api.person()
    clock.forward(seconds=1)
    await api.delete("/people/1")
    changes = await api.get("/changes?per_page=2")
    assert [change["action"] for change in changes] == ["person.delete", "person.create"]
    assert [change["subject"] for change in changes] == ["person 1", "person 1"]
    assert changes[0]["committed_at"] == "2025-06-02T10:00:01.000Z"
    assert changes[0]["milliseconds"] == 0


async def test_an_entry_that_cannot_be_read_hides_no_other(api: Api) -> None:
    reader = await api.reader(await api.door())
    batch = EventBatch(
        reader=reader,
        journal=b"journal1",
        kept_from=1,
        first=1,
        previous=GENESIS,
        live_from=1,
        entries=(encode_event(tap(1, NOON)), b"\xff of a later version"),
    )
    await store_batches(api.database, [batch])
    odd, other = await api.get("/events")
    assert (odd["kind"], other["kind"]) == ("unreadable", "access")
    assert odd["detail"].startswith("cannot be read")
    assert await api.get(f"/events/{odd['id']}") == odd


async def test_a_readers_mad_clock_hides_no_other(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    await store(api, reader, door, tap(1, 2**52), tap(2, 253_402_300_799_999), tap(3, NOON))
    said = [event["occurred_at"] for event in await api.get("/events")]
    assert said == ["9999-12-31T23:59:59.999Z"] * 2 + ["2025-06-02T10:00:00.000Z"]
