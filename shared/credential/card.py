"""The card's side of ISO 7816: applications found by their identifier behind one edge.

The edge reads commands in either form, puts the blocks of a chained command together, and hands
out a long response in pieces (61xx, GET RESPONSE). An application sees whole commands and gives
whole responses; nothing that a reader sends raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from shared.credential.apdu import SHORT_MAX, SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.exchange import CHAINED

# What a card holds of a chained command: a certificate and then some.
BUFFER = 8 * 1024
# The registered provider's part of an application identifier.
LEAST_NAME = 5

_GET_RESPONSE = (0x00, 0xC0)
_SELECT = (0x00, 0xA4)


class Application(Protocol):
    """What one application identifier (AID) stands for, from field on to field off."""

    @property
    def aid(self) -> bytes: ...

    def select(self) -> ResponseAPDU:
        """Begin anew: it has just been selected."""

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        """Answer a command. May raise `RuleBroken` for one that is malformed: 6700 is answered."""


class Card:
    """One activation, from field on to field off: every command gets a response, none raises."""

    def __init__(self, applications: Sequence[Application]) -> None:
        self._applications = tuple(applications)
        self._selected: Application | None = None
        self._chain: CommandAPDU | None = None
        self._rest = ResponseAPDU(b"", SW.CONDITIONS_NOT_SATISFIED)

    def receive(self, raw: bytes) -> bytes:
        """Answer one command APDU."""
        try:
            command = CommandAPDU.decode(raw)
            if (command.cla, command.ins) == _GET_RESPONSE:
                return self._piece(command).encode()
            return self._take(command).encode()
        except RuleBroken:
            self._chain = None
            return _status(SW.WRONG_LENGTH).encode()

    def _take(self, command: CommandAPDU) -> ResponseAPDU:
        """Wait for the last block of a chain, then answer the whole."""
        chained = bool(command.cla & CHAINED)
        whole = replace(command, cla=command.cla & ~CHAINED)
        chain = self._chain or replace(whole, data=b"")
        self._chain = None
        if chain.header != whole.header:
            return _status(SW.LAST_COMMAND_EXPECTED)
        if len(chain.data) + len(whole.data) > BUFFER:
            return _status(SW.WRONG_LENGTH)
        whole = replace(whole, data=chain.data + whole.data)
        if chained:
            self._chain = whole
            return _status(SW.OK)
        self._rest = self._answer(whole)
        return self._piece(command)

    def _answer(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.cla, command.ins) == _SELECT:
            return self._select(command)
        if self._selected is None:
            return _status(SW.CONDITIONS_NOT_SATISFIED)
        return self._selected.answer(command)

    def _select(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.p1, command.p2) != (0x04, 0x00):
            return _status(SW.WRONG_P1_P2)
        self._selected = next((one for one in self._applications if _named(one, command)), None)
        return self._selected.select() if self._selected else _status(SW.NOT_FOUND)

    def _piece(self, command: CommandAPDU) -> ResponseAPDU:
        """As much of the response as `command` has room for, and whether there is more."""
        room = max(command.le or SHORT_MAX, SHORT_MAX)
        data, rest = self._rest.data[:room], self._rest.data[room:]
        sw = self._rest.sw
        if not rest:
            self._rest = _status(SW.CONDITIONS_NOT_SATISFIED)
            return ResponseAPDU(data, sw)
        self._rest = ResponseAPDU(rest, sw)
        return ResponseAPDU(data, SW.MORE | min(len(rest), 0xFF))


def _named(application: Application, command: CommandAPDU) -> bool:
    """Whether `command` selects it, by its name or by the beginning of it (ISO 7816-4)."""
    name = command.data
    return len(name) >= LEAST_NAME and application.aid.startswith(name)


def _status(sw: int) -> ResponseAPDU:
    return ResponseAPDU(b"", sw)
