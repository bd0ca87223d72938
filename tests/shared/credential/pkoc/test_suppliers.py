"""Whose cards count: keys as operators give them, and what they have signed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credential.p256 import PublicKey
from shared.credential.pkoc.suppliers import RsaKey, Suppliers, load_key
from tests.shared.credential.keys import key


def der(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_point_is_a_key() -> None:
    supplier = key("supplier").public
    assert load_key(supplier.point) == supplier


def test_an_rsa_key_verifies_what_it_has_signed_and_nothing_else() -> None:
    private = rsa.generate_private_key(65537, 2048)
    loaded = load_key(der(private.public_key()))
    signature = private.sign(b"claims", padding.PKCS1v15(), SHA256())
    assert isinstance(loaded, RsaKey)
    assert repr(loaded) == "RsaKey(2048 bits)"
    assert loaded.verifies(signature, b"claims")
    assert not loaded.verifies(signature, b"other claims")
    assert not loaded.verifies(signature[:-1], b"claims")
    assert not loaded.verifies(b"", b"claims")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x04" + bytes(64), "P-256"),
        (b"\x02" + bytes(64), "uncompressed|point"),
        (der(rsa.generate_private_key(65537, 1024).public_key()), "of 1024 bits; 2048 to 4096"),  # noqa: S505
        (der(ec.generate_private_key(ec.SECP256R1()).public_key()), "neither"),
        (der(ed25519.Ed25519PrivateKey.generate().public_key()), "neither"),
        (
            dsa.generate_private_key(1024)  # noqa: S505
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "neither",
        ),
    ],
    ids=["off curve", "compressed", "short RSA", "P-256 in DER", "Ed25519", "DSA"],
)
def test_what_is_no_suppliers_key(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_key(data)


@pytest.mark.parametrize("data", [b"", b"\x30", bytes(65), b"-----BEGIN PUBLIC KEY-----"])
def test_what_is_no_key_at_all(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        load_key(data)


def test_suppliers_are_found_by_reference() -> None:
    point = PublicKey.parse(key("supplier").public.point)
    suppliers = Suppliers({"01000TESTISSUER1": point})
    assert suppliers
    assert suppliers.find("01000TESTISSUER1") is point
    assert suppliers.find("01000TESTISSUER2") is None
    assert not Suppliers({})


@pytest.mark.parametrize("reference", ["", "01000testissuer1", "01000TESTISSUER", "é" * 16])
def test_a_reference_that_is_none(reference: str) -> None:
    with pytest.raises(ValueError, match="16 of A-Z and 0-9"):
        Suppliers({reference: key("supplier").public})
