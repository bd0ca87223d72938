"""Phones and readers by HTTP: the shapes of answers, hex that is none, and guessing that waits."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from controller.drafts import Draft
from controller.identity.api import Desk, make_router
from controller.identity.small_bodies import MAX_BODY
from controller.intent import credentials
from controller.problems import Invalid, Problem, RateLimited
from controller.store.database import Database
from shared.wire.proofs import doors_proof, redeem_proof
from tests.controller.building import CONTROLLER, Building, ReaderKeys, build
from tests.controller.conftest import Clock
from tests.controller.keys import hex_key, private_key

ORIGIN = "http://doors.example:8080"
PHONE = 500
PATHS = ["/wallet/begin", "/wallet/redeem", "/wallet/doors", "/wallet/decline", "/enrol/reader"]


@pytest.fixture
async def building(database: Database) -> Building:
    building = await build(database, 1)
    await building.enrol()
    return building


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that has these routes, and says which problem it met."""
    app = FastAPI()
    desk = Desk(database, CONTROLLER, ORIGIN, "mqtt://broker.example:1883", monotonic=lambda: 0.0)
    app.include_router(make_router(desk))

    @app.exception_handler(Problem)
    async def tell(_: Request, problem: Exception) -> JSONResponse:
        content: dict[str, Any] = {"problem": type(problem).__name__, "text": str(problem)}
        if isinstance(problem, Invalid):
            content["errors"] = problem.errors
        if isinstance(problem, RateLimited):
            content["retry_in"] = problem.retry_in
        return JSONResponse(content, status_code=400)

    transport = httpx.ASGITransport(app=app, client=("192.0.2.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def invite(building: Building) -> str:
    person = await building.add_person()
    draft = Draft({"credential_type_id": 9})
    view = await building.edit(lambda uow: credentials.create(uow, person, draft))
    assert view.secret is not None
    return view.secret.text


def redeem_body(code: str, nonce: str, origin: str = ORIGIN) -> dict[str, str]:
    key = private_key(PHONE)
    statement = redeem_proof(code, bytes.fromhex(nonce), origin, key.public.point)
    return {
        "code": code,
        "nonce": nonce,
        "public_key": hex_key(PHONE),
        "proof": key.sign(statement).hex(),
        "device": "Pixel 9",
    }


def enrol_body(token: str) -> dict[str, str]:
    application = ReaderKeys(0).application(token)
    return {
        "token": token,
        "identity_key": application.identity_key.hex(),
        "pkoc_key": application.pkoc_key.hex(),
        "proof_identity": application.proof_identity.hex(),
        "proof_pkoc": application.proof_pkoc.hex(),
        "software": "test",
    }


async def test_from_link_to_doors(
    building: Building, http: httpx.AsyncClient, clock: Clock
) -> None:
    code = await invite(building)
    begun = (await http.post("/wallet/begin", json={"code": code})).json()
    assert begun.keys() == {"invitation", "nonce", "origin", "person", "site"}
    assert (begun["origin"], begun["person"], begun["site"]) == (ORIGIN, "Ada", "Main")

    redeemed = await http.post("/wallet/redeem", json=redeem_body(code, begun["nonce"]))
    assert redeemed.status_code == 200, redeemed.text
    issued = redeemed.json()
    assert issued.keys() == {"credential", "label", "person", "doors"}
    assert issued["person"] == {"first_name": "Ada"}
    (door,) = issued["doors"]
    assert door["name"] == "Door 0"
    assert door["public_key"] == hex_key(ReaderKeys(0).identity_scalar + 1)
    assert len(door["site_uuid"]) == len(door["location_uuid"]) == 36
    assert len(door["issuer_key"]) == 130

    key = private_key(PHONE)
    statement = doors_proof(ORIGIN, issued["credential"], clock.now, key.public.point)
    question = {
        "credential": issued["credential"],
        "public_key": hex_key(PHONE),
        "time": clock.now,
        "proof": key.sign(statement).hex(),
    }
    again = await http.post("/wallet/doors", json=question)
    assert again.json() == {"doors": issued["doors"]}


async def test_a_reader_is_told_what_to_trust(database: Database, http: httpx.AsyncClient) -> None:
    building = await build(database, 1)
    answer = await http.post("/enrol/reader", json=enrol_body(building.tokens[0]))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["reader"] == building.readers[0]
    assert (told["name"], told["door"]) == ("Reader 0", "Door 0")
    assert told["plan_key"] == hex_key(901)
    assert told["controller_key"] == hex_key(902)
    assert told["broker"] == "mqtt://broker.example:1883"


async def test_declining(building: Building, http: httpx.AsyncClient) -> None:
    code = await invite(building)
    assert (await http.post("/wallet/decline", json={"code": code})).json() == {"result": "ok"}
    assert (await http.post("/wallet/begin", json={"code": code})).json()["problem"] == "Gone"


@pytest.mark.parametrize("path", ["/wallet/begin", "/wallet/redeem", "/wallet/decline"])
async def test_a_get_redeems_nothing(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 405


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/wallet/begin", {"code": ""}),
        ("/wallet/begin", {"code": 5}),
        ("/wallet/begin", {"code": "x" * 201}),
        ("/wallet/redeem", {"nonce": "zz"}),
        ("/wallet/redeem", {"public_key": "0"}),
        ("/wallet/redeem", {"proof": None}),
        ("/wallet/redeem", {"proof": "é"}),
        ("/wallet/redeem", {"public_key": "00" * 300}),
        ("/wallet/redeem", {"device": "x" * 201}),
        ("/wallet/doors", {"time": -1}),
        ("/wallet/doors", {"time": "soon"}),
        ("/wallet/doors", {"credential": "a b"}),
        ("/wallet/doors", {"credential": ""}),
        ("/enrol/reader", {"token": ""}),
        ("/enrol/reader", {"identity_key": "0x04"}),
        ("/wallet/redeem", {"device": "Pixel\x1b[2J"}),
        ("/enrol/reader", {"software": ["x"]}),
        ("/enrol/reader", {"software": "1.0\n2.0"}),
    ],
)
async def test_what_cannot_be_read_is_refused_by_field(
    http: httpx.AsyncClient, path: str, changes: dict[str, Any]
) -> None:
    good: dict[str, dict[str, Any]] = {
        "/wallet/begin": {"code": "x"},
        "/wallet/redeem": redeem_body("x", "00" * 32),
        "/wallet/doors": {"credential": "x", "public_key": "00", "time": 0, "proof": "00"},
        "/enrol/reader": enrol_body("x"),
    }
    answer = await http.post(path, json={**good[path], **changes})
    assert answer.status_code == 422
    assert {error["loc"][-1] for error in answer.json()["detail"]} == set(changes)


class TestLongBodies:
    """Anybody may send them: nobody may make us keep them in memory."""

    @pytest.mark.parametrize("path", PATHS)
    async def test_are_not_read_to_the_end(self, http: httpx.AsyncClient, path: str) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 100_000_000:
                sent += 10_000
                yield b'"' + b"x" * 9_999

        answer = await http.post(path, content=endless())
        assert answer.json()["problem"] == "TooLarge"
        assert sent <= 2 * MAX_BODY

    @pytest.mark.parametrize("parts", [1, 7])
    async def test_what_is_long_but_not_too_long_is_read(
        self, building: Building, http: httpx.AsyncClient, parts: int
    ) -> None:
        text = json.dumps({"code": await invite(building)}).encode().ljust(MAX_BODY)
        step = -(-len(text) // parts)

        async def piecemeal() -> AsyncIterator[bytes]:
            for start in range(0, len(text), step):
                yield text[start : start + step]

        headers = {"Content-Type": "application/json"}
        answer = await http.post("/wallet/begin", content=piecemeal(), headers=headers)
        assert answer.status_code == 200, answer.text


class TestGuessing:
    async def test_many_at_once_are_no_more_than_many_in_a_row(
        self, building: Building, http: httpx.AsyncClient
    ) -> None:
        wrong = [http.post("/wallet/begin", json={"code": f"wrong {n}"}) for n in range(50)]
        said = [answer.json()["problem"] for answer in await asyncio.gather(*wrong)]
        assert Counter(said) == {"WrongCode": 10, "RateLimited": 40}

    @pytest.mark.parametrize("path", ["/wallet/begin", "/wallet/decline"])
    async def test_wrong_codes_make_wait(self, http: httpx.AsyncClient, path: str) -> None:
        for _ in range(10):
            answer = await http.post(path, json={"code": "wrong"})
            assert answer.json()["problem"] == "WrongCode"
        answer = await http.post(path, json={"code": "wrong"})
        assert answer.json() == {
            "problem": "RateLimited",
            "text": "too many wrong tries",
            "retry_in": 31,
        }

    async def test_a_right_code_waits_too(
        self, building: Building, http: httpx.AsyncClient
    ) -> None:
        code = await invite(building)
        for _ in range(10):
            await http.post("/enrol/reader", json=enrol_body("wrong"))
        answer = await http.post("/wallet/begin", json={"code": code})
        assert answer.json()["problem"] == "RateLimited"

    async def test_right_codes_never_do(self, building: Building, http: httpx.AsyncClient) -> None:
        code = await invite(building)
        for _ in range(30):
            assert (await http.post("/wallet/begin", json={"code": code})).status_code == 200

    async def test_wrong_proofs_of_a_credential_count(
        self, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        key = private_key(PHONE)
        statement = doors_proof(ORIGIN, "abc", clock.now, key.public.point)
        body = {
            "credential": "abc",
            "public_key": hex_key(PHONE),
            "time": clock.now,
            "proof": key.sign(statement).hex(),
        }
        problems = [
            (await http.post("/wallet/doors", json=body)).json()["problem"] for _ in range(11)
        ]
        assert problems == ["UnknownCredential"] * 10 + ["RateLimited"]
