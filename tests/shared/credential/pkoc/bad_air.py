"""Several doors, phones and a card on one bad air, all of whose mishaps come from one seed.

Messages are lost, doubled, swapped, cut, flipped, and taken from one link to another.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.credential.card import Card
from shared.credential.outcome import Outcome, Proven, Strength
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.pkoc import ble_holder, ble_reader, nfc_reader
from shared.credential.pkoc.channel import transcript
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import key


@dataclass(frozen=True, eq=False, repr=False)
class Witness(PrivateKey):
    """A private key that remembers every message it has signed."""

    signed: set[bytes] = field(default_factory=set)

    def sign(self, message: bytes) -> bytes:
        self.signed.add(message)
        return super().sign(message)


def witness(name: str) -> Witness:
    made = key(name)
    return Witness(made.public, made.native)


@dataclass
class Noise:
    """How often each mishap befalls a message, and everything that was ever said."""

    rng: random.Random
    rate: float
    heard: list[bytes] = field(default_factory=list)

    def carry(self, queue: deque[bytes], message: bytes) -> None:
        """Put `message` into `queue`, or what the air makes of it."""
        self.heard.append(message)
        if self.rng.random() >= self.rate:
            queue.append(message)
            return
        mishap = self.rng.choice(
            (self._drop, self._double, self._swap, self._cut, self._flip, self._splice)
        )
        mishap(queue, message)

    def _drop(self, queue: deque[bytes], message: bytes) -> None:
        pass

    def _double(self, queue: deque[bytes], message: bytes) -> None:
        queue.extend((message, message))

    def _swap(self, queue: deque[bytes], message: bytes) -> None:
        queue.appendleft(message)

    def _cut(self, queue: deque[bytes], message: bytes) -> None:
        queue.append(message[: self.rng.randrange(len(message) + 1)])

    def _flip(self, queue: deque[bytes], message: bytes) -> None:
        flipped = bytearray(message)
        flipped[self.rng.randrange(len(flipped))] ^= 1 << self.rng.randrange(8)
        queue.append(bytes(flipped))

    def _splice(self, queue: deque[bytes], message: bytes) -> None:
        """Something said elsewhere, often of the same kind, instead of this or grown into it."""
        alike = [other for other in self.heard if other[:1] == message[:1]]
        twin, other = self.rng.choice(alike), self.rng.choice(self.heard)
        mixed = (message + other, other + message, message[:67] + twin[67:])
        queue.append(self.rng.choice((other, twin, twin, *mixed)))


Reader: TypeAlias = ble_reader.ReaderSession | TagSession
Holder: TypeAlias = Callable[[bytes], bytes | None]


@dataclass
class Link:
    """One reader and one holder, each with what is on its way to it."""

    reader: Reader
    holder: Holder
    challenge: Callable[[PublicKey, Strength], set[bytes]]
    to_reader: deque[bytes] = field(default_factory=deque)
    to_holder: deque[bytes] = field(default_factory=deque)
    outcome: Outcome | None = None


class BadAir:
    """Three doors and three people; Alice's one key serves her phone and her card.

    `past` is what was overheard of earlier sessions of theirs.
    """

    def __init__(self, seed: int, rate: float, past: Sequence[bytes] = ()) -> None:
        self.noise = Noise(random.Random(seed), rate, list(past))
        self.people = {name: witness(name) for name in ("alice", "bob", "carol")}
        self.doors = [
            ReaderIdentity(
                bytes((number,)) * 16, bytes((0x80 + number,)) * 16, witness(f"door {number}")
            )
            for number in range(3)
        ]
        self.devices = {name: key(f"{name} {seed} device") for name in self.people}
        self.own_keys = OwnKeys(door.key.public for door in self.doors)
        all_doors = [KnownReader(door.site, door.location, door.key.public) for door in self.doors]
        self.links = [
            self._ble("alice", self.doors[0], Keyring(all_doors), seed),
            self._ble("bob", self.doors[1], Keyring(all_doors[:2]), seed),
            self._ble("carol", self.doors[2], Keyring([], [self.doors[2].site]), seed),
            self._nfc("alice", self.doors[0]),
        ]

    def _ble(self, name: str, door: ReaderIdentity, keyring: Keyring, seed: int) -> Link:
        ephemeral = key(f"{name} {seed} reader")
        policy = ble_reader.Policy(allow_normal=door is self.doors[2])
        reader = ble_reader.ReaderSession(
            door, ephemeral, own_keys=self.own_keys, policy=policy, now=0.0
        )
        phone = ble_holder.HolderSession(
            self.people[name], self.devices[name], keyring, last_update=0, now=0.0
        )

        def challenge(device: PublicKey, strength: Strength) -> set[bytes]:
            if strength is Strength.ONE_WAY:
                return {ephemeral.public.compressed}
            return {transcript(door.site, door.location, device, ephemeral.public)}

        def answer(data: bytes) -> bytes | None:
            step = phone.receive(data, 0.0)
            return step.message if isinstance(step, Send) else None

        link = Link(reader, answer, challenge)
        hello = reader.hello(self.noise.rng.choice((80, 81, 247)))
        assert isinstance(hello, tuple)
        for piece in hello:
            self.noise.carry(link.to_holder, piece)
        return link

    def _nfc(self, name: str, door: ReaderIdentity) -> Link:
        number = self.noise.rng.randbytes(16)
        reader = TagSession(nfc_reader.dialogue(door, number, own_keys=self.own_keys), now=0.0)
        card = Card([PkocApplication(self.people[name])])
        link = Link(reader, card.receive, lambda _device, _strength: {number})
        self.noise.carry(link.to_holder, reader.start())
        return link

    def run(self, turns: int = 60) -> list[Outcome]:
        """Let everybody talk, and return the outcomes that were reached."""
        for _ in range(turns):
            self._turn(self.noise.rng.choice(self.links))
        return [link.outcome for link in self.links if link.outcome is not None]

    def _turn(self, link: Link) -> None:
        if link.to_holder:
            answer = link.holder(link.to_holder.popleft())
            if answer is not None:
                self.noise.carry(link.to_reader, answer)
        elif link.to_reader:
            self._to_reader(link, link.to_reader.popleft())

    def _to_reader(self, link: Link, data: bytes) -> None:
        match link.reader.receive(data, 0.0):
            case Send(message):
                self.noise.carry(link.to_holder, message)
            case Finished(outcome):
                assert link.outcome is None
                link.outcome = outcome
                self._judge(link, outcome)
            case None:
                pass

    def _judge(self, link: Link, outcome: Outcome) -> None:
        """A proven key belongs to somebody who signed for this very session."""
        if not isinstance(outcome, Proven):
            return
        (holder,) = [who for who in self.people.values() if who.public.point == outcome.key]
        expected: set[bytes] = set()
        for device in self.devices.values():
            expected |= link.challenge(device.public, outcome.strength)
        assert expected & holder.signed
