"""What an attacker of Aliro finds: doors of two groups, people with phones, and what was stolen.

Everybody's key is a witness of what it signs. Alice has one key for Aliro and PKOC, on one card;
Bob has Aliro alone, and a document; Mallory has a key, and others' things.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.access_data import AccessData
from shared.credential.aliro.documents.examiner import Memory
from shared.credential.aliro.documents.issuers import key_id
from shared.credential.aliro.documents.messages import DeviceRequest, DeviceResponse
from shared.credential.aliro.holder import Supplies, _Challenge
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.messages import key_slot
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.reader import Transaction
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.card import Application, Card
from shared.credential.outcome import Outcome
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.tag import DialogueSession, TagSession
from tests.shared.credential.aliro.documents.ends import ISSUER as DOCUMENT_ISSUER
from tests.shared.credential.aliro.documents.ends import NOW, access, noise
from tests.shared.credential.aliro.ends import ISSUER
from tests.shared.credential.keys import key
from tests.shared.credential.pkoc.bad_air import Witness, witness

GROUPS = (b"\x10" * 16, b"\x20" * 16)
STOLEN = key("a reader that was stolen")
_SIGNED_BY_READER, _SIGNED_BY_DEVICE = (
    bytes.fromhex(f"9304 {at}") for at in ("415D9569", "4E887B4C")
)

# Both made once: issuing takes longer than all of a tap.
BOBS_DOCUMENT = access(AccessData(), holder=key("bob").public)
_BY_MALLORY = access(AccessData(), holder=key("mallory").public, issuer=key("mallory"))
FORGED = replace(
    _BY_MALLORY,
    issuer_auth=replace(_BY_MALLORY.issuer_auth, key_id=key_id(DOCUMENT_ISSUER.public)),
)
EXPIRED = ReaderCertificate.issue(ISSUER, STOLEN.public, not_after=NOW - 1)
SELF_MADE = ReaderCertificate.issue(key("mallory"), key("mallory").public)


@dataclass
class Site:
    """One reader, what it remembers, and whom it has let in last."""

    identity: ReaderIdentity
    key: Witness
    memory: Memory = field(default_factory=lambda: Memory(KpersistentStore()))
    admitted: set[bytes] = field(default_factory=set)


def sites() -> list[Site]:
    """The first reader speaks for itself; two of another group have certificates."""
    keys = [witness(f"aliro door {at}") for at in range(3)]
    made = [Site(ReaderIdentity(GROUPS[0], b"\1" * 16, keys[0]), keys[0])]
    for at in (1, 2):
        certified = Certified(ISSUER.public, _certificate(at))
        identity = ReaderIdentity(GROUPS[1], bytes((1 + at,)) * 16, keys[at], certified)
        made.append(Site(identity, keys[at]))
    return made


_CERTIFICATES = {
    at: ReaderCertificate.issue(ISSUER, key(f"aliro door {at}").public) for at in (1, 2)
}


def _certificate(at: int) -> ReaderCertificate:
    return _CERTIFICATES[at]


def our_keys(all_sites: list[Site]) -> OwnKeys:
    return OwnKeys([*(each.key.public for each in all_sites), ISSUER.public])


class WatchedDevice(DocumentDevice):
    """A device that notes for which transactions it made a cryptogram, and gave documents."""

    def __init__(
        self, credentials: list[Credential], supplies: Supplies, *, careless: bool = False
    ) -> None:
        super().__init__(credentials, supplies)
        self._careless = careless
        self.cryptograms: set[tuple[bytes, bytes, bytes]] = set()
        self.gave: set[bytes] = set()

    def _cryptogram(self, challenge: _Challenge) -> bytes:
        said = challenge.transcript
        if said.reader_identifier in challenge.credential.kpersistents:
            self.cryptograms.add(
                (said.reader_identifier, said.reader_ephemeral, said.transaction_id)
            )
        return super()._cryptogram(challenge)

    def respond(self, credential: Credential, request: DeviceRequest) -> DeviceResponse:
        assert self._challenge is not None
        self.gave.add(self._challenge.transcript.signed_by_device)
        if self._careless:
            return DeviceResponse(credential.documents)
        return super().respond(credential, request)


@dataclass
class Phone:
    """Everything that one person holds to a reader."""

    name: str
    key: PrivateKey
    device: WatchedDevice
    card: Card


@dataclass
class People:
    """Who has what. Witnesses are honest; Mallory signs whatever she likes."""

    keys: dict[str, Witness] = field(
        default_factory=lambda: {name: witness(name) for name in ("alice", "bob", "mallory")}
    )
    phones: list[Phone] = field(default_factory=list)

    def name(self, point: bytes) -> str:
        (found,) = (name for name, each in self.keys.items() if each.public.point == point)
        return found

    def phone(self, who: str, all_sites: list[Site], fresh: Callable[[], PrivateKey]) -> Phone:
        """A phone of `who`: alice, bob, mallory, or somebody with a key that is none of these."""
        held = self._held(who, all_sites)
        groups = dict(zip(GROUPS, (all_sites[0].key.public, ISSUER.public), strict=True))
        credentials = [Credential(held, group, known) for group, known in groups.items()]
        if who not in ("alice", "liar"):
            for each in credentials:
                each.documents = (FORGED if who == "thief" else BOBS_DOCUMENT,)
                each.access_signed = b"2026-11-17T09:30:00Z"
                each.signaling = Signaling.SELECT_STEP_UP if who == "bob" else Signaling.NONE
        if who == "mallory":
            credentials[1].documents = (FORGED,)
        supplies = Supplies(fresh, noise, now=lambda: NOW)
        device = WatchedDevice(credentials, supplies, careless=who in ("mallory", "thief"))
        applications: list[Application] = [device, StepUpApplication(device)]
        if who in ("alice", "liar"):
            applications.append(PkocApplication(held))
        made = Phone(who, held, device, Card(applications))
        self.phones.append(made)
        return made

    def _held(self, who: str, all_sites: list[Site]) -> PrivateKey:
        match who:
            case "thief":  # who has the key of a reader, and shows it as a credential
                return all_sites[0].key
            case "liar":  # who says that her key is Alice's
                return PrivateKey(self.keys["alice"].public, key("mallory").native)
            case _:
                return self.keys[who]

    @property
    def secrets(self) -> list[bytes]:
        """What would tell anybody on the air that Bob is there."""
        bob = self.keys["bob"].public
        return [bob.x, key_slot(bob)]


def answers(site: Site, ephemeral: PrivateKey, number: bytes, message: bytes) -> bool:
    """Whether `message` is what a device has to sign in this transaction and in no other."""
    head = b"\x4d\x20" + site.identity.reader_identifier + b"\x86\x20"
    tail = b"\x87\x20" + ephemeral.public.x + b"\x4c\x10" + number + _SIGNED_BY_DEVICE
    fits = message.startswith(head) and message.endswith(tail)
    return fits and len(message) == len(head) + 32 + len(tail)


def proved_to(all_sites: list[Site], message: bytes) -> bool:
    """Whether the reader that `message`, signed by a device, names has signed its part of it."""
    wanted = message[: -len(_SIGNED_BY_DEVICE)] + _SIGNED_BY_READER
    named = (each for each in all_sites if message[2:34] == each.identity.reader_identifier)
    return any(wanted in each.key.signed for each in named)


def loot(how: str, held: Certified | None) -> tuple[PrivateKey, ReaderCertificate | None]:
    """A key to sign with and a certificate to show, neither of which counts."""
    match how:
        case "stolen":
            return STOLEN, None
        case "self-made":
            return key("mallory"), SELF_MADE
        case "expired":
            return STOLEN, EXPIRED
        case "copied":
            return key("mallory"), held.certificate if held else None
        case _:
            return key("mallory"), None


@dataclass
class Door:
    """One session of a reader, and what its proof must have been made for."""

    kind: str
    site: Site
    ephemeral: PrivateKey
    number: bytes
    transaction: Transaction | None
    session: TagSession | DialogueSession[None]
    says: bytes
    outcome: Outcome | None = None
    closed: bool = False

    @property
    def asks(self) -> tuple[bytes, bool, bytes]:
        """Which reader asks, in which standard, and what."""
        return self.site.identity.reader_identifier, self.kind == "pkoc", self.says[:2]


@dataclass(frozen=True)
class Change:
    """What becomes of one message on its way."""

    how: str
    of: str
    back: int
    bit: int
