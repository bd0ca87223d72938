"""What both ends of Aliro sign, and every key that they derive, each by its name.

signed       4D 20 reader identifier | 86 20 device ephemeral X | 87 20 reader ephemeral X
             | 4C 10 transaction identifier | 93 04 usage
Kdh          SHA-256(X of ECDH(reader ephemeral, device ephemeral) | 00000001
             | transaction identifier)
salt         group key X(32) | word(12) | reader identifier(32) | interface(1)
             | 5C 02 version(2) | reader ephemeral X(32) | transaction identifier(16)
             | AUTH0 parameters(1) | AUTH0 policy(1) | A5 TLV of the SELECT response
             [ | credential X(32) ]
info         device ephemeral X(32) [ | B1 TLV of AUTH0 ] [ | B2 TLV of its response ]

from         word           credential X   keys of 32 bytes, HKDF-SHA-256
Kdh          Volatile****   no             ExpeditedSKReader, ExpeditedSKDevice, StepUpSK,
                                           BleSK, URSK
Kdh          Persistent**   yes            Kpersistent
Kpersistent  VolatileFast   yes            CryptogramSK, ExpeditedSKReader,
                                           ExpeditedSKDevice, BleSK, URSK
StepUpSK     (salt empty)                  info "SKReader": StepUpSKReader,
                                           info "SKDevice": StepUpSKDevice
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.credential.p256 import PrivateKey, PublicKey

KEY_SIZE = 32
TRANSACTION_ID_SIZE = 16
READER_ID_SIZE = 32

_SHA256 = hashes.SHA256()
_VOLATILE = b"Volatile****"
_FAST = b"VolatileFast"
_PERSISTENT = b"Persistent**"
_BY_READER = bytes.fromhex("93 04 415D9569")
_BY_DEVICE = bytes.fromhex("93 04 4E887B4C")


class Interface(enum.IntEnum):
    """What carries the transaction; it goes into every salt."""

    NFC = 0x5E
    BLE = 0xC3


@dataclass(frozen=True, slots=True, repr=False)
class Transcript:
    """What both ends know of a transaction once AUTH0 has been answered."""

    group_key: PublicKey  # what the credential holds for the reader group
    reader_identifier: bytes
    version: bytes
    reader_ephemeral: bytes  # the point, 65 bytes
    device_ephemeral: bytes  # likewise
    transaction_id: bytes
    parameters: bytes  # the two bytes of tags 41 and 42 in AUTH0
    proprietary: bytes  # the whole A5 TLV of the SELECT response, as received
    vendor_command: bytes = b""  # the whole B1 TLV of AUTH0
    vendor_response: bytes = b""  # the whole B2 TLV of its response
    interface: Interface = Interface.NFC

    @property
    def signed_by_reader(self) -> bytes:
        return self._signed(_BY_READER)

    @property
    def signed_by_device(self) -> bytes:
        return self._signed(_BY_DEVICE)

    @property
    def salt_standard(self) -> bytes:
        return self._salt(_VOLATILE)

    def salt_persistent(self, credential: PublicKey) -> bytes:
        return self._salt(_PERSISTENT) + credential.x

    def salt_fast(self, credential: PublicKey) -> bytes:
        return self._salt(_FAST) + credential.x

    @property
    def info(self) -> bytes:
        return self.device_ephemeral[1:33] + self.vendor_command + self.vendor_response

    def _signed(self, usage: bytes) -> bytes:
        return b"".join(
            (
                b"\x4d\x20",
                self.reader_identifier,
                b"\x86\x20",
                self.device_ephemeral[1:33],
                b"\x87\x20",
                self.reader_ephemeral[1:33],
                b"\x4c\x10",
                self.transaction_id,
                usage,
            )
        )

    def _salt(self, word: bytes) -> bytes:
        return b"".join(
            (
                self.group_key.x,
                word,
                self.reader_identifier,
                bytes((self.interface, 0x5C, 0x02)),
                self.version,
                self.reader_ephemeral[1:33],
                self.transaction_id,
                self.parameters,
                self.proprietary,
            )
        )


@dataclass(frozen=True, slots=True, repr=False)
class StandardKeys:
    """What a standard transaction runs on."""

    reader: bytes  # ExpeditedSKReader: seals what the reader says
    device: bytes  # ExpeditedSKDevice
    step_up: bytes  # StepUpSK
    ble: bytes  # BleSK
    ranging: bytes  # URSK


@dataclass(frozen=True, slots=True, repr=False)
class FastKeys:
    """What a fast transaction runs on. There is no StepUpSK: that takes AUTH1."""

    cryptogram: bytes  # CryptogramSK
    reader: bytes
    device: bytes
    ble: bytes
    ranging: bytes


@dataclass(frozen=True, slots=True, repr=False)
class StepUpKeys:
    """What the step-up phase runs on, ENVELOPE and every EXCHANGE after it."""

    reader: bytes  # StepUpSKReader
    device: bytes  # StepUpSKDevice


def kdh(own: PrivateKey, peer: PublicKey, transaction_id: bytes) -> bytes:
    """The secret of the two ephemeral keys, of which one is ours."""
    return hashlib.sha256(own.agree(peer) + b"\0\0\0\1" + transaction_id).digest()


def standard_keys(kdh: bytes, transcript: Transcript) -> StandardKeys:
    return StandardKeys(*_split(_hkdf(kdh, transcript.salt_standard, transcript.info, 5)))


def kpersistent(kdh: bytes, transcript: Transcript, credential: PublicKey) -> bytes:
    """What reader and device remember of a standard transaction, for the next fast one."""
    return _hkdf(kdh, transcript.salt_persistent(credential), transcript.info, 1)


def cryptogram_key(kpersistent: bytes, transcript: Transcript, credential: PublicKey) -> bytes:
    """CryptogramSK alone, a quarter of the work of all: whose cryptogram is it?"""
    return _hkdf(kpersistent, transcript.salt_fast(credential), transcript.info, 1)


def fast_keys(kpersistent: bytes, transcript: Transcript, credential: PublicKey) -> FastKeys:
    output = _hkdf(kpersistent, transcript.salt_fast(credential), transcript.info, 5)
    return FastKeys(*_split(output))


def step_up_keys(step_up: bytes) -> StepUpKeys:
    return StepUpKeys(_hkdf(step_up, b"", b"SKReader", 1), _hkdf(step_up, b"", b"SKDevice", 1))


def _hkdf(secret: bytes, salt: bytes, info: bytes, keys: int) -> bytes:
    return HKDF(_SHA256, keys * KEY_SIZE, salt, info).derive(secret)


def _split(output: bytes) -> list[bytes]:
    return [output[at : at + KEY_SIZE] for at in range(0, len(output), KEY_SIZE)]
