"""Public keys that strangers hand in, and the proof that they hold the private halves."""

from __future__ import annotations

from shared.credential.errors import RuleBroken
from shared.credential.p256 import POINT_SIZE, PublicKey


class Errors(dict[str, list[str]]):
    """What is wrong, by field; everything is said at once."""

    def say(self, field: str, text: str) -> None:
        """Add `text` to what is wrong with `field`."""
        self.setdefault(field, []).append(text)


def parse_point(point: bytes, field: str, errors: Errors) -> PublicKey | None:
    """Return the key that `point` (65 bytes) is; what it is instead is said in `errors`."""
    if len(point) != POINT_SIZE:
        errors.say(field, f"has {len(point)} bytes; an uncompressed P-256 point has {POINT_SIZE}")
        return None
    try:
        return PublicKey.parse(point)
    except RuleBroken as broken:
        errors.say(field, f"is no P-256 public key: {broken}")
        return None


def check_proof(key: PublicKey, proof: bytes, statement: bytes, field: str, errors: Errors) -> None:
    """Say in `errors` if `proof` is not the signature of `key` over `statement`."""
    if not key.verifies(proof, statement):
        errors.say(field, "does not prove that you hold the private key")
