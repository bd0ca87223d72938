"""Lists, searches and new people over HTTP, in an installation of many people.

The controller is a process of its own. People are written through its own import, beside HTTP.
Then twenty clients ask: first at a steady pace, where every answer is timed from the moment that
its request was due, so that waiting for a free client counts; then without any pause, which one
core cannot answer any faster: that says how much goes through.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from controller.drafts import Draft
from controller.identity.keys import load_issuer
from controller.intent.imports import MAX_PEOPLE, import_people
from controller.storage import open_database
from tests.bench.report import Figure, Progress, quantile
from tests.bench.servers import Servers, serve

CLIENTS = 20
PER_SECOND = 50
BUDGET_MS = 50
SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprstv" for vowel in "aeiou"]


@dataclass(frozen=True, slots=True)
class _Request:
    kind: str
    data: bytes


# Milliseconds by kind of request.
Took = dict[str, list[float]]


def run(progress: Progress, people: int = 100_000, requests: int = 3_000) -> list[Figure]:
    """Measure with so many `people`, and so many `requests` each way."""
    with TemporaryDirectory(prefix="doorward-bench-") as folder:
        return asyncio.run(_run(Path(folder), progress, people, requests))


async def _run(folder: Path, progress: Progress, people: int, requests: int) -> list[Figure]:
    steps = people + 2 * requests
    async with serve(folder) as servers:
        async for made in _populate(folder / "controller" / "doorward.db", people):
            progress(made, steps)
        asked = itertools.count(people + 1)
        ask = _Asking(servers, lambda: progress(next(asked), steps))
        paced = await ask.all(requests, per_second=PER_SECOND)
        start, used = time.perf_counter(), servers.processor_seconds()
        unpaced = await ask.all(requests)
        seconds, used = time.perf_counter() - start, servers.processor_seconds() - used
    at = f"{PER_SECOND} requests a second, {people:,} people"
    figures = []
    for kind, took in paced.items():
        figures.append(Figure(f"{kind}, {at}, p50", quantile(took, 0.5), "ms"))
        figures.append(Figure(f"{kind}, {at}, p99", quantile(took, 0.99), "ms", BUDGET_MS))
    every = [each for took in unpaced.values() for each in took]
    return [
        *figures,
        Figure(f"{CLIENTS} clients without pause", requests / seconds, "requests/s"),
        Figure("processor time a request, on average", used / requests * 1e3, "ms"),
        Figure(f"{CLIENTS} clients without pause, p99", quantile(every, 0.99), "ms"),
    ]


async def _populate(path: Path, people: int) -> AsyncIterator[int]:
    """Write people into the database; yield how many there are."""
    rng = random.Random(1)
    database = await open_database(path, partial(load_issuer, path.parent))
    try:
        for first in range(0, people, MAX_PEOPLE):
            last = min(first + MAX_PEOPLE, people)
            drafts = [Draft(_person(rng, number)) for number in range(first, last)]
            async with database.write(actor="bench", action="people.import") as uow:
                await import_people(uow, drafts)
            yield last
    finally:
        await database.close()


class _Asking:
    """Twenty clients with one token, and what they ask: four lists, four searches, two people."""

    def __init__(self, servers: Servers, step: Callable[[], object]) -> None:
        parts = urlsplit(servers.controller)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._token = servers.http.headers["Authorization"]
        self._step = step
        self._rng = random.Random(2)
        self._numbers = itertools.count(10_000_000)

    async def all(self, count: int, *, per_second: float | None = None) -> Took:
        """Ask `count` times, all clients together `per_second` times a second (None: at once)."""
        start = time.perf_counter()
        due = (start + number / per_second if per_second else 0.0 for number in range(count))
        took: Took = {"list": [], "search": [], "create": []}
        await asyncio.gather(*(self._client(due, took) for _ in range(CLIENTS)))
        return took

    async def _client(self, due: Iterator[float], took: Took) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        with contextlib.closing(writer):
            for at in due:
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                begin = at or time.perf_counter()
                request = self._next()
                writer.write(request.data)
                await _answer(reader)
                took[request.kind].append((time.perf_counter() - begin) * 1e3)
                self._step()

    def _next(self) -> _Request:
        kind = self._rng.choices(("list", "search", "create"), (4, 4, 2))[0]
        match kind:
            case "list":
                return _Request(kind, self._get(f"/people?page={self._rng.randint(1, 20)}"))
            case "search":
                words = "+".join(_word(self._rng)[:5] for _ in range(2))
                return _Request(kind, self._get(f"/people?q={words}"))
            case _:
                body = json.dumps(_person(self._rng, next(self._numbers))).encode()
                return _Request(kind, self._head("POST", "/people", len(body)) + body)

    def _get(self, path: str) -> bytes:
        return self._head("GET", path, 0)

    def _head(self, method: str, path: str, length: int) -> bytes:
        return (
            f"{method} /api/3{path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: {self._token}\r\nContent-Length: {length}\r\n\r\n"
        ).encode("ascii")


async def _answer(reader: asyncio.StreamReader) -> None:
    """Read one answer to its end. Raises `RuntimeError` unless it is a good one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status, *lines = head.splitlines()
    length = next(line for line in lines if line.startswith("content-length:"))
    body = await reader.readexactly(int(length.partition(":")[2]))
    if status.split()[1] not in {"200", "201"}:
        raise RuntimeError(f"the controller said {status}: {body.decode()}")


def _person(rng: random.Random, number: int) -> dict[str, str]:
    return {
        "first_name": _word(rng).title(),
        "last_name": _word(rng).title(),
        "email": f"p{number}@example.org",
        "system_id": f"E-{number}",
    }


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=3))
