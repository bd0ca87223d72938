"""Who gets in: the right token, and nobody else."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.api.operator import Office
from tests.controller.client import PREFIX, PUBLIC_URL, TOKEN, Api


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        "Bearer \u00e4\u00f6",
    ],
)
async def test_without_the_token_nothing_is_said(api: Api, header: str | None) -> None:
    headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
    for path in ("/people", "/people/1", "/events", "/credential_types"):
        response = await api.client.get(PREFIX + path, headers=headers)
        assert response.status_code == 401
        assert response.json()["error"] == "invalid_token"
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_the_token_is_checked_before_the_body_is_read(api: Api) -> None:
    response = await api.client.post(PREFIX + "/people", content=b"{")
    assert response.status_code == 401


async def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    headers = {"Authorization": f"bearer {TOKEN}"}
    assert (await api.client.get(PREFIX + "/people", headers=headers)).status_code == 200


async def test_every_route_of_the_api_but_status_needs_it(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    document = app.openapi()
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        for path, methods in document["paths"].items():
            for method in methods:
                response = await client.request(method, path.format_map(_Ones()))
                expected = 200 if path == f"{PREFIX}/status" else 401
                assert response.status_code == expected, (method, path)


class _Ones(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


def test_the_document_lists_every_route(app: FastAPI) -> None:
    listed = {path for path in app.openapi()["paths"] if path.startswith(PREFIX)}
    assert len(listed) > 25
    assert all(not isinstance(route, APIRoute) or route.path for route in app.routes)


def test_the_token_is_in_no_repr(app: FastAPI) -> None:
    office: Office = app.state.office
    assert TOKEN not in repr(office)


async def test_status_is_for_everybody(api: Api) -> None:
    said = (await api.client.get(PREFIX + "/status")).json()
    assert said["name"] == "doorward"
    assert said["time"] == "2025-06-02T10:00:00.000Z"
    assert said["version"]
