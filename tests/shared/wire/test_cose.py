"""COSE against the working group's examples, and against whoever would forge or confuse it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from shared.cbor import Malformed
from shared.credential.p256 import ORDER, PrivateKey, PublicKey
from shared.wire import cose
from shared.wire.cose import FRAME, Forged
from tests.shared.credential.keys import key

EXAMPLES: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "cose" / "examples.json").read_text(encoding="utf-8")
)
CONTENT = bytes.fromhex(EXAMPLES["payload"])
THEIRS = PrivateKey.from_bytes(bytes.fromhex(EXAMPLES["sign1_key"]["d"]))
SHARED = bytes.fromhex(EXAMPLES["mac0_key"])

SIGNER, STRANGER = key("signer"), key("stranger")
SECRET = hashlib.sha256(b"pairwise").digest()
CONTEXT = b"for this and nothing else"
LIMIT = 1_000
REFUSED = (Malformed, Forged)


def know(*known: PrivateKey) -> Callable[[bytes], PublicKey | None]:
    """Look keys up by the id that `shared.wire.cose` gives them."""
    return {cose.key_id(one.public): one.public for one in known}.get


def open1(data: bytes) -> bytes:
    return cose.verify1(data, know(SIGNER), CONTEXT, limit=LIMIT)


def open0(data: bytes) -> bytes:
    return cose.verify0(data, SECRET, CONTEXT, limit=LIMIT)


SIGNED = cose.sign1(b"payload", SIGNER, CONTEXT)
AUTHENTICATED = cose.mac0(b"payload", SECRET, CONTEXT)
BOTH = [pytest.param(open1, SIGNED, id="sign1"), pytest.param(open0, AUTHENTICATED, id="mac0")]


def parts(data: bytes) -> list[Any]:
    """The four members of a tagged message, by another road than the module's own."""
    assert data[0] in (0xD1, 0xD2)
    members = cbor2.loads(data[1:])
    assert isinstance(members, list)
    return members


def signed(protected: bytes, headers: object, payload: bytes = b"payload") -> bytes:
    """A message with headers of choice, properly signed by the known signer."""
    covered = cbor2.dumps(["Signature1", protected, CONTEXT, payload])
    return b"\xd2" + cbor2.dumps([protected, headers, payload, SIGNER.sign(covered)])


def authenticated(protected: bytes, headers: object) -> bytes:
    """The same under the shared secret."""
    covered = cbor2.dumps(["MAC0", protected, CONTEXT, b"payload"])
    tag = hmac.digest(SECRET, covered, "sha256")
    return b"\xd1" + cbor2.dumps([protected, headers, b"payload", tag])


# The working group's examples


def outcome(verify: Callable[[], bytes]) -> bytes | None:
    try:
        return verify()
    except REFUSED:
        return None


@pytest.mark.parametrize("example", EXAMPLES["sign1"], ids=lambda example: example["title"])
def test_published_signatures(example: dict[str, Any]) -> None:
    found = {bytes.fromhex(EXAMPLES["kid"]): THEIRS.public}
    message, external = bytes.fromhex(example["message"]), bytes.fromhex(example["external"])

    payload = outcome(lambda: cose.verify1(message, found.get, external, limit=LIMIT))

    assert payload == (CONTENT if example["accept"] else None)


@pytest.mark.parametrize("example", EXAMPLES["mac0"], ids=lambda example: example["title"])
def test_published_tags(example: dict[str, Any]) -> None:
    message, external = bytes.fromhex(example["message"]), bytes.fromhex(example["external"])

    payload = outcome(lambda: cose.verify0(message, SHARED, external, limit=LIMIT))

    assert payload == (CONTENT if example["accept"] else None)


def test_the_published_key_is_whole() -> None:
    point = THEIRS.public.point.hex()

    assert point == f"04{EXAMPLES['sign1_key']['x']}{EXAMPLES['sign1_key']['y']}"


def test_we_sign_what_the_examples_sign() -> None:
    """Our signature holds over the bytes that the working group published as signed."""
    compared = 0
    for example in EXAMPLES["sign1"]:
        ours = cose.sign1(CONTENT, THEIRS, bytes.fromhex(example["external"]))
        protected, headers, payload, signature = parts(ours)
        if not example["accept"] or protected.hex() not in example["covered"]:
            continue
        compared += 1
        assert (protected, payload) == (bytes.fromhex("a10126"), CONTENT)
        assert headers == {4: cose.key_id(THEIRS.public)}
        assert THEIRS.public.verifies(signature, bytes.fromhex(example["covered"]))
    assert compared == 2


