"""PKOC over NFC, the holder's side: the application of a card, or of a phone that plays one."""

from __future__ import annotations

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.nfc_messages import (
    AID,
    AUTHENTICATE,
    V1_0,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
)

_CLASSES = (0x00, AUTHENTICATE[0])


class PkocApplication:
    """SE V1, for `shared.credential.card.Card`.

    `versions` is what SELECT answers. The default is one version, because readers in the field
    compare the whole answer with it.
    """

    aid = AID

    def __init__(self, credential: PrivateKey, versions: tuple[bytes, ...] = (V1_0,)) -> None:
        self._credential = credential
        self._versions = versions

    def select(self) -> ResponseAPDU:
        return ResponseAPDU(SelectAnswer(self._versions).encode(), SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        if command.cla not in _CLASSES:
            return _status(SW.UNKNOWN_CLA)
        if (command.cla, command.ins) != AUTHENTICATE[:2]:
            return _status(SW.UNKNOWN_INS)
        if (command.p1, command.p2) != AUTHENTICATE[2:]:
            return _status(SW.WRONG_P1_P2)
        challenge = Authenticate.decode(command.data)
        if challenge.version not in self._versions:
            return _status(SW.CONDITIONS_NOT_SATISFIED)
        key = self._credential
        answer = AuthenticateAnswer(key.public.point, key.sign(challenge.transaction_id))
        return ResponseAPDU(answer.encode(), SW.OK)


def _status(sw: SW) -> ResponseAPDU:
    return ResponseAPDU(b"", sw)
