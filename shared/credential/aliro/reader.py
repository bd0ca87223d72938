"""Aliro over NFC, the reader's side: one transaction with one device, in its expedited phase.

    SELECT, AUTH0 ─┬─ cryptogram of somebody met before ───────────────┬─ decision ─ EXCHANGE 97
                   └─ [LOAD CERT], AUTH1 ─ signature of the credential ┘
    whatever goes wrong:  CONTROL FLOW before there is a secure channel, EXCHANGE 97 00xx after
    no credential for us: CONTROL FLOW at once, since another standard may be tried next

`authenticate` ends as soon as it is clear who is there, and before the device has been told
anything; the caller decides, in its own time, and gives what `conclude` returns to the device. So
the decision may take a round trip to a disk or to a controller, and the door does not wait for the
device to hear of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from shared.credential.aliro import keys
from shared.credential.aliro.channel import SecureChannel
from shared.credential.aliro.endings import (
    Cause,
    ControlFlow,
    Descriptor,
    Exchange,
    ExchangeAnswer,
    ReaderStatus,
)
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.keys import TRANSACTION_ID_SIZE, Transcript
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import MailboxRequest, Operation
from shared.credential.aliro.messages import (
    EXPEDITED_AID,
    SELECT,
    V1_0,
    Auth0,
    Auth0Answer,
    Auth1,
    Auth1Answer,
    AuthenticationPolicy,
    Ins,
    SelectAnswer,
)
from shared.credential.aliro.offer import Offer
from shared.credential.aliro.proof import prove_signature, recognise
from shared.credential.apdu import EXTENDED_MAX, SHORT_DATA, SW, describe
from shared.credential.errors import Misuse, RuleBroken
from shared.credential.exchange import SHORT, Dialogue, Form, exchange
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.selection import check_selected
from shared.credential.tlv import Malformed, parse

# How devices say in AUTH0 that they have no credential for this reader: 6F00 is Android's one word.
_NO_CREDENTIAL = (SW.FAILURE, SW.REFERENCE_NOT_FOUND, SW.GENERAL_ERROR)

# Finds a credential by its key slot. Without one a reader asks for whole keys.
BySlot: TypeAlias = Callable[[bytes], PublicKey | None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How this door speaks Aliro."""

    policy: AuthenticationPolicy = AuthenticationPolicy.USER_SETTING
    # Remember credentials, and ask for the fast phase where somebody is remembered.
    fast: bool = True
    # Go on with the standard phase after a cryptogram of nobody; otherwise end.
    fall_back: bool = True
    certificate_in_auth1: bool = False  # or by LOAD CERT
    # Whether this reader's hardware takes commands of more than 261 bytes; chaining always works.
    extended_length: bool = False
    descriptor: Descriptor | None = None


DEFAULT = Settings()


@dataclass(slots=True, repr=False)
class Session:
    """A credential that has proved itself, and what the phases that follow build on."""

    credential: PublicKey
    offer: Offer
    channel: SecureChannel  # a phase with keys of its own puts its channel here
    step_up: bytes | None = None  # StepUpSK; the fast phase has none
    kpersistent: bytes | None = None  # a new one; the fast phase goes on with the old


