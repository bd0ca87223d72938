"""One transaction at a reader, again and again: its processor, the bare cryptography, the air.

Both are timed in turns within one run, and the best of many turns counts, so that the ratios say
something on a busy machine too. "Bare" is every call of `cryptography` and `hashlib` that a reader
cannot do without, with nothing around them. What a phone or card does is recorded before and not
counted; what a reader loads once (keys of suppliers, certificates of authorities) is there. The
ephemeral key that it draws within the time is thrown away: the recorded answers are to another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Proven, Refused
from shared.credential.p256 import PrivateKey
from shared.credential.session import Finished, Send
from shared.credential.tag import DialogueSession
from tests.bench.report import Figure

Result = TypeVar("Result")
Run: TypeAlias = Callable[[], object]
Answer: TypeAlias = Callable[[bytes], bytes]

RATIO = 1.5
_BATCH = 20


@dataclass(frozen=True, slots=True)
class Air:
    """What goes to and fro: round trips, bytes to the holder, bytes back. Status words count."""

    round_trips: int
    sent: int
    received: int

    @property
    def sizes(self) -> dict[str, int]:
        return {"round trips": self.round_trips, "bytes out": self.sent, "bytes in": self.received}


@dataclass(frozen=True, slots=True)
class Flow:
    """One way through a standard.

    `prepare` gets everything ready and gives what the clock measures: the reader's side of one
    whole transaction. `published` is how much others need for the same.
    """

    name: str
    prepare: Callable[[], Run]
    bare: Run | None
    air: Air
    published: Air | None = None
    # The most that is allowed: so many times the bare calls, or so many microseconds more. Where
    # they are few, beside many bytes to be read, neither says much.
    ratio: float | None = None
    over_us: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one transaction at the reader. `bare_us` is 0 if there is nothing to do."""

    flow: Flow
    reader_us: float
    bare_us: float

    @property
    def figures(self) -> list[Figure]:
        flow, air = self.flow, self.flow.air
        found = [Figure("reader", self.reader_us, "us", of=flow.name)]
        if self.bare_us:
            over, ratio = self.reader_us - self.bare_us, self.reader_us / self.bare_us
            found += [
                Figure("bare", self.bare_us, "us", of=flow.name),
                Figure("ratio", ratio, "x", flow.ratio, of=flow.name),
                Figure("more", over, "us", flow.over_us, of=flow.name),
            ]
        least = None if flow.published is None else flow.published.sizes
        return found + [
            Figure(name, size, "", None if least is None else least[name], of=flow.name)
            for name, size in air.sizes.items()
        ]


def measure(flows: Sequence[Flow], turns: int) -> list[Cost]:
    """Time all of them, in turns."""
    best = [[float("inf"), float("inf")] for _ in flows]
    for _ in range(turns):
        for times, flow in zip(best, flows, strict=True):
            times[0] = min(times[0], _time([flow.prepare() for _ in range(1 + _BATCH)]))
            times[1] = (
                0.0 if flow.bare is None else min(times[1], _time([flow.bare] * (1 + _BATCH)))
            )
    return [Cost(flow, *times) for flow, times in zip(flows, best, strict=True)]


def _time(calls: list[Run]) -> float:
    """Microseconds of a call, after a first one that warms the processor's caches."""
    calls[0]()
    start = time.perf_counter()
    for call in calls[1:]:
        call()
    return (time.perf_counter() - start) / _BATCH * 1e6


def fresh() -> PrivateKey:
    """A key as a reader draws it for one session."""
    return PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))


@dataclass(slots=True)
class Tape:
    """What was said to a card and what it answered, to be heard again without the card."""

    commands: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    def recording(self, card: Card) -> Answer:
        def answer(command: bytes) -> bytes:
            self.commands.append(command)
            self.answers.append(card.receive(command))
            return self.answers[-1]

        return answer

    def playing(self) -> Answer:
        answers = iter(self.answers)
        return lambda _: next(answers)

    @property
    def air(self) -> Air:
        return Air(len(self.commands), _sum(self.commands), _sum(self.answers))


def _sum(messages: Iterable[bytes]) -> int:
    return sum(map(len, messages))


def converse(dialogue: Dialogue[Result], answer: Answer) -> Result | Refused:
    """Run a dialogue as the reader does."""
    session = DialogueSession(dialogue, now=0.0)
    step: object = Send(session.start())
    while isinstance(step, Send):
        step = session.receive(answer(step.message), 0.0)
    assert isinstance(step, Finished)
    outcome: Result | Refused = step.outcome
    return outcome


def proven(outcome: object) -> Proven:
    assert isinstance(outcome, Proven), outcome
    return outcome
