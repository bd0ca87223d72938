"""Which NFC standards a door takes, in its own order, and by which method somebody has come in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from reader.certificates import Shown
from reader.documents import Examination, Remembered, moment_of, read_issuers
from reader.wallets import Wallets, last_word
from shared.access.decide import Knowledge
from shared.access.mode import Clock
from shared.access.rows import Calendar, CardIssuers, Method
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.reader import Transaction
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Standard, Strength, Transport
from shared.credential.piv import authorities
from shared.credential.piv import reader as piv
from shared.credential.piv.authorities import Authorities
from shared.credential.pkoc import nfc_reader as pkoc
from shared.credential.pkoc import suppliers
from shared.credential.pkoc.nfc_messages import CHALLENGE_SIZE, TRANSACTION_ID_SIZE
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.selection import try_in_order

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Issuers:
    """The card issuers of a plan, read."""

    row: CardIssuers
    suppliers: Suppliers
    authorities: Authorities
    documents: Issuers


_NOBODY = _Issuers(CardIssuers(), Suppliers({}), Authorities([]), Issuers())


def _nothing(_: object) -> None:
    return None


class Asking(NamedTuple):
    """What to ask a card, and then what to say to it, if anything, once the door has decided."""

    dialogue: Dialogue[Outcome]
    conclude: Callable[[bool], Dialogue[None] | None] = _nothing
    examination: Examination | None = None


class Standards:
    """Makes the dialogue for each card that comes, with fresh randomness."""

    def __init__(
        self, wallets: Wallets, documents: Remembered, know: Callable[[bytes], Knowledge]
    ) -> None:
        """Take what remembers wallets, and their documents.

        Documents are asked for where `know` has no grant to a key, and does not refuse it.
        """
        self._wallets = wallets
        self._documents = documents
        self._know = know
        self._issuers = _NOBODY

    def over_nfc(
        self,
        reader: Shown,
        methods: Sequence[Method],
        issuers: CardIssuers,
        clock: Clock,
        calendar: Calendar | None = None,
    ) -> Asking | None:
        """Return what `reader` asks a card at a door of `methods`, or None: nothing by commands.

        Of one standard's two methods the first in order says when it is tried; PKOC cards without
        certificate, and PIV cards of any issuer, are taken if either of its methods takes them.
        """
        if issuers != self._issuers.row:
            self._issuers = _read(issuers)
        now = datetime.fromtimestamp(clock.now, UTC) if clock.trusted else None
        found: dict[Standard, Dialogue[Outcome]] = {}
        conclude: Callable[[bool], Dialogue[None] | None] = _nothing
        examination: Examination | None = None
        for method in methods:
            match method:
                case Method.PKOC_NFC | Method.PKOC_NFC_VALIDATED:
                    found.setdefault(Standard.PKOC, self._pkoc(reader, methods, now))
                case Method.ALIRO_NFC | Method.ALIRO_NFC_DOCUMENT if Standard.ALIRO in found:
                    pass
                case Method.ALIRO_NFC | Method.ALIRO_NFC_DOCUMENT if reader.aliro is not None:
                    transaction = self._wallets.transaction(reader.aliro, reader.own_keys)
                    conclude = last_word(transaction)
                    if Method.ALIRO_NFC_DOCUMENT in methods:
                        examination = self._examination(transaction, moment_of(calendar, clock))
                    asking = examination.dialogue if examination else transaction.authenticate
                    found[Standard.ALIRO] = asking()
                case Method.ALIRO_NFC | Method.ALIRO_NFC_DOCUMENT:
                    logger.warning(
                        "no certificate: wallets are not asked until the controller sends one"
                    )
                case Method.PIV_NFC | Method.PIV_NFC_VALIDATED:
                    found.setdefault(Standard.PIV, self._piv(reader, methods, now))
                case Method.PKOC_BLE | Method.PKOC_BLE_ECDHE | Method.CARD_NUMBER:
                    pass
        if not found:
            return None
        return Asking(try_in_order(list(found.values())), conclude, examination)

    def _examination(self, transaction: Transaction, moment: Moment | None) -> Examination:
        wanted, trusted = self._issuers.row.documents, self._issuers.documents
        asking = self._documents.asking(self._wallets.store, wanted, trusted, moment)
        return Examination(transaction, asking, moment, self._know)

    def _pkoc(
        self, reader: Shown, methods: Sequence[Method], now: datetime | None
    ) -> Dialogue[Outcome]:
        number = secrets.token_bytes(TRANSACTION_ID_SIZE)
        se_v2 = None
        if Method.PKOC_NFC_VALIDATED in methods:
            se_v2 = pkoc.SeV2(
                secrets.token_bytes(CHALLENGE_SIZE),
                self._issuers.suppliers,
                now.date() if now else None,
                required=Method.PKOC_NFC not in methods,
            )
        return pkoc.dialogue(reader.pkoc, number, own_keys=reader.own_keys, se_v2=se_v2)

    def _piv(
        self, reader: Shown, methods: Sequence[Method], now: datetime | None
    ) -> Dialogue[Outcome]:
        trust = None
        if Method.PIV_NFC not in methods:
            clock = authorities.Clock(now) if now else None
            trust = piv.Trust(self._issuers.authorities, clock)
        nonce = secrets.token_bytes(piv.NONCE_SIZE)
        name = reader.pkoc.reader_identifier
        return piv.dialogue(name, nonce, own_keys=reader.own_keys, trust=trust)


def method_of(proven: Proven) -> Method:
    """Return the method that `proven` came by. `KeyError` for one that no door can take."""
    vouched = proven.issuer is not None
    return _METHODS[proven.standard, proven.transport, proven.strength, vouched]


_METHODS = {
    (Standard.PKOC, Transport.BLE, Strength.MUTUAL, False): Method.PKOC_BLE_ECDHE,
    (Standard.PKOC, Transport.BLE, Strength.ONE_WAY, False): Method.PKOC_BLE,
    (Standard.PKOC, Transport.NFC, Strength.ONE_WAY, False): Method.PKOC_NFC,
    (Standard.PKOC, Transport.NFC, Strength.ONE_WAY, True): Method.PKOC_NFC_VALIDATED,
    (Standard.ALIRO, Transport.NFC, Strength.MUTUAL, False): Method.ALIRO_NFC,
    (Standard.PIV, Transport.NFC, Strength.ONE_WAY, False): Method.PIV_NFC,
    (Standard.PIV, Transport.NFC, Strength.ONE_WAY, True): Method.PIV_NFC_VALIDATED,
    (Standard.CARD_NUMBER, Transport.NFC, Strength.CLONEABLE, False): Method.CARD_NUMBER,
}


def _read(row: CardIssuers) -> _Issuers:
    try:
        keys = {each.reference: suppliers.load_key(each.key) for each in row.suppliers}
        issuers = Authorities.load(
            row.authorities,
            row.intermediates,
            row.revocations,
            lists_required=row.revocations_required,
        )
        documents = read_issuers(row.documents)
    except (ValueError, RuleBroken) as error:
        logger.error("card issuers: %s; nobody's word counts until they are mended", error)  # noqa: TRY400
        return replace(_NOBODY, row=row)
    return _Issuers(row, Suppliers(keys), issuers, documents)
