"""Every site has issuers of its own, drawn from one secret."""

from __future__ import annotations

import pytest

from controller.reader_issuer import ReaderIssuer
from tests.controller.keys import private_key

ONE, OTHER = b"a group of doors", b"some other doors"


def test_the_same_secret_gives_the_same_issuers() -> None:
    first, again = (ReaderIssuer(private_key(7)) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert first.of(ONE).public == again.of(ONE).public
    assert first.of(ONE) is first.of(ONE)


def test_no_two_keys_are_the_same() -> None:
    secrets = [ReaderIssuer(private_key(number)) for number in (7, 8)]
    keys = [key for each in secrets for group in (ONE, OTHER) for key in each.of(group).public]
    points = {key.point for key in keys} | {private_key(number).public.point for number in (7, 8)}
    assert len(points) == 10
    assert len({each.fingerprint for each in secrets}) == 2


@pytest.mark.parametrize("group", [b"", bytes(15), bytes(17)])
def test_a_group_has_sixteen_bytes(group: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        ReaderIssuer(private_key(7)).of(group)
