"""Both ends of Aliro, made up for tests, and short ways to let them talk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.endings import ControlFlow, Exchange, ReaderStatus
from shared.credential.aliro.holder import Supplies, UserDevice
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Mailbox
from shared.credential.aliro.reader import DEFAULT, BySlot, Settings, Transaction
from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.tlv import encode, parse
from tests.shared.credential.keys import key

GROUP = bytes(range(0x10, 0x20))
SUB_GROUP = bytes(range(0x20, 0x30))
ALICE, BOB = key("alice"), key("bob")
ISSUER = key("reader system issuer")
READER = ReaderIdentity(GROUP, SUB_GROUP, key("reader"))
CERTIFICATE = ReaderCertificate.issue(ISSUER, READER.key.public)
LONG_CERTIFICATE = ReaderCertificate.issue(
    ISSUER,
    READER.key.public,
    serial=2**158,
    issuer_name="i" * 32,
    subject_name="s" * 32,
    not_before=1_700_000_000,
    not_after=2_000_000_000,
)
NOBODY = OwnKeys(())

Result = TypeVar("Result")


def certified(certificate: ReaderCertificate = CERTIFICATE) -> ReaderIdentity:
    return ReaderIdentity(GROUP, SUB_GROUP, READER.key, Certified(ISSUER.public, certificate))


def fresh(name: str) -> Callable[[], PrivateKey]:
    """Ephemeral keys, another one each time, the same in every run."""
    counter = iter(range(10**9))
    return lambda: key(f"{name} {next(counter)}")


def noise(size: int) -> bytes:
    return hashlib.shake_256(b"noise").digest(size)


def credential(
    who: PrivateKey = ALICE, reader: ReaderIdentity = READER, mailbox: bytes | None = bytes(32)
) -> Credential:
    box = None if mailbox is None else Mailbox(mailbox)
    return Credential(who, reader.group, reader.group_key, box)


def device(
    *credentials: Credential,
    lengths: tuple[int, int] | None = None,
    now: int | None = None,
    versions: Sequence[bytes] = (b"\1\0",),
) -> UserDevice:
    supplies = Supplies(fresh("device"), noise, now=lambda: now)
    return UserDevice(credentials or (credential(),), supplies, versions=versions, lengths=lengths)


@dataclass
class Door:
    """A reader with its memory; a new transaction for each tap."""

    identity: ReaderIdentity = READER
    settings: Settings = DEFAULT
    own_keys: OwnKeys = NOBODY
    by_slot: BySlot | None = None
    store: KpersistentStore = field(default_factory=KpersistentStore)
    number: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def transaction(self) -> Transaction:
        number = next(self.number)
        return Transaction(
            self.identity,
            key(f"reader {number}"),
            hashlib.sha256(b"%d" % number).digest()[:16],
            own_keys=self.own_keys,
            store=self.store,
            settings=self.settings,
            by_slot=self.by_slot,
        )

    def tap(self, card: Card | UserDevice, status: ReaderStatus = ReaderStatus.UNSECURED) -> Tap:
        """One whole transaction that ends, if somebody proves himself, with `status`."""
        tap = Tap(card if isinstance(card, Card) else Card([card]))
        transaction = self.transaction()
        tap.outcome = tap.run(transaction.authenticate())
        farewell = transaction.conclude(status)
        if farewell is not None:
            tap.run(farewell)
        return tap


class Tap:
    """A card in the field, and everything that is said."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.outcome: Outcome = Refused(Reason.TIMEOUT)
        self.said: list[CommandAPDU] = []
        self.answered: list[ResponseAPDU] = []

    def run(self, dialogue: Dialogue[Result]) -> Result:
        try:
            command = next(dialogue)
            while True:
                self.said.append(CommandAPDU.decode(command))
                response = self.card.receive(command)
                self.answered.append(ResponseAPDU.decode(response))
                command = dialogue.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result

    @property
    def names(self) -> list[str]:
        """Short names of the commands: what happened, in one line."""
        return [_NAMES.get(each.ins, "?") for each in self.said]

    @property
    def proven(self) -> Proven:
        assert isinstance(self.outcome, Proven), self.outcome
        return self.outcome

    @property
    def refused(self) -> Reason:
        assert isinstance(self.outcome, Refused), self.outcome
        assert self.outcome.detail
        return self.outcome.reason


_NAMES = {
    0xA4: "SELECT",
    0x80: "AUTH0",
    0xD1: "LOAD CERT",
    0x81: "AUTH1",
    0xC9: "EXCHANGE",
    0x3C: "CONTROL FLOW",
    0xC0: "GET RESPONSE",
    0xC3: "ENVELOPE",
}
STANDARD = ["SELECT", "AUTH0", "AUTH1", "EXCHANGE"]
FAST = ["SELECT", "AUTH0", "EXCHANGE"]


def status_heard(phone: UserDevice) -> int:
    """The reader status that a device took to be the end."""
    assert isinstance(phone.ended, Exchange), phone.ended
    assert phone.ended.status is not None
    return phone.ended.status


def control_flow_heard(phone: UserDevice) -> ControlFlow:
    assert isinstance(phone.ended, ControlFlow), phone.ended
    return phone.ended


Change = Callable[[bytes], bytes]


class Altered(UserDevice):
    """A device that says something else in its answer to one command."""

    alter_auth0: Change
    alter_auth1: Change

    def _auth0(self, data: bytes) -> bytes:
        return self.alter_auth0(super()._auth0(data))

    def _auth1(self, data: bytes) -> bytes:
        """The plaintext is altered, and sealed again under the same counter."""
        sealed = super()._auth1(data)
        assert self._channel is not None
        direction = self._channel._seal
        direction._counter -= 1
        nonce = direction.nonce()
        plain = direction.aead.decrypt(nonce, sealed, None)
        return direction.aead.encrypt(nonce, self.alter_auth1(plain), None)


def altered(*, auth0: Change = bytes, auth1: Change = bytes) -> Altered:
    plain = device()
    phone = Altered([credential()], plain._supplies)
    phone.alter_auth0, phone.alter_auth1 = auth0, auth1
    return phone


def renamed(tag: int) -> Change:
    """The same answer, with tag 88 in the place of `tag`."""
    return lambda data: b"".join(
        encode(0x88 if each.tag == tag else each.tag, each.value) for each in parse(data)
    )


def with_extra_tag(data: bytes) -> bytes:
    return data + bytes.fromhex("CF03010203")
