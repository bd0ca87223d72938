"""PKOC over NFC, the reader's side: one attempt at one card, SELECT then AUTHENTICATE (SE V1).

The card proves itself; the reader does not, and nothing is encrypted: anybody near can ask a card
for its key. What is proven is that this card answered this reader's fresh number.
"""

from __future__ import annotations

from shared.credential.apdu import SW, describe
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue, exchange
from shared.credential.outcome import Outcome, Reason, Strength, Transport
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.nfc_messages import (
    SELECT,
    TRANSACTION_ID_SIZE,
    V1_0,
    V1_1,
    Authenticate,
    AuthenticateAnswer,
    SelectAnswer,
)
from shared.credential.pkoc.proof import prove
from shared.credential.selection import check_selected
from shared.credential.tlv import Malformed

_KNOWN_VERSIONS = (V1_1, V1_0)


def dialogue(
    identity: ReaderIdentity, transaction_id: bytes, *, own_keys: OwnKeys
) -> Dialogue[Outcome]:
    """Ask one card for its key. `transaction_id` is 16 fresh random bytes."""
    if len(transaction_id) != TRANSACTION_ID_SIZE:
        raise ValueError(f"a transaction identifier has {TRANSACTION_ID_SIZE} random bytes")
    return _dialogue(identity, transaction_id, own_keys)


def _dialogue(
    identity: ReaderIdentity, transaction_id: bytes, own_keys: OwnKeys
) -> Dialogue[Outcome]:
    selected = yield from exchange(SELECT)
    check_selected(selected)
    version = SelectAnswer.decode(selected.data).choose(_KNOWN_VERSIONS)
    command = Authenticate(version, transaction_id, identity.reader_identifier)
    answer = yield from exchange(command.encode())
    if answer.sw != SW.OK:
        raise RuleBroken(Reason.CARD_ERROR, f"AUTHENTICATE was answered {describe(answer.sw)}")
    if not answer.data:
        raise Malformed("AUTHENTICATE was answered with nothing but success")
    shown = AuthenticateAnswer.decode(answer.data)
    return prove(
        shown.point,
        shown.signature,
        transaction_id,
        identity=identity,
        own_keys=own_keys,
        transport=Transport.NFC,
        strength=Strength.ONE_WAY,
    )
