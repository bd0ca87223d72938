"""The keys of a phone, and the cards in the same pocket, in one file that only its owner can read.

    {"version": 1,
     "keys": [{"name", "made", "secret", "account": {…} or null, "doors": [{…}]}],
     "cards": [{…}]}                                       see `hw.sim.cards.held`; may be missing

`secret` is the 32-byte private key in hex. The file is written atomically with mode 0600, and one
process at a time changes it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hw.sim import private_file
from hw.sim.cards.held import HeldCard, new_p256
from hw.sim.private_file import PrivateFileError
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc.identity import KnownReader

VERSION = 1
PLACE = "DOORWARD_PHONE_WALLET"  # the environment variable that says where the file is


class WalletError(PrivateFileError):
    """The wallet, or what somebody wants of it, does not do. The text has the remedy."""


@dataclass(frozen=True, slots=True)
class KnownDoor:
    """A door as its holder knows it: a name, and the reader that must prove to be there.

    A certificate that this reader shows must be of `issuer`; without one it is not looked at.
    """

    name: str
    reader: KnownReader
    issuer: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Where a key was accepted: the controller's address, and what the key is called there."""

    controller: str
    credential: str
    person: str


@dataclass(frozen=True, slots=True)
class Key:
    """One credential. Without an account it is a card, or a stranger."""

    name: str
    made: int  # Unix seconds
    private: PrivateKey = field(repr=False)
    account: Account | None = None
    doors: tuple[KnownDoor, ...] = ()

    def door(self, name: str) -> KnownDoor | None:
        """The door of that name, in capitals or not."""
        wanted = name.casefold()
        return next((door for door in self.doors if door.name.casefold() == wanted), None)

    def with_door(self, door: KnownDoor) -> Key:
        """The key with `door`, in place of one of the same name."""
        others = (each for each in self.doors if each.name.casefold() != door.name.casefold())
        return replace(self, doors=(*others, door))


@dataclass(frozen=True, slots=True)
class Wallet:
    """All keys and all cards, the oldest first. Names are unique."""

    keys: tuple[Key, ...] = ()
    cards: tuple[HeldCard, ...] = ()

    def with_key(self, key: Key) -> Wallet:
        """The wallet with `key`, in place of one of the same name."""
        if any(known.name == key.name for known in self.keys):
            same = tuple(key if known.name == key.name else known for known in self.keys)
            return replace(self, keys=same)
        return replace(self, keys=(*self.keys, key))

    def free_name(self, wanted: str) -> str:
        """`wanted`, or with a number behind it if another key or card has that name."""
        taken = {key.name for key in self.keys} | {card.name for card in self.cards}
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted} {number}"
        return name

    def find(self, name: str | None = None, *, door: str | None = None) -> Key:
        """The key of that name, else the newest that knows the door. Raises `WalletError`."""
        keys = [key for key in self.keys if name in (None, key.name)]
        if not keys:
            have = ", ".join(repr(key.name) for key in self.keys)
            raise WalletError(f"no key is called {name!r}; there are: {have}" if have else _NO_KEYS)
        if door is None:
            return keys[-1]
        for key in reversed(keys):
            if key.door(door) is not None:
                return key
        known = sorted({known.name for key in keys for known in key.doors})
        raise WalletError(
            f"no key for a door called {door!r}; "
            + (f"there are keys for: {', '.join(known)}" if known else "none knows any door")
            + ". `doorward-phone doors` asks again"
        )

    def find_card(self, name: str | None = None) -> HeldCard:
        """The card of that name, else the newest. Raises `WalletError`."""
        cards = [card for card in self.cards if name in (None, card.name)]
        if cards:
            return cards[-1]
        have = ", ".join(repr(card.name) for card in self.cards)
        raise WalletError(f"no card is called {name!r}; there are: {have}" if have else _NO_CARDS)


_NO_CARDS = "the wallet has no card: `doorward-card make` first"
_NO_KEYS = "the wallet is empty: `doorward-phone redeem` or `make-card` first"


def default_path() -> Path:
    """Where the wallet is, if nobody says otherwise."""
    if (path := os.environ.get(PLACE)) is not None:
        return Path(path)
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "doorward" / "wallet.json"


