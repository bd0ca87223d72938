"""Issuers and their documents, made up for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from shared.credential.aliro.documents.access_data import AccessData
from shared.credential.aliro.documents.encoding import decode, embed, encode
from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.messages import Document, DocumentType
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.revocation import RevocationData
from shared.credential.aliro.documents.security import Validity
from shared.credential.p256 import PrivateKey, PublicKey
from tests.shared.credential.aliro.ends import ALICE
from tests.shared.credential.keys import key

ISSUER = key("credential issuer")
AUTHORITY = key("credential issuer authority")
CERTIFIED_ISSUER = key("certified credential issuer")
ISSUERS = Issuers([ISSUER.public], [AUTHORITY.public])
FLOOR = "floor1"
# Tuesday, 17 November 2026, 10:30 UTC.
NOW = 1_794_911_400
MOMENT = Moment(NOW)
VALIDITY = Validity(NOW - 3600, NOW - 3600, NOW + 365 * 86400)


def noise(size: int) -> bytes:
    return hashlib.shake_256(b"random of items").digest(size)


def access(
    data: AccessData | Mapping[int, Any] | None = None,
    *,
    holder: PublicKey | None = ALICE.public,
    issuer: PrivateKey = ISSUER,
    validity: Validity = VALIDITY,
    elements: Mapping[str, Any] | None = None,
    **more: Any,
) -> Document:
    """An access document with `data` as its one element, or with other `elements`."""
    value = data.plain if isinstance(data, AccessData) else data
    found = {FLOOR: AccessData().plain if value is None else value}
    return issue(
        issuer,
        DocumentType.ACCESS,
        found if elements is None else elements,
        validity,
        random=noise,
        holder=holder,
        **more,
    )


def revocation(
    data: RevocationData | Mapping[int, Any],
    iteration: int = 0,
    *,
    issuer: PrivateKey = ISSUER,
    validity: Validity = VALIDITY,
    **more: Any,
) -> Document:
    value = data.plain if isinstance(data, RevocationData) else data
    dated = replace(validity, iteration=iteration)
    kind = DocumentType.REVOCATION
    return issue(issuer, kind, {FLOOR: value}, dated, random=noise, **more)


def resigned(change: Callable[[dict[str, Any]], object], signer: PrivateKey = ISSUER) -> Document:
    """An access document of which the issuer has signed something else."""
    document = access()
    said = decode(decode(document.issuer_auth.payload).value)
    change(said)
    payload = encode(embed(said))
    auth = replace(document.issuer_auth, payload=payload)
    return replace(document, issuer_auth=replace(auth, signature=signer.sign(auth.covered)))


def dated(**changes: Any) -> Document:
    return access(validity=replace(VALIDITY, **changes))


def flips(data: bytes, step: int) -> Iterable[bytes]:
    """`data` with one bit turned, every `step` bytes."""
    for at in range(0, len(data), step):
        yield data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]
