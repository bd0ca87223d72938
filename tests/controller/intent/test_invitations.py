"""Secrets of invitations: long enough, evenly drawn, readable, kept only as hashes."""

from __future__ import annotations

import base64
import random
from collections import Counter

from controller.intent.invitations import ALPHABET, new_secret
from shared.wire.proofs import canonical_code, code_hash


def test_a_code_has_no_look_alikes() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set(ALPHABET) & set("01OIL")


def test_every_character_is_as_likely() -> None:
    source = random.Random(5)
    drawn = Counter(
        character
        for _ in range(2_000)
        for character in new_secret("code", source.randbytes).text.replace("-", "")
    )
    assert set(drawn) == set(ALPHABET)
    mean = 2_000 * 16 / 31
    assert all(0.8 * mean < count < 1.2 * mean for count in drawn.values())


def test_a_code_that_is_typed_any_way_has_the_same_hash() -> None:
    code = new_secret("code", random.Random(1).randbytes).text
    forms = [code, code.lower(), code.replace("-", ""), code.replace("-", " "), f" {code}\n"]
    assert len({code_hash(form) for form in forms}) == 1


def test_a_link_is_32_bytes_and_exact() -> None:
    for seed in range(50):
        source = random.Random(seed)
        text = new_secret("link", source.randbytes).text
        assert base64.urlsafe_b64decode(text + "=") == random.Random(seed).randbytes(32)
        assert canonical_code(text) == text


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = new_secret("code", random.Random(1).randbytes)
    assert secret.text not in repr(secret)
    assert secret.text not in str(secret)
