"""The kinds of credentials there are, by the numbers that DoorFlow's clients know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CredentialType:
    """One kind. `invited_by` is "code" or "link", or None for what is entered by hand."""

    id: int
    label: str
    slug: str
    format: str
    description: str
    invited_by: str | None = None


CARD = CredentialType(
    5,
    "Card",
    "card",
    "public_key",
    "A PKOC card, known by its public key: 130 hex digits, the uncompressed P-256 point.",
)
BY_CODE = CredentialType(
    8,
    "HID Mobile Access",
    "hid_mobile_access",
    "mobile",
    "A phone, enrolled by typing an invitation code. Served by Doorward itself.",
    "code",
)
BY_LINK = CredentialType(
    9,
    "PassFlow",
    "passflow",
    "mobile",
    "A phone, enrolled by opening an invitation link. Served by Doorward itself.",
    "link",
)

TYPES = {kind.id: kind for kind in (CARD, BY_CODE, BY_LINK)}
