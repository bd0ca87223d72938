"""PKOC over NFC, the reader's side: one attempt at one card, SELECT then AUTHENTICATE (SE V1).

The card proves itself; the reader does not, and nothing is encrypted: anybody near can ask a card
for its key. What is proven is that this card answered this reader's fresh number.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

from shared.credential.apdu import SW, Exchange, ResponseAPDU, describe
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Outcome, Reason, Refused, Strength, Transport
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
from shared.credential.session import Countdown, Finished, Send
from shared.credential.tlv import Malformed

# A phone in a pocket answers within 400 ms; two seconds are already a failed tap.
TOTAL_SECONDS = 2.0

_KNOWN_VERSIONS = (V1_1, V1_0)

# With these a card says that it has no such application, or does not understand the question.
_FOREIGN = frozenset(
    (
        SW.WRONG_LENGTH,
        SW.FUNCTION_NOT_SUPPORTED,
        SW.NOT_FOUND,
        SW.WRONG_PARAMETERS,
        SW.WRONG_P1_P2,
        SW.UNKNOWN_INS,
        SW.UNKNOWN_CLA,
    )
)

Step: TypeAlias = Send | Finished[Outcome] | None


class _Phase(enum.Enum):
    SELECTING = "selecting"
    AUTHENTICATING = "authenticating"
    OVER = "over"


class ReaderSession:
    """Transmit `start()`, then feed every response to `receive` and transmit what it gives.

    One session is one attempt: after `Finished` the adapter drops the field, unless the reason is
    not_this_standard, when it may try another standard on the same card. `transaction_id` is 16
    fresh random bytes. The adapter calls `expire` at `deadline` and `lost` when the card leaves.
    """

    def __init__(
        self,
        identity: ReaderIdentity,
        transaction_id: bytes,
        *,
        own_keys: OwnKeys,
        now: float,
    ) -> None:
        if len(transaction_id) != TRANSACTION_ID_SIZE:
            raise ValueError(f"a transaction identifier has {TRANSACTION_ID_SIZE} random bytes")
        self._identity = identity
        self._transaction_id = transaction_id
        self._own_keys = own_keys
        self._phase = _Phase.SELECTING
        self._exchange = Exchange(SELECT)
        self._countdown = Countdown(now, idle=TOTAL_SECONDS, total=TOTAL_SECONDS)

    @property
    def deadline(self) -> float:
        """When to call `expire`; infinity once finished."""
        return self._countdown.deadline

    def start(self) -> bytes:
        """The first command."""
        return self._exchange.first()

    def receive(self, response: bytes, now: float) -> Step:
        """Take the response to the last command. Whatever comes after the end is ignored."""
        if self._phase is _Phase.OVER:
            return None
        if self._countdown.passed(now):
            return self.expire(now)
        try:
            answer = self._exchange.receive(response)
            return Send(answer) if isinstance(answer, bytes) else self._advance(answer)
        except RuleBroken as broken:
            return self._finish(Refused(broken.reason, str(broken)))

    def expire(self, now: float) -> Finished[Outcome] | None:
        """Give up if `deadline` has passed."""
        if self._phase is _Phase.OVER or not self._countdown.passed(now):
            return None
        return self._finish(Refused(Reason.TIMEOUT, "the card took too long"))

    def lost(self) -> Finished[Outcome] | None:
        """The card has left the field. None if the session had finished before."""
        if self._phase is _Phase.OVER:
            return None
        return self._finish(Refused(Reason.LINK_LOST, "the card left the field"))

    def _advance(self, answer: ResponseAPDU) -> Step:
        if self._phase is _Phase.SELECTING:
            return self._selected(answer)
        return self._authenticated(answer)

    def _selected(self, answer: ResponseAPDU) -> Send:
        if answer.sw != SW.OK:
            reason = Reason.NOT_THIS_STANDARD if answer.sw in _FOREIGN else Reason.CARD_ERROR
            raise RuleBroken(reason, f"SELECT was answered {describe(answer.sw)}")
        version = SelectAnswer.decode(answer.data).choose(_KNOWN_VERSIONS)
        command = Authenticate(version, self._transaction_id, self._identity.reader_identifier)
        self._phase = _Phase.AUTHENTICATING
        self._exchange = Exchange(command.encode())
        return Send(self._exchange.first())

    def _authenticated(self, answer: ResponseAPDU) -> Finished[Outcome]:
        if answer.sw != SW.OK:
            what = f"AUTHENTICATE was answered {describe(answer.sw)}"
            raise RuleBroken(Reason.CARD_ERROR, what)
        if not answer.data:
            raise Malformed("AUTHENTICATE was answered with nothing but success")
        shown = AuthenticateAnswer.decode(answer.data)
        proven = prove(
            shown.point,
            shown.signature,
            self._transaction_id,
            identity=self._identity,
            own_keys=self._own_keys,
            transport=Transport.NFC,
            strength=Strength.ONE_WAY,
        )
        return self._finish(proven)

    def _finish(self, outcome: Outcome) -> Finished[Outcome]:
        self._phase = _Phase.OVER
        self._countdown.stop()
        return Finished(outcome)
