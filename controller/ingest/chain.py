"""Does a batch of journal entries continue what is stored? Pure judgement, no effects.

The entries of a journal are numbered and chained by hash, so there are five answers: it continues,
it is known already, something before it is missing, something before it is gone for good, or it
contradicts what is stored; the last means that somebody else writes in this reader's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from shared.wire.events import GENESIS, chain
from shared.wire.messages import EventBatch


@dataclass(frozen=True, slots=True)
class Head:
    """A journal is stored up to number `upto`; `hash` is the chain's after that entry."""

    upto: int
    hash: bytes


EMPTY = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, still as the reader wrote it."""

    seq: int
    body: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class Continues:
    """Store `entries`; then the journal stands at `head`. `lost` entries before them are gone."""

    entries: tuple[Entry, ...]
    head: Head
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """Entries before this batch have not arrived; the reader will send them again."""


@dataclass(frozen=True, slots=True)
class Contradicts:
    """Entry `seq` is stored with another content."""

    seq: int


Judgement: TypeAlias = Continues | Missing | Contradicts


def judge(batch: EventBatch, head: Head, stored: Mapping[int, bytes]) -> Judgement:
    """Judge `batch` against `head` and the `stored` bodies of those of its numbers that are known.

    A batch that holds nothing new continues with no entries: its receipt was lost.
    """
    last = batch.first + len(batch.entries) - 1
    for seq, body in enumerate(batch.entries, batch.first):
        if seq in stored and stored[seq] != body:
            return Contradicts(seq)
    if batch.first > head.upto + 1:
        if batch.kept_from <= head.upto + 1:
            return Missing()
        # The reader was told once that they are stored; we no longer have them, and neither has it.
        return _continued(batch, Head(batch.first - 1, batch.previous), batch.first - 1 - head.upto)
    if last <= head.upto:
        return Continues((), head)
    known = batch.entries[: head.upto + 1 - batch.first]
    at_head = batch.previous
    for body in known:
        at_head = chain(at_head, body)
    if at_head != head.hash:
        return Contradicts(head.upto)
    return _continued(batch, head, 0)


def _continued(batch: EventBatch, head: Head, lost: int) -> Continues:
    entries = []
    upto, value = head.upto, head.hash
    for body in batch.entries[head.upto + 1 - batch.first :]:
        upto, value = upto + 1, chain(value, body)
        entries.append(Entry(upto, body, replayed=upto < batch.live_from))
    return Continues(tuple(entries), Head(upto, value), lost)
