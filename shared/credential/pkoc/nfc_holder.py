"""PKOC over NFC, the holder's side: the application of a card, or of a phone that plays one."""

from __future__ import annotations

from dataclasses import dataclass

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.nfc_messages import (
    AID,
    AUTHENTICATE,
    CERTIFICATE,
    CHALLENGE_SIZE,
    INFO,
    INTERNAL_AUTHENTICATE,
    V1_0,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
    encode_info,
    encode_signature,
)

_CLASSES = (0x00, AUTHENTICATE[0])


@dataclass(frozen=True, slots=True)
class Certified:
    """What a card of SE V2 has: a key of its own for it, and the supplier's word for that key."""

    key: PrivateKey
    certificate: Certificate


class PkocApplication:
    """SE V1, and SE V2 if it is `certified`, for `shared.credential.card.Card`.

    `versions` is what SELECT answers. The default is one version, because readers in the field
    compare the whole answer with it. The two profiles have two keys: no signature made for one
    means anything in the other.
    """

    aid = AID

    def __init__(
        self,
        credential: PrivateKey,
        versions: tuple[bytes, ...] = (V1_0,),
        *,
        certified: Certified | None = None,
    ) -> None:
        if certified is not None and certified.key.public == credential.public:
            raise ValueError("SE V2 needs a key of its own")
        self._credential = credential
        self._versions = versions
        self._certified = certified

    def select(self) -> ResponseAPDU:
        return ResponseAPDU(SelectAnswer(self._versions).encode(), SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        if command.cla not in _CLASSES:
            return _status(SW.UNKNOWN_CLA)
        match (command.cla, command.ins), self._certified:
            case (0x80, 0x80), _:
                return self._authenticate(command)
            case (0x00, 0xCA), Certified() as certified:
                return _data(command, certified)
            case (0x00, 0x88), Certified(key=key):
                return _internal_authenticate(command, key)
            case _:
                return _status(SW.UNKNOWN_INS)

    def _authenticate(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.p1, command.p2) != AUTHENTICATE[2:]:
            return _status(SW.WRONG_P1_P2)
        challenge = Authenticate.decode(command.data)
        if challenge.version not in self._versions:
            return _status(SW.CONDITIONS_NOT_SATISFIED)
        key = self._credential
        answer = AuthenticateAnswer(key.public.point, key.sign(challenge.transaction_id))
        return ResponseAPDU(answer.encode(), SW.OK)


def _data(command: CommandAPDU, certified: Certified) -> ResponseAPDU:
    if command.header == INFO.header:
        return ResponseAPDU(encode_info(), SW.OK)
    if command.header == CERTIFICATE.header:
        return ResponseAPDU(certified.certificate.encode(), SW.OK)
    return _status(SW.REFERENCE_NOT_FOUND)


def _internal_authenticate(command: CommandAPDU, key: PrivateKey) -> ResponseAPDU:
    """Sign 32 bytes and no other number: nothing signed over BLE or in SE V1 has so many."""
    if (command.p1, command.p2) != INTERNAL_AUTHENTICATE[2:]:
        return _status(SW.WRONG_PARAMETERS)
    if len(command.data) != CHALLENGE_SIZE:
        return _status(SW.WRONG_LENGTH)
    return ResponseAPDU(encode_signature(key.sign(command.data)), SW.OK)


def _status(sw: SW) -> ResponseAPDU:
    return ResponseAPDU(b"", sw)
