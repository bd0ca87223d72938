"""Which of the cards that answer to the field is news: once per card, however long it lies there.

A phone takes a new random UID whenever the field returns, so that a changed UID is no sign of
another card; an empty field is. A card that was torn away in the middle of its answer is usually
still on its way to the reader: it gets a few more tries before it has to leave first.
"""

from __future__ import annotations

# Two polls without an answer: one may be missed while a hand moves.
_MISSES_MAX = 2
_TRIES_MAX = 3


class Presence:
    """Fed with every look into the field; says whether to report what is there."""

    def __init__(self) -> None:
        self._uid: bytes | None = None
        self._misses = 0
        self._tries = 0
        self._torn = False

    def nothing(self) -> None:
        """Nobody answered."""
        self._misses += 1
        if self._misses >= _MISSES_MAX:
            self._uid = None

    def seen(self, uid: bytes) -> bool:
        """A card answered. True if it is to be reported; then call `torn` if it was lost."""
        self._misses = 0
        if self._uid is None or _is_another(self._uid, uid):
            self._tries = 0
        elif not self._torn or self._tries >= _TRIES_MAX:
            return False
        self._uid = uid
        self._tries += 1
        self._torn = False
        return True

    def torn(self) -> None:
        """The reported card was lost before the reader was done with it."""
        self._torn = True


def _is_another(before: bytes, now: bytes) -> bool:
    """Whether these are two cards for sure: random UIDs (08 …) may be one phone."""
    random = any(len(uid) == 4 and uid[0] == 0x08 for uid in (before, now))
    return before != now and not random
