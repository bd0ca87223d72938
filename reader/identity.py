"""Who this reader is: the keys it made itself, and what enrolment taught it.

    <data>/identity.key   32 bytes in hex, 0600: signs event batches, agrees on the pairwise key
    <data>/pkoc.key       32 bytes in hex, 0600: proves this door to phones
    <data>/identity.json  what the controller said at enrolment; no secrets

Files are written atomically. A damaged or readable-by-others key file stops the daemon with a
remedy: a reader never makes new keys by itself once it has been enrolled.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey, PublicKey
from shared.wire.topics import READER_ID

IDENTITY_KEY = "identity.key"
PKOC_KEY = "pkoc.key"
IDENTITY = "identity.json"


class IdentityError(Exception):
    """The reader does not know who it is. The text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The two private keys of a reader. Neither shows itself."""

    identity: PrivateKey = field(repr=False)
    pkoc: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the controller told this reader."""

    reader: str
    door: str
    site: bytes
    location: bytes
    plan_key: PublicKey
    controller_key: PublicKey
    broker: str


def new_private_key() -> PrivateKey:
    """Make a P-256 key from the system's randomness."""
    return PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))


def load_keys(folder: Path) -> Keys:
    """Return both keys of an enrolled reader. Raises `IdentityError`."""
    return Keys(_load_key(folder / IDENTITY_KEY), _load_key(folder / PKOC_KEY))


def load_or_make_keys(folder: Path) -> Keys:
    """Return both keys, after making what is not there: for enrolment, where a person asks for it.

    Raises `IdentityError`.
    """
    for path in (folder / IDENTITY_KEY, folder / PKOC_KEY):
        if not path.exists():
            write_atomically(path, new_private_key().secret_bytes().hex().encode(), mode=0o600)
    return load_keys(folder)


def _load_key(path: Path) -> PrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except FileNotFoundError:
        raise IdentityError(
            f"{path} is gone: put it back, or enrol this reader anew (enrol --again)"
        ) from None
    except OSError as error:
        raise IdentityError(
            f"{path} cannot be read ({error.strerror}): it must be a file of this user's"
        ) from None
    if mode & 0o077:
        raise IdentityError(f"{path} can be read by others: chmod 600 {path}")
    try:
        return PrivateKey.from_bytes(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise IdentityError(
            f"{path} is damaged: put it back, or delete it and enrol this reader anew"
        ) from None


def save_enrolment(folder: Path, enrolment: Enrolment) -> None:
    """Write what was learnt. Raises `IdentityError`."""
    values = {
        "reader": enrolment.reader,
        "door": enrolment.door,
        "site_uuid": enrolment.site.hex(),
        "location_uuid": enrolment.location.hex(),
        "plan_key": enrolment.plan_key.point.hex(),
        "controller_key": enrolment.controller_key.point.hex(),
        "broker": enrolment.broker,
    }
    write_atomically(folder / IDENTITY, json.dumps(values, indent=1).encode() + b"\n", mode=0o644)


def load_enrolment(folder: Path) -> Enrolment | None:
    """Return what was learnt, or None for a reader that never enrolled. Raises `IdentityError`."""
    path = folder / IDENTITY
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise IdentityError(
            f"{path} cannot be read: put it back, or enrol this reader anew (enrol --again)"
        ) from None
    return parse_enrolment(values, str(path))


def parse_enrolment(values: object, source: str) -> Enrolment:
    """Return the enrolment that `values` (from JSON) are. Raises `IdentityError`."""
    if not isinstance(values, dict):
        raise IdentityError(f"{source}: not an enrolment: an object is expected")
    try:
        enrolment = Enrolment(
            reader=str(values["reader"]),
            door=str(values["door"]),
            site=bytes.fromhex(values["site_uuid"].replace("-", "")),
            location=bytes.fromhex(values["location_uuid"].replace("-", "")),
            plan_key=PublicKey.parse(bytes.fromhex(values["plan_key"])),
            controller_key=PublicKey.parse(bytes.fromhex(values["controller_key"])),
            broker=str(values["broker"]),
        )
    except (KeyError, ValueError, TypeError, AttributeError, RuleBroken) as error:
        raise IdentityError(f"{source}: not an enrolment: {type(error).__name__} {error}") from None
    if len(enrolment.site) != 16 or len(enrolment.location) != 16:
        raise IdentityError(f"{source}: site and location are 16 bytes each")
    if not re.match(READER_ID, enrolment.reader):
        raise IdentityError(f"{source}: a reader's id is 4 to 32 of a-z and 0-9")
    return enrolment


def write_atomically(path: Path, content: bytes, *, mode: int) -> None:
    """Replace `path` by `content` so that a power cut leaves either the old or the new file.

    A folder that is missing is made, for this user alone. Raises `IdentityError`.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, content, mode)
        _sync_folder(path.parent)
    except OSError as error:
        raise IdentityError(
            f"{path} cannot be written ({error.strerror}): make room, or a folder of this user's"
        ) from error


def _replace(path: Path, content: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
