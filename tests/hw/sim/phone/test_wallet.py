"""The keys of a phone in their file: whole, private, and never shown."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sim.phone import wallet
from hw.sim.phone.wallet import Account, Key, KnownDoor, Wallet, WalletError
from shared.credential.p256 import ORDER, PrivateKey
from shared.credential.pkoc.identity import KnownReader

_SCALARS = st.integers(1, ORDER - 1).map(lambda n: PrivateKey.from_bytes(n.to_bytes(32)))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_IDS = st.binary(min_size=16, max_size=16)
_READERS = st.builds(KnownReader, _IDS, _IDS, _SCALARS.map(lambda key: key.public))
_ISSUERS = st.none() | _SCALARS.map(lambda key: key.public)
_KEYS = st.builds(
    Key,
    name=_TEXTS,
    made=st.integers(0, 2**32 - 1),
    private=_SCALARS,
    account=st.none() | st.builds(Account, _TEXTS, _TEXTS, _TEXTS),
    doors=st.lists(st.builds(KnownDoor, _TEXTS, _READERS, _ISSUERS), max_size=3).map(tuple),
)
_WALLETS = st.lists(_KEYS, max_size=3, unique_by=lambda key: key.name).map(
    lambda keys: Wallet(tuple(keys))
)


def _key(name: str = "Site", *doors: str) -> Key:
    reader = KnownReader(b"s" * 16, b"l" * 16, PrivateKey.from_bytes(bytes([1] * 32)).public)
    return replace(wallet.new_key(name, 5), doors=tuple(KnownDoor(door, reader) for door in doors))


def _secrets(held: Wallet) -> list[bytes]:
    return [key.private.secret_bytes() for key in held.keys]


@given(held=_WALLETS)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, held: Wallet) -> None:
    path = tmp_path_factory.mktemp("wallet") / "wallet.json"
    wallet.save(path, held)
    found = wallet.load(path)
    assert _secrets(found) == _secrets(held)
    without = [replace(key, private=_key().private) for key in (*found.keys, *held.keys)]
    assert [str(key) for key in without[: len(held.keys)]] == [
        str(key) for key in without[len(held.keys) :]
    ]


def test_a_wallet_of_an_earlier_release_has_no_issuers(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    wallet.save(path, Wallet((_key("Site", "Front"),)))
    plain = json.loads(path.read_text(encoding="utf-8"))
    del plain["keys"][0]["doors"][0]["issuer_key"]
    path.write_text(json.dumps(plain), encoding="utf-8")
    assert wallet.load(path).keys[0].doors[0].issuer is None


def test_a_wallet_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert wallet.load(tmp_path / "none.json") == Wallet()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "wallet.json"
    wallet.add(path, _key())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(WalletError, match="chmod 600"):
        wallet.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": [{}]}',
        '{"version": 1, "keys": [{"name": "a", "made": 1, "secret": "00", "account": null, '
        '"doors": []}]}',
        '{"version": 1, "keys": 7}',
        "\xff",
    ],
)
def test_a_damaged_wallet_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wallet.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(WalletError, match=r"wallet\.json") as caught:
        wallet.load(path)
    assert '"secret"' not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_secret_never_stands_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    key = wallet.add(path, _key())
    value = json.loads(path.read_text())
    value["keys"][0]["secret"] = key.private.secret_bytes().hex() + "zz"
    path.write_text(json.dumps(value))
    with pytest.raises(WalletError) as caught:
        wallet.load(path)
    assert key.private.secret_bytes().hex() not in str(caught.value)
    assert key.private.secret_bytes().hex() not in repr(key)


def test_a_failed_save_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wallet.json"
    wallet.add(path, _key("first"))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        wallet.add(path, _key("second"))
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [".wallet.json.lock", "wallet.json"]


def test_two_who_add_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    threads = [threading.Thread(target=wallet.add, args=(path, _key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [key.name for key in wallet.load(path).keys]
    assert sorted(names) == ["Site", *(f"Site {number}" for number in range(2, 9))]


def test_a_change_replaces_the_key_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    first = wallet.add(path, _key("a"))
    wallet.add(path, _key("b"))
    wallet.change(path, replace(first, doors=_key("a", "Front door").doors))
    found = wallet.load(path)
    assert [key.name for key in found.keys] == ["a", "b"]
    assert found.keys[0].door("FRONT DOOR") is not None
    assert found.keys[0].door("Back door") is None


def test_find_takes_the_newest_key_that_knows_the_door() -> None:
    held = Wallet((_key("a", "Front door"), _key("b", "Front door"), _key("c")))
    assert held.find().name == "c"
    assert held.find(door="front door").name == "b"
    assert held.find("a", door="front door").name == "a"


@pytest.mark.parametrize(
    ("held", "name", "door", "said"),
    [
        (Wallet(), None, None, "the wallet is empty"),
        (Wallet(), "a", None, "the wallet is empty"),
        (Wallet((_key("a"),)), "b", None, "there are: 'a'"),
        (Wallet((_key("a", "Workshop"),)), None, "Front door", "there are keys for: Workshop"),
        (Wallet((_key("a"),)), None, "Front door", "none knows any door"),
    ],
)
def test_what_is_not_there_is_said_with_a_remedy(
    held: Wallet, name: str | None, door: str | None, said: str
) -> None:
    with pytest.raises(WalletError, match=said):
        held.find(name, door=door)
