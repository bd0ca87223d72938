"""The issuer's side: documents made and signed, for devices to carry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from shared.credential.aliro.documents.issuers import key_id
from shared.credential.aliro.documents.messages import (
    Document,
    DocumentType,
    IssuerAuth,
    Item,
    SignedItem,
)
from shared.credential.aliro.documents.security import SecurityObject, Validity
from shared.credential.p256 import PrivateKey, PublicKey

RANDOM_SIZE = 16


def issue(
    issuer: PrivateKey,
    kind: DocumentType,
    elements: Mapping[str, Any],
    validity: Validity,
    *,
    random: Callable[[int], bytes],
    holder: PublicKey | None = None,
    certificate: bytes | None = None,
    with_key_id: bool = True,
) -> Document:
    """Sign `elements` (their values by element id) as one document, for `holder` if it is access.

    `random` gives so many fresh bytes. With a `certificate` (DER) of the issuer's key, readers that
    trust the authority need not know the key.
    """
    numbered = enumerate(elements.items(), 1)
    items = [Item(number, random(RANDOM_SIZE), name, value) for number, (name, value) in numbered]
    digests = {
        (kind.value, each.digest_id): hashlib.sha256(each.encoded).digest() for each in items
    }
    payload = SecurityObject(kind.value, digests, holder, validity).encode()
    auth = IssuerAuth(key_id(issuer.public) if with_key_id else None, certificate, payload, b"")
    signed = IssuerAuth(auth.key_id, certificate, payload, issuer.sign(auth.covered))
    return Document(
        kind.value, tuple(SignedItem(kind.value, each, each.encoded) for each in items), signed
    )
