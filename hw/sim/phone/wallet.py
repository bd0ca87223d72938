"""The keys that a phone holds, in one file that only its owner can read.

    {"version": 1, "keys": [{"name", "made", "secret", "account": {…} or null, "doors": [{…}]}]}

`secret` is the 32-byte private key in hex. The file is written atomically with mode 0600, and one
process at a time changes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc.identity import KnownReader

VERSION = 1


class WalletError(Exception):
    """The wallet, or what somebody wants of it, does not do. The text has the remedy."""


@dataclass(frozen=True, slots=True)
class KnownDoor:
    """A door as its holder knows it: a name, and the reader that must prove to be there."""

    name: str
    reader: KnownReader


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


@dataclass(frozen=True, slots=True)
class Wallet:
    """All keys, the oldest first. Names are unique."""

    keys: tuple[Key, ...] = ()

    def with_key(self, key: Key) -> Wallet:
        """The wallet with `key`, in place of one of the same name."""
        if any(known.name == key.name for known in self.keys):
            return Wallet(tuple(key if known.name == key.name else known for known in self.keys))
        return Wallet((*self.keys, key))

    def free_name(self, wanted: str) -> str:
        """`wanted`, or with a number behind it if another key has that name."""
        taken = {key.name for key in self.keys}
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


_NO_KEYS = "the wallet is empty: `doorward-phone redeem` or `make-card` first"


def new_key(name: str, now: float) -> Key:
    """A fresh key from the system's randomness, unknown to everybody."""
    private = PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))
    return Key(name, int(now), private)


def load(path: Path) -> Wallet:
    """Read a wallet; one that is not there is empty. Raises `WalletError`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Wallet()
    except (OSError, UnicodeDecodeError) as error:
        raise WalletError(f"{path}: cannot be read ({type(error).__name__})") from None
    if mode & 0o077:
        raise WalletError(f"{path}: others can read these keys: chmod 600 {path}")
    try:
        return _wallet(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RuleBroken) as error:
        # Never the text of the error: it may quote a key.
        raise WalletError(
            f"{path}: this is no wallet ({type(error).__name__}): move it away and redeem anew"
        ) from None


def save(path: Path, wallet: Wallet) -> None:
    """Replace the file so that a power cut leaves either the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_plain(wallet), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the wallet meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def add(path: Path, key: Key) -> Key:
    """Put a new key into the file, under a free name, and return it. Raises `WalletError`."""
    with locked(path):
        wallet = load(path)
        key = replace(key, name=wallet.free_name(key.name))
        save(path, wallet.with_key(key))
    return key


def change(path: Path, key: Key) -> None:
    """Replace the key of the same name in the file. Raises `WalletError`."""
    with locked(path):
        save(path, load(path).with_key(key))


def rewrite(path: Path) -> None:
    """Make sure that the file can take a key. Raises `WalletError` or `OSError`."""
    with locked(path):
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
    return KnownDoor(str(value["name"]), reader)


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _wallet(value: Any) -> Wallet:
    if value["version"] != VERSION:
        raise ValueError("another version")
    return Wallet(tuple(_key(entry) for entry in value["keys"]))


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
    return {"version": VERSION, "keys": [_plain_key(key) for key in wallet.keys]}


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
        "doors": [
            {
                "name": door.name,
                "site_uuid": door.reader.site.hex(),
                "location_uuid": door.reader.location.hex(),
                "public_key": door.reader.key.point.hex(),
            }
            for door in key.doors
        ],
    }
