"""The one place that says `Proven` for PKOC: a point, a signature, and what it must cover."""

from __future__ import annotations

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Proven, Reason, Standard, Strength, Transport
from shared.credential.p256 import OwnKeys, PublicKey
from shared.credential.pkoc.identity import ReaderIdentity


def prove(
    point: bytes,
    signature: bytes,
    signed: bytes,
    *,
    identity: ReaderIdentity,
    own_keys: OwnKeys,
    transport: Transport,
    strength: Strength,
    issuer: str | None = None,
) -> Proven:
    """Check that the holder of `point` signed `signed`.

    Raises `RuleBroken`: wrong_length, off_curve, own_key (both ends of BLE sign the same bytes, so
    a reader's own signature would verify under its own key) or bad_signature.
    """
    key = PublicKey.parse(point)
    if key in own_keys or key.x == identity.key.public.x:
        raise RuleBroken(Reason.OWN_KEY, "one of our own keys was shown as a credential")
    if not key.verifies(signature, signed):
        raise RuleBroken(Reason.BAD_SIGNATURE, "the signature does not cover this transaction")
    return Proven(key.point, Standard.PKOC, transport, strength, issuer)
