"""CBOR as Aliro documents use it (RFC 8949): strict, capped, and walked over before it is built.

    accepted   integers, byte and text strings, arrays, maps, false, true, null, floats
    map keys   integers and text, each once, at most `MAX_KEYS`
    tags       0 (text: a date), 1 (integer: seconds), 24 (bytes: CBOR inside), as `CBORTag`
    refused    indefinite lengths, numbers and lengths in more bytes than they need, all else

Heads in the fewest bytes mean that a string encodes to the bytes that came in, which is what a
digest covers. Floats pass because an extension that is to be ignored may hold one; nothing here
takes one for a number. A walk over the heads comes first, because the decoder has no cap on the
number of items, and because integers as keys can be chosen so that a large map takes minutes.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Callable, Collection
from typing import Any

import cbor2
from cbor2 import CBORTag

from shared.credential.tlv import Malformed

# A revocation of some five hundred credentials; two seconds of NFC carry no more.
MAX_SIZE = 24 * 1024
MAX_ITEMS = 4096
MAX_DEPTH = 12
MAX_KEYS = 64
MAX_UINT = 2**64 - 1

DATE, SECONDS, EMBEDDED = 0, 1, 24
_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_TAGGED = {DATE: _TEXT, SECONDS: _UINT, EMBEDDED: _BYTES}
_FALSE, _TRUE, _NULL = 20, 21, 22
# Width of the head's argument by its lower five bits.
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: object) -> bytes:
    """`value` as CBOR, maps in the order in which they stand."""
    return cbor2.dumps(value)


def embed(value: object) -> CBORTag:
    """`value` as CBOR inside of CBOR."""
    return CBORTag(EMBEDDED, encode(value))


def decode(data: bytes) -> Any:
    """The one item that `data` is. Raises `Malformed`."""
    if len(data) > MAX_SIZE:
        raise Malformed(f"{len(data)} bytes of CBOR, at most {MAX_SIZE} are taken")
    _walk(data)
    decoder = cbor2.CBORDecoder(
        io.BytesIO(data),
        semantic_decoders=_KEPT,
        max_depth=2 * MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=False,  # the walk has seen to keys
    )
    try:
        return decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError):
        raise Malformed("text that is not UTF-8, or a key that comes twice") from None


def _keep(tag: int) -> Callable[[Any, bool], CBORTag]:
    return lambda value, _immutable: CBORTag(tag, value)


# Otherwise the decoder would make dates of them.
_KEPT = {tag: _keep(tag) for tag in _TAGGED}


def _walk(data: bytes) -> None:
    """Pass if `data` is one item of those accepted, within all caps."""
    levels = [(1, False)]  # how many items are still to come on each level, and if in a map
    at = items = 0
    while levels:
        left, in_map = levels.pop()
        if not left:
            continue
        items += 1
        if items > MAX_ITEMS or len(levels) > MAX_DEPTH:
            raise Malformed("too many items, or nested too deep", at)
        levels.append((left - 1, in_map))
        start = at
        major, value, at = _head(data, at)
        if in_map and left % 2 == 0 and major not in (_UINT, _NEGATIVE, _TEXT):
            raise Malformed("a key that is neither a number nor text", start)
        if major in (_BYTES, _TEXT):
            at += value
        elif major == _ARRAY:
            levels.append((value, False))
        elif major == _MAP:
            if value > MAX_KEYS:
                raise Malformed(f"a map of {value} keys", start)
            levels.append((2 * value, True))
        elif major == _TAG:
            _check_tag(value, data[at : at + 1], start)
            levels.append((1, False))
    if at != len(data):
        raise Malformed("bytes are missing from the CBOR item, or follow it", at)


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type and argument of the head at `at`, and where it ends."""
    if at >= len(data):
        raise Malformed("the CBOR item is cut short", at)
    major, short = data[at] >> 5, data[at] & 0x1F
    if short < 24:
        if major == _SIMPLE and short not in (_FALSE, _TRUE, _NULL):
            raise Malformed("a simple value that has no use here", at)
        return major, short, at + 1
    width = _WIDTHS.get(short)
    end = at + 1 + (width or 0)
    if width is None or end > len(data):
        raise Malformed("an indefinite length, or a head that is cut short", at)
    value = int.from_bytes(data[at + 1 : end], "big")
    if major == _SIMPLE:
        if width == 1:
            raise Malformed("a simple value that has no use here", at)
    elif value < 24 or (width > 1 and value.bit_length() <= 4 * width):
        raise Malformed("a head that is longer than it need be", at)
    return major, value, end


def _check_tag(tag: int, head: bytes, at: int) -> None:
    if tag not in _TAGGED or not head or head[0] >> 5 != _TAGGED[tag]:
        raise Malformed("a tag that has no use here, or on something else than it is for", at)


def whole(value: Any, least: int, most: int) -> int:
    """`value`, if it is a whole number from `least` to `most`. All below raise `Malformed`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Malformed(f"something else than a number from {least} to {most}")
    return value


def uint(value: Any, most: int = MAX_UINT) -> int:
    return whole(value, 0, most)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed("something else than true or false")
    return value


def octets(value: Any, sizes: Collection[int]) -> bytes:
    """`value`, if it is a byte string of one of `sizes`."""
    if not isinstance(value, bytes) or len(value) not in sizes:
        raise Malformed("something else than a byte string of the right length")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed("something else than text")
    return value


def array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("something else than an array")
    return value


def mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise Malformed("something else than a map")
    return value


def member(value: Any, key: int | str) -> Any:
    """What the map `value` has for `key`."""
    found = mapping(value)
    if key not in found:
        raise Malformed(f"{key} is missing")
    return found[key]


def embedded(value: Any) -> bytes:
    """The CBOR inside."""
    if not isinstance(value, CBORTag) or value.tag != EMBEDDED:
        raise Malformed("something else than CBOR inside of CBOR")
    return octets(value.value, range(MAX_SIZE + 1))


def seconds(value: Any) -> int:
    """Unix seconds of a tagged number."""
    if not isinstance(value, CBORTag) or value.tag != SECONDS:
        raise Malformed("something else than seconds since 1970")
    return uint(value.value)


def date(value: Any) -> int:
    """Unix seconds of a tagged text, `YYYY-MM-DDTHH:MM:SSZ`."""
    if not isinstance(value, CBORTag) or value.tag != DATE:
        raise Malformed("something else than a date")
    return read_date(text(value.value))


def read_date(written: str) -> int:
    """Unix seconds of `YYYY-MM-DDTHH:MM:SSZ`, none of them negative."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", written):
        raise Malformed("a date that is not YYYY-MM-DDTHH:MM:SSZ")
    try:
        moment = datetime.datetime.fromisoformat(written)
    except ValueError:
        raise Malformed("a date that no calendar has") from None
    if moment < _EPOCH:
        raise Malformed("a date before 1970")
    return (moment - _EPOCH) // datetime.timedelta(seconds=1)


def write_date(moment: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ` of Unix seconds."""
    return (_EPOCH + datetime.timedelta(seconds=moment)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tagged_date(moment: int) -> CBORTag:
    return CBORTag(DATE, write_date(moment))


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
