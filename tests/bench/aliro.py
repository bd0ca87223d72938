"""Aliro at a reader: the standard and the fast phase, reader certificates, documents.

What others need was measured on the certification tool's own ends; their document is another, and
their certificate up to two bytes shorter, as signatures in DER go.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.access_data import AccessData, Capability
from shared.credential.aliro.documents.encoding import write_date
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.messages import DocumentType
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.security import Validity
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.holder import Supplies
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.reader import Transaction
from shared.credential.aliro.step_up import by_documents
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.card import Card
from shared.credential.p256 import OwnKeys, PrivateKey
from tests.bench import bare
from tests.bench.flow import RATIO, Air, Answer, Flow, Run, Tape, converse, fresh, proven

GROUP, SUB_GROUP = bytes(15) + b"\1", bytes(15) + b"\2"
NOW = 1_794_911_400
ELEMENT = "floor1"
MANY = 64
_NONCE = bytes(12)
_SALT, _INFO, _PLAIN = bytes(182), bytes(32), bytes(137)
# A salt of the persistent and the fast keys has the credential's X as well.
_LONG_SALT = bytes(214)
_STATUS = b"\x97\2\1\1"


def flows() -> list[Flow]:
    """Every flow, with fresh keys."""
    plain, issuer, documents = ReaderIdentity(GROUP, SUB_GROUP, fresh()), fresh(), fresh()
    certificate = Certified(issuer.public, ReaderCertificate.issue(issuer, plain.key.public))
    certified = ReaderIdentity(GROUP, SUB_GROUP, plain.key, certificate)
    standard, fast = _bare_standard(plain.key), _bare_fast()
    return [
        _Taps(plain).flow("Aliro standard", standard, Air(4, 251, 271), ratio=RATIO),
        _Taps(certified).flow("Aliro standard, LOAD CERT", standard, Air(5, 410, 273)),
        _Taps(plain, met=True).flow("Aliro fast", fast, Air(3, 176, 182), over_us=60),
        _Taps(plain, met=True, others=MANY - 1).flow(f"Aliro fast, last of {MANY}", fast),
        _Taps(plain, issuer=documents).flow(
            "Aliro standard, access document", _bare_step_up(standard, documents), Air(7, 351, 817)
        ),
    ]


@dataclass(slots=True)
class _Taps:
    """One reader and one phone, which it may have `met` before, among so many `others`."""

    identity: ReaderIdentity
    met: bool = False
    others: int = 0
    issuer: PrivateKey | None = None  # of the document that lets the holder in

    def flow(
        self,
        name: str,
        plain: Run,
        published: Air | None = None,
        *,
        ratio: float | None = None,
        over_us: float | None = None,
    ) -> Flow:
        phone, store, tape = self._phone(), KpersistentStore(), Tape()
        if self.met:
            self._tap(fresh(), store, Tape().recording(Card([phone])))
        for _ in range(self.others):
            store.remember(fresh().public, bytes(32))
        before, ephemeral = store.encode(), fresh()
        applications = Card([phone, StepUpApplication(phone)])
        self._tap(ephemeral, store, tape.recording(applications))

        def prepare() -> Run:
            kept = KpersistentStore.decode(before)

            def run() -> None:
                fresh()
                self._tap(ephemeral, kept, tape.playing())

            return run

        return Flow(name, prepare, plain, tape.air, published, ratio, over_us)

    def _phone(self) -> DocumentDevice:
        credential = Credential(fresh(), self.identity.group, self.identity.group_key)
        if self.issuer is not None:
            credential.documents = (
                issue(
                    self.issuer,
                    DocumentType.ACCESS,
                    {ELEMENT: AccessData().plain},
                    Validity(NOW - 60, NOW - 60, NOW + 60),
                    random=bytes,
                    holder=credential.key.public,
                ),
            )
            credential.access_signed = write_date(NOW - 60).encode()
            credential.signaling = Signaling.SELECT_STEP_UP
        return DocumentDevice([credential], Supplies(fresh, bytes))

    def _tap(self, ephemeral: PrivateKey, store: KpersistentStore, answer: Answer) -> None:
        number = bytes(16)
        transaction = Transaction(
            self.identity, ephemeral, number, own_keys=OwnKeys(()), store=store
        )
        outcome = proven(converse(transaction.authenticate(), answer))
        if self.issuer is not None:
            issuers = Issuers([self.issuer.public])
            examiner = Examiner(issuers, Memory(store), access=(ELEMENT,))
            asking = by_documents(transaction, outcome, examiner, Capability.UNSECURE, Moment(NOW))
            assert proven(converse(asking, answer)).issuer
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        converse(farewell, answer)


def _bare_standard(signer: PrivateKey) -> Run:
    own, device, check = fresh().native, fresh().public.point, bare.check_shown(fresh())
    sealed = AESGCM(bytes(32)).encrypt(_NONCE, _PLAIN, None)

    def run() -> None:
        """Draw, load, agree, sign, derive, open, load, verify, derive, seal."""
        bare.draw()
        secret = hashlib.sha256(own.exchange(bare.ECDH, bare.load(device))).digest()
        bare.sign(signer.native)
        HKDF(bare.SHA256, 160, _SALT, _INFO).derive(secret)
        AESGCM(bytes(32)).decrypt(_NONCE, sealed, None)
        check()
        HKDF(bare.SHA256, 32, _LONG_SALT, _INFO).derive(secret)
        AESGCM(bytes(32)).encrypt(_NONCE, _STATUS, None)

    return run


def _bare_fast() -> Run:
    device, sealed = fresh().public.point, AESGCM(bytes(32)).encrypt(_NONCE, bytes(48), None)

    def run() -> None:
        """Draw, load, derive, open the cryptogram, seal the status."""
        bare.draw()
        bare.load(device)
        HKDF(bare.SHA256, 160, _LONG_SALT, _INFO).derive(bytes(32))
        AESGCM(bytes(32)).decrypt(_NONCE, sealed, None)
        AESGCM(bytes(32)).encrypt(_NONCE, _STATUS, None)

    return run


def _bare_step_up(standard: Run, issuer: PrivateKey) -> Run:
    check, load = bare.check_known(issuer.native), bare.load
    sealed, point = AESGCM(bytes(32)).encrypt(_NONCE, bytes(600), None), issuer.public.point

    def run() -> None:
        """A standard one; derive, seal, open, verify, load the device's key, digest the element."""
        standard()
        for info in (b"SKReader", b"SKDevice"):
            HKDF(bare.SHA256, 32, b"", info).derive(bytes(32))
        AESGCM(bytes(32)).encrypt(_NONCE, bytes(60), None)
        AESGCM(bytes(32)).decrypt(_NONCE, sealed, None)
        check()
        load(point)
        hashlib.sha256(bytes(100)).digest()

    return run
