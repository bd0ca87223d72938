"""What a phone says to a controller: one JSON object out, one in, and no more than it should be.

The standard library's client, because a phone also runs where only a daemon's packages are. It
follows no redirect and asks no proxy.
"""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 15.0
MAX_ANSWER = 1 << 20
_QUOTED_MAX = 300


class ControllerRefused(Exception):
    """The controller does not do what was asked, or cannot be reached. The text says why."""


async def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST `body` and return the answer. Raises `ControllerRefused`."""
    try:
        status, content = await asyncio.to_thread(_exchange, url, json.dumps(body).encode())
    except (OSError, HTTPException, ValueError) as error:
        where = url.partition("/wallet")[0]
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ControllerRefused(
            f"the controller at {_quoted(where)} cannot be reached ({_quoted(why)}): "
            "is the address right, and does it run?"
        ) from error
    if len(content) > MAX_ANSWER:
        raise ControllerRefused(f"{_quoted(url)} answers with more than {MAX_ANSWER} bytes")
    answer = _parse(url, content)
    if status >= 300:
        raise ControllerRefused(_why(answer, status))
    return answer


def _exchange(url: str, body: bytes) -> tuple[int, bytes]:
    """POST, and return the status and up to one byte more than an answer may have. Blocking."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(MAX_ANSWER + 1)
    finally:
        connection.close()


def _parse(url: str, answer: bytes) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
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
