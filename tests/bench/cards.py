"""What cards cost a reader: its processor beside the bare cryptography, and the air in between.

Processor times are taken in turns within one run, and the best of many turns counts, so that the
ratios say something on a busy machine too. "Bare" is every call of `cryptography` that a reader
cannot do without, with nothing around them; what a card does is recorded before, and not counted.
What a reader loads once, the keys of suppliers and the certificates of authorities, is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hw.sim.cards import issuers
from hw.sim.cards.held import Piv, Pkoc, new_p256, new_rsa
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.piv import reader as piv
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
_CURVE, _ECDSA, _SHA256 = ec.SECP256R1(), ec.ECDSA(hashes.SHA256()), hashes.SHA256()
_BATCH = 20
_MESSAGE = bytes(100)


@dataclass(frozen=True, slots=True)
class CardCost:
    """Microseconds of one transaction at the reader; bytes and round trips over the air."""

    name: str
    transaction_us: float
    bare_us: float
    round_trips: int
    bytes: int

    @property
    def ratio(self) -> float:
        return self.transaction_us / self.bare_us


@dataclass(slots=True)
class _Kind:
    """A dialogue that can be held again and again, what the card said in it, the bare calls."""

    name: str
    dialogue: Callable[[], Dialogue[Outcome]]
    bare: Callable[[], None]
    card: Card
    commands: list[bytes] = field(default_factory=list)
    responses: list[bytes] = field(default_factory=list)

    def record(self) -> None:
        """Hold the dialogue with the card itself."""
        session = TagSession(try_in_order([self.dialogue()]), now=0.0)
        step: object = Send(session.start())
        while isinstance(step, Send):
            self.commands.append(step.message)
            self.responses.append(self.card.receive(step.message))
            step = session.receive(self.responses[-1], 0.0)
        _check(step)

    def transaction(self) -> None:
        """Everything that our reader does for one card."""
        session = TagSession(try_in_order([self.dialogue()]), now=0.0)
        session.start()
        step: object = None
        for response in self.responses:
            step = session.receive(response, 0.0)
        _check(step)


def measure(turns: int = 50) -> list[CardCost]:
    """Time PKOC SE V1, SE V2 validated, and PIV with a certificate of P-256 and of RSA."""
    kinds = _kinds()
    best = [[float("inf"), float("inf")] for _ in kinds]
    for kind in kinds:
        kind.record()
    for _ in range(turns):
        for times, kind in zip(best, kinds, strict=True):
            for place, call in enumerate((kind.transaction, kind.bare)):
                times[place] = min(times[place], _time(call))
    return [_cost(kind, *times) for kind, times in zip(kinds, best, strict=True)]


def _cost(kind: _Kind, transaction_us: float, bare_us: float) -> CardCost:
    both = sum(map(len, kind.commands)) + sum(map(len, kind.responses))
    return CardCost(kind.name, transaction_us, bare_us, len(kind.commands), both)


def _check(step: object) -> None:
    match step:
        case Finished(outcome=Proven()):
            pass
        case _:
            raise AssertionError(step)


def _time(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(_BATCH):
        call()
    return (time.perf_counter() - start) / _BATCH * 1e6


def _kinds() -> list[_Kind]:
    identity = ReaderIdentity(bytes(15) + b"\x01", bytes(15) + b"\x02", new_p256())
    supplier = issuers.new_supplier()
    authority = issuers.new_authority("Example staff", NOW)
    return [
        _pkoc("PKOC SE V1", identity, Pkoc(new_p256()), supplier),
        _pkoc("PKOC SE V2, validated", identity, supplier.issue(NOW.date(), 1), supplier),
        _piv("PIV P-256, validated", authority, authority.issue("Ada", new_p256(), NOW, 1)),
        _piv("PIV RSA 2048, validated", authority, authority.issue("Ben", new_rsa(), NOW, 1)),
    ]


def _pkoc(name: str, identity: ReaderIdentity, content: Pkoc, supplier: issuers.Supplier) -> _Kind:
    own_keys = OwnKeys([identity.key.public])
    suppliers = Suppliers({supplier.reference: supplier.key.public})
    se_v2 = None
    if content.certified is not None:
        se_v2 = nfc_reader.SeV2(bytes(32), suppliers, NOW.date(), required=True)

    def dialogue() -> Dialogue[Outcome]:
        return nfc_reader.dialogue(identity, bytes(16), own_keys=own_keys, se_v2=se_v2)

    key = content.key if content.certified is None else content.certified.key
    by_card = _bare_pkoc(key)
    by_supplier = _bare_signature(supplier.key.native)

    def bare() -> None:
        by_card()
        if content.certified is not None:
            by_supplier()

    return _Kind(name, dialogue, bare, Card([content.application()]))


def _bare_pkoc(key: PrivateKey) -> Callable[[], None]:
    """Load a key that was shown, and check a signature by it."""
    point, signed = key.public.point, key.sign(_MESSAGE)
    r, s = (int.from_bytes(half, "big") for half in (signed[:32], signed[32:]))

    def bare() -> None:
        shown = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
        shown.verify(encode_dss_signature(r, s), _MESSAGE, _ECDSA)

    return bare


def _bare_signature(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Callable[[], None]:
    """Check a signature by a key that is known."""
    if isinstance(key, rsa.RSAPrivateKey):
        public, signature = key.public_key(), key.sign(_MESSAGE, PKCS1v15(), _SHA256)
        return lambda: public.verify(signature, _MESSAGE, PKCS1v15(), _SHA256)
    point, signed = key.public_key(), key.sign(_MESSAGE, _ECDSA)
    return lambda: point.verify(signed, _MESSAGE, _ECDSA)


def _piv(name: str, authority: issuers.Authority, content: Piv) -> _Kind:
    trust = piv.Trust(Authorities([authority.certificate]), Clock(NOW))
    own_keys = OwnKeys([authority.key.public])

    def dialogue() -> Dialogue[Outcome]:
        return piv.dialogue(bytes(32), bytes(32), own_keys=own_keys, trust=trust)

    native = content.key.native if isinstance(content.key, PrivateKey) else content.key
    by_card, der, anchor = _bare_signature(native), content.certificate, authority.certificate

    def bare() -> None:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        assert certificate.extensions
        certificate.verify_directly_issued_by(anchor)
        by_card()

    return _Kind(name, dialogue, bare, Card([content.application()]))
