"""What phones and new readers sign to prove that they hold their keys: byte layouts, nothing else.

    redeem  ["doorward-redeem-v1", SHA-256(code), nonce(32), origin, public key(65)]
    doors   ["doorward-doors-v1", origin, credential, time, public key(65)]
    enrol   ["doorward-enrol-v1", SHA-256(token), "identity" or "pkoc", public key(65)]

Each is one array in deterministic CBOR, signed by ECDSA P-256 over SHA-256 as r | s. A credential
standard makes a phone sign messages of 16, 32, 33 or 96 bytes; everything here is longer, so that
no door can be opened with a signature made for a web address, and no signature taken at a door
redeems anything. The origin names the controller, so that one cannot use what another was told.
"""

from __future__ import annotations

import enum
import hashlib
import re

from shared import cbor

CREDENTIAL_STANDARDS_SIGN = (16, 32, 33, 96)
NONCE_SIZE = 32
# Sixteen letters and digits without look-alikes, shown as four groups of four.
CODE_SIZE = 16


class Role(enum.Enum):
    """Which of a reader's two keys a proof is for."""

    IDENTITY = "identity"
    PKOC = "pkoc"


def canonical_code(text: str) -> str:
    """Return `text` as it is hashed: a typed code in capitals without separators, a link's as is.

    A link's secret is never of a code's length.
    """
    typed = re.sub(r"[\s-]", "", text)
    return typed.upper() if len(typed) == CODE_SIZE and typed.isascii() else text.strip()


def code_hash(code: str) -> bytes:
    """Return the hash by which the controller knows an invitation's code or link secret."""
    return _hash(canonical_code(code))


def token_hash(token: str) -> bytes:
    """Return the hash by which the controller knows a reader's enrolment token."""
    return _hash(token.strip())


def redeem_proof(code: str, nonce: bytes, origin: str, public_key: bytes) -> bytes:
    """Return what a phone signs with `public_key` to redeem an invitation."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce of {len(nonce)} bytes, {NONCE_SIZE} are used")
    return _statement("doorward-redeem-v1", code_hash(code), nonce, origin, public_key)


def doors_proof(origin: str, credential: str, time: int, public_key: bytes) -> bytes:
    """Return what a phone signs with `public_key` at `time` (ms, UTC) to learn its doors."""
    return _statement("doorward-doors-v1", origin, credential, time, public_key)


def enrol_proof(token: str, role: Role, public_key: bytes) -> bytes:
    """Return what a reader signs with `public_key`, its key for `role`, to enrol."""
    return _statement("doorward-enrol-v1", token_hash(token), role.value, public_key)


def _statement(*members: str | bytes | int) -> bytes:
    data = cbor.encode(members)
    if len(data) <= max(CREDENTIAL_STANDARDS_SIGN):
        raise ValueError("too short to be safe: the origin must be a web address, the key 65 bytes")
    return data


def _hash(text: str) -> bytes:
    # JSON can carry half a surrogate pair, which has no encoding: it is simply a wrong code.
    return hashlib.sha256(text.encode(errors="replace")).digest()