def test_we_authenticate_what_the_examples_authenticate() -> None:
    """There is no choice in a tag: ours is the published message, byte for byte."""
    (example,) = (one for one in EXAMPLES["mac0"] if one["accept"])

    assert cose.mac0(CONTENT, SHARED, b"") == bytes.fromhex(example["message"])
    tag = hmac.digest(SHARED, bytes.fromhex(example["covered"]), "sha256")
    assert example["message"].endswith(tag.hex())


# Both ends


@given(st.binary(max_size=LIMIT), st.binary(max_size=40))
def test_both_ends_agree(payload: bytes, context: bytes) -> None:
    one = cose.sign1(payload, SIGNER, context)
    two = cose.mac0(payload, SECRET, context)

    assert cose.verify1(one, know(STRANGER, SIGNER), context, limit=LIMIT) == payload
    assert cose.verify0(two, SECRET, context, limit=LIMIT) == payload
    assert len(one) <= len(payload) + FRAME // 2 > len(two)


def test_equal_messages_have_equal_bytes() -> None:
    assert cose.sign1(b"payload", SIGNER, CONTEXT) == SIGNED
    assert cose.mac0(b"payload", SECRET, CONTEXT) == AUTHENTICATED


def test_a_key_id_is_the_beginning_of_a_hash() -> None:
    assert cose.key_id(SIGNER.public) == hashlib.sha256(SIGNER.public.point).digest()[:8]
    assert cose.key_id(SIGNER.public) != cose.key_id(STRANGER.public)


# Not from whom it must be


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Forged, match="not known here"):
        cose.verify1(SIGNED, know(STRANGER), CONTEXT, limit=LIMIT)
    with pytest.raises(Forged, match="not known here"):
        cose.verify1(SIGNED, know(), CONTEXT, limit=LIMIT)


def test_the_name_of_a_key_is_not_the_key() -> None:
    """Signed by a stranger, under the id of the known signer; and the other way round."""
    protected, _, payload, signature = parts(cose.sign1(b"payload", STRANGER, CONTEXT))
    borrowed = [protected, {4: cose.key_id(SIGNER.public)}, payload, signature]
    with pytest.raises(Forged, match="signature"):
        open1(b"\xd2" + cbor2.dumps(borrowed))
    lent = [*parts(SIGNED)]
    lent[1] = {4: cose.key_id(STRANGER.public)}
    with pytest.raises(Forged, match="signature"):
        cose.verify1(b"\xd2" + cbor2.dumps(lent), know(SIGNER, STRANGER), CONTEXT, limit=LIMIT)


@pytest.mark.parametrize("kid", [None, "text", 4, b"", cose.key_id(SIGNER.public)[:7]])
def test_a_key_id_is_eight_bytes_that_are_known(kid: object) -> None:
    with pytest.raises(Forged, match="not known here"):
        open1(signed(b"\xa1\x01\x26", {4: kid}))
    with pytest.raises(Forged, match="not known here"):
        open1(signed(b"\xa1\x01\x26", {}))


@pytest.mark.parametrize("context", [b"", CONTEXT[:-1], CONTEXT + b"\x00", b"for that"])
def test_what_is_for_one_purpose_serves_no_other(context: bytes) -> None:
    with pytest.raises(Forged):
        cose.verify1(SIGNED, know(SIGNER), context, limit=LIMIT)
    with pytest.raises(Forged):
        cose.verify0(AUTHENTICATED, SECRET, context, limit=LIMIT)


@pytest.mark.parametrize("secret", [bytes(32), SECRET[:31], SECRET + b"\x01", SIGNER.public.point])
def test_another_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(Forged, match="authentication tag"):
        cose.verify0(AUTHENTICATED, secret, CONTEXT, limit=LIMIT)


def _native(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return encode_dss_signature(r, s)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: b"",
        lambda proof: proof[:-1],
        lambda proof: proof + b"\x00",
        lambda proof: bytes(64),
        lambda proof: bytes(32) + proof[32:],
        lambda proof: proof[:32] + bytes(32),
        lambda proof: proof[32:] + proof[:32],
        lambda proof: ORDER.to_bytes(32, "big") + proof[32:],
        lambda proof: b"\xff" * 64,
        _native,
    ],
)
def test_a_signature_is_r_and_s(change: Callable[[bytes], bytes]) -> None:
    protected, headers, payload, signature = parts(SIGNED)

    with pytest.raises(Forged, match="signature"):
        open1(b"\xd2" + cbor2.dumps([protected, headers, payload, change(signature)]))