class Transaction:
    """`authenticate`; decide; `conclude`. In between, `mailbox` as often as it is needed."""

    def __init__(
        self,
        identity: ReaderIdentity,
        ephemeral: PrivateKey,
        transaction_id: bytes,
        *,
        own_keys: OwnKeys,
        store: KpersistentStore,
        settings: Settings = DEFAULT,
        by_slot: BySlot | None = None,
    ) -> None:
        """Prepare. `ephemeral` and the 16 bytes of `transaction_id` are fresh and used once."""
        if len(transaction_id) != TRANSACTION_ID_SIZE:
            raise ValueError(f"a transaction identifier has {TRANSACTION_ID_SIZE} random bytes")
        self._identity, self._settings = identity, settings
        self._ephemeral, self._transaction_id = ephemeral, transaction_id
        self._own_keys, self._store, self._by_slot = own_keys, store, by_slot
        self._begun = False
        self._form = SHORT
        self._channel: SecureChannel | None = None
        self._session: Session | None = None
        # What the device is told if nothing better comes.
        self._last_word: ControlFlow | ReaderStatus | None = None

    @property
    def session(self) -> Session:
        """`Misuse` before there is a proof and after `conclude`."""
        if self._session is None:
            raise Misuse("nobody has proved anything in this transaction")
        return self._session

    def authenticate(self) -> Dialogue[Outcome]:
        """Find out who is there; for other cards than Aliro it ends in not_this_standard.

        A device without credential for us ends in unknown_reader, and has been told all.
        """
        if self._begun:
            raise Misuse("a transaction authenticates once: its ephemeral key is used up")
        self._begun = True
        return self._authenticate()

    def mailbox(self, *operations: Operation, more: bool = False) -> Dialogue[tuple[bytes, ...]]:
        """Read, write and set in the credential's mailbox; the bytes of every read.

        With `more`, writes wait for the next call without it. Raises `RuleBroken`, after which the
        device has ended the transaction.
        """
        return self._mailbox(self.session, MailboxRequest(operations, more))

    def conclude(self, status: ReaderStatus = ReaderStatus.NO_ACCESS) -> Dialogue[None] | None:
        """What is left to say to the device, once; None if there is nothing.

        Call it after every outcome: one that was refused has a last word as well, in which
        `status` does not count. With a success, the next tap of a proven credential can be fast;
        otherwise the credential is forgotten. The device may leave before it has heard all.
        """
        session, last_word, channel = self._session, self._last_word, self._channel
        self._session = self._last_word = self._channel = None
        if session is not None:
            self._settle(session, status)
            last_word, channel = status, session.channel
        if channel is not None and isinstance(last_word, ReaderStatus):
            words = Exchange(last_word, descriptor=self._settings.descriptor)
            return _say(Ins.EXCHANGE, channel.seal(words.encode()))
        if isinstance(last_word, ControlFlow):
            return _say(Ins.CONTROL_FLOW, last_word.encode())
        return None

    def _settle(self, session: Session, status: ReaderStatus) -> None:
        """Remember who was let in; what was remembered of anybody else is worth nothing now."""
        if not status.is_success or not self._settings.fast:
            self._store.forget(session.credential)
        elif session.kpersistent is None:
            self._store.touch(session.credential)
        else:
            self._store.remember(session.credential, session.kpersistent)

    def _mailbox(self, session: Session, request: MailboxRequest) -> Dialogue[tuple[bytes, ...]]:
        sealed = session.channel.seal(Exchange(mailbox=request).encode())
        answer = session.channel.open((yield from self._ask(Ins.EXCHANGE, sealed)))
        return ExchangeAnswer.decode(answer, request.lengths).reads

    def _authenticate(self) -> Dialogue[Outcome]:
        try:
            selected = yield from self._select()
            return (yield from self._prove(selected))
        except RuleBroken as broken:
            nobody = broken.reason is Reason.UNKNOWN_READER
            if nobody and (farewell := self.conclude()) is not None:
                yield from farewell
            return Refused(broken.reason, str(broken))

    def _select(self) -> Dialogue[SelectAnswer]:
        response = yield from exchange(SELECT)
        check_selected(response)
        self._last_word = ControlFlow(descriptor=self._settings.descriptor)
        selected = SelectAnswer.decode(response.data)
        if selected.aid != EXPEDITED_AID:
            raise Malformed("SELECT was answered by another application")
        if V1_0 not in selected.versions:
            self._last_word = replace(self._last_word, cause=Cause.NO_COMMON_VERSION)
            raise RuleBroken(Reason.NO_COMMON_VERSION, "the device does not speak Aliro 1.0")
        if self._settings.extended_length and selected.max_command is not None:
            self._form = Form.announced(selected.max_command)
        return selected

    def _prove(self, selected: SelectAnswer) -> Dialogue[Proven]:
        auth0 = Auth0(
            fast=self._settings.fast and len(self._store) > 0,
            policy=self._settings.policy,
            version=V1_0,
            ephemeral=self._ephemeral.public.point,
            transaction_id=self._transaction_id,
            reader_identifier=self._identity.reader_identifier,
        )
        answer = Auth0Answer.decode((yield from self._ask(Ins.AUTH0, auth0.encode())))
        device = PublicKey.parse(answer.ephemeral)
        if (answer.cryptogram is not None) is not auth0.fast:
            raise Malformed("a cryptogram is missing, or was not asked for")
        transcript = self._transcript(selected, auth0, answer)
        proven = self._recognise(answer.cryptogram, transcript) if answer.cryptogram else None
        return proven or (yield from self._standard(transcript, device))

    def _transcript(self, selected: SelectAnswer, auth0: Auth0, answer: Auth0Answer) -> Transcript:
        return Transcript(
            group_key=self._identity.group_key,
            reader_identifier=auth0.reader_identifier,
            version=auth0.version,
            reader_ephemeral=auth0.ephemeral,
            device_ephemeral=answer.ephemeral,
            transaction_id=auth0.transaction_id,
            parameters=auth0.parameters,
            proprietary=selected.proprietary,
            vendor_command=auth0.vendor_tlv,
            vendor_response=answer.vendor_tlv,
        )

    def _recognise(self, cryptogram: bytes, transcript: Transcript) -> Proven | None:
        """The fast phase: somebody met before, or None to go on with the standard one."""
        found = recognise(cryptogram, transcript, self._store, self._own_keys)
        if found is not None:
            channel = SecureChannel.of_reader(found.keys.reader, found.keys.device)
            self._session = Session(found.credential, found.offer, channel)
            return found.proven
        if not self._settings.fall_back:
            raise RuleBroken(Reason.DECRYPTION_FAILED, "a cryptogram of nobody whom we have met")
        return None

    def _standard(self, transcript: Transcript, device: PublicKey) -> Dialogue[Proven]:
        auth1 = yield from self._introduce(transcript)
        secret = keys.kdh(self._ephemeral, device, self._transaction_id)
        derived = keys.standard_keys(secret, transcript)
        self._channel = channel = SecureChannel.of_reader(derived.reader, derived.device)
        self._last_word = ReaderStatus.INVALID_CONTENT
        row = parse(channel.open((yield from self._ask(Ins.AUTH1, auth1.encode()))))
        self._last_word = ReaderStatus.INVALID_FORMAT
        answer = Auth1Answer.read(row)
        credential = self._credential(answer)
        self._last_word = ReaderStatus.SIGNATURE_INVALID
        proven = prove_signature(credential, answer.signature, transcript, self._own_keys)
        fresh = keys.kpersistent(secret, transcript, credential)
        self._session = Session(credential, answer.offer, channel, derived.step_up, fresh)
        return proven

    def _introduce(self, transcript: Transcript) -> Dialogue[Auth1]:
        """The reader's proof of itself; its certificate, if it has one, goes before or inside."""
        auth1 = Auth1(
            full_key=self._by_slot is None,
            signature=self._identity.key.sign(transcript.signed_by_reader),
        )
        if self._identity.certified is None:
            return auth1
        certificate = self._identity.certified.certificate.encode()
        if self._settings.certificate_in_auth1:
            return replace(auth1, certificate=certificate)
        yield from self._ask(Ins.LOAD_CERT, certificate)
        return auth1

    def _credential(self, answer: Auth1Answer) -> PublicKey:
        """The key of an AUTH1 answer, which must have named it as it was asked to."""
        if self._by_slot is None:
            if answer.key is None:
                raise Malformed("a key slot where the whole key was asked for")
            return PublicKey.parse(answer.key)
        if answer.slot is None:
            raise Malformed("a whole key where the key slot was asked for")
        found = self._by_slot(answer.slot)
        if found is None:
            self._last_word = ReaderStatus.KEY_NOT_FOUND
            raise RuleBroken(Reason.UNKNOWN_KEY, "a key slot of no credential known here")
        return found

    def _ask(self, ins: Ins, data: bytes) -> Dialogue[bytes]:
        command, form = ins.command(data), SHORT
        if self._form.extended and len(data) > SHORT_DATA:
            command, form = replace(command, le=EXTENDED_MAX), self._form
        response = yield from exchange(command, form)
        if ins is Ins.AUTH0 and response.sw in _NO_CREDENTIAL:
            raise RuleBroken(Reason.UNKNOWN_READER, "the device has no credential for this door")
        if response.sw != SW.OK:
            name = ins.name.replace("_", " ")
            raise RuleBroken(Reason.CARD_ERROR, f"{name} was answered {describe(response.sw)}")
        return response.data


def _say(ins: Ins, data: bytes) -> Dialogue[None]:
    """Tell the device. What it makes of it changes nothing: some have ended already."""
    with suppress(RuleBroken):
        yield from exchange(ins.command(data))
