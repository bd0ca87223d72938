"""What an attacker of PKOC and PIV finds: people with cards and phones, and sessions of readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Outcome, Transport
from shared.credential.p256 import PublicKey
from shared.credential.piv.keys import EccKey
from shared.credential.piv.messages import GENERAL_AUTHENTICATE, decode_challenge
from shared.credential.pkoc import ble_reader
from shared.credential.pkoc.hello import Hello
from shared.credential.tag import TagSession
from tests.shared.credential.pkoc.bad_air import Witness, witness


@dataclass
class People:
    """Holders by the key they prove; Mallory is the attacker, who has a key, too."""

    keys: dict[str, Witness] = field(
        default_factory=lambda: {
            name: witness(name) for name in ("alice", "alice v2", "staff", "mallory", "mallory v1")
        }
    )
    # Alice's phone has the key of her card, and signs other things.
    phones: dict[str, Witness] = field(
        default_factory=lambda: {name: witness(name) for name in ("alice", "bob", "carol")}
    )

    def signed(self, identifier: bytes, transport: Transport) -> set[bytes]:
        """All that whoever is found by `identifier` has signed with what has that transport."""
        held = self.keys if transport is Transport.NFC else self.phones
        found = (*held.values(), self.keys["mallory"])  # who has one key for everything
        named = (each for each in found if identifier in names_of(each.public))
        return set().union(*(each.signed for each in named))


def names_of(key: PublicKey) -> tuple[bytes, bytes]:
    """What a key is found by: on a PIV card it is another thing than elsewhere."""
    return key.point, EccKey(key).identifier


@dataclass
class StaffCard:
    """A PIV card; its key remembers the hashes that it is made to sign."""

    card: Card
    key: Witness

    def receive(self, raw: bytes) -> bytes:
        answer = self.card.receive(raw)
        try:
            command = CommandAPDU.decode(raw)
            if command.ins == GENERAL_AUTHENTICATE[1] and answer[-2:] == b"\x90\x00":
                self.key.signed.add(decode_challenge(command.data))
        except RuleBroken:
            pass
        return answer


AnyCard: TypeAlias = Card | StaffCard


@dataclass
class Door:
    """One session of a reader, over either transport, and what must be signed for it."""

    session: TagSession | ble_reader.ReaderSession
    wanted: Callable[[bytes], bool]
    says: bytes
    hello: Hello | None = None
    kind: str = "ble"
    vouched: bool = False  # whether somebody has to vouch for the key
    outcome: Outcome | None = None
