"""Cards that prove nothing: a serial number, or what a Wiegand reader sends. For migration only.

Anybody can copy such a number, with a device the size of a keyring. What is read here is marked
cloneable wherever it goes, and a door takes it only where it says so.

    format      bits   facility  number   parity (positions from 0, the first bit sent)
    H10301       26    1-8       9-24     0 even over 1-12; 25 odd over 13-24
    H10306       34    1-16      17-32    0 even over 1-16; 33 odd over 17-32
    C1000-35     35    2-13      14-33    1 even and 34 odd over two of three bits; 0 odd over all
    H10302       37    -         1-35     0 even over 1-18; 36 odd over 18-35
    H10304       37    1-16      17-35    as H10302

The formats are the makers'; their layouts are as the Proxmark3 project has gathered them. Nothing
on the wire says which format a card has: 37 bits may be read in two ways. A card is recognised by
all of its bits, so that never matters to the decision, only to what is printed on the card.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.credential.errors import RuleBroken
from shared.credential.identifier import (
    MAX_WIEGAND_BITS,
    MIN_WIEGAND_BITS,
    of_uid,
    of_wiegand,
    wiegand_of,
)
from shared.credential.outcome import (
    Outcome,
    Proven,
    Reason,
    Refused,
    Standard,
    Strength,
    Transport,
)

# ISO 14443-3: a UID of four bytes that begins so is drawn anew at every activation, as phones do.
_RANDOM_UID = 0x08


class Parity(NamedTuple):
    """The bit `at` makes the ones among `covered` and itself even (rest 0) or odd (rest 1)."""

    at: int
    rest: int
    covered: Sequence[int]


_EVEN, _ODD = 0, 1


class Field(NamedTuple):
    """Bits `first` to `last`, most significant first."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Format:
    """Where in so many bits facility and number are. Parities are listed in order of making."""

    name: str
    bits: int
    facility: Field | None
    number: Field
    parities: tuple[Parity, ...]

    def read(self, value: int) -> Printed | None:
        """What is printed on the card that sends `value`; None if a parity bit is wrong."""
        for parity in self.parities:
            if _ones(value, self.bits, (parity.at, *parity.covered)) % 2 != parity.rest:
                return None
        facility = _take(value, self.bits, self.facility) if self.facility else None
        return Printed(self, facility, _take(value, self.bits, self.number))

    def write(self, number: int, facility: int | None = None) -> int:
        """The bits of the card on which these are printed. `ValueError` if they do not fit."""
        value = _put(number, self.bits, self.number, f"{self.name}: number")
        if (facility is None) is not (self.facility is None):
            raise ValueError(f"{self.name} has {'a' if self.facility else 'no'} facility code")
        if facility is not None and self.facility is not None:
            value |= _put(facility, self.bits, self.facility, f"{self.name}: facility code")
        for parity in self.parities:
            if _ones(value, self.bits, parity.covered) % 2 != parity.rest:
                value |= 1 << (self.bits - 1 - parity.at)
        return value


class Printed(NamedTuple):
    """One reading of a card's bits, as somebody may find it printed on the card."""

    format: Format
    facility: int | None
    number: int

    def __str__(self) -> str:
        """`H10301 1-1234`, facility and number, or `H10302 1234`."""
        facility = "" if self.facility is None else f"{self.facility}-"
        return f"{self.format.name} {facility}{self.number}"


def _outer(bits: int, half: int) -> tuple[Parity, Parity]:
    """Even over the first half behind the first bit, odd over the last before the last."""
    first, last = range(1, 1 + half), range(bits - 1 - half, bits - 1)
    return Parity(0, _EVEN, first), Parity(bits - 1, _ODD, last)


