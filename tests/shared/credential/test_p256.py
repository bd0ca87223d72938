"""Keys: what is accepted as one, what is shown of one, and signing without randomness."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import ORDER, OwnKeys, PrivateKey, PublicKey
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.parsing import attempt

ALICE = key("alice")
BOB = key("bob")


class TestPublicKey:
    def test_compressed_and_uncompressed_are_one_key(self) -> None:
        for name in "abcdefgh":
            public = key(name).public
            again = PublicKey.parse(public.compressed)
            assert again == public == PublicKey.parse(public.point)
            assert (again.point, again.x) == (public.point, public.point[1:33])
            assert len({again, public}) == 1

    def test_other_keys_are_other_keys(self) -> None:
        assert ALICE.public != BOB.public
        assert ALICE.public != ALICE.public.point

    @pytest.mark.parametrize("size", [0, 1, 32, 34, 64, 66, 130])
    def test_wrong_length(self, size: int) -> None:
        with pytest.raises(RuleBroken, match=f"not {size}") as caught:
            PublicKey.parse(ALICE.public.point[:1] + bytes(size - 1) if size else b"")
        assert caught.value.reason is Reason.WRONG_LENGTH

    @pytest.mark.parametrize(
        "data",
        [
            b"\x04" + bytes(64),
            b"\x04" + ALICE.public.point[1:64] + bytes((ALICE.public.point[64] ^ 1,)),
            b"\x04" + b"\xff" * 64,  # coordinates above the field
            b"\x06" + ALICE.public.point[1:],  # hybrid
            b"\x02" + ALICE.public.point[1:],  # a compressed prefix on 65 bytes
            b"\x04" + ALICE.public.x,  # and the reverse
            b"\x02" + bytes(31) + b"\x01",  # no such X
            b"\x00" + bytes(64),
        ],
    )
    def test_off_curve(self, data: bytes) -> None:
        with pytest.raises(RuleBroken) as caught:
            PublicKey.parse(data)
        assert caught.value.reason is Reason.OFF_CURVE

    @QUICK
    @given(st.binary(max_size=70) | st.binary(min_size=65, max_size=65))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(PublicKey.parse, data)

    def test_shows_a_fingerprint_only(self) -> None:
        digest = hashlib.sha256(ALICE.public.point).hexdigest()
        assert repr(ALICE.public) == f"PublicKey({digest[:8]})"


class TestSigning:
    @QUICK
    @given(st.binary(max_size=200))
    def test_round_trip_and_deterministic(self, message: bytes) -> None:
        signature = ALICE.sign(message)
        assert len(signature) == 64
        assert signature == ALICE.sign(message)
        assert ALICE.public.verifies(signature, message)
        assert not ALICE.public.verifies(signature, message + b"\0")
        assert not BOB.public.verifies(signature, message)

    def test_rfc_6979_appendix_a_2_5(self) -> None:
        signer = PrivateKey.from_bytes(
            bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
        )
        assert signer.sign(b"sample").hex().upper() == (
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
        )

    def test_numbers_outside_the_range_are_no_signature(self) -> None:
        signature = ALICE.sign(b"message")
        zero, order = bytes(32), ORDER.to_bytes(32, "big")
        for bad in (zero, order, b"\xff" * 32):
            assert not ALICE.public.verifies(bad + signature[32:], b"message")
            assert not ALICE.public.verifies(signature[:32] + bad, b"message")

    def test_only_64_bytes_are_a_signature(self) -> None:
        signature = ALICE.sign(b"message")
        for other in (b"", signature[:-1], signature + b"\0", bytes(1) + signature):
            assert not ALICE.public.verifies(other, b"message")


class TestPrivateKey:
    def test_both_ends_agree(self) -> None:
        assert ALICE.agree(BOB.public) == BOB.agree(ALICE.public)
        assert len(ALICE.agree(BOB.public)) == 32

    def test_made_at_the_edge_or_from_bytes(self) -> None:
        made = PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))
        assert PrivateKey.from_bytes(made.secret_bytes()).public == made.public

    def test_other_curves_are_refused(self) -> None:
        with pytest.raises(ValueError, match="secp384r1; make one on secp256r1"):
            PrivateKey.wrap(ec.generate_private_key(ec.SECP384R1()))

    @pytest.mark.parametrize(
        "secret",
        [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33],
    )
    def test_what_is_no_scalar(self, secret: bytes) -> None:
        with pytest.raises(ValueError, match="above zero and below the order"):
            PrivateKey.from_bytes(secret)

    def test_nothing_secret_shows(self) -> None:
        secret = ALICE.secret_bytes()
        for shown in (repr(ALICE), str(ALICE), f"{[ALICE]}"):
            assert secret.hex() not in shown
            assert str(int.from_bytes(secret, "big")) not in shown
        assert repr(ALICE) == f"PrivateKey(of {ALICE.public!r})"


def test_own_keys_are_known_by_x() -> None:
    own = OwnKeys([ALICE.public])
    negative = (ORDER - int.from_bytes(ALICE.secret_bytes(), "big")).to_bytes(32, "big")
    assert ALICE.public in own
    assert PrivateKey.from_bytes(negative).public in own
    assert BOB.public not in own
