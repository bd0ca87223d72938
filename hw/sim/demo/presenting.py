"""Cards of other kinds at the front door: certified ones, staff cards, and mere numbers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hw.sim.cards import issuers
from hw.sim.cards.held import Aliro, HeldCard, Pkoc, new_card, new_rsa
from hw.sim.cards.mischief import shown
from hw.sim.demo.office import Json
from hw.sim.demo.opening import BLE, NFC
from hw.sim.demo.site import ADA, CLEO, FRONT, WORKSHOP
from hw.sim.demo.stage import Stage, expect
from hw.sim.demo.steps import Seen, Step
from hw.sim.phone import tap_nfc
from hw.sim.phone.eyes import watch
from hw.sim.phone.tap import Tap
from shared.credential.aliro.messages import Ins
from shared.credential.p256 import PublicKey
from shared.credential.pkoc.provisioning import SupplierCode

CERTIFIED, STAFF_CARD = "pkoc-nfc-validated", "piv-nfc-validated"
WALLET, NUMBER = "aliro-nfc", "card-number"
_DAYS = 365


async def certified_card(stage: Stage) -> Seen:
    known, foreign = issuers.new_supplier(), issuers.new_supplier()
    today = issuers.today(time.time())
    cards = [_card("Green card", each.issue(today, _DAYS)) for each in (known, foreign)]
    for card in cards:
        await _register(stage, CLEO, card)
    code = SupplierCode.decode(known.code)
    supplier = {"reference": code.reference, "public_key": code.key.point.hex()}
    await _trust(stage, suppliers=[supplier])
    await _permit(stage, FRONT, CERTIFIED)
    tap = await stage.opens(FRONT, _held(stage, FRONT, cards[0]), person=CLEO, method=CERTIFIED)
    await stage.refuses(
        FRONT,
        _held(stage, FRONT, cards[1]),
        reason="bad_proof",
        lamp="not here",
        detail="unknown_issuer",
    )
    return Seen(f"{tap.text}; of a foreign supplier refused: unknown_issuer", tap.milliseconds)


async def staff_card(stage: Stage) -> Seen:
    now = issuers.instant(time.time())
    authority = issuers.new_authority("Example staff", now)
    content = authority.issue(ADA, new_rsa(), now, _DAYS)
    badge = new_card(f"{ADA}'s badge", time.time(), content)
    await _register(stage, ADA, badge)
    await _trust(stage, authorities=[authority.pem])
    await _permit(stage, FRONT, CERTIFIED, STAFF_CARD)
    tap = await stage.opens(FRONT, _held(stage, FRONT, badge), person=ADA, method=STAFF_CARD)
    revoked = authority.without(content).revocation_list(now, _DAYS)
    await _trust(stage, revocation_lists=[revoked])
    await stage.refuses(
        FRONT,
        _held(stage, FRONT, badge),
        reason="bad_proof",
        lamp="not here",
        detail="certificate_revoked",
    )
    return Seen(f"{tap.text}; then refused: certificate_revoked", tap.milliseconds)


async def phone_wallet(stage: Stage) -> Seen:
    [site] = await stage.office.get("/sites")
    group = bytes.fromhex(site["wallet_group"]["identifier"])
    group_key = PublicKey.parse(bytes.fromhex(site["wallet_group"]["public_key"]))
    wallet = new_card(f"{ADA}'s wallet", time.time(), Aliro.new(group, group_key))
    credential = await _register(stage, ADA, wallet)
    await _permit(stage, WORKSHOP, NFC, WALLET)
    await _permit(stage, FRONT, CERTIFIED, STAFF_CARD, WALLET)
    first, asked = await _wallet_opens(stage, FRONT, wallet)
    expect(that=Ins.AUTH1 in asked, seen="the door did not ask the wallet for a signature")
    quick, asked = await _wallet_opens(stage, FRONT, wallet)
    expect(that=Ins.AUTH1 not in asked, seen="the door asked for a signature once more")
    _, asked = await _wallet_opens(stage, WORKSHOP, wallet)
    expect(that=Ins.AUTH1 in asked, seen=f"{WORKSHOP} knew the wallet already")
    done = await stage.office.delete(
        f"/people/{stage.site.people[ADA]}/credentials/{credential['id']}"
    )
    await stage.processed(done.change, FRONT)
    await stage.refuses(FRONT, _held(stage, FRONT, wallet), reason="revoked", lamp="not here")
    times = f"standard {first.milliseconds:.0f} ms, fast {quick.milliseconds:.0f} ms"
    return Seen(f"{times}; {WORKSHOP} too; then refused: revoked", quick.milliseconds)


async def _wallet_opens(stage: Stage, door: str, wallet: HeldCard) -> tuple[Tap, list[int]]:
    """One tap that opens, and the instructions that it took."""
    honest, asked = shown(wallet), list[int]()

    def respond(raw: bytes) -> bytes:
        asked.append(raw[1])
        return honest.respond(raw)

    post, noted = stage.post(door), replace(honest, respond=respond)
    tap = await stage.opens(
        door,
        lambda: tap_nfc.tap(post.field, noted, lamp=post.wires),
        person=ADA,
        method=WALLET,
    )
    return tap, asked


async def card_number(stage: Stage) -> Seen:
    card = new_card("Old card", time.time())
    await _register(stage, CLEO, card)
    await _permit(stage, FRONT, CERTIFIED, STAFF_CARD, WALLET, NUMBER)
    after = await stage.mark(FRONT)
    tap = await stage.opens(FRONT, _held(stage, FRONT, card), person=CLEO, method=NUMBER)
    await stage.event(FRONT, after, method=NUMBER, cloneable=True)
    await _passes_by(stage, WORKSHOP, card)
    return Seen(f"{tap.text}, event cloneable; {WORKSHOP} takes no numbers", tap.milliseconds)


async def _passes_by(stage: Stage, door: str, card: HeldCard) -> None:
    """Hold `card` to a door that asks for nothing it has: to that door nobody was there."""
    async with watch(*stage.post(door).wires) as eyes:
        await eyes.calm(patience=15)
        await tap_nfc.tap(stage.post(door).field, shown(card))
        line = eyes.lines[-1]
        expect(that=line.strike == "secured", seen=f"the strike of {door} is {line.strike}")
        pushed = await eyes.do("open")
        expect(that=pushed is not None, seen="somebody pushed, and the door gave way")


def _card(name: str, content: Pkoc) -> HeldCard:
    return new_card(name, time.time(), content)


def _held(stage: Stage, door: str, card: HeldCard) -> Callable[[], Awaitable[Tap]]:
    post = stage.post(door)
    return lambda: tap_nfc.tap(post.field, shown(card), lamp=post.wires)


async def _register(stage: Stage, person: str, card: HeldCard) -> Json:
    """Give somebody the card, by what the doors here ask of it; return the credential."""
    kind, value = card.values()[0]
    path = f"/people/{stage.site.people[person]}/credentials"
    return (await stage.office.post(path, {"credential_type_id": kind, "value": value})).body


async def _trust(stage: Stage, **more: object) -> None:
    """Set some of the site's card issuers, and leave the others; wait for the doors."""
    [site] = await stage.office.get("/sites")
    kept: Json = site["card_issuers"]
    body = {"card_issuers": {**kept, **more}}
    done = await stage.office.put(f"/sites/{site['id']}", body)
    await stage.processed(done.change)