@pytest.mark.parametrize("size", [0, 1, 8, 16, 31, 33])
def test_a_tag_is_never_shortened(size: int) -> None:
    """Seven zero bits would otherwise do as well as all of it."""
    protected, headers, payload, tag = parts(AUTHENTICATED)

    with pytest.raises(Forged, match="authentication tag"):
        open0(b"\xd1" + cbor2.dumps([protected, headers, payload, (tag + bytes(1))[:size]]))


# One for the other


def test_a_tag_is_no_signature_and_a_signature_no_tag() -> None:
    for verify, data in ((open1, AUTHENTICATED), (open0, SIGNED)):
        for confused in (
            data,
            data[1:],
            b"\xd1" + data[1:],
            b"\xd2" + data[1:],
            b"\xd3" + data[1:],
        ):
            with pytest.raises(Malformed):
                verify(confused)


def test_the_point_of_a_key_is_no_secret() -> None:
    """Where the algorithm came from the message, a public key could serve as a known HMAC key."""
    forged = cose.mac0(b"payload", SIGNER.public.point, CONTEXT)
    protected, _, payload, tag = parts(forged)

    for body in (
        forged,
        b"\xd2" + cbor2.dumps([protected, {4: cose.key_id(SIGNER.public)}, payload, tag]),
    ):
        with pytest.raises(Malformed):
            open1(body)


@pytest.mark.parametrize(("verify", "data"), BOTH)
def test_the_tag_may_be_missing_but_no_other_stands_in(
    verify: Callable[[bytes], bytes], data: bytes
) -> None:
    assert verify(data[1:]) == b"payload"
    for tag in ("c0", "c2", "d0", "d3", "d81c", "d83d", "d862", "d9d9f7", "d2d2", "d1d1"):
        with pytest.raises(Malformed):
            verify(bytes.fromhex(tag) + data)
        with pytest.raises(Malformed):
            verify(bytes.fromhex(tag) + data[1:])


# Damage


@pytest.mark.parametrize(("verify", "data"), BOTH)
def test_it_is_read_whole_or_not_at_all(verify: Callable[[bytes], bytes], data: bytes) -> None:
    assert verify(data) == b"payload"
    for size in range(len(data)):
        with pytest.raises(Malformed):
            verify(data[:size])
    for extra in range(256):
        with pytest.raises(Malformed):
            verify(data + bytes([extra]))
    with pytest.raises(Malformed):
        verify(data + data)


@pytest.mark.parametrize(("verify", "data"), BOTH)
def test_no_bit_can_be_flipped(verify: Callable[[bytes], bytes], data: bytes) -> None:
    for index in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[index] ^= 1 << bit
            with pytest.raises(REFUSED):
                verify(bytes(damaged))


@given(
    st.binary(max_size=150),
    st.sampled_from([b"", b"\xd2", b"\xd1", b"\x84", b"\xd2\x84\x43\xa1\x01\x26"]),
)
def test_noise_is_refused(noise: bytes, start: bytes) -> None:
    for verify in (open1, open0):
        with pytest.raises(REFUSED):
            verify(start + noise)


WHOLE = parts(SIGNED)


@pytest.mark.parametrize(
    "body",
    [
        WHOLE[:3],
        [*WHOLE, b""],
        [],
        {1: WHOLE},
        [WHOLE],
        [{1: -7}, *WHOLE[1:]],
        ["protected", *WHOLE[1:]],
        [None, *WHOLE[1:]],
        [WHOLE[0], [], *WHOLE[2:]],
        [WHOLE[0], None, *WHOLE[2:]],
        [WHOLE[0], b"", *WHOLE[2:]],
        [*WHOLE[:2], None, WHOLE[3]],
        [*WHOLE[:2], "payload", WHOLE[3]],
        [*WHOLE[:3], None],
        [*WHOLE[:3], "signature"],
        [*WHOLE[:3], [WHOLE[3]]],
        b"bytes",
        4,
    ],
)
def test_another_structure_is_refused(body: object) -> None:
    for verify in (open1, open0):
        for tag in (b"\xd2", b"\xd1", b""):
            with pytest.raises(Malformed):
                verify(tag + cbor2.dumps(body))


def test_an_indefinite_array_is_refused() -> None:
    body = b"\xd2\x9f" + b"".join(map(cbor2.dumps, WHOLE)) + b"\xff"

    assert parts(body) == WHOLE
    with pytest.raises(Malformed):
        open1(body)


# Headers

