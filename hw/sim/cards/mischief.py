"""Cards that break their word, to see what a reader makes of them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import rsa

from hw.sim.card import CardGone
from hw.sim.cards.held import Aliro, Content, HeldCard, Piv, Pkoc, new_p256, new_rsa
from hw.sim.phone.tap_nfc import Shown
from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Application, Card
from shared.credential.pkoc.nfc_holder import Certified

Respond = Callable[[bytes], bytes]

# The instructions that are answered with a signature. PKOC: AUTHENTICATE, and INTERNAL AUTHENTICATE
# of SE V2; PIV: GENERAL AUTHENTICATE; Aliro: AUTH1, under a seal, which is what breaks.
_SIGNING = {Pkoc: (0x80, 0x88), Piv: (0x87,), Aliro: (0x81,)}
_SELECT = 0xA4
_PIECE = bytes(250)


class Mischief(enum.Enum):
    """What a card does wrong."""

    WRONG_SIGNATURE = "wrong-signature"  # the last bit of it is another
    COPIED_CERTIFICATE = "copied-certificate"  # or document, of a card whose key it does not have
    TORN = "torn"  # it leaves the field once it has been selected
    ENDLESS = "endless"  # it always has more to say


def shown(card: HeldCard, mischief: Mischief | None = None) -> Shown:
    """`card` as it is held to a reader. `ValueError` for what such a card is not capable of."""
    return Shown(card.uid, respond(card.content, mischief), iso_dep=card.content is not None)


def respond(content: Content, mischief: Mischief | None) -> Respond:
    """How a card with `content` answers commands. Raises `CardGone` when it is torn away.

    `ValueError` for a `mischief` of which such a card is not capable.
    """
    if content is None:
        if mischief is not None:
            raise ValueError("a card that has nothing but its UID is asked nothing")
        return Card([]).receive
    match mischief:
        case None:
            return Card(content.applications()).receive
        case Mischief.WRONG_SIGNATURE:
            signing = _SIGNING[type(content)]
            return Card([_Forger(each, signing) for each in content.applications()]).receive
        case Mischief.COPIED_CERTIFICATE:
            return Card(_copied(content).applications()).receive
        case Mischief.TORN:
            return _after_select(Card(content.applications()).receive, _leave)
        case Mischief.ENDLESS:
            return _after_select(Card(content.applications()).receive, _say_more)


def _copied(content: Pkoc | Piv | Aliro) -> Pkoc | Piv | Aliro:
    """What others signed for `content`, with other keys. `ValueError` if there is nothing."""
    match content:
        case Pkoc(certified=Certified(certificate=certificate)):
            return Pkoc(new_p256(), Certified(new_p256(), certificate))
        case Aliro(credential) if credential.documents:
            copy = Aliro.new(credential.group, credential.group_key)
            copy.carry(*credential.documents)
            return copy
        case Pkoc() | Aliro():
            raise ValueError("this card has no certificate or document to copy")
        case Piv(key=rsa.RSAPrivateKey()):
            return replace(content, key=new_rsa())
        case Piv():
            return replace(content, key=new_p256())


@dataclass(frozen=True, slots=True)
class _Forger:
    """An application whose signatures are wrong."""

    honest: Application
    signing: tuple[int, ...]

    @property
    def aid(self) -> bytes:
        return self.honest.aid

    def select(self) -> ResponseAPDU:
        return self.honest.select()

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        answer = self.honest.answer(command)
        if command.ins not in self.signing or not answer.data:
            return answer
        return replace(answer, data=answer.data[:-1] + bytes((answer.data[-1] ^ 1,)))


def _after_select(honest: Respond, otherwise: Callable[[], bytes]) -> Respond:
    """Answer SELECT honestly, and everything `otherwise` once it has been selected."""
    selected = False

    def answer(raw: bytes) -> bytes:
        nonlocal selected
        if selected:
            return otherwise()
        response = honest(raw)
        selected = raw[1:2] == bytes((_SELECT,)) and response.endswith(SW.OK.to_bytes(2, "big"))
        return response

    return answer


def _leave() -> bytes:
    raise CardGone


def _say_more() -> bytes:
    return _PIECE + b"\x61\x00"
