"""PKOC over BLE, the reader's side: one session for one phone that has enabled notifications.

    hello -> 07 D -> 03 proof -> 40 sealed credential -> 04 status      ECDHE: mutual, encrypted
    hello -> 01 key, 03 signature in clear            -> 04 status      normal: only where allowed

A phone that enables notifications again gets a new session with a new ephemeral key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from shared.credential.errors import Misuse, RuleBroken
from shared.credential.outcome import Outcome, Proven, Reason, Refused, Strength, Transport
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.pkoc import hello as hellos
from shared.credential.pkoc.ble_messages import (
    PROOF_SIZE,
    Credential,
    DeviceEphemeral,
    Encrypted,
    ProtocolId,
    ReaderProof,
    Response,
    Status,
    Tag,
    decode_device,
)
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.hello import Hello
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.proof import prove
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from shared.credential.session import Countdown, Finished, Send
from shared.credential.tlv import Lengths, encode_compact

# A phone that has shown no progress for five seconds has been put back into its pocket.
IDLE_SECONDS = 5.0
# iPhones give up six seconds after connecting; two more are for a slow link.
TOTAL_SECONDS = 8.0
# A notification carries three bytes less than the ATT MTU.
ATT_HEADER = 3
# What the reference simulator greets with; phones echo it and look no further.
PROTOCOL = ProtocolId(spec=3, vendor=0, features=1)

Step: TypeAlias = Send | Finished[Outcome] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a door accepts over BLE. The normal flow shows the key to anybody who listens."""

    allow_normal: bool = False
    protocol: ProtocolId = PROTOCOL
    # Sent before the hello, in a notification of its own. Apps of 1.x survive that, iPhones do not:
    # only for sites where everybody has a phone of another kind.
    certificate: ReaderCertificate | None = None


@dataclass(frozen=True, slots=True, repr=False)
class _Greeting:
    """The hello is out, or about to be: we wait for the phone to choose its flow."""

    ephemeral: PrivateKey


@dataclass(frozen=True, slots=True, repr=False)
class _Proving:
    """Our proof is out: we wait for the encrypted credential, signed over `signed`."""

    opening: DeviceEphemeral
    channel: Channel
    signed: bytes