async def _permit(stage: Stage, door: str, *methods: str) -> None:
    """Let a door take phones over Bluetooth, and cards by `methods`; wait for it."""
    body = {"methods": [BLE, *methods]}
    done = await stage.office.put(f"/doors/{stage.site.doors[door]}", body)
    await stage.processed(done.change, door)


PKOC_CERTIFIED = Step(
    "PKOC card with certificate",
    "opens; of a foreign supplier refused, event unknown_issuer",
    certified_card,
    "The front door wants cards that a known supplier has certified. Cleo has one, and one of "
    "a supplier that nobody has set up.",
)
PIV = Step(
    "PIV card",
    "opens; once revoked refused, event certificate_revoked",
    staff_card,
    "Ada's staff card, with an RSA key and a certificate, opens until its authority revokes it.",
)
ALIRO = Step(
    "Aliro, standard and fast",
    "opens two doors; known at the second tap, without a signature; once revoked refused",
    phone_wallet,
    "Ada's phone wallet speaks Aliro, with one credential for all doors: the site certifies its "
    "readers. Door and wallet agree on a secret when it first opens, so the next tap is quick. "
    "Then the office revokes it.",
)
CARD_NUMBER = Step(
    "Card number, for migration",
    "opens where permitted, event cloneable; else nothing",
    card_number,
    "Cleo's old card has nothing but a number, which anybody can copy. One door takes it still.",
)
