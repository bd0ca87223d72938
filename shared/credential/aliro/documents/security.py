"""What an issuer signs of a document: digests, whose it is, and how long it is good.

    mso       {"1": "1.0", "2": "SHA-256", "3": {name space: {digest id: SHA-256 of the item}},
               "4": {"1": {1: 2, -1: 1, -2: X(32), -3: Y(32)}},            access documents only
               "5": type,
               "6": {"1": signed, "2": valid from, "3": valid until,
                     [ "4": expected update ], [ "5": validity iteration ]},
               "7": whether the time has to be checked}

Dates are `0("YYYY-MM-DDTHH:MM:SSZ")`. Y may be a truth value, the sign of a compressed point. A
missing iteration is 0, and a missing "7" false.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.credential.aliro.documents.encoding import (
    date,
    decode,
    embed,
    embedded,
    encode,
    flag,
    mapping,
    member,
    octets,
    tagged_date,
    text,
    uint,
)
from shared.credential.aliro.documents.messages import VERSION
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import SCALAR_SIZE, PublicKey
from shared.credential.tlv import Malformed

DIGEST_SIZE = 32

_ALGORITHM = "SHA-256"
_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_EC2, _P256 = 2, 1


@dataclass(frozen=True, slots=True)
class Validity:
    """When a document was signed, from when to when it is good (Unix seconds), and its iteration.

    With `time_required` it opens nothing where the time is not known.
    """

    signed: int
    valid_from: int
    valid_until: int
    iteration: int = 0
    time_required: bool = False
    expected_update: int | None = None


@dataclass(frozen=True, slots=True)
class SecurityObject:
    """The "mobile security object". `device` is None in a revocation document."""

    kind: str
    digests: dict[tuple[str, int], bytes] = field(repr=False)  # by name space and digest id
    device: PublicKey | None
    validity: Validity

    def encode(self) -> bytes:
        """What COSE_Sign1 has as its payload."""
        spaces: dict[str, dict[int, bytes]] = {}
        for (space, digest_id), digest in self.digests.items():
            spaces.setdefault(space, {})[digest_id] = digest
        body: dict[str, object] = {"1": VERSION, "2": _ALGORITHM, "3": spaces, "5": self.kind}
        if self.device is not None:
            body["4"] = {"1": _cose_key(self.device)}
        body |= {"6": _validity_info(self.validity), "7": self.validity.time_required}
        return encode(embed(dict(sorted(body.items()))))

    @classmethod
    def decode(cls, payload: bytes) -> SecurityObject:
        """Raises `RuleBroken`: malformed, off_curve, or wrong_document for another version."""
        said = decode(embedded(decode(payload)))
        if (member(said, "1"), member(said, "2")) != (VERSION, _ALGORITHM):
            what = "a document of another version than 1.0, or with other digests than SHA-256"
            raise RuleBroken(Reason.WRONG_DOCUMENT, what)
        digests = {
            (text(space), uint(digest_id)): octets(digest, (DIGEST_SIZE,))
            for space, row in mapping(member(said, "3")).items()
            for digest_id, digest in mapping(row).items()
        }
        device = _read_key(member(said["4"], "1")) if "4" in said else None
        validity = _read_validity(member(said, "6"), required=flag(said.get("7", False)))
        return cls(text(member(said, "5")), digests, device, validity)


def _cose_key(key: PublicKey) -> dict[int, object]:
    return {_KTY: _EC2, _CRV: _P256, _X: key.x, _Y: key.point[33:]}


def _read_key(said: Any) -> PublicKey:
    if (member(said, _KTY), member(said, _CRV)) != (_EC2, _P256):
        raise Malformed("a device key that is not on P-256")
    x, y = octets(member(said, _X), (SCALAR_SIZE,)), member(said, _Y)
    if isinstance(y, bool):
        return PublicKey.parse(bytes((2 | y,)) + x)
    return PublicKey.parse(b"\4" + x + octets(y, (SCALAR_SIZE,)))


def _validity_info(validity: Validity) -> dict[str, object]:
    info: dict[str, object] = {
        "1": tagged_date(validity.signed),
        "2": tagged_date(validity.valid_from),
        "3": tagged_date(validity.valid_until),
    }
    if validity.expected_update is not None:
        info["4"] = tagged_date(validity.expected_update)
    if validity.iteration:
        info["5"] = validity.iteration
    return info


def _read_validity(said: Any, *, required: bool) -> Validity:
    return Validity(
        date(member(said, "1")),
        date(member(said, "2")),
        date(member(said, "3")),
        uint(said.get("5", 0)),
        required,
        date(said["4"]) if "4" in said else None,
    )
