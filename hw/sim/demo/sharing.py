"""Rights that somebody else shares: wallets with documents, which the office has not enrolled."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hw.sim.cards.documents import ACCESS_ELEMENT, DocumentIssuer, weekly
from hw.sim.cards.held import Aliro, HeldCard, new_card, new_p256
from hw.sim.cards.mischief import shown
from hw.sim.demo.office import Json
from hw.sim.demo.site import FRONT
from hw.sim.demo.stage import Stage, expect
from hw.sim.demo.steps import Seen, Step
from hw.sim.phone import tap_nfc
from hw.sim.phone.tap import Tap
from shared.credential.p256 import PublicKey

DOCUMENT = "aliro-nfc-document"
_DAY = 86_400


async def shared_key(stage: Stage) -> Seen:
    issuer = DocumentIssuer(new_p256())
    site = await _site(stage)
    trusted = {
        **site["card_issuers"],
        "document_issuers": [issuer.key.public.point.hex()],
        "access_elements": [ACCESS_ELEMENT],
    }
    done = await stage.office.put(f"/sites/{site['id']}", {"card_issuers": trusted})
    await stage.processed(done.change)
    door = f"/doors/{stage.site.doors[FRONT]}"
    methods = (await stage.office.get(door))["methods"]
    done = await stage.office.put(door, {"methods": [*methods, DOCUMENT]})
    await stage.processed(done.change, FRONT)

    guest, late = (_wallet(site, name) for name in ("Guest", "Night guest"))
    _carry(issuer, guest)
    _carry(issuer, late, _never_today(site["time_zone"]))
    after = await stage.mark(FRONT)
    tap = await stage.opens(FRONT, _held(stage, guest), person=None, method=DOCUMENT)
    event = await stage.event(FRONT, after, method=DOCUMENT, reason="granted")
    expect(that=_point(guest) in (event["detail"] or ""), seen="the event does not say whose key")
    await stage.refuses(
        FRONT,
        _held(stage, late),
        reason="out_of_hours",
        lamp="not now",
        detail="outside_schedule",
    )
    return Seen(f"{tap.text}, event with its key; at another time out_of_hours", tap.milliseconds)


async def refused_key(stage: Stage) -> Seen:
    issuer = DocumentIssuer(new_p256())
    site = await _site(stage)
    trusted = {**site["card_issuers"], "document_issuers": [issuer.key.public.point.hex()]}
    done = await stage.office.put(f"/sites/{site['id']}", {"card_issuers": trusted})
    await stage.processed(done.change)
    lost = _wallet(site, "Lost phone")
    _carry(issuer, lost)
    await stage.opens(FRONT, _held(stage, lost), person=None, method=DOCUMENT)
    refused = [{"public_key": _point(lost), "cause": "lost"}]
    done = await stage.office.put(f"/sites/{site['id']}", {"refused_keys": refused})
    await stage.processed(done.change)
    tap = await stage.refuses(FRONT, _held(stage, lost), reason="lost", lamp="not here")
    return Seen("its key in refused_keys: the same document opens nothing; lost", tap.milliseconds)


async def _site(stage: Stage) -> Json:
    [site] = await stage.office.get("/sites")
    found: Json = site
    return found


def _wallet(site: Json, name: str) -> HeldCard:
    group = bytes.fromhex(site["wallet_group"]["identifier"])
    key = PublicKey.parse(bytes.fromhex(site["wallet_group"]["public_key"]))
    return new_card(name, time.time(), Aliro.new(group, key))


def _aliro(card: HeldCard) -> Aliro:
    if not isinstance(card.content, Aliro):
        raise TypeError("no phone wallet")
    return card.content


def _point(card: HeldCard) -> str:
    return _aliro(card).credential.key.public.point.hex()


def _carry(issuer: DocumentIssuer, card: HeldCard, hours: str | None = None) -> None:
    held = _aliro(card)
    holder = held.credential.key.public
    schedule = None if hours is None else weekly(hours)
    held.carry(issuer.access(holder, int(time.time()), _DAY, hours=schedule))


def _never_today(time_zone: str) -> str:
    """Weekly hours that do not hold now, whatever the time is."""
    day = datetime.now(UTC).astimezone(ZoneInfo(time_zone)) + timedelta(days=3)
    return f"{day:%a} 09:00-17:00".lower()


def _held(stage: Stage, card: HeldCard) -> Callable[[], Awaitable[Tap]]:
    post = stage.post(FRONT)
    return lambda: tap_nfc.tap(post.field, shown(card), lamp=post.wires)


SHARED = Step(
    "Aliro document",
    "opens for a wallet that nobody enrolled; at another time refused: out_of_hours",
    shared_key,
    "Somebody whom the office trusts signs guests a document, in which stands when they may come "
    "in. The door learns of them when they hold their phones to it, without any network.",
)
REFUSED = Step(
    "Device key refused",
    "opens; with its key in the site's refused_keys no document helps: lost",
    refused_key,
    "A guest's phone is lost. The document in it is good for days, so the office refuses the key.",
)
