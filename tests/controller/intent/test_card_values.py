"""What operators type or paste for a card, and what is said of what no card has."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from controller.intent.card_values import read_key, read_number
from shared.credential.card_number import FORMATS, Wiegand
from shared.credential.identifier import is_cloneable, is_point, of_public_key, of_uid
from tests.controller.keys import hex_key, point, private_key
from tests.shared.credential.piv.cards import ROOT, rsa_key

PublicNative: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

P384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()


def pem(key: PublicNative) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return ROOT.issue(key).public_bytes(Encoding.PEM).decode()


def secret() -> str:
    native = private_key(1).native
    return native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


SPKI = (
    private_key(1).native.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    "text",
    [
        hex_key(1),
        f"  {hex_key(1).upper()}\n",
    ],
    ids=["hex", "capitals"],
)
def test_a_point_is_the_same_however_it_is_written(text: str) -> None:
    value = read_key(text)
    assert (value.identifier, value.text) == (point(1), hex_key(1))


@pytest.mark.parametrize(
    "text",
    [
        pem(private_key(1).native.public_key()),
        certificate(private_key(1).native),
        "Subject: whoever\r\n" + certificate(private_key(1).native).replace("\n", "\r\n"),
        "01" + hashlib.sha256(SPKI).hexdigest().upper(),
    ],
    ids=["public key", "certificate", "certificate of a text editor", "hash"],
)
def test_the_key_of_a_piv_card_is_known_by_its_hash(text: str) -> None:
    """Never by its point: the card signs whatever it is handed, PKOC's words too."""
    value = read_key(text)
    assert (value.identifier, value.text) == (of_public_key(SPKI), of_public_key(SPKI).hex())


def test_an_rsa_key_is_known_by_its_hash_which_may_be_entered_again() -> None:
    public = rsa_key().public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value = read_key(certificate(rsa_key()))
    assert value == read_key(pem(public)) == read_key(value.text)
    assert value.identifier == of_public_key(spki)
    assert not is_point(value.identifier)
    assert not is_cloneable(value.identifier)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "130 hex digits"),
        ("00112345", "credential type 1001"),
        ("9549094083188048434", "shortened number"),  # as official apps may be set to show
        ("9" * 78, "shortened number"),
        ("zz" * 65, "130 hex digits"),
        ("02" * 33, "130 hex digits"),
        ("0204A1B2C3", "130 hex digits"),
        ("04" + "00" * 64, "no P-256 public key"),
        (hex_key(1)[:-1], "130 hex digits"),
        (pem(P384), "P-256 or RSA 2048"),
        (pem(ED25519), "P-256 or RSA 2048"),
        (pem(rsa_key(3072).public_key()), "P-256 or RSA 2048"),
        (certificate(rsa_key(3072)), "P-256 or RSA 2048"),
        (secret(), "private key, which must never leave"),
        (certificate(private_key(1).native) * 2, "several blocks"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no certificate"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no certificate"),
        ("-----BEGIN ", "no certificate"),
    ],
)
def test_what_is_no_key_is_refused_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        read_key(text)
    assert text.strip()[30:60] not in str(refused.value) or len(text) < 60


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("uid 04A1B2C3D4E5F6", "uid 04A1B2C3D4E5F6"),
        ("UID: 04:a1:b2:c3:d4:e5:f6", "uid 04A1B2C3D4E5F6"),
        ("uid 04 a1 b2 c3 d4 e5 f6", "uid 04A1B2C3D4E5F6"),
    ],
)
def test_a_uid(text: str, written: str) -> None:
    value = read_number(text)
    assert (value.identifier, value.text) == (of_uid(bytes.fromhex("04A1B2C3D4E5F6")), written)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("H10301 1-1234", "H10301 1-1234"),
        ("h10301  001 - 01234", "H10301 1-1234"),
        ("H10302 1234", "H10302 1234"),
        ("C1000-35 12-345", "C1000-35 12-345"),
    ],
)
def test_a_number_as_it_is_printed(text: str, written: str) -> None:
    value = read_number(text)
    assert value.text == written
    assert is_cloneable(value.identifier)


def test_the_same_card_by_its_bits() -> None:
    form = next(each for each in FORMATS if each.name == "H10301")
    bits = f"{form.write(1234, 1):026b}"
    by_bits = read_number(f"bits {bits[:13]} {bits[13:]}")
    assert by_bits.text == f"bits {bits}"
    assert by_bits.identifier == read_number("H10301 1-1234").identifier


@given(st.data())
def test_every_number_that_fits_reads_as_it_is_written(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(FORMATS))
    number = data.draw(st.integers(0, 2 ** (form.number.last - form.number.first + 1) - 1))
    facility = None
    if form.facility is not None:
        bits = form.facility.last - form.facility.first + 1
        facility = data.draw(st.integers(0, 2**bits - 1))
    printed = f"{number}" if facility is None else f"{facility}-{number}"
    value = read_number(f"{form.name} {printed}")
    assert value.identifier == Wiegand(form.bits, form.write(number, facility)).identifier
    assert read_number(value.text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("04A1B2C3D4E5F6", "must be a UID such as"),
        ("", "must be a UID such as"),
        ("H99999 1-2", "formats are H10301"),
        ("uid", "8, 14 or 20 hex digits"),
        ("uid 04A1B2", "4, 7 or 10"),
        ("uid 04A1B2C3D", "8, 14 or 20 hex digits"),
        ("uid 08A1B2C3", "random"),
        ("H10301 1234", "facility-number"),
        ("H10301 256-1", "0 to 255"),
        ("H10301 1-65536", "0 to 65535"),
        ("H10301 -1-5", "facility-number"),
        ("H10302 1-2", "must be written H10302 1234"),
        ("H10302 ²", "must be written H10302 1234"),
        ("bits 0101", "4 bits"),
        ("bits 2", "zeros and ones"),
        ("bits " + "0" * 26, "parity"),
    ],
)
def test_what_is_no_number_is_refused_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_number(text)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_key, read_number):
        try:
            value = read(text)
        except ValueError:
            continue
        assert read(value.text) == value
