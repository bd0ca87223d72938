"""The two places that say `Proven` for Aliro: a signature, or a cryptogram, of this transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.credential.aliro import keys
from shared.credential.aliro.channel import open_cryptogram
from shared.credential.aliro.keys import FastKeys, Transcript
from shared.credential.aliro.offer import Offer
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Proven, Reason, Standard, Strength, Transport
from shared.credential.p256 import OwnKeys, PublicKey


def prove_signature(
    credential: PublicKey, signature: bytes, transcript: Transcript, own_keys: OwnKeys
) -> Proven:
    """Check that `credential` signed the device's part. Raises `RuleBroken`."""
    _check_foreign(credential, own_keys)
    if not credential.verifies(signature, transcript.signed_by_device):
        raise RuleBroken(Reason.BAD_SIGNATURE, "the signature does not cover this transaction")
    return _proven(credential)


@dataclass(frozen=True, slots=True, repr=False)
class Recognised:
    """Whose cryptogram it is, with what it says and the keys that go on from it."""

    proven: Proven
    credential: PublicKey
    offer: Offer
    keys: FastKeys


def recognise(
    cryptogram: bytes,
    transcript: Transcript,
    candidates: Iterable[tuple[PublicKey, bytes]],
    own_keys: OwnKeys,
) -> Recognised | None:
    """Find which of `candidates` (credential, Kpersistent) made the cryptogram; None for nobody.

    Raises `RuleBroken` for one that is theirs and still no cryptogram.
    """
    for credential, kpersistent in candidates:
        key = keys.cryptogram_key(kpersistent, transcript, credential)
        try:
            plain = open_cryptogram(key, cryptogram)
        except RuleBroken:
            continue
        _check_foreign(credential, own_keys)
        derived = keys.fast_keys(kpersistent, transcript, credential)
        offer = Offer.decode_cryptogram(plain)
        return Recognised(_proven(credential), credential, offer, derived)
    return None


def _check_foreign(credential: PublicKey, own_keys: OwnKeys) -> None:
    if credential in own_keys:
        raise RuleBroken(Reason.OWN_KEY, "one of our own keys was shown as a credential")


def _proven(credential: PublicKey) -> Proven:
    return Proven(credential.point, Standard.ALIRO, Transport.NFC, Strength.MUTUAL)
