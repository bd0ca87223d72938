"""Keys, identifiers and Hypothesis settings that the credential tests share."""

from __future__ import annotations

import hashlib

from hypothesis import HealthCheck, settings

from shared.credential.p256 import PrivateKey

# Derandomized: a failure here shows again on every machine.
QUICK = settings(max_examples=40, deadline=None, derandomize=True)
LONG = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def key(name: str) -> PrivateKey:
    """A private key that is the same in every run."""
    return PrivateKey.from_bytes(hashlib.sha256(name.encode()).digest())


SITE = bytes.fromhex("a1a2a3a4a5a6a7a8b1b2b3b4b5b6b7b8")
LOCATION = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
