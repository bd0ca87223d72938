"""PKOC over NFC, the holder's side: a card, or a phone that plays one (SE V1)."""

from __future__ import annotations

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.nfc_messages import (
    AID,
    AUTHENTICATE,
    V1_0,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
)

_KNOWN = frozenset(((0x00, 0xA4), AUTHENTICATE[:2]))  # CLA, INS
_CLASSES = frozenset(cla for cla, _ in _KNOWN)


class CardSession:
    """One activation, from field on to field off: every command gets a response, none raises.

    `versions` is what SELECT answers. The default is one version, because readers in the field
    compare the whole answer with it.
    """

    def __init__(self, credential: PrivateKey, versions: tuple[bytes, ...] = (V1_0,)) -> None:
        self._credential = credential
        self._versions = versions
        self._selected = False

    def receive(self, command: bytes) -> bytes:
        """Answer one command APDU."""
        try:
            return self._answer(CommandAPDU.decode(command)).encode()
        except RuleBroken:
            return _status(SW.WRONG_LENGTH).encode()

    def _answer(self, command: CommandAPDU) -> ResponseAPDU:
        if command.cla not in _CLASSES:
            return _status(SW.UNKNOWN_CLA)
        if (command.cla, command.ins) not in _KNOWN:
            return _status(SW.UNKNOWN_INS)
        if command.ins == AUTHENTICATE[1]:
            return self._authenticate(command)
        return self._select(command)

    def _select(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.p1, command.p2) != (0x04, 0x00):
            return _status(SW.WRONG_P1_P2)
        self._selected = command.data == AID
        if not self._selected:
            return _status(SW.NOT_FOUND)
        return ResponseAPDU(SelectAnswer(self._versions).encode(), SW.OK)

    def _authenticate(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.p1, command.p2) != AUTHENTICATE[2:]:
            return _status(SW.WRONG_P1_P2)
        challenge = Authenticate.decode(command.data)
        if not self._selected or challenge.version not in self._versions:
            return _status(SW.CONDITIONS_NOT_SATISFIED)
        key = self._credential
        answer = AuthenticateAnswer(key.public.point, key.sign(challenge.transaction_id))
        return ResponseAPDU(answer.encode(), SW.OK)


def _status(sw: SW) -> ResponseAPDU:
    return ResponseAPDU(b"", sw)
