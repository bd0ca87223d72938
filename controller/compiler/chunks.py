"""Long lists, in parts that fit into one SQL statement and one turn of the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

# SQLite takes 32,766 parameters in one statement; a thousand rows compile in about 20 ms.
CHUNK = 1_000


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield `items` in lists of at most `size`, none of them empty."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
