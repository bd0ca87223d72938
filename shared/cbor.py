"""Strict CBOR (RFC 8949) to and from typed structs: one item, no trailing bytes, capped.

Structs are `msgspec.Struct`s. Encoding is the deterministic form of RFC 8949 section 4.2, so that
equal values have equal bytes. Decoding refuses indefinite lengths, repeated map keys, tags that
mean anything, nesting beyond `MAX_DEPTH`, and whatever the struct's own types and bounds refuse.
Unknown map members are ignored, so that a newer peer may say more.
"""

from __future__ import annotations

import io
from typing import Any, TypeVar

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


def decode(data: bytes, *, limit: int) -> Any:
    """Return the one CBOR item that `data` is, as builtins. Raises `Malformed`."""
    if len(data) > limit:
        raise Malformed(f"{len(data)} bytes of CBOR, at most {limit} are accepted")
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        tag_hook=_refuse_tag,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Malformed(f"not CBOR at byte {stream.tell()} of {len(data)}") from error
    if stream.tell() != len(data):
        raise Malformed(f"{len(data) - stream.tell()} bytes follow the CBOR item")
    return value


def decode_as(data: bytes, kind: type[T], *, limit: int) -> T:
    """Return `data` as `kind`. Raises `Malformed` naming the member that is wrong."""
    return convert(decode(data, limit=limit), kind)


def convert(value: Any, kind: type[T]) -> T:
    """Return builtins from `decode` as `kind`. Raises `Malformed` naming the member."""
    try:
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from error


def _refuse_tag(tag: cbor2.CBORTag, /, *_: object) -> object:
    raise ValueError(f"tag {tag.tag} is not used here")
