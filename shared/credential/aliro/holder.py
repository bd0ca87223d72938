"""Aliro over NFC, the holder's side: the application of a phone, or of a card that plays one.

    closed ── SELECT ── selected ── AUTH0 ── challenged ─┬─ LOAD CERT ── challenged
                                                         ├─ AUTH1 ────── open ── EXCHANGE ── open
                                                         └─ EXCHANGE (fast) ──── open
    a status, CONTROL FLOW, or anything wrong:  closed, until the next SELECT

It shows its credential to a reader that has proved itself, and to nobody else.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.credential.aliro import keys
from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.channel import SecureChannel, seal_cryptogram
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.endings import (
    OUT_OF_BOUNDS,
    ControlFlow,
    Exchange,
    ExchangeAnswer,
)
from shared.credential.aliro.identity import ID_SIZE
from shared.credential.aliro.keys import Transcript
from shared.credential.aliro.messages import (
    CRYPTOGRAM_SIZE,
    EXPEDITED_AID,
    V1_0,
    Auth0,
    Auth0Answer,
    Auth1,
    Auth1Answer,
    AuthenticationPolicy,
    Ins,
    SelectAnswer,
    key_slot,
)
from shared.credential.apdu import EXTENDED_MAX, SHORT_MAX, SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason, Refused
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.tlv import Malformed

_GET_DATA = (0x00, 0xCA)


class _State(enum.Enum):
    CLOSED = "closed"
    SELECTED = "selected"
    CHALLENGED = "challenged"
    OPEN = "open"


_ALLOWED = {
    _State.CLOSED: frozenset[Ins](),
    _State.SELECTED: frozenset((Ins.AUTH0, Ins.CONTROL_FLOW)),
    _State.CHALLENGED: frozenset((Ins.LOAD_CERT, Ins.AUTH1, Ins.EXCHANGE, Ins.CONTROL_FLOW)),
    _State.OPEN: frozenset((Ins.EXCHANGE, Ins.CONTROL_FLOW)),
}


class _Failure(RuleBroken):
    """The device's failure process: a status word, no data, the end of the transaction."""

    def __init__(self, sw: SW, reason: Reason, what: str) -> None:
        super().__init__(reason, what)
        self.sw = sw


