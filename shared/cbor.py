"""Strict CBOR (RFC 8949) to and from typed structs: one item, no trailing bytes, capped.

Structs are `msgspec.Struct`s. Encoding is deterministic, with map keys in the order of RFC 8949
section 4.2.3 (shorter first), so that equal values have equal bytes. Decoding refuses indefinite
lengths, repeated map keys, keys that are not strings, all tags, nesting beyond `MAX_DEPTH`, and
whatever the struct's own types and bounds refuse. Unknown map members are ignored, so that a newer
peer may say more.
"""

from __future__ import annotations

import io
import re
from typing import Any, Never, TypeVar

import cbor2
import msgspec

T = TypeVar("T")

# A plan message nests five deep (message, changes, list, row, list of intervals); eight is roomy.
MAX_DEPTH = 8


class Malformed(ValueError):
    """The bytes are not what they should be. The text says what and where, never the content."""


def encode(value: object) -> bytes:
    """Return `value` (builtins, or structs anywhere inside) as deterministic CBOR."""
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=(bytes,)), canonical=True)


class _Tagged(ValueError):
    """The CBOR has a tag."""


class _NoTags(dict[int, Never]):
    """The decoder's table of tags: asked before its own, and before it reads what is tagged."""

    def __missing__(self, tag: int) -> Never:
        raise _Tagged


_NO_TAGS = _NoTags()

# The head of a larger map is more than one byte. COSE has some four headers.
MAX_HEADERS = 23
_LARGER_MAPS = range(0xB8, 0xC0)


def decode(data: bytes, *, limit: int) -> Any:
    """Return the one CBOR item that `data` is. Raises `Malformed`.

    Out come builtins, `cbor2.undefined` and `cbor2.CBORSimpleValue`; no struct accepts the latter.
    """
    (value,) = _items(data, 1, limit=limit, depth=MAX_DEPTH)
    return value


def decode_headers(data: bytes, count: int, *, limit: int) -> list[Any]:
    """Return the `count` CBOR items that `data` is, as COSE has them. Raises `Malformed`.

    A map among them may have other keys than strings, but at most `MAX_HEADERS`: of numbers, which
    hash to themselves, anybody can choose so many in a few hundred KiB that all fall into one
    another's way, and take seconds. What is in an item holds no further items.
    """
    return _items(data, count, limit=limit, depth=1, headers=True)


def _items(data: bytes, count: int, *, limit: int, depth: int, headers: bool = False) -> list[Any]:
    if len(data) > limit:
        raise Malformed(f"{len(data)} bytes of CBOR, at most {limit} are accepted")
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_NO_TAGS,
        max_depth=depth,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=not headers,
    )
    values = []
    for _ in range(count):
        head = data[stream.tell() : stream.tell() + 1]
        if headers and head and head[0] in _LARGER_MAPS:
            raise Malformed(f"a map of more than {MAX_HEADERS} headers")
        try:
            values.append(decoder.decode())
        except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Malformed(_fault(error, len(data))) from None
    if stream.tell() != len(data):
        raise Malformed(f"{len(data) - stream.tell()} bytes follow the CBOR item")
    return values


def _fault(error: Exception, size: int) -> str:
    """Say what is wrong with CBOR of `size` bytes; the decoder's own words may quote it."""
    if isinstance(error.__cause__, _Tagged):
        return "the CBOR has a tag; none is used here"
    if isinstance(error, cbor2.CBORDecodeEOF):
        return f"the CBOR item is cut short after {size} bytes"
    return f"{size} bytes that are not the CBOR spoken here"


def decode_as(data: bytes, kind: type[T], *, limit: int) -> T:
    """Return `data` as `kind`. Raises `Malformed` naming the member that is wrong."""
    return convert(decode(data, limit=limit), kind)


def convert(value: Any, kind: type[T]) -> T:
    """Return builtins from `decode` as `kind`. Raises `Malformed` naming the member."""
    try:
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Malformed(_without_content(str(error))) from None


def _without_content(said: str) -> str:
    """Return what msgspec said, less the value that it quotes where no value was expected."""
    if not said.startswith("Invalid"):
        return said
    place = re.search(r" - at (`[^`]*` in )?`[^`]*`$", said)
    return "a value that is not among those it may have" + (place[0] if place else "")
