"""What an Aliro transaction costs a reader's processor, beside the bare cryptography it needs.

Both are timed in turns within one run, and the best of many turns is taken, so that the figures
say something on a busy machine too. "Bare" is every call of `cryptography` and `hashlib` that the
protocol asks of a reader, with nothing around them; the device's time is not counted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credential.aliro.credential import Credential
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.holder import Supplies, UserDevice
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Proven
from shared.credential.p256 import OwnKeys, PrivateKey

Result = TypeVar("Result")

_CURVE = ec.SECP256R1()
_SHA256 = hashes.SHA256()
_ECDH, _SIGN = ec.ECDH(), ec.ECDSA(_SHA256, deterministic_signing=True)
_VERIFY = ec.ECDSA(_SHA256)
_BATCH = 20
_NONCE = bytes(12)
_SALT, _INFO, _PLAIN = bytes(182), bytes(32), bytes(137)
# A salt of the persistent and the fast keys has the credential's X as well.
_LONG_SALT = bytes(214)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one transaction at the reader, ephemeral key included."""

    transaction_us: float
    bare_us: float

    @property
    def ratio(self) -> float:
        return self.transaction_us / self.bare_us

    @property
    def over_us(self) -> float:
        return self.transaction_us - self.bare_us


def measure(turns: int = 50, remembered: int = 1) -> tuple[Cost, Cost]:
    """The standard and the fast phase, the latter at the last of `remembered` credentials."""
    world = _World(remembered)
    runs = (world.standard, world.bare_standard, world.fast, world.bare_fast)
    best = [float("inf")] * len(runs)
    for _ in range(turns):
        for place, prepare in enumerate(runs):
            best[place] = min(best[place], _time([prepare() for _ in range(_BATCH)]))
    return Cost(best[0], best[1]), Cost(best[2], best[3])


def _time(calls: list[Callable[[], None]]) -> float:
    start = time.perf_counter()
    for call in calls:
        call()
    return (time.perf_counter() - start) / len(calls) * 1e6


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _fresh() -> PrivateKey:
    return PrivateKey.wrap(ec.generate_private_key(_CURVE))


class _World:
    """One reader, one phone, and what is needed to time the reader alone.

    The reader draws its ephemeral key within the time, so it is drawn once before, to record what
    the phone answers, and once more, and thrown away, when the clock runs.
    """

    def __init__(self, remembered: int) -> None:
        self._identity = ReaderIdentity(bytes(15) + b"\1", bytes(15) + b"\2", _fresh())
        self._credential = Credential(_fresh(), self._identity.group, self._identity.key.public)
        supplies = Supplies(_fresh, bytes)
        self._phone = Card([UserDevice([self._credential], supplies)])
        self._remembered = KpersistentStore()
        self._record(self._remembered)
        for _ in range(remembered - 1):
            self._remembered.remember(_fresh().public, bytes(32))
        self._device, self._message = _fresh(), bytes(126)
        signature = self._credential.key.sign(self._message)
        self._r, self._s = (
            int.from_bytes(half, "big") for half in (signature[:32], signature[32:])
        )
        self._sealed = AESGCM(bytes(32)).encrypt(_NONCE, _PLAIN, None)

    def standard(self) -> Callable[[], None]:
        return self._prepared(KpersistentStore())

    def fast(self) -> Callable[[], None]:
        return self._prepared(KpersistentStore.decode(self._remembered.encode()))

    def bare_standard(self) -> Callable[[], None]:
        own, device = _fresh(), self._device.public.point
        signer, shown = self._identity.key.native, self._credential.key.public.point

        def run() -> None:
            """Draw, load, agree, sign, derive, open, load, verify, derive, seal, open."""
            _point(ec.generate_private_key(_CURVE))
            peer = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, device)
            decode_dss_signature(signer.sign(self._message, _SIGN))
            secret = hashlib.sha256(own.native.exchange(_ECDH, peer)).digest()
            HKDF(_SHA256, 160, _SALT, _INFO).derive(secret)
            AESGCM(bytes(32)).decrypt(_NONCE, self._sealed, None)
            credential = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, shown)
            credential.verify(encode_dss_signature(self._r, self._s), self._message, _VERIFY)
            HKDF(_SHA256, 32, _LONG_SALT, _INFO).derive(secret)
            AESGCM(bytes(32)).encrypt(_NONCE, b"\x97\2\1\1", None)

        return run

    def bare_fast(self) -> Callable[[], None]:
        device = self._device.public.point

        def run() -> None:
            """Draw, load, derive, open the cryptogram, seal the status."""
            _point(ec.generate_private_key(_CURVE))
            ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, device)
            HKDF(_SHA256, 160, _LONG_SALT, _INFO).derive(bytes(32))
            AESGCM(bytes(32)).decrypt(_NONCE, self._sealed, None)
            AESGCM(bytes(32)).encrypt(_NONCE, b"\x97\2\1\1", None)

        return run

    def _prepared(self, store: KpersistentStore) -> Callable[[], None]:
        """A transaction whose answers have been heard once; then it is run without the phone."""
        held = dict(self._credential.kpersistents)
        before = store.encode()
        ephemeral, number, answers = self._record(store)
        self._credential.kpersistents = held
        fresh = KpersistentStore.decode(before)

        def run() -> None:
            _fresh()
            transaction = self._transaction(ephemeral, number, fresh)
            recorded = iter(answers)
            _play(transaction, lambda _: next(recorded))

        return run

    def _record(self, store: KpersistentStore) -> tuple[PrivateKey, bytes, list[bytes]]:
        ephemeral, number = _fresh(), hashlib.sha256(_fresh().public.point).digest()[:16]
        answers: list[bytes] = []

        def answer(command: bytes) -> bytes:
            answers.append(self._phone.receive(command))
            return answers[-1]

        _play(self._transaction(ephemeral, number, store), answer)
        return ephemeral, number, answers

    def _transaction(
        self, ephemeral: PrivateKey, number: bytes, store: KpersistentStore
    ) -> Transaction:
        return Transaction(self._identity, ephemeral, number, own_keys=OwnKeys(()), store=store)


def _play(transaction: Transaction, answer: Callable[[bytes], bytes]) -> None:
    assert isinstance(_run(transaction.authenticate(), answer), Proven)
    farewell = transaction.conclude(ReaderStatus.UNSECURED)
    if farewell is not None:
        _run(farewell, answer)


def _run(dialogue: Dialogue[Result], answer: Callable[[bytes], bytes]) -> Result:
    command = next(dialogue)
    while True:
        try:
            command = dialogue.send(answer(command))
        except StopIteration as end:
            result: Result = end.value
            return result
