"""PKOC over NFC, the reader's side: one attempt at one card.

    SELECT, AUTHENTICATE                               SE V1: the card signs our number
    SELECT, INFO, CERTIFICATE, INTERNAL AUTHENTICATE   SE V2: the same by the key in a certificate

The card proves itself; the reader does not, and nothing is encrypted: anybody near can ask a card
for its key. What is proven is that this card answered this reader's fresh number. A certificate
adds who issued the card. A card that has said it speaks SE V2 is held to it: whatever fails then is
the end, and no reason to ask for less.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from shared.credential.apdu import SW, CommandAPDU, describe
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue, exchange
from shared.credential.outcome import Outcome, Proven, Reason, Strength, Transport
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.nfc_messages import (
    CERTIFICATE,
    CHALLENGE_SIZE,
    INFO,
    SELECT,
    TRANSACTION_ID_SIZE,
    V1_0,
    V1_1,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
    decode_signature,
    internal_authenticate,
    is_se_v2,
)
from shared.credential.pkoc.proof import prove
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.selection import check_selected
from shared.credential.tlv import Malformed

_KNOWN_VERSIONS = (V1_1, V1_0)


@dataclass(frozen=True, slots=True)
class SeV2:
    """How a door asks for certificates. `challenge` is 32 fresh random bytes.

    With `suppliers` a certificate is validated: it must be signed by one of them and, with `dates`,
    be good `today` (UTC; None: the clock cannot be trusted). Without, it is not looked into, which
    proves no more than SE V1 does. Cards that know SE V1 only are refused where `required`.
    """

    challenge: bytes
    suppliers: Suppliers | None
    today: date | None = None
    dates: bool = True
    required: bool = False

    def __post_init__(self) -> None:
        if len(self.challenge) != CHALLENGE_SIZE:
            raise ValueError(f"a challenge has {CHALLENGE_SIZE} random bytes")


def dialogue(
    identity: ReaderIdentity,
    transaction_id: bytes,
    *,
    own_keys: OwnKeys,
    se_v2: SeV2 | None = None,
) -> Dialogue[Outcome]:
    """Ask one card for its key. `transaction_id` is 16 fresh random bytes; `se_v2` None: SE V1."""
    if len(transaction_id) != TRANSACTION_ID_SIZE:
        raise ValueError(f"a transaction identifier has {TRANSACTION_ID_SIZE} random bytes")
    return _Reader(identity, own_keys).ask(transaction_id, se_v2)


@dataclass(frozen=True, slots=True)
class _Reader:
    identity: ReaderIdentity
    own_keys: OwnKeys

    def ask(self, transaction_id: bytes, se_v2: SeV2 | None) -> Dialogue[Outcome]:
        selected = yield from exchange(SELECT)
        check_selected(selected)
        version = SelectAnswer.decode(selected.data).choose(_KNOWN_VERSIONS)
        if se_v2 is not None:
            info = yield from exchange(INFO)
            if info.sw == SW.OK and is_se_v2(info.data):
                return (yield from self._by_certificate(se_v2))
            if se_v2.required:
                raise RuleBroken(Reason.FLOW_NOT_ALLOWED, "this door wants a card's certificate")
        return (yield from self._by_key(version, transaction_id))

    def _by_key(self, version: bytes, transaction_id: bytes) -> Dialogue[Proven]:
        command = Authenticate(version, transaction_id, self.identity.reader_identifier)
        shown = AuthenticateAnswer.decode((yield from _get("AUTHENTICATE", command.encode())))
        return self._proven(shown.point, shown.signature, transaction_id)

    def _by_certificate(self, door: SeV2) -> Dialogue[Proven]:
        certificate = Certificate.decode((yield from _get("GET DATA", CERTIFICATE)))
        issuer = None
        if door.suppliers is not None:
            issuer = certificate.validate(door.suppliers, today=door.today, dates=door.dates)
        command = internal_authenticate(door.challenge)
        signature = decode_signature((yield from _get("INTERNAL AUTHENTICATE", command)))
        return self._proven(certificate.claims.point, signature, door.challenge, issuer)

    def _proven(
        self, point: bytes, signature: bytes, signed: bytes, issuer: str | None = None
    ) -> Proven:
        return prove(
            point,
            signature,
            signed,
            identity=self.identity,
            own_keys=self.own_keys,
            transport=Transport.NFC,
            strength=Strength.ONE_WAY,
            issuer=issuer,
        )


def _get(what: str, command: CommandAPDU) -> Dialogue[bytes]:
    """What the card answers to `command`. Raises `RuleBroken`: card_error or malformed."""
    answer = yield from exchange(command)
    if answer.sw != SW.OK:
        raise RuleBroken(Reason.CARD_ERROR, f"{what} was answered {describe(answer.sw)}")
    if not answer.data:
        raise Malformed(f"{what} was answered with nothing but success")
    return answer.data
