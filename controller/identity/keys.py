"""The controller's own keys, on disk.

    <folder>/plan-signing.key   signs plans, deny sets, leases and remote openings
    <folder>/agreement.key      agrees with each reader on the key of its receipts
    <folder>/reader-issuer.key  what certifies readers to phones is drawn from it

Each file is a P-256 private key as PEM (PKCS #8), mode 0600. Every reader trusts the first two, and
every phone what comes of the third, so they are made once, at the first start that needs them:
later a missing, damaged, exposed or exchanged file stops the controller with a remedy.
"""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from controller.reader_issuer import ReaderIssuer
from shared.credential.p256 import PrivateKey, PublicKey

SIGNING, AGREEMENT, ISSUER = "plan-signing.key", "agreement.key", "reader-issuer.key"
_READERS, _PHONES = "readers trust no other key", "phones and wallets trust no other"


class KeyFileError(Exception):
    """A key cannot be used. The text names the file and the remedy, and nothing of the key."""


@dataclass(frozen=True, slots=True)
class ControllerKeys:
    """Loaded once per process."""

    signing: PrivateKey = field(repr=False)
    agreement: PrivateKey = field(repr=False)

    @property
    def public(self) -> tuple[PublicKey, PublicKey]:
        """Both public halves: they can never be anybody's credential."""
        return self.signing.public, self.agreement.public


def load_keys(folder: Path, *, first_start: bool) -> ControllerKeys:
    """Return the keys in `folder`; on the first start make those that are not there yet.

    Raises `KeyFileError`.
    """
    if first_start:
        for name in (SIGNING, AGREEMENT):
            if not (folder / name).exists():
                _create(folder / name)
    return ControllerKeys(signing=_load(folder / SIGNING), agreement=_load(folder / AGREEMENT))


def load_issuer(folder: Path, known: str | None) -> ReaderIssuer:
    """Return who certifies the readers: the issuer with the fingerprint `known`.

    None: there has been none yet, and it is made unless the file is there. Raises `KeyFileError`.
    """
    path = folder / ISSUER
    if known is None and not path.exists():
        _create(path)
    issuer = ReaderIssuer(_load(path, _PHONES))
    if known not in (None, issuer.fingerprint):
        raise KeyFileError(
            f"{path} is not the one that this installation began with: " + _restore(path, _PHONES)
        )
    return issuer


def _restore(path: Path, who: str) -> str:
    return f"put {path.name} back from a backup; {who}"


def _load(path: Path, who: str = _READERS) -> PrivateKey:
    restore = _restore(path, who)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyFileError(
                    f"{path} has mode {mode:04o}, so others may have read it: chmod 600 {path}"
                )
            content = file.read(10_000)
    except FileNotFoundError:
        raise KeyFileError(f"{path} is missing: {restore}") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise KeyFileError(f"{path} is damaged: {restore}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} holds a key of another kind: {restore}")
    return PrivateKey.wrap(key)


def _create(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        _write(path, content)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    """Write `path` so that it is there as a whole and for good, or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