def new_key(name: str, now: float) -> Key:
    """A fresh key from the system's randomness, unknown to everybody."""
    return Key(name, int(now), new_p256())


def load(path: Path) -> Wallet:
    """Read a wallet; one that is not there is empty. Raises `WalletError`."""
    try:
        text = private_file.read(path)
    except PrivateFileError as error:
        raise WalletError(str(error)) from None
    if text is None:
        return Wallet()
    try:
        return _wallet(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RuleBroken) as error:
        # Never the text of the error: it may quote a key.
        raise WalletError(
            f"{path}: this is no wallet ({type(error).__name__}): move it away and redeem anew"
        ) from None


def save(path: Path, wallet: Wallet) -> None:
    """Replace the file so that a power cut leaves either the old or the new one."""
    private_file.write(path, json.dumps(_plain(wallet), indent=1))


def add(path: Path, key: Key) -> Key:
    """Put a new key into the file, under a free name, and return it. Raises `WalletError`."""
    with private_file.locked(path):
        wallet = load(path)
        key = replace(key, name=wallet.free_name(key.name))
        save(path, wallet.with_key(key))
    return key


def add_card(path: Path, card: HeldCard) -> HeldCard:
    """Put a new card into the file, under a free name, and return it."""
    with private_file.locked(path):
        wallet = load(path)
        card = replace(card, name=wallet.free_name(card.name))
        save(path, replace(wallet, cards=(*wallet.cards, card)))
    return card


def change_card(path: Path, card: HeldCard) -> None:
    """Replace the card of the same name in the file. Raises `WalletError`."""
    with private_file.locked(path):
        wallet = load(path)
        cards = tuple(card if each.name == card.name else each for each in wallet.cards)
        save(path, replace(wallet, cards=cards))


def change(path: Path, key: Key) -> None:
    """Replace the key of the same name in the file. Raises `WalletError`."""
    with private_file.locked(path):
        save(path, load(path).with_key(key))


def rewrite(path: Path) -> None:
    """Make sure that the file can take a key. Raises `WalletError` or `OSError`."""
    with private_file.locked(path):
        save(path, load(path))


def parse_door(value: Any) -> KnownDoor:
    """A door as a controller and this file describe it.

    Raises `ValueError`, `KeyError`, `TypeError`, `AttributeError` or `RuleBroken`.
    """
    reader = KnownReader(
        _uuid(value["site_uuid"]),
        _uuid(value["location_uuid"]),
        PublicKey.parse(bytes.fromhex(value["public_key"])),
    )
    issuer = value.get("issuer_key")  # there was none before; None where nobody has told it
    known = None if issuer is None else PublicKey.parse(bytes.fromhex(issuer))
    return KnownDoor(str(value["name"]), reader, known)


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _wallet(value: Any) -> Wallet:
    if value["version"] != VERSION:
        raise ValueError("another version")
    cards = tuple(HeldCard.from_json(entry) for entry in value.get("cards", []))
    return Wallet(tuple(_key(entry) for entry in value["keys"]), cards)


def _key(value: Any) -> Key:
    account = value["account"]
    return Key(
        name=str(value["name"]),
        made=int(value["made"]),
        private=PrivateKey.from_bytes(bytes.fromhex(value["secret"])),
        account=None if account is None else Account(**account),
        doors=tuple(parse_door(door) for door in value["doors"]),
    )


def _plain(wallet: Wallet) -> dict[str, Any]:
    return {
        "version": VERSION,
        "keys": [_plain_key(key) for key in wallet.keys],
        "cards": [card.to_json() for card in wallet.cards],
    }


def _plain_key(key: Key) -> dict[str, Any]:
    account = key.account
    return {
        "name": key.name,
        "made": key.made,
        "secret": key.private.secret_bytes().hex(),
        "account": None
        if account is None
        else {
            "controller": account.controller,
            "credential": account.credential,
            "person": account.person,
        },
        "doors": [_plain_door(door) for door in key.doors],
    }


def _plain_door(door: KnownDoor) -> dict[str, str | None]:
    return {
        "name": door.name,
        "site_uuid": door.reader.site.hex(),
        "location_uuid": door.reader.location.hex(),
        "public_key": door.reader.key.point.hex(),
        "issuer_key": None if door.issuer is None else door.issuer.point.hex(),
    }
