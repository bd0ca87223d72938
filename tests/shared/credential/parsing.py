"""The three ways in which every parser is fed, and what it may do then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from shared.credential.errors import RuleBroken

T = TypeVar("T")


def feed_prefixes(parse: Callable[[bytes], T], whole: bytes) -> None:
    """Byte by byte: nothing but the whole message is read as the whole message."""
    complete = parse(whole)
    for size in range(len(whole)):
        part = attempt(parse, whole[:size])
        assert part is None or part != complete


def feed_trailing(parse: Callable[[bytes], T], whole: bytes) -> None:
    """One byte too many is an error, whichever it is."""
    for extra in range(256):
        with pytest.raises(RuleBroken):
            parse(whole + bytes((extra,)))


def attempt(parse: Callable[[bytes], T], data: bytes) -> T | None:
    """Parse, and take the documented error for None; any other exception fails the test."""
    try:
        return parse(data)
    except RuleBroken:
        return None