H10301 = Format("H10301", 26, Field(1, 8), Field(9, 24), _outer(26, 12))
H10306 = Format("H10306", 34, Field(1, 16), Field(17, 32), _outer(34, 16))
C1000_35 = Format(
    "C1000-35",
    35,
    Field(2, 13),
    Field(14, 33),
    (
        Parity(1, _EVEN, [at for at in range(2, 34) if at % 3 != 1]),
        Parity(34, _ODD, [at for at in range(1, 33) if at % 3 != 0]),
        Parity(0, _ODD, range(1, 35)),
    ),
)
H10302 = Format("H10302", 37, None, Field(1, 35), _outer(37, 18))
H10304 = Format("H10304", 37, Field(1, 16), Field(17, 35), _outer(37, 18))
FORMATS = (H10301, H10306, C1000_35, H10302, H10304)


@dataclass(frozen=True, slots=True)
class Wiegand:
    """What came over D0 and D1: so many bits, the first sent as the most significant."""

    bits: int
    value: int

    @classmethod
    def decode(cls, text: str) -> Wiegand:
        """Read the bits as zeros and ones. Raises `RuleBroken`: malformed or wrong_length."""
        if not re.fullmatch(r"[01]+", text, re.ASCII):
            raise RuleBroken(Reason.MALFORMED, "something else than zeros and ones")
        if not MIN_WIEGAND_BITS <= len(text) <= MAX_WIEGAND_BITS:
            what = f"{len(text)} bits; a card sends {MIN_WIEGAND_BITS} to {MAX_WIEGAND_BITS}"
            raise RuleBroken(Reason.WRONG_LENGTH, what)
        return cls(len(text), int(text, 2))

    @classmethod
    def of(cls, identifier: bytes) -> Wiegand | None:
        """The bits that an identifier stands for; None for one of another kind."""
        found = wiegand_of(identifier)
        return None if found is None else cls(*found)

    @property
    def identifier(self) -> bytes:
        """What a grant is found by: all of the bits."""
        return of_wiegand(self.bits, self.value)

    def readings(self) -> tuple[Printed, ...]:
        """What may be printed on the card, by every format whose length and parity fit."""
        found = (each.read(self.value) for each in FORMATS if each.bits == self.bits)
        return tuple(reading for reading in found if reading is not None)


def judge_wiegand(text: str, transport: Transport = Transport.WIRE) -> Outcome:
    """What a Wiegand reader has sent, as an outcome. Bits of a known length must have right parity.

    A length that no format here has is taken as it is: sites have formats of their own.
    """
    try:
        number = Wiegand.decode(text)
    except RuleBroken as broken:
        return Refused(broken.reason, str(broken))
    known = any(each.bits == number.bits for each in FORMATS)
    if known and not number.readings():
        return Refused(Reason.MALFORMED, f"the parity of {number.bits} bits is wrong: misread")
    return _shown(number.identifier, transport)


def judge_uid(uid: bytes) -> Outcome:
    """The serial number of a card in the field, as an outcome; a random one is nobody's."""
    try:
        identifier = of_uid(uid)
    except ValueError as error:
        return Refused(Reason.WRONG_LENGTH, str(error))
    if len(uid) == 4 and uid[0] == _RANDOM_UID:
        return Refused(Reason.NOT_THIS_STANDARD, "the number is random: it is another next time")
    return _shown(identifier, Transport.NFC)


def _shown(identifier: bytes, transport: Transport) -> Proven:
    return Proven(identifier, Standard.CARD_NUMBER, transport, Strength.CLONEABLE)


def _take(value: int, bits: int, field: Field) -> int:
    return value >> (bits - 1 - field.last) & ((1 << (field.last - field.first + 1)) - 1)


def _put(number: int, bits: int, field: Field, what: str) -> int:
    largest = (1 << (field.last - field.first + 1)) - 1
    if not 0 <= number <= largest:
        raise ValueError(f"{what} {number}; 0 to {largest} fit")
    return number << (bits - 1 - field.last)


def _ones(value: int, bits: int, positions: Sequence[int]) -> int:
    return sum(value >> (bits - 1 - at) & 1 for at in positions)
