"""Whatever is wrong with a request is said, all at once, by field; and nothing is changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from controller.store.tables import Change
from shared.credential.p256 import PrivateKey
from tests.controller.client import TOKEN, Api
from tests.controller.keys import hex_key

LONG = "x" * 201
BLOCK = {"day": "Monday", "start_time": "09:00", "end_time": "17:00"}
HOLIDAY = {"name": "x", "first_day": "2025-12-25", "last_day": "2025-12-26"}
COMPRESSED = PrivateKey.from_bytes(bytes(31) + b"\x07").public.compressed.hex()
OFF_CURVE = hex_key(3)[:-2] + f"{int(hex_key(3)[-2:], 16) ^ 1:02x}"

# Method, path, body, and the field that is at fault.
WRONG: list[tuple[str, str, Any, str]] = [
    ("POST", "/sites", {"time_zone": "UTC"}, "name"),
    ("POST", "/sites", {"name": "x"}, "time_zone"),
    ("POST", "/sites", {"name": "Main", "time_zone": "UTC"}, "name"),
    ("POST", "/sites", {"name": LONG, "time_zone": "UTC"}, "name"),
    ("PUT", "/sites/1", {"name": "  "}, "name"),
    ("PUT", "/sites/1", {"name": "a\x07b"}, "name"),
    ("PUT", "/sites/1", {"name": 5}, "name"),
    ("PUT", "/sites/1", {"time_zone": "Mars/Olympus"}, "time_zone"),
    ("PUT", "/sites/1", {"time_zone": "../../etc/passwd"}, "time_zone"),
    ("PUT", "/sites/1", {"time_zone": "America"}, "time_zone"),
    ("PUT", "/sites/1", {"time_zone": ""}, "time_zone"),
    ("PUT", "/sites/1", {"holidays": {}}, "holidays"),
    ("PUT", "/sites/1", {"holidays": [HOLIDAY] * 401}, "holidays"),
    ("PUT", "/sites/1", {"holidays": [{**HOLIDAY, "kind": 17}]}, "holidays[0].kind"),
    ("PUT", "/sites/1", {"holidays": [{**HOLIDAY, "first_day": "25.12.2025"}]},
     "holidays[0].first_day"),
    ("PUT", "/sites/1", {"holidays": [{**HOLIDAY, "first_day": "1969-12-31"}]},
     "holidays[0].first_day"),
    ("PUT", "/sites/1", {"holidays": [{**HOLIDAY, "last_day": "2025-02-30"}]},
     "holidays[0].last_day"),
    ("PUT", "/sites/1", {"holidays": [{**HOLIDAY, "last_day": "2025-12-24"}]}, "holidays[0]"),
    ("POST", "/people", {"last_name": "x"}, "first_name"),
    ("POST", "/people", {"first_name": None, "last_name": "x"}, "first_name"),
    ("PUT", "/people/1", {"email": "nobody"}, "email"),
    ("PUT", "/people/1", {"email": "a b@c.example"}, "email"),
    ("PUT", "/people/1", {"email": "CHARLES@example.org"}, "email"),
    ("PUT", "/people/1", {"system_id": "C-2"}, "system_id"),
    ("PUT", "/people/1", {"mobile": "020 7946 0123"}, "mobile"),
    ("PUT", "/people/1", {"mobile": "+44 call me"}, "mobile"),
    ("PUT", "/people/1", {"enabled": "maybe"}, "enabled"),
    ("PUT", "/people/1", {"enabled": 1}, "enabled"),
    ("PUT", "/people/1", {"notes": "x" * 2001}, "notes"),
    ("PUT", "/people/1", {"valid_from": "tomorrow"}, "valid_from"),
    ("PUT", "/people/1", {"valid_from": "2025-06-02T09:00:00"}, "valid_from"),
    ("PUT", "/people/1", {"valid_from": "1969-06-02T09:00:00Z"}, "valid_from"),
    ("PUT", "/people/1", {"valid_from": "9999-12-31T23:59:59-10:00"}, "valid_from"),
    ("PUT", "/people/1", {"valid_from": 1748858400}, "valid_from"),
    ("PUT", "/people/1", {"valid_from": "2025-06-02T09:00:00Z",
                          "valid_to": "2025-06-02T09:00:00Z"}, "valid_to"),
    ("PUT", "/people/1", {"group_ids": [1, 99]}, "group_ids"),
    ("PUT", "/people/1", {"group_ids": [2**70]}, "group_ids[0]"),
    ("PUT", "/people/1", {"group_ids": "1"}, "group_ids"),
    ("PUT", "/people/1", {"group_ids": [True]}, "group_ids[0]"),
    ("POST", "/groups", {"notes": "x"}, "name"),
    ("POST", "/groups", {"name": "Staff"}, "name"),
    ("PUT", "/groups/1", {"person_ids": [1, 404]}, "person_ids"),
    ("POST", "/doors", {"name": "Front"}, "name"),
    ("PUT", "/doors/1", {"methods": []}, "methods"),
    ("PUT", "/doors/1", {"methods": ["pkoc-nfc", "magic"]}, "methods"),
    ("PUT", "/doors/1", {"release_seconds": 0}, "release_seconds"),
    ("PUT", "/doors/1", {"release_seconds": 121}, "release_seconds"),
    ("PUT", "/doors/1", {"release_seconds": "5"}, "release_seconds"),
    ("PUT", "/doors/1", {"release_extended_seconds": 601}, "release_extended_seconds"),
    ("PUT", "/doors/1", {"held_after_seconds": 4}, "held_after_seconds"),
    ("PUT", "/doors/1", {"lease_seconds": 3599}, "lease_seconds"),
    ("PUT", "/doors/1", {"lease_seconds": 2_592_001}, "lease_seconds"),
    ("PUT", "/doors/1", {"site_id": 9}, "site_id"),
    ("PUT", "/doors/1", {"unlock_schedule_id": 9}, "unlock_schedule_id"),
    ("PUT", "/doors/1", {"lock_until": "soon"}, "lock_until"),
    ("POST", "/doors/1/unlock", {"relock_at": "2025-06-02T09:59:59Z"}, "relock_at"),
    ("POST", "/doors/1/unlock", {"relock_at": 7}, "relock_at"),
    ("POST", "/readers", {"name": "x"}, "door_id"),
    ("POST", "/readers", {"name": "x", "door_id": 99}, "door_id"),
    ("POST", "/readers", {"name": "x", "door_id": 1}, "door_id"),
    ("POST", "/access_plans", {}, "name"),
    ("POST", "/access_plans", {"name": "Plan"}, "name"),
    ("PUT", "/access_plans/1", {"schedule_id": 99}, "schedule_id"),
    ("PUT", "/access_plans/1", {"door_ids": [99]}, "door_ids"),
    ("PUT", "/access_plans/1", {"group_ids": [99]}, "group_ids"),
    ("PUT", "/access_plans/1", {"person_ids": [99]}, "person_ids"),
    ("POST", "/schedules", {"times": []}, "name"),
    ("POST", "/schedules", {"name": "Office"}, "name"),
    ("PUT", "/schedules/1", {"times": [BLOCK] * 13}, "times"),
    ("PUT", "/schedules/1", {"times": [{**BLOCK, "day": "Mon"}]}, "times[0].day"),
    ("PUT", "/schedules/1", {"times": [{**BLOCK, "start_time": "24:00"}]}, "times[0].start_time"),
    ("PUT", "/schedules/1", {"times": [{**BLOCK, "start_time": "9:00"}]}, "times[0].start_time"),
    ("PUT", "/schedules/1", {"times": [{**BLOCK, "end_time": "24:01"}]}, "times[0].end_time"),
    ("PUT", "/schedules/1", {"times": [{**BLOCK, "end_time": "09:00"}]}, "times[0]"),
    ("PUT", "/schedules/1", {"times": [{"day": "Monday", "end_time": "10:00"}]},
     "times[0].start_time"),
    ("PUT", "/schedules/1", {"times": ["always"]}, "times[0]"),
    ("PUT", "/schedules/1", {"holidays": [{"kind": 0}]}, "holidays[0].kind"),
    ("PUT", "/schedules/1", {"holidays": [{"kind": 1}, {"kind": 1}]}, "holidays"),
    ("PUT", "/schedules/1",
     {"holidays": [{"kind": 1, "times": [{"start_time": "10:00", "end_time": "10:00"}]}]},
     "holidays[0].times[0]"),
    ("POST", "/people/1/credentials", {}, "credential_type_id"),
    ("POST", "/people/1/credentials", {"credential_type_id": 7}, "credential_type_id"),
    ("POST", "/people/1/credentials", {"credential_type_id": "8"}, "credential_type_id"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": "00112345"}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": "zz" * 65}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": COMPRESSED}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": OFF_CURVE}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": "00" * 65}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": "04" + "00" * 64},
     "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": hex_key(9001)}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 5, "value": hex_key(9501)}, "value"),
    ("POST", "/people/2/credentials", {"credential_type_id": 5, "value": hex_key(1)}, "value"),
    ("POST", "/people/1/credentials", {"credential_type_id": 8, "max_uses": 0}, "max_uses"),
    ("POST", "/people/1/credentials", {"credential_type_id": 8, "state": "gone"}, "state"),
    ("POST", "/people/1/credentials", {"credential_type_id": 8, "label": LONG}, "label"),
    ("POST", "/people/1/credentials",
     {"credential_type_id": 8, "not_before": "2025-06-02T09:00:00Z",
      "not_after": "2025-06-01T09:00:00Z"}, "not_after"),
    ("POST", "/credentials", {"credential_type_id": 8}, "person_id"),
    ("POST", "/credentials", {"credential_type_id": 8, "person_id": 99}, "person_id"),
    ("POST", "/people/import", {}, "people"),
    ("POST", "/people/import", {"people": []}, "people"),
    ("POST", "/people/import", {"people": ["Ada"]}, "people"),
    ("POST", "/people/import", {"people": [{"first_name": "x"}]}, "people[0].last_name"),
    ("GET", "/people?per_page=0", None, "per_page"),
    ("GET", "/people?per_page=101", None, "per_page"),
    ("GET", "/people?page=0", None, "page"),
    ("GET", "/people?page=two", None, "page"),
    ("GET", "/people?page=99999999999999999999", None, "page"),
    ("GET", "/people?group_id=x", None, "group_id"),
    ("GET", f"/people?q={LONG}", None, "q"),
    ("GET", "/doors?site_id=0", None, "site_id"),
    ("GET", "/events?kind=party", None, "kind"),
    ("GET", "/events?since=yesterday", None, "since"),
    ("GET", "/events?sort=up", None, "sort"),
    ("GET", "/events?n=0", None, "n"),
    ("GET", "/changes?processing=perhaps", None, "processing"),
]  # fmt: skip

UNKNOWN: list[tuple[str, str]] = [
    *((method, path) for path in (
        "/sites/{}", "/people/{}", "/groups/{}", "/doors/{}", "/access_plans/{}", "/schedules/{}",
        "/credentials/{}", "/people/1/credentials/{}", "/people/{}/credentials/a",
    ) for method in ("GET", "PUT", "DELETE") if (path, method) != ("/sites/{}", "DELETE")),
    *(("POST", f"/doors/{{}}/{act}") for act in (
        "admit", "lockdown", "unlockdown", "unlock", "normal",
    )),
    ("GET", "/readers/{}"), ("DELETE", "/readers/{}"), ("POST", "/readers/{}/token"),
    ("GET", "/people/{}/credentials"), ("POST", "/credentials/{}/resend"),
    ("PUT", "/groups/{}/people/1"), ("PUT", "/groups/1/people/{}"),
    ("DELETE", "/groups/{}/people/1"), ("DELETE", "/groups/1/people/{}"),
    ("GET", "/admission_requests/{}"), ("GET", "/changes/{}"), ("GET", "/events/{}"),
    ("GET", "/nothing/{}"),
]  # fmt: skip
NO_NUMBERS = ["99999", "0", "-1", "abc", str(2**63), "9" * 40, "%00", "1'%20OR%201=1"]


@pytest.fixture
async def world(api: Api) -> Api:
    """Two people, a card, a group, a door with a reader, a plan, a schedule."""
    await api.person()
    await api.person(first_name="Charles", email="charles@example.org", system_id="C-2")
    await api.card(1, 1)
    await api.post("/groups", {"name": "Staff"})
    await api.reader(await api.door())
    await api.post("/access_plans", {"name": "Plan"})
    await api.post("/schedules", {"name": "Office"})
    return api


async def count_changes(api: Api) -> int:
    async with api.database.read() as session:
        return await session.scalar(select(func.count()).select_from(Change)) or 0


async def test_every_bad_field_is_named(world: Api) -> None:
    before, unexpected = await count_changes(world), []
    for method, path, body, field in WRONG:
        errors = await world.wrong(method, path, body)
        if list(errors) != [field] or LONG in str(errors):
            unexpected.append((method, path, body, errors))
    assert unexpected == []
    assert await count_changes(world) == before


async def test_all_of_them_at_once(world: Api) -> None:
    body = {
        "first_name": "",
        "email": "charles@example.org",
        "enabled": 0,
        "valid_from": "x",
        "group_ids": [7],
    }
    errors = await world.wrong("POST", "/people", body)
    assert sorted(errors) == [
        "email", "enabled", "first_name", "group_ids", "last_name", "valid_from",
    ]  # fmt: skip


async def test_unknown_things_are_not_found(world: Api) -> None:
    for method, path in UNKNOWN:
        for number in NO_NUMBERS:
            status, said = await world.refused(method, path.format(number), {})
            assert (status, said["error"]) == (404, "not_found"), (method, path, number)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"first_name": "A" "last_name": "B"}',
        b"\xff\xfe",
        b'{"first_name": "\xed\xa0\x80"}',
        b'{"first_name": "\\ud800"}',
        b"[]",
        b'"text"',
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"first_name": NaN}',
        b"{} {}",
    ],
)
async def test_what_is_no_json_object_is_a_bad_request(api: Api, body: bytes) -> None:
    for method, path in (("POST", "/people"), ("PUT", "/sites/1"), ("POST", "/people/import")):
        status, said = await api.refused(method, path, body)
        assert (status, said["error"]) == (400, "bad_request")


async def test_a_body_may_not_be_endless(api: Api) -> None:
    body = b'{"first_name": "' + b"x" * 3_000_000 + b'"}'
    status, said = await api.refused("POST", "/people", body)
    assert (status, said["error"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/people/1", "DELETE, GET, PUT"), ("/people", "GET, POST"), ("/doors/1/admit", "POST")],
)
async def test_a_method_that_is_not_there(api: Api, path: str, allowed: str) -> None:
    for method in ("PATCH", "OPTIONS"):
        response = await api.ask(method, path, {})
        assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == allowed
        assert f"{method}, but {allowed}" in response.json()["error_description"]


# One of every kind that JSON has.
ANYTHING = [5, -1, 2**63, 2**70, 1.5, "", "x", "\x00", True, [], ["x"], [[]], {}, {"x": 1}]


async def test_what_is_said_is_said_in_words_of_ours(api: Api, app: FastAPI) -> None:
    """Not in those of the library that found it, which speak of inputs and of patterns."""
    said: list[list[str]] = []
    for path, methods in app.openapi()["paths"].items():
        for method in methods.keys() & {"post", "put"}:
            fields = _fields(app, methods[method])
            for value in ANYTHING:
                body = dict.fromkeys(fields, value)
                response = await api.client.request(
                    method,
                    path.format_map(_Ones()),
                    json=body,
                    headers={"Authorization": f"Bearer {TOKEN}"},
                )
                assert response.status_code < 500, (path, body)
                said += response.json().get("errors", {}).values() if response.is_error else []
    for query in ("page=x", "group_id=x", "page=1e9", "per_page=NaN"):
        said += (await api.wrong("GET", f"/people?{query}")).values()
    for query in ("kind=x", "sort=x", "since=x", "door_id=1.5", "n=x"):
        said += (await api.wrong("GET", f"/events?{query}")).values()
    texts = {text for several in said for text in several}
    assert len(texts) > 20
    assert {text for text in texts if re.search("[Ii]nput|String|Value error", text)} == set()


class _Ones(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


def _fields(app: FastAPI, operation: dict[str, Any]) -> list[str]:
    """Return the names of the fields that the body of `operation` may have."""
    if "requestBody" not in operation:
        return []
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = app.openapi()["components"]["schemas"][reference.split("/")[-1]]
    return list(schema["properties"])


async def test_bodies_bare_or_wrapped(api: Api) -> None:
    """Unknown keys are ignored; where both are given, what is in the wrapper counts."""
    body = {"first_name": "Bare", "person": {"first_name": "Ada", "last_name": "L", "x": 1}}
    made = await api.post("/people", body)
    assert (made["first_name"], made["last_name"]) == ("Ada", "L")
    made = await api.post("/people", {"first_name": "B", "last_name": "C", "person": None, "y": 2})
    assert made["first_name"] == "B"


async def test_null_is_a_value_only_where_it_means_something(api: Api) -> None:
    number = await api.person(email="ada@example.org", department="Engines")
    body = {"email": None, "first_name": None, "enabled": None, "group_ids": None}
    said = await api.put(f"/people/{number}", body)
    assert (said["email"], said["first_name"], said["enabled"]) == (None, "Ada", True)
    assert said["department"] == "Engines"
