"""Who signs documents for wallets: what their holders may do and when, and who is revoked.

Doors that take documents are told the issuer's key and which elements to ask for; they need not
know the holders. The elements that are made here let the door be opened for a moment.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace

from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.messages import Document, DocumentType
from shared.credential.aliro.documents.recurrence import DAY, Pattern, Recurrence, Schedule
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    credential_hash,
)
from shared.credential.aliro.documents.security import Validity
from shared.credential.p256 import PrivateKey, PublicKey

ACCESS_ELEMENT, REVOCATION_ELEMENT = "door", "revoked"
# Clocks differ, and a document is used the moment it is made.
_LEEWAY = 60
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The first Monday of 1970, from which weekly hours are counted; no clock is earlier.
_MONDAY = 4 * DAY
_HOURS = re.compile(r"(\S+) (\d\d):(\d\d)-(\d\d):(\d\d)")


def weekly(text: str) -> Schedule:
    """The schedule that `mon-fri 09:00-17:30` or `mon,sat 22:00-06:00` is, in local time.

    Hours that end before they begin go on past midnight. `ValueError` for anything else.
    """
    found = _HOURS.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r}: write hours like mon-fri 09:00-17:30")
    days, *times = found.groups()
    begin, end = (_minutes(*times[start : start + 2]) for start in (0, 2))
    length = (end - begin) % (24 * 60) or 24 * 60
    mask = 0
    for part in days.split(","):
        mask |= _mask(part)
    return Schedule(_MONDAY + begin * 60, None, Recurrence(length * 60, mask, Pattern.WEEKLY))


def _minutes(hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 24 * 60:
        raise ValueError(f"{hours}:{minutes} is no time of day")
    return total


def _mask(part: str) -> int:
    first, _, last = part.partition("-")
    names = [first, last or first]
    if not all(name in _WEEKDAYS for name in names):
        raise ValueError(f"{part!r}: days are {', '.join(_WEEKDAYS)}")
    begin, end = map(_WEEKDAYS.index, names)
    return sum(1 << (begin + step) % 7 for step in range((end - begin) % 7 + 1))


@dataclass(frozen=True, slots=True)
class DocumentIssuer:
    """Signs documents; `revoked` are the hashes of credentials."""

    key: PrivateKey = field(repr=False)
    revoked: tuple[bytes, ...] = field(default=(), repr=False)

    def access(
        self,
        holder: PublicKey,
        now: int,
        seconds: int,
        *,
        element: str = ACCESS_ELEMENT,
        hours: Schedule | None = None,
    ) -> Document:
        """An access document for `holder`, good for so many `seconds` from `now` (Unix) on.

        With `hours` it opens in those only.
        """
        rule = AccessRule(Capability.MOMENTARY_UNSECURE, allow=0 if hours is None else 1)
        data = AccessData(rules=(rule,), schedules=() if hours is None else (hours,))
        validity = Validity(now - _LEEWAY, now - _LEEWAY, now + seconds)
        kind, elements = DocumentType.ACCESS, {element: data.plain}
        return issue(self.key, kind, elements, validity, random=secrets.token_bytes, holder=holder)

    def revocation(self, now: int, seconds: int) -> Document:
        """All that it has revoked, for any device to carry to the doors."""
        data = RevocationData(Mode.OVERWRITE, tuple(Entry(each) for each in self.revoked))
        # A door takes none that is older than what it has.
        validity = Validity(now - _LEEWAY, now - _LEEWAY, now + seconds, len(self.revoked))
        elements = {REVOCATION_ELEMENT: data.plain}
        kind = DocumentType.REVOCATION
        return issue(self.key, kind, elements, validity, random=secrets.token_bytes)

    def without(self, credential: PublicKey) -> DocumentIssuer:
        """The issuer that has revoked `credential`."""
        named = credential_hash(credential)
        return self if named in self.revoked else replace(self, revoked=(*self.revoked, named))
