"""What a PKOC transaction costs a reader's processor, beside the bare cryptography it needs.

Both are timed in turns within one run, and the best of many turns is taken, so that the ratio says
something on a busy machine too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from shared.credential.outcome import Proven
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc import ble_holder, ble_reader
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.session import Finished, Send

_CURVE = ec.SECP256R1()
_BATCH = 20


@dataclass(frozen=True, slots=True)
class EcdheCost:
    """Microseconds of one ECDHE transaction at the reader, ephemeral key included."""

    session_us: float  # our session, from the hello to the outcome
    bare_us: float  # the same cryptography with nothing around it
    ratio: float


def measure(turns: int = 50) -> EcdheCost:
    """Time the reader's side of PKOC ECDHE against its bare operations, within a second."""
    identity = ReaderIdentity(bytes(15) + b"\x01", bytes(15) + b"\x02", _fresh())
    credential = _fresh()
    session_us, bare_us = [], []
    for _ in range(turns):
        transactions = [_Transaction(identity, credential) for _ in range(_BATCH)]
        session_us.append(_time([each.session for each in transactions]))
        bare_us.append(_time([each.bare for each in transactions]))
    return EcdheCost(min(session_us), min(bare_us), min(session_us) / min(bare_us))


def _time(calls: list[Callable[[], None]]) -> float:
    start = time.perf_counter()
    for call in calls:
        call()
    return (time.perf_counter() - start) / len(calls) * 1e6


def _fresh() -> PrivateKey:
    return PrivateKey.wrap(ec.generate_private_key(_CURVE))


class _Transaction:
    """One reader session and the phone that answers it; the phone's time is not counted.

    The reader draws its ephemeral key within the time, so it is drawn once before, to let the
    phone prepare its two writes, and once more, and thrown away, when the clock runs.
    """

    def __init__(self, identity: ReaderIdentity, credential: PrivateKey) -> None:
        self._identity = identity
        self._ephemeral = _fresh()
        known = KnownReader(identity.site, identity.location, identity.key.public)
        phone = ble_holder.HolderSession(
            credential, _fresh(), Keyring([known]), last_update=0, now=0.0
        )
        reader = self._reader()
        (hello,) = _pieces(reader.hello(247))
        self._opening = _message(phone.receive(hello, 0.0))
        self._sealed = _message(phone.receive(_message(reader.receive(self._opening, 0.0)), 0.0))
        self._prepare_bare(credential)

    def session(self) -> None:
        """Everything that our reader does for one phone."""
        _fresh()
        reader = self._reader()
        reader.hello(247)
        reader.receive(self._opening, 0.0)
        match reader.receive(self._sealed, 0.0):
            case Finished(outcome=Proven()):
                reader.result(granted=True)
            case step:
                raise AssertionError(step)

    def bare(self) -> None:
        """Draw, load D, agree, sign, decrypt, load the credential key, verify."""
        ec.generate_private_key(_CURVE)
        device = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, self._device)
        key = hashlib.sha256(self._bare_ephemeral.exchange(self._ecdh, device)).digest()
        decode_dss_signature(self._bare_key.sign(self._signed, self._ecdsa))
        AESCCM(key, 16).decrypt(self._nonce, self._ciphertext, None)
        shown = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, self._point)
        shown.verify(encode_dss_signature(self._r, self._s), self._signed, self._ecdsa)

    def _reader(self) -> ble_reader.ReaderSession:
        return ble_reader.ReaderSession(
            self._identity, self._ephemeral, own_keys=OwnKeys(()), now=0.0
        )

    def _prepare_bare(self, credential: PrivateKey) -> None:
        identity = self._identity
        self._ecdh, self._ecdsa = ec.ECDH(), ec.ECDSA(hashes.SHA256())
        self._device = self._opening[2:67]
        self._bare_ephemeral = self._ephemeral.native
        self._bare_key = identity.key.native
        device_x, reader_x = self._device[1:33], self._ephemeral.public.x
        self._signed = identity.site + identity.location + device_x + reader_x
        self._nonce = bytes.fromhex("000000000000000100000001")
        self._ciphertext = self._sealed[2:]
        self._point = credential.public.point
        self._r, self._s = decode_dss_signature(credential.native.sign(self._signed, self._ecdsa))


def _pieces(hello: object) -> tuple[bytes, ...]:
    assert isinstance(hello, tuple)
    return hello


def _message(step: object) -> bytes:
    assert isinstance(step, Send)
    return step.message
