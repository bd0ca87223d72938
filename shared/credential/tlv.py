"""TLV objects: BER-TLV as cards speak it, and the compact form of PKOC. Strict and capped.

    BER      tag 1-3 bytes | length 00-7F, 81 xx, 82 xx xx or 83 xx xx xx | value
    compact  tag 1 byte    | length 1 byte, or as in BER (`Lengths`)      | value

Lengths must be written in the fewest bytes, and a row of objects must end where the data ends.
Hence encoding what was parsed gives back the bytes that came in, which is what a signature covers.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason


class Malformed(RuleBroken):
    """These bytes are no message of the standard. `offset` is where that shows."""

    def __init__(self, what: str, offset: int = 0) -> None:
        super().__init__(Reason.MALFORMED, f"offset {offset}: {what}")
        self.offset = offset


class Tlv(NamedTuple):
    """One object. The representation shows no value: it may be an identifier."""

    tag: int
    value: bytes

    def __repr__(self) -> str:
        return f"Tlv({self.tag:02X}, {len(self.value)} bytes)"


class Node(NamedTuple):
    """One BER object with what it contains; `children` is empty for a primitive one."""

    tag: int
    value: bytes
    children: tuple[Node, ...]

    def __repr__(self) -> str:
        return f"Node({self.tag:02X}, {len(self.value)} bytes, {len(self.children)} children)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a parser takes before it refuses: bytes, objects at all levels together, levels."""

    size: int = 4096
    count: int = 64
    depth: int = 8


class Lengths(enum.Enum):
    """How a compact object writes its length."""

    ONE_BYTE = "one byte"
    BER = "BER"


DEFAULT = Limits()


def parse(data: bytes, limits: Limits = DEFAULT) -> tuple[Tlv, ...]:
    """Read a row of BER objects that fills `data`. Raises `Malformed`."""
    return _row(data, limits, _take_ber)


def parse_tree(data: bytes, limits: Limits = DEFAULT) -> tuple[Node, ...]:
    """Like `parse`, and open every constructed object (bit 0x20 of its first byte)."""
    nodes, _ = _branch(data, limits, limits.count, limits.depth)
    return nodes


def parse_compact(data: bytes, lengths: Lengths, limits: Limits = DEFAULT) -> tuple[Tlv, ...]:
    """Read a row of compact objects that fills `data`. Raises `Malformed`."""
    take = _take_one_byte if lengths is Lengths.ONE_BYTE else _take_compact_ber
    return _row(data, limits, take)


def parse_either(data: bytes, limits: Limits = DEFAULT) -> tuple[Lengths, tuple[Tlv, ...]]:
    """Read compact objects whose sender may write lengths either way; says which way fitted.

    BER is tried first. Lengths below 128 read the same; above, a row that fits both ways would have
    to be made for the purpose, and whatever is read out of it is checked all the same.
    """
    try:
        return Lengths.BER, parse_compact(data, Lengths.BER, limits)
    except Malformed:
        return Lengths.ONE_BYTE, parse_compact(data, Lengths.ONE_BYTE, limits)


def take_compact(data: bytes, offset: int) -> tuple[Tlv, int]:
    """Read the compact object (one length byte) at `offset`; also says where the next begins."""
    return _take_one_byte(data, offset)


def encode(tag: int, value: bytes) -> bytes:
    """Write a BER object."""
    if tag <= 0xFF and len(value) < 0x80:
        return bytes((tag, len(value))) + value  # nearly all of them
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") + _ber_length(value) + value


def encode_compact(tag: int, value: bytes, lengths: Lengths = Lengths.ONE_BYTE) -> bytes:
    """Write a compact object. `ValueError` if one length byte cannot hold the length."""
    if lengths is Lengths.BER:
        return bytes((tag,)) + _ber_length(value) + value
    if len(value) > 0xFF:
        raise ValueError(f"tag {tag:02X}: {len(value)} bytes do not fit a one-byte length")
    return bytes((tag, len(value))) + value


