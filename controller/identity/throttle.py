"""Wrong codes and tokens fill leaky buckets, one per source and one for all; a full one makes wait.

Pure: time is passed in. A try counts as wrong until it is known to be right, so that many at the
same moment are no more than many in a row. A right code neither fills nor empties anything in the
end, so that somebody who has one invitation gains no more guesses at others.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

# Somebody who mistypes a code of sixteen characters ten times in a row should ask for a link.
SOURCE_BURST, SOURCE_PER_SECOND = 10.0, 1 / 30
# Many sources at once: no more guesses in all than this. A code has 80 bits of chance.
GLOBAL_BURST, GLOBAL_PER_SECOND = 300.0, 1.0
MAX_SOURCES = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float = 0.0
    at: float = 0.0

    def drained(self, now: float, per_second: float) -> float:
        return max(0.0, self.level - max(0.0, now - self.at) * per_second)


class Throttle:
    """Counts wrong tries. Memory is bounded: the source heard of longest ago is forgotten first."""

    def __init__(self, *, max_sources: int = MAX_SOURCES) -> None:
        self._max_sources = max_sources
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket()

    def wait(self, source: str, now: float) -> float:
        """Return how many seconds `source` has to wait before its next try; 0: none."""
        bucket = self._sources.get(source, _Bucket())
        own = bucket.drained(now, SOURCE_PER_SECOND) + 1 - SOURCE_BURST
        everybody = self._all.drained(now, GLOBAL_PER_SECOND) + 1 - GLOBAL_BURST
        return max(0.0, own / SOURCE_PER_SECOND, everybody / GLOBAL_PER_SECOND)

    def count(self, source: str, now: float) -> None:
        """Count a try of `source`; it is a wrong one unless `forgive` follows."""
        bucket = self._sources.pop(source, _Bucket())
        _fill(bucket, now, SOURCE_PER_SECOND)
        _fill(self._all, now, GLOBAL_PER_SECOND)
        self._sources[source] = bucket
        while len(self._sources) > self._max_sources:
            self._sources.popitem(last=False)

    def forgive(self, source: str, now: float) -> None:
        """A try of `source` that was counted was right."""
        for bucket, per_second in (
            (self._sources.get(source), SOURCE_PER_SECOND),
            (self._all, GLOBAL_PER_SECOND),
        ):
            if bucket is not None:
                _fill(bucket, now, per_second, -1)


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


def _fill(bucket: _Bucket, now: float, per_second: float, by: float = 1) -> None:
    bucket.level = max(0.0, bucket.drained(now, per_second) + by)
    bucket.at = now
