"""The mailbox of a credential: a few bytes that readers and the holder's app leave each other.

    BA L  8C 01 more | operations...          more: 01, others follow; 00, now all of them are done
          87 04 offset(2) length(2)           read
          8A n  offset(2) data                write
          95 05 offset(2) length(2) value(1)  set

Reads give what was there before the writes of the same session. All of a session is done, or
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed, Tlv, encode, parse

MAX_SIZE = 0xFFFF
# What a device keeps of a session that has not been ended.
MAX_WAITING = 64

_MORE, _READ, _WRITE, _SET = 0x8C, 0x87, 0x8A, 0x95


@dataclass(frozen=True, slots=True)
class Read:
    """`length` bytes from `offset`."""

    offset: int
    length: int

    def encode(self) -> bytes:
        return encode(_READ, _number(self.offset) + _number(self.length))


@dataclass(frozen=True, slots=True)
class Write:
    """`data` at `offset`."""

    offset: int
    data: bytes = field(repr=False)

    @property
    def length(self) -> int:
        return len(self.data)

    def encode(self) -> bytes:
        return encode(_WRITE, _number(self.offset) + self.data)


@dataclass(frozen=True, slots=True)
class Set:
    """`length` bytes from `offset` become `value`."""

    offset: int
    length: int
    value: int

    @property
    def data(self) -> bytes:
        return bytes((self.value,)) * self.length

    def encode(self) -> bytes:
        return encode(_SET, _number(self.offset) + _number(self.length) + bytes((self.value,)))


Operation: TypeAlias = Read | Write | Set


@dataclass(frozen=True, slots=True)
class MailboxRequest:
    """What to do to a mailbox. With `more`, nothing is written before a request without."""

    operations: tuple[Operation, ...]
    more: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many bytes each of its reads asks for."""
        return tuple(each.length for each in self.operations if isinstance(each, Read))

    def encode(self) -> bytes:
        """The value of tag BA."""
        operations = (operation.encode() for operation in self.operations)
        return encode(_MORE, bytes((self.more,))) + b"".join(operations)

    @classmethod
    def decode(cls, data: bytes) -> MailboxRequest:
        """Raises `Malformed`."""
        row = parse(data)
        if not row or row[0].tag != _MORE or row[0].value not in (b"\0", b"\1"):
            raise Malformed("a mailbox request says first whether it is the last")
        return cls(tuple(_operation(each) for each in row[1:]), row[0].value == b"\1")


def _operation(found: Tlv) -> Operation:
    tag, value = found
    offset, length = int.from_bytes(value[:2], "big"), int.from_bytes(value[2:4], "big")
    match tag, len(value):
        case (0x87, 4):
            return Read(offset, length)
        case (0x8A, size) if size >= 2:
            return Write(offset, value[2:])
        case (0x95, 5):
            return Set(offset, length, value[4])
        case _:
            raise Malformed("a mailbox operation that there is not")


class Mailbox:
    """The bytes themselves, at the holder. `ValueError` for more than an offset can reach."""

    def __init__(self, content: bytes) -> None:
        if len(content) > MAX_SIZE:
            raise ValueError(f"a mailbox of {len(content)} bytes; offsets reach {MAX_SIZE}")
        self._content = bytearray(content)
        self._waiting: list[Write | Set] = []

    @property
    def content(self) -> bytes:
        return bytes(self._content)

    @property
    def is_used(self) -> bool:
        return any(self._content)

    def apply(self, request: MailboxRequest) -> list[bytes]:
        """Do what `request` says; the result of each read.

        Raises `RuleBroken`, having done nothing, if it reaches over the end or will not end.
        """
        for operation in request.operations:
            if operation.offset + operation.length > len(self._content):
                raise RuleBroken(Reason.WRONG_LENGTH, "the mailbox is not that long")
        changes = [each for each in request.operations if not isinstance(each, Read)]
        if len(self._waiting) + len(changes) > MAX_WAITING:
            raise RuleBroken(Reason.OUT_OF_ORDER, "a mailbox session without an end")
        reads = [self._read(each) for each in request.operations if isinstance(each, Read)]
        self._waiting += changes
        if not request.more:
            self._commit()
        return reads

    def abandon(self) -> None:
        """The transaction is over: a session that was not ended has done nothing."""
        self._waiting.clear()

    def _read(self, read: Read) -> bytes:
        return bytes(self._content[read.offset : read.offset + read.length])

    def _commit(self) -> None:
        for change in self._waiting:
            self._content[change.offset : change.offset + change.length] = change.data
        self._waiting.clear()


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")
