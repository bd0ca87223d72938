"""From one command to its complete response: a chain of small processors, each a generator.

A processor yields the bytes of a command, is sent the bytes of the response, and returns what it
is for. `exchange` is the whole chain, outermost first:

    command chaining   too much data for one command goes in blocks, all but the last marked 0x10
    response chaining  61xx, "more is waiting": GET RESPONSE until there is no more
    other length       6Cxx, "ask again with this length": once for each command
    form               short, or extended where the card has announced it

A standard is a longer generator that delegates to these; `shared.credential.tag` runs it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from shared.credential.apdu import (
    SHORT_DATA,
    SHORT_MAX,
    SW,
    CommandAPDU,
    ResponseAPDU,
)
from shared.credential.tlv import Malformed

Result = TypeVar("Result")

# Yields what to send to the card, is sent what the card answers, returns a result.
Dialogue: TypeAlias = Generator[bytes, bytes, Result]

CHAINED = 0x10  # the class bit of every block but the last
# A long response of a card: a certificate of 3 KiB in pieces of 256 bytes. Access Documents of
# phones are longer, and say so.
ROUNDS = 16
RESPONSE_SIZE = 16 * 1024
# A card that has announced less than this for its commands is to be asked in the short form.
_LEAST = 4 + 3 + 2 + 1

_MORE = 0x61
_OTHER_LE = 0x6C


@dataclass(frozen=True, slots=True)
class Form:
    """How much data one command may carry, and with what lengths it is written.

    Standards differ in whether a block that is not the last says how much it expects, which is
    nothing; cards may insist.
    """

    data: int = SHORT_DATA
    extended: bool = False
    le_in_blocks: bool = True

    @classmethod
    def announced(cls, command: int) -> Form:
        """The form for a card that takes commands of `command` bytes in all."""
        return SHORT if command < SHORT_DATA + _LEAST else cls(command - 4 - 3 - 2, extended=True)

    def write(self, command: CommandAPDU) -> bytes:
        return command.encode_extended() if self.extended else command.encode()


SHORT = Form()


def exchange(
    command: CommandAPDU,
    form: Form = SHORT,
    *,
    rounds: int = ROUNDS,
    size: int = RESPONSE_SIZE,
) -> Dialogue[ResponseAPDU]:
    """The response to `command`, fetched in at most `rounds` pieces of `size` bytes together.

    Raises `Malformed`.
    """
    while len(command.data) > form.data:
        first, rest = command.data[: form.data], command.data[form.data :]
        le = command.le if form.le_in_blocks else None
        block = replace(command, cla=command.cla | CHAINED, data=first, le=le)
        response = yield from _ask(block, form)
        if response.sw != SW.OK or response.data:
            return response  # refused half-way; whatever it is, the rest is not asked for
        command = replace(command, data=rest)
    return (yield from _collect(command, form, rounds, size))


def _collect(command: CommandAPDU, form: Form, rounds: int, size: int) -> Dialogue[ResponseAPDU]:
    response = yield from _ask(command, form)
    if response.sw >> 8 != _MORE and len(response.data) <= size:
        return response
    data = response.data
    while response.sw >> 8 == _MORE:
        rounds -= 1
        if rounds == 0 or len(data) > size:
            raise Malformed("the card chains its response without end", len(data))
        more = CommandAPDU(0x00, 0xC0, 0x00, 0x00, le=response.sw & 0xFF or SHORT_MAX)
        response = yield from _ask(more, form)
        data += response.data
    if len(data) > size:
        raise Malformed(f"a response of {len(data)} bytes, {size} are taken", size)
    return ResponseAPDU(data, response.sw)


def _ask(command: CommandAPDU, form: Form) -> Dialogue[ResponseAPDU]:
    response = ResponseAPDU.decode((yield form.write(command)))
    if response.sw >> 8 == _OTHER_LE:
        corrected = replace(command, le=response.sw & 0xFF or SHORT_MAX)
        response = ResponseAPDU.decode((yield form.write(corrected)))
    return response