@dataclass(slots=True, repr=False)
class _Challenge:
    """What AUTH0 has settled."""

    credential: Credential
    ephemeral: PrivateKey
    reader: PublicKey
    transcript: Transcript
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a device draws on: fresh keys and bytes, its clock, and its holder.

    `consents` is whether the holder has unlocked the device as far as the reader's policy asks.
    """

    ephemeral: Callable[[], PrivateKey] = field(repr=False)
    random: Callable[[int], bytes] = field(repr=False)
    now: Callable[[], int | None] = field(default=lambda: None, repr=False)  # Unix seconds
    consents: Callable[[AuthenticationPolicy], bool] = field(default=lambda _: True, repr=False)


class UserDevice:
    """The expedited application, for `shared.credential.card.Card`.

    After a transaction, `ended` says how: what the reader said last, or why the device closed.
    From AUTH1 to the end of a transaction, `step_up` is its StepUpSK, for a phase that follows.
    """

    aid = EXPEDITED_AID

    def __init__(
        self,
        credentials: Sequence[Credential],
        supplies: Supplies,
        *,
        versions: Sequence[bytes] = (V1_0,),
        lengths: tuple[int, int] | None = None,
    ) -> None:
        """`lengths` are the longest command and response it takes in extended form."""
        self._credentials = {each.group: each for each in credentials}
        if len(self._credentials) != len(credentials):
            raise ValueError("two credentials for one reader group; keep the one that is right")
        self._supplies, self._versions = supplies, tuple(versions)
        self._selected = SelectAnswer.of(EXPEDITED_AID, versions, lengths)
        self.ended: Exchange | ControlFlow | Refused | None = None
        self._close()

    def select(self) -> ResponseAPDU:
        self._close()
        self.ended = None
        self._state = _State.SELECTED
        return ResponseAPDU(self._selected.encode(), SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.cla, command.ins) == _GET_DATA:
            return ResponseAPDU(b"", SW.REFERENCE_NOT_FOUND)
        try:
            return ResponseAPDU(self._answer(command), SW.OK)
        except _Failure as failure:
            return self._fail(failure, failure.sw)
        except RuleBroken as broken:
            return self._fail(broken, SW.NOT_COMPLIANT)

    def _fail(self, broken: RuleBroken, sw: SW) -> ResponseAPDU:
        if self._state is not _State.CLOSED:
            self.ended = Refused(broken.reason, str(broken))
        self._close()
        return ResponseAPDU(b"", sw)

    def _close(self) -> None:
        self._state = _State.CLOSED
        for credential in self._credentials.values():
            if credential.mailbox is not None:
                credential.mailbox.abandon()
        self._challenge: _Challenge | None = None
        self._channel: SecureChannel | None = None
        self.step_up: bytes | None = None

    def _answer(self, command: CommandAPDU) -> bytes:
        ins = self._permitted(command)
        match ins:
            case Ins.AUTH0:
                return self._auth0(command.data)
            case Ins.LOAD_CERT:
                self._challenged.certificate = command.data
                return b""
            case Ins.AUTH1:
                return self._auth1(command.data)
            case Ins.EXCHANGE:
                return self._exchange(command.data)
            case Ins.CONTROL_FLOW:
                self.ended = ControlFlow.decode(command.data)
                self._close()
                return b""

    def _permitted(self, command: CommandAPDU) -> Ins:
        if command.cla != 0x80:
            raise _Failure(SW.UNKNOWN_CLA, Reason.MALFORMED, "a command of another class")
        if command.ins not in _ALLOWED[self._state]:
            raise _Failure(SW.UNKNOWN_INS, Reason.OUT_OF_ORDER, "a command that has no place here")
        if (command.p1, command.p2) != (0, 0):
            raise _Failure(SW.WRONG_PARAMETERS, Reason.MALFORMED, "P1 and P2 are 00")
        ins = Ins(command.ins)
        expected = (None,) if ins is Ins.CONTROL_FLOW else (SHORT_MAX, EXTENDED_MAX)
        if command.le not in expected:
            raise Malformed("a command with another Le than it has")
        return ins

    @property
    def _challenged(self) -> _Challenge:
        if self._challenge is None:
            raise _Failure(SW.UNKNOWN_INS, Reason.OUT_OF_ORDER, "nobody has sent AUTH0")
        return self._challenge

    def _auth0(self, data: bytes) -> bytes:
        auth0 = Auth0.decode(data)
        if auth0.version not in self._versions:
            sw = SW.CONDITIONS_NOT_SATISFIED
            raise _Failure(sw, Reason.NO_COMMON_VERSION, "a version that we have not offered")
        credential = self._credentials.get(auth0.reader_identifier[:ID_SIZE])
        if credential is None:
            raise _Failure(SW.FAILURE, Reason.UNKNOWN_READER, "no credential for this group")
        if not self._supplies.consents(auth0.policy):
            sw = SW.SECURITY_STATUS
            raise _Failure(sw, Reason.FLOW_NOT_ALLOWED, "the holder has not unlocked the device")
        reader, ephemeral = PublicKey.parse(auth0.ephemeral), self._supplies.ephemeral()
        transcript = self._transcript(auth0, credential, ephemeral)
        self._challenge = _Challenge(credential, ephemeral, reader, transcript)
        self._state = _State.CHALLENGED
        cryptogram = self._cryptogram(self._challenge) if auth0.fast else None
        return Auth0Answer(ephemeral.public.point, cryptogram).encode()

    def _transcript(
        self, auth0: Auth0, credential: Credential, ephemeral: PrivateKey
    ) -> Transcript:
        return Transcript(
            group_key=credential.group_key,
            reader_identifier=auth0.reader_identifier,
            version=auth0.version,
            reader_ephemeral=auth0.ephemeral,
            device_ephemeral=ephemeral.public.point,
            transaction_id=auth0.transaction_id,
            parameters=auth0.parameters,
            proprietary=self._selected.proprietary,
            vendor_command=auth0.vendor_tlv,
        )

    def _cryptogram(self, challenge: _Challenge) -> bytes:
        """Made with the Kpersistent of this reader; of nothing, if there is none."""
        credential, transcript = challenge.credential, challenge.transcript
        kpersistent = credential.kpersistents.get(transcript.reader_identifier)
        if kpersistent is None:
            return self._supplies.random(CRYPTOGRAM_SIZE)
        derived = keys.fast_keys(kpersistent, transcript, credential.key.public)
        self._channel = SecureChannel.of_device(derived.reader, derived.device)
        return seal_cryptogram(derived.cryptogram, credential.offer.encode_cryptogram())

    def _auth1(self, data: bytes) -> bytes:
        auth1, challenge = Auth1.decode(data), self._challenged
        credential, transcript = challenge.credential, challenge.transcript
        reader = self._reader_key(auth1.certificate or challenge.certificate, credential)
        if not reader.verifies(auth1.signature, transcript.signed_by_reader):
            sw = SW.SECURITY_STATUS
            raise _Failure(sw, Reason.BAD_SIGNATURE, "the reader has not proved itself")
        secret = keys.kdh(challenge.ephemeral, challenge.reader, transcript.transaction_id)
        derived = keys.standard_keys(secret, transcript)
        self._channel = SecureChannel.of_device(derived.reader, derived.device)
        self._state, self.step_up = _State.OPEN, derived.step_up
        own = credential.key.public
        fresh = keys.kpersistent(secret, transcript, own)
        credential.remember(transcript.reader_identifier, fresh)
        answer = Auth1Answer(
            credential.key.sign(transcript.signed_by_device),
            key=own.point if auth1.full_key else None,
            slot=None if auth1.full_key else key_slot(own),
            offer=credential.offer,
        )
        return self._channel.seal(answer.encode())

    def _reader_key(self, certificate: bytes | None, credential: Credential) -> PublicKey:
        """The key that the reader has to sign with."""
        if certificate is None:
            return credential.group_key
        try:
            found = ReaderCertificate.decode(certificate)
        except RuleBroken as broken:
            raise _Failure(SW.FAILURE, broken.reason, str(broken)) from None
        try:
            found.check(credential.group_key, at=self._supplies.now())
        except RuleBroken as broken:
            raise _Failure(SW.SECURITY_STATUS, broken.reason, str(broken)) from None
        return found.key

    def _exchange(self, data: bytes) -> bytes:
        channel, credential = self._channel, self._challenged.credential
        if channel is None:
            raise _Failure(SW.UNKNOWN_INS, Reason.OUT_OF_ORDER, "there is no secure channel")
        try:
            plain = channel.open(data)
        except RuleBroken as broken:
            raise _Failure(SW.SECURITY_STATUS, broken.reason, str(broken)) from None
        said = Exchange.decode(plain)
        self._state = _State.OPEN
        answer = _use_mailbox(credential, said)
        if answer.result:
            self.ended = Refused(Reason.WRONG_LENGTH, "the reader asked too much of the mailbox")
            self._close()
        elif said.status is not None:
            self.ended = said
            self._close()
        return channel.seal(answer.encode())


def _use_mailbox(credential: Credential, said: Exchange) -> ExchangeAnswer:
    if said.mailbox is None:
        return ExchangeAnswer()
    if credential.mailbox is None:
        return ExchangeAnswer(result=OUT_OF_BOUNDS)
    try:
        return ExchangeAnswer(tuple(credential.mailbox.apply(said.mailbox)))
    except RuleBroken:
        return ExchangeAnswer(result=OUT_OF_BOUNDS)