class Fields:
    """The objects of one message by tag: those wanted, each at most once; others are skipped."""

    def __init__(self, objects: Iterable[Tlv], wanted: Collection[int]) -> None:
        self._values: dict[int, bytes] = {}
        for tag, value in objects:
            if tag in self._values:
                raise Malformed(f"tag {tag:02X} comes twice")
            if tag in wanted:
                self._values[tag] = value

    def __contains__(self, tag: int) -> bool:
        return tag in self._values

    def get(self, tag: int) -> bytes | None:
        return self._values.get(tag)

    def need(self, tag: int) -> bytes:
        """The value of `tag`. Raises `Malformed` if it is missing."""
        value = self._values.get(tag)
        if value is None:
            raise Malformed(f"tag {tag:02X} is missing")
        return value

    def exactly(self, tag: int, size: int) -> bytes:
        """The value of `tag`, of `size` bytes and no other number."""
        value = self.need(tag)
        if len(value) != size:
            what = f"tag {tag:02X} has {len(value)} bytes, its length is {size}"
            raise RuleBroken(Reason.WRONG_LENGTH, what)
        return value


def _row(
    data: bytes, limits: Limits, take: Callable[[bytes, int], tuple[Tlv, int]]
) -> tuple[Tlv, ...]:
    if len(data) > limits.size:
        raise Malformed(f"{len(data)} bytes, the cap is {limits.size}", limits.size)
    objects: list[Tlv] = []
    offset = 0
    while offset < len(data):
        if len(objects) == limits.count:
            raise Malformed("too many objects", offset)
        found, offset = take(data, offset)
        objects.append(found)
    return tuple(objects)


def _branch(data: bytes, limits: Limits, left: int, depth: int) -> tuple[tuple[Node, ...], int]:
    if depth == 0 and data:
        raise Malformed("objects are nested too deep")
    objects = parse(data, Limits(limits.size, left, depth))
    left -= len(objects)
    nodes = []
    for tag, value in objects:
        children: tuple[Node, ...] = ()
        if _is_constructed(tag):
            children, left = _branch(value, limits, left, depth - 1)
        nodes.append(Node(tag, value, children))
    return tuple(nodes), left


def _is_constructed(tag: int) -> bool:
    first = tag >> 8 * ((tag.bit_length() - 1) // 8) if tag else 0
    return bool(first & 0x20)


def _take_ber(data: bytes, offset: int) -> tuple[Tlv, int]:
    tag, at = data[offset], offset + 1
    if tag & 0x1F == 0x1F:
        tag, at = _long_tag(data, offset)
    size, at = _take_length(data, at)
    return _take_value(data, tag, at, size)


def _take_compact_ber(data: bytes, offset: int) -> tuple[Tlv, int]:
    size, at = _take_length(data, offset + 1)
    return _take_value(data, data[offset], at, size)


def _take_one_byte(data: bytes, offset: int) -> tuple[Tlv, int]:
    if offset + 2 > len(data):
        raise Malformed("the data ends inside tag and length", offset)
    return _take_value(data, data[offset], offset + 2, data[offset + 1])


def _take_value(data: bytes, tag: int, start: int, size: int) -> tuple[Tlv, int]:
    end = start + size
    if end > len(data):
        raise Malformed(f"tag {tag:02X} needs {size} bytes, {len(data) - start} are left", start)
    return Tlv(tag, data[start:end]), end


def _long_tag(data: bytes, offset: int) -> tuple[int, int]:
    # ISO 7816-4: a second byte 00-1E or 80 is no tag; a third byte is the last we accept.
    second = data[offset + 1 : offset + 2]
    if not second or second[0] < 0x1F or second[0] == 0x80:
        raise Malformed("the second byte of the tag is missing or not allowed", offset)
    end = offset + 2 if second[0] < 0x80 else offset + 3
    if end > len(data) or data[end - 1] >= 0x80:
        raise Malformed("the tag is cut off or longer than three bytes", offset)
    return int.from_bytes(data[offset:end], "big"), end


def _take_length(data: bytes, offset: int) -> tuple[int, int]:
    if offset >= len(data):
        raise Malformed("the data ends before the length", offset)
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    end = offset + 1 + (first & 0x7F)
    if not 0x81 <= first <= 0x83 or end > len(data):
        raise Malformed(f"a length that begins {first:02X} is cut off or not allowed", offset)
    size = int.from_bytes(data[offset + 1 : end], "big")
    if size < 0x80 or data[offset + 1] == 0:
        raise Malformed("the length is not written in the fewest bytes", offset)
    return size, end


def _ber_length(value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes((size,))
    width = (size.bit_length() + 7) // 8
    if width > 3:
        raise ValueError(f"{size} bytes are more than a TLV object holds")
    return bytes((0x80 | width,)) + size.to_bytes(width, "big")
