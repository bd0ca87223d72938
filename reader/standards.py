"""Which NFC standards a door takes, in its own order, and by which method somebody has come in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from shared.access.rows import Method
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Standard, Strength, Transport
from shared.credential.p256 import OwnKeys
from shared.credential.piv import reader as piv
from shared.credential.pkoc import nfc_reader as pkoc
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.nfc_messages import TRANSACTION_ID_SIZE
from shared.credential.selection import try_in_order


class Standards:
    """Makes the dialogue for each card that comes, with fresh randomness."""

    def __init__(self, identity: ReaderIdentity, own_keys: OwnKeys) -> None:
        """Take who this reader is, and the keys that are nobody's credential."""
        self._identity = identity
        self._own_keys = own_keys

    def over_nfc(self, methods: Sequence[Method]) -> Dialogue[Outcome] | None:
        """Return what to ask a card at a door of `methods`, or None: nothing by commands."""
        found = [dialogue for each in methods if (dialogue := self._dialogue(each)) is not None]
        return try_in_order(found) if found else None

    def _dialogue(self, method: Method) -> Dialogue[Outcome] | None:
        match method:
            case Method.PKOC_NFC:
                number = secrets.token_bytes(TRANSACTION_ID_SIZE)
                return pkoc.dialogue(self._identity, number, own_keys=self._own_keys)
            case Method.PIV_NFC:
                nonce = secrets.token_bytes(piv.NONCE_SIZE)
                name = self._identity.reader_identifier
                return piv.dialogue(name, nonce, own_keys=self._own_keys)
            case Method.PKOC_BLE | Method.PKOC_BLE_ECDHE | Method.CARD_NUMBER:
                return None


def method_of(proven: Proven) -> Method:
    """Return the method that `proven` came by. `KeyError` for one that no door can take."""
    return _METHODS[proven.standard, proven.transport, proven.strength]


_METHODS = {
    (Standard.PKOC, Transport.BLE, Strength.MUTUAL): Method.PKOC_BLE_ECDHE,
    (Standard.PKOC, Transport.BLE, Strength.ONE_WAY): Method.PKOC_BLE,
    (Standard.PKOC, Transport.NFC, Strength.ONE_WAY): Method.PKOC_NFC,
    (Standard.PIV, Transport.NFC, Strength.ONE_WAY): Method.PIV_NFC,
    (Standard.CARD_NUMBER, Transport.NFC, Strength.CLONEABLE): Method.CARD_NUMBER,
}
