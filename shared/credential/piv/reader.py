"""PIV, the reader's side: the certificate of the card authentication key, and a fresh signature.

    SELECT, GET DATA (certificate), GENERAL AUTHENTICATE

The key needs no PIN, so the card answers any reader: what is proven is that the card is here. A
card is known by its key; where the site has chosen authorities, its certificate must lead to one.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from shared.credential.apdu import SW, ResponseAPDU, describe
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue, Form, exchange
from shared.credential.outcome import (
    Outcome,
    Proven,
    Reason,
    Standard,
    Strength,
    Transport,
)
from shared.credential.p256 import OwnKeys
from shared.credential.piv.authorities import UNREADABLE, Authorities, Clock
from shared.credential.piv.keys import CardKey, EccKey, card_key
from shared.credential.piv.messages import (
    CARD_AUTHENTICATION,
    SELECT,
    CertificateObject,
    decode_signature,
    general_authenticate,
    get_data,
)
from shared.credential.selection import check_selected

NONCE_SIZE = 32
# Staff cards keep certificates of 2 KiB and hand them out in pieces of 256 bytes, some in smaller.
_ROUNDS = 40
# The middleware that these cards have met until now asks for nothing before the last block.
_FORM = Form(le_in_blocks=False)
# The key signs whatever it is handed. What we hand it means something here, and nowhere else.
_PURPOSE = b"doorward piv card authentication v1"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a door asks of a certificate: nothing (None), or that it leads to `authorities`."""

    authorities: Authorities | None = None
    clock: Clock | None = None


def dialogue(
    reader: bytes, nonce: bytes, *, own_keys: OwnKeys, trust: Trust | None = None
) -> Dialogue[Outcome]:
    """Ask one card. `reader` is who asks, `nonce` 32 fresh random bytes."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} random bytes")
    return _dialogue(_PURPOSE + reader + nonce, own_keys, trust or Trust())


def _dialogue(message: bytes, own_keys: OwnKeys, trust: Trust) -> Dialogue[Outcome]:
    check_selected((yield from exchange(SELECT)))
    certificate, key = _read((yield from _certificate()))
    if isinstance(key, EccKey) and key.public in own_keys:
        raise RuleBroken(Reason.OWN_KEY, "one of our own keys was shown as a credential")
    issuer = None
    if trust.authorities is not None:
        issuer = trust.authorities.check(certificate, trust.clock)
    command = general_authenticate(key.algorithm, key.challenge(message))
    answer = yield from exchange(command, _FORM)
    signature = decode_signature(_good("GENERAL AUTHENTICATE", answer))
    if not key.verifies(signature, message):
        raise RuleBroken(Reason.BAD_SIGNATURE, "the signature does not cover this transaction")
    return Proven(key.identifier, Standard.PIV, Transport.NFC, Strength.ONE_WAY, issuer)


def _certificate() -> Dialogue[bytes]:
    answer = yield from exchange(get_data(CARD_AUTHENTICATION), rounds=_ROUNDS)
    if answer.sw in (SW.NOT_FOUND, SW.REFERENCE_NOT_FOUND):
        raise RuleBroken(Reason.UNAVAILABLE, "the card has no certificate for card authentication")
    return CertificateObject.decode(_good("GET DATA", answer)).der


def _read(der: bytes) -> tuple[x509.Certificate, CardKey]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, card_key(certificate.public_key())
    except UNREADABLE:
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate cannot be read") from None


def _good(what: str, answer: ResponseAPDU) -> bytes:
    if answer.sw != SW.OK:
        raise RuleBroken(Reason.CARD_ERROR, f"{what} was answered {describe(answer.sw)}")
    return answer.data
