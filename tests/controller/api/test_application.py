"""The application as a whole: description, failures, speed of lists, two at the same time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import event
from starlette.types import Message

from controller.api.operator import Office
from controller.app import build_app
from controller.identity.api import Desk, make_router
from controller.problems import Gone, RateLimited
from controller.store.database import Database
from tests.controller.building import CONTROLLER
from tests.controller.client import PREFIX, PUBLIC_URL, TOKEN, Api

pytestmark = pytest.mark.slow  # every test builds a whole installation


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from walk(inner)


async def test_the_description_is_whole(api: Api) -> None:
    document = (await api.client.get(PREFIX + "/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for node in walk(document):
        if isinstance(node.get("$ref"), str):
            assert node["$ref"].split("/")[-1] in schemas
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            assert said["summary"], path
            assert said["description"], path
            if path.startswith(PREFIX) and path != f"{PREFIX}/status":
                assert said["security"] == [{"operator_token": []}], path
                assert "401" in said["responses"], path
            if method in {"post", "put"} and "422" in said["responses"]:
                assert said["requestBody"]["content"]["application/json"]["schema"], path
    assert "HTTPValidationError" not in schemas
    assert schemas["PersonNew"]["required"] == ["first_name", "last_name"]
    assert "required" not in schemas["PersonChange"]
    for field, good, bad in (("start_time", "23:59", "24:00"), ("end_time", "24:00", "24:01")):
        pattern = schemas["Block"]["properties"][field]["pattern"]
        assert re.search(pattern, good)
        assert not re.search(pattern, bad)


async def test_what_phones_and_readers_may_be_told_is_described(building: FastAPI) -> None:
    paths = building.openapi()["paths"]
    for path in ("/wallet/begin", "/wallet/redeem", "/wallet/doors", "/wallet/decline"):
        assert {"400", "404", "410", "413", "422", "429"} <= paths[path]["post"]["responses"].keys()
    assert "409" in paths["/wallet/redeem"]["post"]["responses"]
    assert "410" in paths["/enrol/reader"]["post"]["responses"]


async def test_the_page_needs_no_internet(api: Api) -> None:
    page = (await api.client.get(PREFIX + "/docs")).text
    script = (await api.client.get(PREFIX + "/docs.js")).text
    assert not re.search(r"(src|href)=.?(https?:)?//", page + script)
    assert "openapi.json" in script


@pytest.mark.parametrize("path", ["/", "/wallet"])
async def test_pages_for_people(api: Api, path: str) -> None:
    response = await api.client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


@pytest.fixture
def building(database: Database) -> FastAPI:
    """The application with the routes for phones and readers."""
    desk = Desk(database, CONTROLLER, PUBLIC_URL, "mqtt://broker.example")
    return build_app(Office(database, TOKEN, PUBLIC_URL), [make_router(desk)])


@pytest.fixture
async def broken(database: Database) -> httpx.AsyncClient:
    """An application with routes that fail in several ways."""
    router = APIRouter()

    @router.get("/fails")
    async def fails() -> None:
        raise RuntimeError("the secret is 1234")

    @router.get("/gone")
    async def gone() -> None:
        raise Gone("used")

    @router.get("/slow-down")
    async def slow_down() -> None:
        raise RateLimited("too many", retry_in=30)

    app = build_app(Office(database, TOKEN, PUBLIC_URL), [router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC_URL)


async def test_a_failure_is_a_number_here_and_the_rest_in_the_log(
    broken: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await broken.get("/fails")
    said = response.json()
    assert (response.status_code, said["error"]) == (500, "internal")
    assert "1234" not in response.text
    assert said["incident"] in caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize("path", [f"{PREFIX}/people", "/wallet/begin"])
async def test_who_hangs_up_is_no_incident(
    building: FastAPI, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Anybody may do so as often as they like: the log is not theirs to fill."""
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"first_name":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    answers: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    await building(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 5000),
        },
        receive,
        send,
    )
    assert answers == []
    assert caplog.text == ""


@pytest.mark.parametrize("path", ["/", "/wallet", "/fails", "/nothing", f"{PREFIX}/people"])
async def test_no_answer_is_kept_guessed_or_framed(broken: httpx.AsyncClient, path: str) -> None:
    headers = (await broken.get(path)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_other_answers_have_the_same_shape(broken: httpx.AsyncClient) -> None:
    response = await broken.get("/gone")
    assert (response.status_code, response.json()["error"]) == (410, "gone")
    response = await broken.get("/slow-down")
    assert (response.status_code, response.json()["retry_in"]) == (429, 30)
    assert response.headers["Retry-After"] == "30"
    response = await broken.get("/nothing")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that reading sessions execute meanwhile."""
    engine = database._engines.reader.sync_engine
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def test_longer_lists_take_no_more_statements(api: Api) -> None:
    async def one_more(number: int) -> None:
        person = await api.person(last_name=f"P{number}")
        await api.card(person, number)
        await api.post(f"/people/{person}/credentials", {"credential_type_id": 8})
        door = await api.door(f"D{number}")
        await api.reader(door)
        links = {"person_ids": [person], "door_ids": [door]}
        schedule = (await api.post("/schedules", {"name": f"S{number}"}))["id"]
        await api.post("/access_plans", {"name": f"A{number}", "schedule_id": schedule, **links})
        await api.post("/groups", {"name": f"G{number}", "person_ids": [person]})
        await api.put(f"/people/{person}", {"enabled": False})

    paths = ["/sites", "/people", "/groups", "/doors", "/readers", "/access_plans", "/schedules",
             "/credentials", "/changes", "/events"]  # fmt: skip

    async def statements() -> dict[str, int]:
        found = {}
        for path in paths:
            with counted(api.database) as list_of:
                await api.get(path)
            found[path] = len(list_of)
        return found

    await one_more(1)
    few = await statements()
    for number in range(2, 6):
        await one_more(number)
    assert await statements() == few
    assert max(few.values()) <= 6


async def test_of_two_at_the_same_time_one_gets_the_name(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.ask("POST", "/groups", {"name": "Staff"}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7


async def test_many_edits_at_the_same_time_are_all_done(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    group = (await api.post("/groups", {"name": "Staff"}))["id"]
    await api.post("/access_plans", {"name": "P", "group_ids": [group], "door_ids": [door]})
    people = [await api.person(last_name=f"P{number}") for number in range(10)]
    for number, person in enumerate(people):
        await api.card(person, number + 1)
    await asyncio.gather(
        *(api.put(f"/groups/{group}/people/{person}") for person in people),
        *(api.get("/people") for _ in range(10)),
    )
    shown = await api.get(f"/readers/{reader}")
    assert shown["version"] == 1 + 10
    assert (await api.get(f"/groups/{group}"))["people_count"] == 10


def test_an_application_of_its_own_serves_what_it_is_given(app: FastAPI) -> None:
    paths = set(app.openapi()["paths"])
    assert f"{PREFIX}/people/import" in paths
    assert f"{PREFIX}/credentials/{{handle}}/resend" in paths
