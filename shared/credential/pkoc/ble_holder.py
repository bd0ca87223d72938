"""PKOC over BLE, the holder's side: a phone that shows itself only to readers it knows.

hello -> 07 D -> 03 proof, verified -> 40 sealed credential -> 04 status     ECDHE, the default
hello -> 01 key, 03 signature in clear                      -> 04 status     sites so chosen
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason, Refused
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc.ble_messages import (
    Credential,
    DeviceEphemeral,
    Encrypted,
    ReaderProof,
    Response,
    Status,
    decode_reader,
    parse_row,
)
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.hello import Hello, HelloAssembly
from shared.credential.pkoc.identity import Keyring, KnownReader
from shared.credential.pkoc.reader_certificate import Issuers
from shared.credential.session import Countdown, Finished, Send
from shared.credential.tlv import Lengths, Tlv

# The reader of a door answers within milliseconds; five seconds of silence mean it has gone.
IDLE_SECONDS = 5.0
TOTAL_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Hint:
    """The credential was shown and the reader said this. Anybody could have: it is not proof."""

    status: Status


Ending: TypeAlias = Hint | Refused
Step: TypeAlias = Send | Finished[Ending] | None


@dataclass(frozen=True, slots=True, repr=False)
class _Listening:
    """Collecting the reader's hello."""

    ephemeral: PrivateKey
    assembly: HelloAssembly


@dataclass(frozen=True, slots=True, repr=False)
class _Doubting:
    """Our ephemeral key is out: we wait for the reader's proof, and are still nobody to it."""

    ephemeral: PrivateKey
    hello: Hello
    key: PublicKey
    lengths: Lengths


@dataclass(frozen=True, slots=True)
class _Shown:
    """The credential is out: we wait for the status."""


class HolderSession:
    """Enable notifications, then feed each one to `receive` and write what it gives.

    The adapter disconnects at `Finished`, and at `deadline` (`expire`). `ephemeral` is a fresh key
    for this session alone; `last_update` is when the credential key was made, in Unix seconds.
    A reader whose site has an issuer among `issuers` and that shows a certificate is judged by it,
    at `unix_time` (None: no clock); all others by the key that the keyring has.
    Nothing that a reader sends raises.
    """

    def __init__(
        self,
        credential: PrivateKey,
        ephemeral: PrivateKey,
        keyring: Keyring,
        *,
        last_update: int,
        now: float,
        issuers: Issuers | None = None,
        unix_time: int | None = None,
    ) -> None:
        self._credential = credential
        self._keyring = keyring
        self._issuers = issuers or Issuers({})
        self._unix_time = unix_time
        self._last_update = last_update.to_bytes(4, "big")
        self._state: _Listening | _Doubting | _Shown | None = _Listening(ephemeral, HelloAssembly())
        self._countdown = Countdown(now, idle=IDLE_SECONDS, total=TOTAL_SECONDS)

    @property
    def deadline(self) -> float:
        """When to call `expire`; infinity once finished."""
        return self._countdown.deadline

    def receive(self, data: bytes, now: float) -> Step:
        """Take one notification. None: wait on; anything after the end is ignored."""
        if self._state is None:
            return None
        if self._countdown.passed(now):
            return self.expire(now)
        try:
            lengths, row = parse_row(data)
            message = decode_reader(row)
            if isinstance(message, Response):
                return self._told(message.status)
            return self._advance(lengths, row, message, now)
        except RuleBroken as broken:
            return self._finish(Refused(broken.reason, str(broken)))

    def expire(self, now: float) -> Finished[Ending] | None:
        """Give up if `deadline` has passed."""
        if self._state is None or not self._countdown.passed(now):
            return None
        return self._finish(Refused(Reason.TIMEOUT, "the reader stopped answering"))

    def lost(self) -> Finished[Ending] | None:
        """The link has ended. None if the session had finished before."""
        if self._state is None:
            return None
        return self._finish(Refused(Reason.LINK_LOST, "the reader disconnected"))

    def _advance(
        self, lengths: Lengths, row: tuple[Tlv, ...], message: ReaderProof | None, now: float
    ) -> Step:
        match self._state, message:
            case _Listening() as state, None:
                hello = state.assembly.add(lengths, row)
                return None if hello is None else self._greeted(state, hello, now)
            case _Doubting() as state, ReaderProof(signature=signature):
                return self._show_sealed(state, signature, now)
            case (_Listening(), ReaderProof()):
                raise RuleBroken(Reason.OUT_OF_ORDER, "a proof before the hello was complete")
            case _:
                # What is left are repetitions of what we have acted upon.
                return None

    def _greeted(self, state: _Listening, hello: Hello, now: float) -> Step:
        if self._keyring.speaks_normal(hello.site):
            return self._show_clear(hello, now)
        reader = self._keyring.find(hello.site, hello.location)
        if reader is None:
            raise RuleBroken(Reason.UNKNOWN_READER, "no key is known for this reader")
        key = self._key_of(reader, state.assembly.certificate)
        self._state = _Doubting(state.ephemeral, hello, key, state.assembly.lengths)
        self._countdown.progress(now)
        protocol = hello.protocol.echo().encode()
        return Send(DeviceEphemeral(state.ephemeral.public.point, protocol).encode())

    def _key_of(self, reader: KnownReader, certificate: bytes | None) -> PublicKey:
        if certificate is None or not self._issuers.knows(reader.site):
            return reader.key
        return self._issuers.reader_key(
            certificate, reader.site, reader.location, at=self._unix_time
        )

    def _show_clear(self, hello: Hello, now: float) -> Send:
        message = self._signed(hello, hello.ephemeral.compressed)
        self._shown(now)
        return Send(message.encode())

    def _show_sealed(self, state: _Doubting, signature: bytes, now: float) -> Send:
        hello = state.hello
        device = state.ephemeral.public
        signed = transcript(hello.site, hello.location, device, hello.ephemeral)
        if not state.key.verifies(signature, signed):
            raise RuleBroken(Reason.BAD_SIGNATURE, "the reader is not the one it claims to be")
        channel = Channel(state.ephemeral, hello.ephemeral)
        sealed = channel.seal(self._signed(hello, signed).encode())
        self._shown(now)
        return Send(Encrypted(sealed, state.lengths).encode())

    def _signed(self, hello: Hello, message: bytes) -> Credential:
        key = self._credential
        protocol = hello.protocol.echo().encode()
        return Credential(key.public.point, key.sign(message), self._last_update, protocol)

    def _shown(self, now: float) -> None:
        self._state = _Shown()
        self._countdown.progress(now)

    def _told(self, status: Status) -> Finished[Ending]:
        if isinstance(self._state, _Shown):
            return self._finish(Hint(status))
        what = f"the reader said {status.name} before a credential was shown"
        raise RuleBroken(Reason.TURNED_AWAY, what)

    def _finish(self, ending: Ending) -> Finished[Ending]:
        self._state = None
        self._countdown.stop()
        return Finished(ending)
