"""Wycheproof's collection of cruel inputs, against our points, signatures and sealing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.credential.ccm import AesCcm
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PrivateKey, PublicKey

FOLDER = Path(__file__).parents[2] / "vectors" / "wycheproof"


def groups(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())["testGroups"]
    return found


def test_ecdsa_raw_signatures() -> None:
    tried = 0
    for group in groups("ecdsa_secp256r1_sha256_p1363_test.json"):
        public = PublicKey.parse(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for case in group["tests"]:
            verified = public.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert verified is (case["result"] == "valid"), case
            tried += 1
    assert tried == 262


def test_ecdh_points() -> None:
    refused = 0
    (group,) = groups("ecdh_secp256r1_ecpoint_test.json")
    for case in group["tests"]:
        scalar = int(case["private"], 16).to_bytes(32, "big")
        point = bytes.fromhex(case["public"])
        if case["result"] == "invalid":
            with pytest.raises(RuleBroken) as caught:
                PublicKey.parse(point)
            assert caught.value.reason in (Reason.OFF_CURVE, Reason.WRONG_LENGTH), case
            refused += 1
        else:
            shared = PrivateKey.from_bytes(scalar).agree(PublicKey.parse(point))
            assert shared.hex() == case["shared"], case
    assert (refused, len(group["tests"])) == (24, 355)


def supported(group: dict[str, Any]) -> bool:
    return bool(group["tagSize"] == 128 and 7 * 8 <= group["ivSize"] <= 13 * 8)


def test_aes_ccm() -> None:
    tried = 0
    for group in filter(supported, groups("aes_ccm_test.json")):
        for case in group["tests"]:
            fields = {
                name: bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
            }
            cipher = AesCcm(fields["key"])
            sealed = fields["ct"] + fields["tag"]
            if case["result"] == "valid":
                assert cipher.seal(fields["iv"], fields["msg"], fields["aad"]) == sealed, case
                assert cipher.open(fields["iv"], sealed, fields["aad"]) == fields["msg"], case
            else:
                with pytest.raises(RuleBroken) as caught:
                    cipher.open(fields["iv"], sealed, fields["aad"])
                assert caught.value.reason is Reason.DECRYPTION_FAILED, case
            tried += 1
    assert tried == 342


@pytest.mark.parametrize("size", range(17))
def test_what_is_shorter_than_a_tag_does_not_open(size: int) -> None:
    with pytest.raises(RuleBroken):
        AesCcm(bytes(32)).open(bytes(12), bytes(size))
