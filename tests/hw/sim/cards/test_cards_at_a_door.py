"""Every kind of card at a simulated PN532, read by the real driver; and cards that misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hw.sim.cards import issuers, mischief
from hw.sim.cards.held import Aliro, Content, HeldCard, Pkoc, new_card, new_p256, new_rsa
from hw.sim.cards.mischief import Mischief
from hw.sim.phone import tap_nfc
from hw.sim.phone.tap import Light, Tap
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.exchange import Dialogue
from shared.credential.identifier import of_uid
from shared.credential.outcome import Outcome, Proven, Reason, Refused, Standard, Strength
from shared.credential.p256 import OwnKeys
from shared.credential.piv import reader as piv
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.selection import try_in_order
from tests.hw.sim.phone.door_post import DoorPost, with_field

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUPPLIER = issuers.new_supplier()
ALIRO = ReaderIdentity(b"s" * 16, b"l" * 16, new_p256())
AUTHORITY = issuers.new_authority("Example staff", NOW)
ISSUERS = {"certified": SUPPLIER.reference, "piv": "CN=Example staff", "rsa": "CN=Example staff"}
CONTENTS: dict[str, Content] = {
    "pkoc": Pkoc(new_p256()),
    "certified": SUPPLIER.issue(NOW.date(), 1),
    "piv": AUTHORITY.issue("Ada", new_p256(), NOW, 1),
    "rsa": AUTHORITY.issue("Ben", new_rsa(), NOW, 1),
    "aliro": Aliro.new(ALIRO.group, ALIRO.key.public),
}


class Door(DoorPost):
    """Wants certificates of cards that have one, and takes other PKOC cards too."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = self._ask_all

    def _ask_all(self) -> Dialogue[Outcome]:
        none = OwnKeys([])
        suppliers = Suppliers({SUPPLIER.reference: SUPPLIER.key.public})
        se_v2 = nfc_reader.SeV2(bytes(32), suppliers, NOW.date())
        trust = piv.Trust(Authorities([AUTHORITY.certificate]), Clock(NOW))
        return try_in_order(
            [
                nfc_reader.dialogue(self.identity, bytes(16), own_keys=none, se_v2=se_v2),
                piv.dialogue(bytes(32), bytes(32), own_keys=none, trust=trust),
                Transaction(
                    ALIRO, new_p256(), bytes(16), own_keys=none, store=KpersistentStore()
                ).authenticate(),
            ]
        )


@pytest.fixture
def post(nothing_left_behind: None) -> DoorPost:
    return Door()


@pytest.fixture
async def field(post: DoorPost, tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    async with with_field(post, tmp_path) as field:
        yield field


async def tap(field: tuple[str, int], card: HeldCard, misbehave: Mischief | None = None) -> Tap:
    return await tap_nfc.tap(field, mischief.shown(card, misbehave))


@pytest.mark.parametrize("kind", CONTENTS)
async def test_a_card_proves_what_is_registered_of_it(
    post: DoorPost, field: tuple[str, int], kind: str
) -> None:
    card = new_card(kind, 0, CONTENTS[kind])
    assert (await tap(field, card)).light is Light.GREEN
    [outcome] = post.outcomes
    assert isinstance(outcome, Proven)
    assert outcome.strength is (Strength.MUTUAL if kind == "aliro" else Strength.ONE_WAY)
    assert outcome.issuer == ISSUERS.get(kind)
    _, value = card.values()[0]
    if outcome.standard is not Standard.PIV:
        assert bytes.fromhex(value) == outcome.key
    else:
        assert value.startswith("-----BEGIN CERTIFICATE-----")


async def test_a_card_without_a_chip_that_answers_shows_its_number(
    post: DoorPost, field: tuple[str, int]
) -> None:
    card = new_card("old", 0)
    await tap(field, card)
    [outcome] = post.outcomes
    assert isinstance(outcome, Proven)
    assert (outcome.key, outcome.strength) == (of_uid(card.uid), Strength.CLONEABLE)
    assert card.values() == [(1001, f"uid {card.uid.hex().upper()}")]


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (Mischief.WRONG_SIGNATURE, Reason.BAD_SIGNATURE),
        (Mischief.COPIED_CERTIFICATE, Reason.BAD_SIGNATURE),
        (Mischief.TORN, Reason.LINK_LOST),
        (Mischief.ENDLESS, Reason.MALFORMED),
    ],
)
async def test_a_card_that_breaks_its_word_proves_nothing(
    post: DoorPost, field: tuple[str, int], kind: str, misbehave: Mischief, reason: Reason
) -> None:
    card = new_card(kind, 0, CONTENTS[kind])
    if kind in {"pkoc", "aliro"} and misbehave is Mischief.COPIED_CERTIFICATE:
        with pytest.raises(ValueError, match="no certificate or document"):
            await tap(field, card, misbehave)
        return
    seen = await tap(field, card, misbehave)
    if misbehave is Mischief.TORN:
        assert (seen.light, seen.text) == (Light.TROUBLE, "the card left the field in the middle")
        # The reader notices when it asks again; the next card finds it ready.
        await tap(field, new_card("old", 0))
    outcome = post.outcomes[0]
    assert isinstance(outcome, Refused)
    # A wallet signs under the seal of the channel: that breaks first.
    sealed = kind == "aliro" and misbehave is Mischief.WRONG_SIGNATURE
    assert outcome.reason is (Reason.DECRYPTION_FAILED if sealed else reason)


async def test_a_mere_number_cannot_misbehave(field: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="asked nothing"):
        await tap(field, new_card("old", 0), Mischief.ENDLESS)
