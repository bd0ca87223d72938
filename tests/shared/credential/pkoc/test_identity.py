"""Identifiers: their lengths, the demonstration sites nobody may use, and the holder's keyring."""

from __future__ import annotations

import uuid

import pytest

from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from tests.shared.credential.keys import LOCATION, SITE, key
from tests.shared.credential.pkoc.ends import KNOWN, READER

DEMO = [
    ("b9897ed0-5272-4341-979a-b69850112d80", "ad0cbc8f-c353-427a-b479-37b5efcff6be"),
    ("e1a7ec00-0002-4000-8000-00805f9b34fb", "e1a7ec00-0001-4000-8000-00805f9b34fb"),
]


@pytest.mark.parametrize(("site", "location"), DEMO)
def test_demonstration_sites_are_refused(site: str, location: str) -> None:
    demo_site, demo_location = uuid.UUID(site).bytes, uuid.UUID(location).bytes
    for pair in ((demo_site, LOCATION), (SITE, demo_location), (demo_site, demo_location)):
        with pytest.raises(ValueError, match="make a new UUID"):
            ReaderIdentity(*pair, key("reader"))
        with pytest.raises(ValueError, match="make a new UUID"):
            KnownReader(*pair, key("reader").public)
    with pytest.raises(ValueError, match="make a new UUID"):
        Keyring([], [demo_site])


@pytest.mark.parametrize(("site", "location"), [(b"", LOCATION), (SITE, LOCATION + b"\0")])
def test_identifiers_are_16_bytes(site: bytes, location: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes each"):
        ReaderIdentity(site, location, key("reader"))
    with pytest.raises(ValueError, match="16 bytes each"):
        KnownReader(site, location, key("reader").public)


def test_the_reader_identifier_is_both() -> None:
    assert READER.reader_identifier == SITE + LOCATION


def test_an_identity_shows_no_secret() -> None:
    assert READER.key.secret_bytes().hex() not in repr(READER)


class TestKeyring:
    def test_finds_by_site_and_location(self) -> None:
        keyring = Keyring([KNOWN])
        assert keyring.find(SITE, LOCATION) is KNOWN
        assert keyring.find(SITE, bytes(16)) is None
        assert keyring.find(bytes(16), LOCATION) is None

    def test_one_entry_for_one_reader(self) -> None:
        with pytest.raises(ValueError, match="two entries"):
            Keyring([KNOWN, KnownReader(SITE, LOCATION, key("another").public)])

    def test_normal_flow_is_chosen_site_by_site(self) -> None:
        keyring = Keyring([KNOWN], [SITE])
        assert keyring.speaks_normal(SITE)
        assert not keyring.speaks_normal(bytes(16))
        assert not Keyring([KNOWN]).speaks_normal(SITE)
