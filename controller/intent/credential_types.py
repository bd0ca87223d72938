"""The kinds of credentials there are, by the numbers that DoorFlow's clients know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CredentialType:
    """One kind. `invited_by` is "code" or "link", or None for what is entered by hand.

    What is `cloneable` proves nothing: anybody can copy it.
    """

    id: int
    label: str
    slug: str
    format: str
    description: str
    invited_by: str | None = None
    cloneable: bool = False


CARD = CredentialType(
    5,
    "Card",
    "card",
    "public_key",
    "A PKOC or PIV card, known by its public key: 130 hex digits, the uncompressed P-256 point, "
    "or a public key (P-256, RSA 2048) or certificate in PEM, such as that of a PIV card's 9E.",
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
# DoorFlow numbers its kinds from 1, and those of an account after them.
CARD_NUMBER = CredentialType(
    1001,
    "Card number (cloneable)",
    "card_number",
    "card_number",
    "For migration only: cloneable. Anybody can copy a card's number; it opens only doors that "
    "permit `card-number`. Write it as uid 04A1B2C3D4E5F6, as printed (H10301 1-1234 has facility "
    "and number; H10302 1234), or as all its bits (bits 0101...).",
    cloneable=True,
)

TYPES = {kind.id: kind for kind in (CARD, BY_CODE, BY_LINK, CARD_NUMBER)}
