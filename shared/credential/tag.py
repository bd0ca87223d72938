"""One card or phone in the field of a reader: a dialogue run against a clock, once, and bounded.

Every NFC standard is written as a dialogue (`shared.credential.exchange`). Whatever the card does,
a session ends in an outcome: by its deadline, after so many commands, so many bytes.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

from shared.credential.errors import Misuse, RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Reason, Refused
from shared.credential.session import Countdown, Finished, Send

# A phone in a pocket answers within 400 ms; two seconds are already a failed tap.
TOTAL_SECONDS = 2.0
# The longest transaction of a standard has some thirty commands and 8 KiB of answers.
MAX_COMMANDS = 128
MAX_BYTES = 64 * 1024

Result = TypeVar("Result")

Step: TypeAlias = Send | Finished[Outcome] | None


class DialogueSession(Generic[Result]):
    """Transmit `start()`, then feed every response to `receive` and transmit what it gives.

    The adapter calls `expire` at `deadline` and `lost` when the card leaves. It ends with what the
    dialogue returns, or `Refused`.
    """

    def __init__(
        self, dialogue: Dialogue[Result], *, now: float, seconds: float = TOTAL_SECONDS
    ) -> None:
        self._dialogue: Dialogue[Result] | None = dialogue
        self._countdown = Countdown(now, idle=seconds, total=seconds)
        self._commands, self._bytes = MAX_COMMANDS, MAX_BYTES

    @property
    def deadline(self) -> float:
        """When to call `expire`; infinity once finished."""
        return self._countdown.deadline

    def start(self) -> bytes:
        """The first command."""
        if self._dialogue is None:
            raise Misuse("the session is over")
        try:
            return next(self._dialogue)
        except StopIteration:
            raise Misuse("a dialogue that has nothing to say to a card") from None

    def receive(self, response: bytes, now: float) -> Send | Finished[Result | Refused] | None:
        """Take the response to the last command. Whatever comes after the end is ignored."""
        if self._dialogue is None:
            return None
        if self._countdown.passed(now):
            return self.expire(now)
        self._commands -= 1
        self._bytes -= len(response)
        if self._commands <= 0 or self._bytes < 0:
            return self._finish(Refused(Reason.MALFORMED, "the card never comes to an end"))
        try:
            return Send(self._dialogue.send(response))
        except StopIteration as end:
            return self._finish(end.value)
        except RuleBroken as broken:
            return self._finish(Refused(broken.reason, str(broken)))

    def expire(self, now: float) -> Finished[Result | Refused] | None:
        """Give up if `deadline` has passed."""
        if self._dialogue is None or not self._countdown.passed(now):
            return None
        return self._finish(Refused(Reason.TIMEOUT, "the card took too long"))

    def lost(self) -> Finished[Result | Refused] | None:
        """The card has left the field. None if the session had finished before."""
        if self._dialogue is None:
            return None
        return self._finish(Refused(Reason.LINK_LOST, "the card left the field"))

    def _finish(self, outcome: Result | Refused) -> Finished[Result | Refused]:
        if self._dialogue is not None:
            self._dialogue.close()
        self._dialogue = None
        self._countdown.stop()
        return Finished(outcome)


class TagSession(DialogueSession[Outcome]):
    """One attempt of one card: after `Finished`, and what its standard has left to say, the
    adapter drops the field.
    """
