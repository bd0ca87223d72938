"""What a phone says to a controller: one JSON object out, one in, and no more than it should be."""

from __future__ import annotations

import json
from typing import Any

import httpx

TIMEOUT = 15.0
MAX_ANSWER = 1 << 20
_QUOTED_MAX = 300


class ControllerRefused(Exception):
    """The controller does not do what was asked, or cannot be reached. The text says why."""


async def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST `body` and return the answer. Raises `ControllerRefused`."""
    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client,
            client.stream("POST", url, json=body) as response,
        ):
            answer = _parse(url, await _read(url, response))
            if response.status_code >= 400:
                raise ControllerRefused(_why(answer, response.status_code))
            return answer
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        where = url.partition("/wallet")[0]
        raise ControllerRefused(
            f"the controller at {_quoted(where)} cannot be reached ({type(error).__name__}): "
            "is the address right, and does it run?"
        ) from error


async def _read(url: str, response: httpx.Response) -> bytes:
    answer = bytearray()
    async for chunk in response.aiter_bytes():
        answer += chunk
        if len(answer) > MAX_ANSWER:
            raise ControllerRefused(f"{_quoted(url)} answers with more than {MAX_ANSWER} bytes")
    return bytes(answer)


def _parse(url: str, answer: bytes) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ControllerRefused(f"{_quoted(url)} does not answer as a controller does")
    return value


def _why(answer: dict[str, Any], status: int) -> str:
    said = answer.get("error_description") or answer.get("error") or "no reason given"
    return f"the controller said {status}: {_quoted(str(said))}"


def _quoted(text: str) -> str:
    """Text from outside, fit for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)[:_QUOTED_MAX]
