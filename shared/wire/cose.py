"""COSE_Sign1 and COSE_Mac0 (RFC 9052) in the one profile we speak: ES256 and HMAC 256/256.

    COSE_Sign1 = 18([protected: bstr {1: -7}, {4: key id}, payload: bstr, signature: bstr 64])
    COSE_Mac0  = 17([protected: bstr {1: 5},  {},          payload: bstr, tag: bstr 32])

The signature covers ["Signature1", protected, external data, payload], the tag ["MAC0", ...]. The
algorithm must stand in the protected header. Critical headers are refused, and one that stands in
both maps; other unknown ones are ignored, unless they hold further items. `context` is the external
data: it says what a message is for, so that nothing signed for one purpose can serve another. There
is no library for this with the CBOR version we use; the module is held against the published
examples of the COSE working group.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from shared import cbor
from shared.cbor import Malformed
from shared.credential.p256 import PrivateKey, PublicKey

ALG, CRIT, KID = 1, 2, 4
ES256, HMAC_256 = -7, 5
_TAG_SIGN1, _TAG_MAC0 = b"\xd2", b"\xd1"
_ARRAY_OF_4 = b"\x84"
# Headers and signature take some 90 bytes beside the payload.
FRAME = 256


class Forged(Exception):
    """The message is well-formed, but not from whom it must be from."""


def key_id(key: PublicKey) -> bytes:
    """Return the eight bytes by which a message names its signer's key."""
    return hashlib.sha256(key.point).digest()[:8]


def sign1(payload: bytes, key: PrivateKey, context: bytes) -> bytes:
    """Return `payload` signed by `key` for `context`."""
    protected = cbor.encode({ALG: ES256})
    signature = key.sign(_covered("Signature1", protected, context, payload))
    body = [protected, {KID: key_id(key.public)}, payload, signature]
    return _TAG_SIGN1 + cbor.encode(body)


def verify1(
    data: bytes, find: Callable[[bytes], PublicKey | None], context: bytes, *, limit: int
) -> bytes:
    """Return the payload signed for `context` by the key that `find` gives for its id.

    Raises `Malformed`, or `Forged` if the key is not known or the signature does not hold.
    """
    protected, headers, payload, signature = _open(data, _TAG_SIGN1, ES256, limit)
    kid = headers.get(KID)
    key = find(kid) if isinstance(kid, bytes) else None
    if key is None:
        raise Forged("signed by a key that is not known here")
    if not key.verifies(signature, _covered("Signature1", protected, context, payload)):
        raise Forged("the signature does not hold")
    return payload


def mac0(payload: bytes, key: bytes, context: bytes) -> bytes:
    """Return `payload` authenticated by the shared `key` (32 bytes) for `context`."""
    protected = cbor.encode({ALG: HMAC_256})
    tag = _hmac(key, _covered("MAC0", protected, context, payload))
    return _TAG_MAC0 + cbor.encode([protected, {}, payload, tag])


def verify0(data: bytes, key: bytes, context: bytes, *, limit: int) -> bytes:
    """Return the payload authenticated by `key` for `context`. Raises `Malformed` or `Forged`."""
    protected, _, payload, tag = _open(data, _TAG_MAC0, HMAC_256, limit)
    if not hmac.compare_digest(tag, _hmac(key, _covered("MAC0", protected, context, payload))):
        raise Forged("the authentication tag does not hold")
    return payload


def _covered(purpose: str, protected: bytes, context: bytes, payload: bytes) -> bytes:
    return cbor.encode([purpose, protected, context, payload])


def _hmac(key: bytes, data: bytes) -> bytes:
    # Not `hmac.digest`: it lets other threads run meanwhile, and then waits a hundred times as long
    # as it works until it is its turn again.
    return hmac.new(key, data, "sha256").digest()


def _open(
    data: bytes, tag: bytes, algorithm: int, limit: int
) -> tuple[bytes, dict[Any, Any], bytes, bytes]:
    """Return the four members. The outer tag may be missing (RFC 9052, section 2)."""
    body = data.removeprefix(tag)
    array = body.startswith(_ARRAY_OF_4)
    match cbor.decode_headers(body[1:], 4, limit=limit + FRAME) if array else None:
        case [bytes(protected), dict(headers), bytes(payload), bytes(proof)]:
            _expect(protected, headers, algorithm)
        case _:
            raise Malformed("not a COSE structure of protected, headers, payload, proof")
    if len(payload) > limit:
        raise Malformed(f"{len(payload)} bytes of payload, at most {limit} are accepted")
    return protected, headers, payload, proof


def _expect(protected: bytes, headers: dict[Any, Any], algorithm: int) -> None:
    (named,) = cbor.decode_headers(protected, 1, limit=FRAME) if protected else ({},)
    if not isinstance(named, dict) or named.get(ALG) != algorithm:
        raise Malformed(f"the protected header must name algorithm {algorithm}")
    if CRIT in named or CRIT in headers:
        raise Malformed("a critical header; none is understood here")
    if named.keys() & headers.keys():
        raise Malformed("a header stands in the protected and the other map")