KNOWN = {4: cose.key_id(SIGNER.public)}
PROTECTED = {
    "empty": b"",
    "an empty map": b"\xa0",
    "no map": cbor2.dumps([1, -7]),
    "another algorithm": cbor2.dumps({1: -35}),
    "EdDSA": cbor2.dumps({1: -8}),
    "HMAC cut to 64 bits": cbor2.dumps({1: 4}),
    "an algorithm by name": cbor2.dumps({1: "ES256"}),
    "no algorithm": cbor2.dumps({3: 0}),
    "a list of algorithms": cbor2.dumps({1: [-7, 5]}),
    "more after the map": b"\xa1\x01\x26\xa0",
    "cut": b"\xa1\x01",
    "the algorithm twice": b"\xa2\x01\x26\x01\x05",
    "a tag": b"\xc1\xa1\x01\x26",
    "indefinite": b"\xbf\x01\x26\xff",
    "too much": cbor2.dumps({1: -7, 3: "x" * FRAME}),
}


@pytest.mark.parametrize("protected", PROTECTED.values(), ids=PROTECTED)
def test_the_algorithm_is_ours_and_protected(protected: bytes) -> None:
    """Properly signed and authenticated as they are, these are not in our profile."""
    for headers in (KNOWN, {**KNOWN, 1: -7}, {1: 5}):
        with pytest.raises(Malformed):
            open1(signed(protected, headers))
        with pytest.raises(Malformed):
            open0(authenticated(protected, headers))


@pytest.mark.parametrize("crit", [[42], [], 42, "x", None])
def test_critical_headers_are_refused(crit: object) -> None:
    """Who marks a header so wants it understood or the message refused."""
    for algorithm, make, verify in ((-7, signed, open1), (5, authenticated, open0)):
        with pytest.raises(Malformed):
            verify(make(cbor2.dumps({1: algorithm, 2: crit, 42: 1}), KNOWN))
        with pytest.raises(Malformed):
            verify(make(cbor2.dumps({1: algorithm}), {**KNOWN, 2: crit}))


def test_a_header_stands_in_one_place() -> None:
    """RFC 9052, section 3: the same label must not occur in both maps."""
    for algorithm, make, verify in ((-7, signed, open1), (5, authenticated, open0)):
        with pytest.raises(Malformed):
            verify(make(cbor2.dumps({1: algorithm}), {**KNOWN, 1: algorithm}))
        with pytest.raises(Malformed):
            verify(make(cbor2.dumps({1: algorithm, 4: b"other"}), KNOWN))


def test_other_headers_are_ignored() -> None:
    """A newer sender may say more; what it says is covered if it stands in the protected map."""
    more: dict[Any, object] = {3: 0, 99: "text", "name": None, -1: b"bytes"}

    assert open1(signed(cbor2.dumps({1: -7, **more}), KNOWN)) == b"payload"
    assert open1(signed(b"\xa1\x01\x26", {**more, **KNOWN})) == b"payload"
    assert open0(authenticated(cbor2.dumps({1: 5, **more}), {})) == b"payload"
    with pytest.raises(Malformed):
        open1(signed(b"\xa1\x01\x26", {**KNOWN, 33: [b"a chain of certificates"]}))


# Sizes


@pytest.mark.parametrize(
    ("verify", "seal"),
    [
        pytest.param(open1, lambda payload: cose.sign1(payload, SIGNER, CONTEXT), id="sign1"),
        pytest.param(open0, lambda payload: cose.mac0(payload, SECRET, CONTEXT), id="mac0"),
    ],
)
def test_a_payload_is_capped(
    verify: Callable[[bytes], bytes], seal: Callable[[bytes], bytes]
) -> None:
    for size in (0, 1, 23, 24, 255, 256, LIMIT):
        assert verify(seal(b"p" * size)) == b"p" * size
    for size in (LIMIT + 1, LIMIT + FRAME, LIMIT * 10):
        with pytest.raises(Malformed, match=r"at most \d+ are accepted"):
            verify(seal(b"p" * size))


def test_headers_are_capped() -> None:
    with pytest.raises(Malformed, match="at most"):
        open1(signed(b"\xa1\x01\x26", {**KNOWN, 99: b"x" * FRAME}, b"p" * LIMIT))


@pytest.mark.parametrize(("verify", "data"), BOTH)
def test_headers_are_counted_before_they_are_read(
    verify: Callable[[bytes], bytes], data: bytes
) -> None:
    """Enough numbers as keys take a reader's only thread for seconds, and need no key to send."""
    many = cbor2.dumps(dict.fromkeys(range(24), 0))
    for headers in (many, many[:9]):
        with pytest.raises(Malformed, match="more than 23 headers"):
            verify(data[:6] + headers + data[6:])