class ReaderSession:
    """Call `hello` once, notify what it gives; then feed every write to `receive`.

    The adapter waits until `deadline`, then calls `expire`; when the link ends early it calls
    `lost`. After `Finished` it notifies `result`, waits some 300 ms and disconnects. `ephemeral` is
    a fresh key for this session alone; `own_keys` are the keys of all our readers and issuers (this
    reader's own is added). Nothing that a phone sends raises.
    """

    def __init__(
        self,
        identity: ReaderIdentity,
        ephemeral: PrivateKey,
        *,
        own_keys: OwnKeys,
        now: float,
        policy: Policy | None = None,
    ) -> None:
        self._identity = identity
        self._own_keys = own_keys
        self._policy = policy or Policy()
        _check(identity, self._policy.certificate)
        self._reader = ephemeral.public
        self._state: _Greeting | _Proving | None = _Greeting(ephemeral)
        self._outcome: Outcome | None = None
        self._room: int | None = None
        self._countdown = Countdown(now, idle=IDLE_SECONDS, total=TOTAL_SECONDS)

    @property
    def deadline(self) -> float:
        """When to call `expire`; infinity once finished."""
        return self._countdown.deadline

    def hello(self, mtu: int) -> tuple[bytes, ...] | Finished[Outcome]:
        """The notifications to send at this ATT MTU: one from 81 up.

        Finished, with mtu_too_small, if the messages of every flow this door allows cannot pass.
        """
        if self._room is not None:
            raise Misuse("a session greets once; make a new one for every enabling")
        self._room = room = mtu - ATT_HEADER
        if room < (hellos.LARGEST_TLV if self._policy.allow_normal else PROOF_SIZE):
            return self._finish(_too_narrow(room))
        identity = self._identity
        hello = Hello(self._policy.protocol, self._reader, identity.location, identity.site)
        return (*self._certificate(room), *hello.split(room))

    def _certificate(self, room: int) -> tuple[bytes, ...]:
        """The certificate's own notification; none where it does not fit: phones know the key."""
        certificate = self._policy.certificate
        if certificate is None:
            return ()
        message = encode_compact(Tag.CERTIFICATE, certificate.encode(), Lengths.BER)
        return (message,) if len(message) <= room else ()

    def receive(self, data: bytes, now: float) -> Step:
        """Take one write. None for one to be ignored: a repetition, or any after the end."""
        if self._room is None:
            raise Misuse("call hello before receive")
        if self._state is None:
            return None
        if self._countdown.passed(now):
            return self.expire(now)
        try:
            return self._advance(self._state, self._room, data, now)
        except RuleBroken as broken:
            return self._finish(Refused(broken.reason, str(broken)))

    def expire(self, now: float) -> Finished[Outcome] | None:
        """Give up if `deadline` has passed."""
        if self._state is None or not self._countdown.passed(now):
            return None
        return self._finish(Refused(Reason.TIMEOUT, "the phone stopped answering"))

    def lost(self) -> Finished[Outcome] | None:
        """The link has ended. None if the session had finished before."""
        if self._state is None:
            return None
        return self._finish(Refused(Reason.LINK_LOST, "the phone disconnected"))

    def result(self, *, granted: bool) -> bytes:
        """The last notification: granted or denied, or why the proof was refused.

        A refused session says so whatever `granted` is.
        """
        match self._outcome:
            case Proven():
                status = Status.GRANTED if granted else Status.DENIED
            case Refused(reason=Reason.BAD_SIGNATURE):
                status = Status.SIGNATURE_INVALID
            case Refused(reason=Reason.DECRYPTION_FAILED):
                status = Status.DECRYPTION_ERROR_CCM
            case Refused():
                status = Status.INVALID_SECURITY
            case None:
                raise Misuse("there is no result before the session has finished")
        return Response(status).encode()

    def _advance(self, state: _Greeting | _Proving, room: int, data: bytes, now: float) -> Step:
        match state, decode_device(data):
            case _Greeting(), DeviceEphemeral() as opening:
                if room < PROOF_SIZE:
                    return self._finish(_too_narrow(room))
                return self._answer(state, opening, now)
            case _Greeting(), Credential() as credential:
                return self._judge_normal(credential)
            case _Proving(), Encrypted() as message:
                return self._judge_ecdhe(state, message)
            case _Proving(), DeviceEphemeral() as opening if opening == state.opening:
                return None
            case _Proving(), Credential():
                what = "a credential in clear after the encrypted flow began"
                raise RuleBroken(Reason.FLOW_NOT_ALLOWED, what)
            case _:
                raise RuleBroken(Reason.OUT_OF_ORDER, "this message has no place here")

    def _answer(self, state: _Greeting, opening: DeviceEphemeral, now: float) -> Send:
        device = PublicKey.parse(opening.point)
        if device.x == self._reader.x:
            raise RuleBroken(Reason.OWN_KEY, "the phone's ephemeral key is our own")
        identity = self._identity
        signed = transcript(identity.site, identity.location, device, self._reader)
        self._state = _Proving(opening, Channel(state.ephemeral, device), signed)
        self._countdown.progress(now)
        return Send(ReaderProof(identity.key.sign(signed)).encode())

    def _judge_normal(self, credential: Credential) -> Finished[Outcome]:
        if not self._policy.allow_normal:
            raise RuleBroken(Reason.FLOW_NOT_ALLOWED, "this door wants the encrypted flow")
        return self._judge(credential, self._reader.compressed, Strength.ONE_WAY)

    def _judge_ecdhe(self, state: _Proving, message: Encrypted) -> Finished[Outcome]:
        credential = Credential.decode(state.channel.open(message.sealed))
        return self._judge(credential, state.signed, Strength.MUTUAL)

    def _judge(self, shown: Credential, signed: bytes, strength: Strength) -> Finished[Outcome]:
        proven = prove(
            shown.point,
            shown.signature,
            signed,
            identity=self._identity,
            own_keys=self._own_keys,
            transport=Transport.BLE,
            strength=strength,
        )
        return self._finish(proven)

    def _finish(self, outcome: Outcome) -> Finished[Outcome]:
        self._state = None
        self._outcome = outcome
        self._countdown.stop()
        return Finished(outcome)


def _check(identity: ReaderIdentity, certificate: ReaderCertificate | None) -> None:
    """Our one signature must satisfy phones that know the certificate and phones that do not."""
    if certificate is not None and (certificate.site, certificate.location, certificate.key) != (
        identity.site,
        identity.location,
        identity.key.public,
    ):
        raise ValueError("the certificate is for another reader, or for another key of this one")


def _too_narrow(room: int) -> Refused:
    return Refused(Reason.MTU_TOO_SMALL, f"{room} bytes a notification are too few")
