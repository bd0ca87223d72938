"""PIV, the card's side, as far as the card authentication key goes."""

from __future__ import annotations

from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.p256 import PrivateKey
from shared.credential.piv.keys import RSA_BITS, RSA_BYTES
from shared.credential.piv.messages import (
    AID,
    CARD_AUTHENTICATION,
    GENERAL_AUTHENTICATE,
    GET_DATA,
    KEY,
    Algorithm,
    CertificateObject,
    decode_challenge,
    decode_get_data,
    encode_signature,
)
from shared.credential.tlv import encode

CardPrivateKey: TypeAlias = PrivateKey | rsa.RSAPrivateKey

_PREHASHED = ECDSA(Prehashed(SHA256()), deterministic_signing=True)
_HASH_SIZE = 32


class PivApplication:
    """For `shared.credential.card.Card`. `certificate` None: the slot is empty."""

    aid = AID

    def __init__(self, key: CardPrivateKey, certificate: CertificateObject | None) -> None:
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size != RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits; a card has {RSA_BITS}")
        self._key = key
        self._certificate = certificate

    def select(self) -> ResponseAPDU:
        # Application property template: the version of the application, and whose it is.
        authority = encode(0x79, encode(0x4F, AID[:5]))
        return ResponseAPDU(encode(0x61, encode(0x4F, AID[5:]) + authority), SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        if command.header == bytes(GET_DATA):
            return self._data(decode_get_data(command.data))
        if (command.cla, command.ins) == GENERAL_AUTHENTICATE:
            return self._authenticate(command)
        return _status(SW.UNKNOWN_INS)

    def _data(self, name: bytes) -> ResponseAPDU:
        if name != CARD_AUTHENTICATION or self._certificate is None:
            return _status(SW.NOT_FOUND)
        return ResponseAPDU(self._certificate.encode(), SW.OK)

    def _authenticate(self, command: CommandAPDU) -> ResponseAPDU:
        challenge = decode_challenge(command.data)
        match self._key:
            case _ if command.p2 != KEY:
                return _status(SW.WRONG_PARAMETERS)
            case PrivateKey(native=key) if command.p1 == Algorithm.ECC_P256:
                if len(challenge) != _HASH_SIZE:
                    return _status(SW.WRONG_DATA)
                return ResponseAPDU(encode_signature(key.sign(challenge, _PREHASHED)), SW.OK)
            case rsa.RSAPrivateKey() as native if command.p1 == Algorithm.RSA_2048:
                return _raise(native.private_numbers(), challenge)
            case _:
                return _status(SW.WRONG_PARAMETERS)


def _raise(key: rsa.RSAPrivateNumbers, block: bytes) -> ResponseAPDU:
    """What a card does with a block: no padding is looked at."""
    number = int.from_bytes(block, "big")
    if len(block) != RSA_BYTES or number >= key.public_numbers.n:
        return _status(SW.WRONG_DATA)
    # By way of both primes: a reader gives a card 77 ms, of which this takes a third as much.
    by_p, by_q = pow(number, key.dmp1, key.p), pow(number, key.dmq1, key.q)
    raised = by_q + key.q * ((by_p - by_q) * key.iqmp % key.p)
    return ResponseAPDU(encode_signature(raised.to_bytes(RSA_BYTES, "big")), SW.OK)


def _status(sw: SW) -> ResponseAPDU:
    return ResponseAPDU(b"", sw)
