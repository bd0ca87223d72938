"""P-256 points that are the same in every run."""

from __future__ import annotations

from functools import cache

from controller.reader_issuer import ReaderIssuer
from shared.credential.p256 import PrivateKey


@cache
def private_key(number: int) -> PrivateKey:
    """Return the private key with the scalar `number`."""
    return PrivateKey.from_bytes(number.to_bytes(32, "big"))


def point(number: int) -> bytes:
    """Return the 65-byte public point of `private_key(number)`."""
    return private_key(number).public.point


def hex_key(number: int) -> str:
    """Return that point as the API takes it."""
    return point(number).hex()


ISSUER = ReaderIssuer(private_key(903))


def load_issuer(_: str | None) -> ReaderIssuer:
    """Return `ISSUER`, whichever is expected."""
    return ISSUER
