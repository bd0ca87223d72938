"""Cards whose keys, certificates and revocation lists were made by OpenSSL's own programs."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.credential.card import Card
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import PrivateKey
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.piv.holder import CardPrivateKey, PivApplication
from shared.credential.piv.messages import CertificateObject
from shared.credential.piv.reader import Trust
from tests.shared.credential.piv.test_both_ends import outcome_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

CONFIG = """
[ca]
default_ca = office
[office]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = anything
unique_subject = no
[anything]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[card]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, 2.16.840.1.101.3.6.8
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
"""
KINDS = {
    "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "RSA 2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


class Office:
    """An authority in a folder, run by `openssl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "openssl.cnf").write_text(CONFIG, encoding="ascii")
        (folder / "index.txt").touch()
        for name in ("serial", "crlnumber"):
            (folder / name).write_text("1000\n", encoding="ascii")
        self.key("root", "P-256")
        self.run(
            *("req", "-x509", "-new", "-key", "root.key", "-subj", f"/CN={folder.name}"),
            *("-days", "30", "-config", "openssl.cnf", "-extensions", "authority"),
            *("-out", "root.pem"),
        )

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def key(self, name: str, kind: str) -> None:
        self.run("genpkey", "-algorithm", *KINDS[kind], "-out", f"{name}.key")

    def issue(self, name: str, kind: str, digest: str = "sha256") -> Card:
        self.key(name, kind)
        self.run("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}",
                 "-config", "openssl.cnf", "-out", f"{name}.csr")  # fmt: skip
        self.office("-extensions", "card", "-notext", "-md", digest,
                    "-in", f"{name}.csr", "-out", f"{name}.pem")  # fmt: skip
        self.run("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
        certificate = CertificateObject(self.read(f"{name}.der"), compressed=True)
        return Card([PivApplication(_key(self.read(f"{name}.key")), certificate)])

    def revoke(self, name: str) -> None:
        self.office("-revoke", f"{name}.pem")

    def office(self, *arguments: str) -> None:
        self.run("ca", "-batch", "-config", "openssl.cnf", "-cert", "root.pem",
                 "-keyfile", "root.key", *arguments)  # fmt: skip

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def trust(self, digest: str = "sha256") -> Trust:
        self.office("-gencrl", "-md", digest, "-out", "list.pem")
        self.run("crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der")
        self.run("x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der")
        found = Authorities.load([self.read("root.der")], [], [self.read("list.der")])
        return Trust(found, Clock(datetime.datetime.now(datetime.UTC)))


def _key(pem: bytes) -> CardPrivateKey:
    found = load_pem_private_key(pem, password=None)
    if isinstance(found, ec.EllipticCurvePrivateKey):
        return PrivateKey.wrap(found)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def reason(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Refused)
    return outcome.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_of_an_authority_opens_until_it_is_revoked(tmp_path: Path, kind: str) -> None:
    office, other = Office(tmp_path / "office"), Office(tmp_path / "other")
    card = office.issue("ada", kind)

    outcome = outcome_of(card.receive, office.trust())
    assert isinstance(outcome, Proven)
    assert outcome.issuer is not None
    assert "office" in outcome.issuer
    assert reason(outcome_of(card.receive, other.trust())) is Reason.UNKNOWN_ISSUER

    office.revoke("ada")
    assert reason(outcome_of(card.receive, office.trust())) is Reason.CERTIFICATE_REVOKED


def test_signatures_over_sha_1_count_for_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    card, bob = office.issue("ada", "P-256", "sha1"), office.issue("bob", "P-256")
    assert reason(outcome_of(card.receive, office.trust())) is Reason.UNKNOWN_ISSUER
    assert isinstance(outcome_of(bob.receive, office.trust()), Proven)

    # A list is refused where it is entered, rather than passed over.
    assert not _authorities(office.trust()).unheeded
    assert _authorities(office.trust("sha1")).unheeded


def _authorities(trust: Trust) -> Authorities:
    assert trust.authorities is not None
    return trust.authorities
