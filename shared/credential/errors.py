"""Whose fault it is: the other end broke a rule (`RuleBroken`), or our own code did (`Misuse`)."""

from __future__ import annotations

from shared.credential.outcome import Reason


class RuleBroken(Exception):
    """The other end broke a rule of its standard. Sessions turn it into `Refused(reason, text)`.

    Parsers and key functions raise nothing else over bytes that came from outside. The text names
    what is wrong and where; it never repeats bytes of a message.
    """

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason = reason


class Misuse(Exception):
    """Our own caller did what the contract of a session rules out. A bug on this side."""
