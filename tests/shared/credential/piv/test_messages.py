"""Data objects and templates, whole, cut, flipped, and bombs."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.piv.messages import (
    GENERAL_AUTHENTICATE,
    MAX_CERTIFICATE,
    SELECT,
    Algorithm,
    CertificateObject,
    decode_challenge,
    decode_get_data,
    decode_signature,
    encode_signature,
    general_authenticate,
    get_data,
)
from shared.credential.tlv import encode
from tests.shared.credential.keys import QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

DER = bytes(range(256)) * 3


def gzip(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=31)
    return compressor.compress(data) + compressor.flush()


def kept(certificate: bytes, info: bytes = b"\x01") -> bytes:
    return encode(0x53, encode(0x70, certificate) + encode(0x71, info) + encode(0xFE, b""))


def test_commands_are_those_of_the_specification() -> None:
    assert SELECT.encode().hex() == "00a4040009a0000003080000100000"
    assert get_data(bytes.fromhex("5FC101")).encode().hex() == "00cb3fff055c035fc10100"
    command = general_authenticate(Algorithm.ECC_P256, bytes(32))
    assert command.encode().hex() == "0087119e267c2482008120" + "00" * 32 + "00"
    assert (command.cla, command.ins) == GENERAL_AUTHENTICATE


@pytest.mark.parametrize("compressed", [False, True])
def test_a_certificate_object_arrives(*, compressed: bool) -> None:
    one = CertificateObject(DER, compressed)
    assert CertificateObject.decode(one.encode()) == one
    assert (len(one.encode()) < len(DER)) is compressed


def test_without_info_it_is_plain() -> None:
    assert CertificateObject.decode(encode(0x53, encode(0x70, DER))).der == DER


@pytest.mark.parametrize("info", [0x01, 0x80, 0x81])
def test_old_cards_say_compressed_by_the_other_end_of_the_byte(info: int) -> None:
    found = CertificateObject.decode(kept(gzip(DER), bytes((info,))))
    assert found == CertificateObject(DER, compressed=True)


def test_more_objects_in_it_are_passed_over() -> None:
    more = encode(0x53, encode(0x70, DER) + encode(0x71, b"\0") + encode(0x72, b"MSCUID"))
    assert CertificateObject.decode(more).der == DER


@pytest.mark.parametrize(
    "data",
    [
        gzip(DER)[:-1],
        gzip(DER) + b"\0",
        gzip(DER) + gzip(DER),
        b"",
        b"\x1f\x8b",
        zlib.compress(DER),
        gzip(bytes(MAX_CERTIFICATE + 1)),
        gzip(bytes(50_000_000)),  # a bomb of 50 MB in 50 KB would not fit; this one is refused too
    ],
    ids=["cut", "trailing", "twice", "nothing", "a beginning", "not gzip", "too long", "a bomb"],
)
def test_what_does_not_decompress_to_one_certificate(data: bytes) -> None:
    with pytest.raises(RuleBroken):
        CertificateObject.decode(kept(data))


def test_a_challenge_and_a_signature_arrive() -> None:
    command = general_authenticate(Algorithm.RSA_2048, bytes(256))
    assert decode_challenge(command.data) == bytes(256)
    assert decode_signature(encode_signature(b"signed")) == b"signed"
    assert decode_get_data(get_data(b"\x7e").data) == b"\x7e"


def test_a_command_with_a_response_in_it() -> None:
    data = encode(0x7C, encode(0x82, b"x") + encode(0x81, bytes(32)))
    with pytest.raises(RuleBroken, match="a response in it"):
        decode_challenge(data)


def test_byte_by_byte_and_trailing() -> None:
    whole = CertificateObject(b"certificate").encode()
    feed_prefixes(CertificateObject.decode, whole)
    feed_trailing(CertificateObject.decode, whole)
    feed_prefixes(decode_signature, encode_signature(bytes(70)))
    feed_trailing(decode_signature, encode_signature(bytes(70)))


@QUICK
@given(st.binary(max_size=300) | st.binary(max_size=200).map(kept))
def test_any_bytes(data: bytes) -> None:
    for parse in (CertificateObject.decode, decode_challenge, decode_signature, decode_get_data):
        attempt(parse, data)
