"""PIV at a reader: pinned keys and certificates of an authority, P-256 and RSA; and mere numbers.

"First tap" is the first that a reader sees of a card since its plan has last changed. No ratio was
promised: most of the time goes into reading what the card says, most of all with RSA.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hw.sim.cards import issuers
from hw.sim.cards.held import Piv, new_p256, new_rsa
from shared.credential.card import Card
from shared.credential.card_number import judge_uid
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.piv import reader
from shared.credential.piv.authorities import Authorities, Clock
from tests.bench import bare
from tests.bench.flow import Air, Flow, proven
from tests.bench.pkoc import nfc_flow

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
UID = bytes.fromhex("04A1B2C3D4E5F6")


def flows() -> list[Flow]:
    """Every flow, with fresh keys."""
    authority = issuers.new_authority("Example staff", NOW)
    lost = authority.issue("Lost", new_p256(), NOW, 1)
    revoked = x509.load_pem_x509_crl(authority.without(lost).revocation_list(NOW, 1).encode())
    found = []
    for kind, key in (("P-256", new_p256()), ("RSA 2048", new_rsa())):
        card = authority.issue("Ada", key, NOW, 1)

        def trust() -> reader.Trust:
            return reader.Trust(Authorities([authority.certificate], [], [revoked]), Clock(NOW))

        known = trust()
        found += [
            _piv(f"PIV {kind}, pinned", card, lambda: None),
            _piv(f"PIV {kind}, validated, first tap", card, trust, authority.certificate),
            _piv(f"PIV {kind}, validated", card, lambda known=known: known),  # type: ignore[misc]
        ]
    number = Flow("Card number", lambda: lambda: proven(judge_uid(UID)), None, Air(0, 0, len(UID)))
    return [*found, number]


def _piv(
    name: str,
    content: Piv,
    trust: Callable[[], reader.Trust | None],
    issuer: x509.Certificate | None = None,
) -> Flow:
    def prepare() -> Callable[[], Dialogue[Outcome]]:
        trusted, own_keys = trust(), OwnKeys(())
        return lambda: reader.dialogue(bytes(32), bytes(32), own_keys=own_keys, trust=trusted)

    native = content.key.native if isinstance(content.key, PrivateKey) else content.key
    checks = [_load(content.certificate, issuer), bare.check_known(native)]
    return nfc_flow(name, Card(content.applications()), prepare, checks)


def _load(der: bytes, issuer: x509.Certificate | None) -> Callable[[], object]:
    """Read the certificate, write its key; for an `issuer`, look at its extensions and verify."""

    def run() -> None:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if issuer is not None:
            assert certificate.extensions
            certificate.verify_directly_issued_by(issuer)

    return run
