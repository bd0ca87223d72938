"""Wrong codes and tokens fill leaky buckets, one per source; a full one makes its source wait.

Pure: time is passed in. A try counts as wrong until it is known to be right, so that many at the
same moment are no more than many in a row. A right code neither fills nor empties anything in the
end, so that somebody who has one invitation gains no more guesses at others.

There is none for all sources together: whoever has a few hundred addresses would keep it full, and
no phone would ever get a key. Nor is it needed: a code has 79 bits of chance, and a million sources
that each guess as fast as they may for a week find one of a thousand invitations with a chance of
one in 10^10.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

# Somebody who mistypes a code of sixteen characters ten times in a row should ask for a link.
SOURCE_BURST, SOURCE_PER_SECOND = 10.0, 1 / 30
MAX_SOURCES = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float = 0.0
    at: float = 0.0

    def drained(self, now: float) -> float:
        return max(0.0, self.level - max(0.0, now - self.at) * SOURCE_PER_SECOND)

    def fill(self, now: float, by: float = 1) -> None:
        self.level = max(0.0, self.drained(now) + by)
        self.at = now


class Throttle:
    """Counts wrong tries. Memory is bounded: the source heard of longest ago is forgotten first."""

    def __init__(self, *, max_sources: int = MAX_SOURCES) -> None:
        self._max_sources = max_sources
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, source: str, now: float) -> float:
        """Return how many seconds `source` has to wait before its next try; 0: none."""
        bucket = self._sources.get(source, _Bucket())
        too_full = bucket.drained(now) + 1 - SOURCE_BURST
        return max(0.0, too_full / SOURCE_PER_SECOND)

    def count(self, source: str, now: float) -> None:
        """Count a try of `source`; it is a wrong one unless `forgive` follows."""
        bucket = self._sources.pop(source, _Bucket())
        bucket.fill(now)
        self._sources[source] = bucket
        while len(self._sources) > self._max_sources:
            self._sources.popitem(last=False)

    def forgive(self, source: str, now: float) -> None:
        """A try of `source` that was counted was right."""
        if (bucket := self._sources.get(source)) is not None:
            bucket.fill(now, -1)


def source_of(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 an IPv6 address is from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)
