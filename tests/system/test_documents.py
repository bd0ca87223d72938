"""Rights in documents at a real door: nobody whom they let in is known to the controller."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from hw.sim.cards.documents import (
    ACCESS_ELEMENT,
    REVOCATION_ELEMENT,
    DocumentIssuer,
    weekly,
)
from hw.sim.cards.held import Aliro, HeldCard, new_card, new_p256
from hw.sim.cards.mischief import shown
from hw.sim.demo.office import Json
from hw.sim.demo.site import FRONT, WORKSHOP
from hw.sim.demo.stage import Stage
from hw.sim.phone import tap_nfc
from hw.sim.phone.tap import Tap
from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.p256 import PublicKey

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

DAY = 86_400
DOCUMENT = "aliro-nfc-document"


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody with a phone wallet, whom no operator has ever entered."""

    card: HeldCard
    wallet: Aliro

    @property
    def key(self) -> PublicKey:
        return self.wallet.credential.key.public

    @property
    def point(self) -> str:
        return self.key.point.hex()

    def at(self, stage: Stage, door: str = FRONT) -> Callable[[], Awaitable[Tap]]:
        post = stage.post(door)
        return lambda: tap_nfc.tap(post.field, shown(self.card), lamp=post.wires)


@dataclass
class Sharing:
    """The site's one issuer of documents, and its setting."""

    issuer: DocumentIssuer
    site: Json

    def guest(self, hours: str | None = None) -> Guest:
        """A new wallet with a document that is good for a day, in those hours."""
        group = bytes.fromhex(self.site["wallet_group"]["identifier"])
        group_key = PublicKey.parse(bytes.fromhex(self.site["wallet_group"]["public_key"]))
        wallet = Aliro.new(group, group_key)
        guest = Guest(new_card("Guest", time.time(), wallet), wallet)
        schedule = None if hours is None else weekly(hours)
        wallet.carry(self.issuer.access(guest.key, int(time.time()), DAY, hours=schedule))
        return guest

    def hours(self, *days: int) -> str:
        """Whole days in the site's time zone, counted from today."""
        today = datetime.now(UTC).astimezone(ZoneInfo(self.site["time_zone"]))
        names = [f"{today + timedelta(days=day):%a}".lower() for day in days]
        return f"{','.join(names)} 00:00-24:00"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sharing(stage: Stage) -> Sharing:
    """Front door and workshop take the documents of one issuer, and revocations."""
    [site] = await stage.office.get("/sites")
    issuer = DocumentIssuer(new_p256())
    trusted = {
        "document_issuers": [issuer.key.public.point.hex()],
        "access_elements": [ACCESS_ELEMENT],
        "revocation_elements": [REVOCATION_ELEMENT],
    }
    for door in (FRONT, WORKSHOP):
        path = f"/doors/{stage.site.doors[door]}"
        await stage.office.put(path, {"methods": ["aliro-nfc", DOCUMENT]})
    done = await stage.office.put(f"/sites/{site['id']}", {"card_issuers": trusted})
    await stage.processed(done.change, FRONT, WORKSHOP)
    await stage.settled()
    return Sharing(issuer, site)


async def _refuse(stage: Stage, sharing: Sharing, *keys: Json) -> None:
    """Set the site's refused keys, and wait for the receipts of the doors that take documents."""
    path = f"/sites/{sharing.site['id']}"
    done = await stage.office.put(path, {"refused_keys": list(keys)})
    await stage.processed(done.change, FRONT, WORKSHOP)


async def test_it_opens_and_the_office_hears_whose_word_it_was(
    stage: Stage, sharing: Sharing
) -> None:
    guest = sharing.guest()
    after = await stage.mark(FRONT)
    for _ in range(2):  # known by now, the second time
        await stage.opens_unseen(FRONT, guest.at(stage))
    granted = {"kind": "access", "reason": "granted", "method": DOCUMENT}
    reader = stage.site.readers[FRONT]
    for event in await stage.office.events_like(reader, granted, after=after, count=2):
        assert event["person_id"] is None
        assert event["credential_id"] is None
        issuer = issuer_id(sharing.issuer.key.public).hex()[:16]
        assert event["detail"] == f"document of issuer {issuer}; device key {guest.point}"
    people = await stage.office.get("/people", per_page=100)
    for person in people:
        held = await stage.office.get(f"/people/{person['id']}/credentials")
        assert guest.point not in str(held)


async def test_it_opens_in_its_hours_and_at_no_other_time(stage: Stage, sharing: Sharing) -> None:
    near, far = (sharing.guest(sharing.hours(*days)) for days in ((-1, 0, 1), (3, 4)))
    await stage.opens_unseen(FRONT, near.at(stage))
    await stage.refuses(
        FRONT, far.at(stage), reason="out_of_hours", lamp="not now", detail="outside_schedule"
    )


async def test_a_wallet_without_a_document_or_with_a_foreign_one_is_nobody(
    stage: Stage, sharing: Sharing
) -> None:
    foreign = Sharing(DocumentIssuer(new_p256()), sharing.site).guest()
    await stage.refuses(
        FRONT, foreign.at(stage), reason="unknown", lamp="not here", detail="unknown_issuer"
    )
    bare = sharing.guest()
    bare.wallet.credential.documents = ()
    bare.wallet.credential.access_signed = None
    await stage.refuses(
        FRONT, bare.at(stage), reason="unknown", lamp="not here", detail="no_document"
    )


async def test_no_broker_is_needed_and_the_office_hears_of_it_later(
    stage: Stage, sharing: Sharing
) -> None:
    known, new = sharing.guest(), sharing.guest()
    far = sharing.guest(sharing.hours(3, 4))
    await stage.opens_unseen(FRONT, known.at(stage))
    after = await stage.mark(FRONT)
    await stage.world.broker.stop()
    try:
        for guest in (known, new):
            await stage.opens_unseen(FRONT, guest.at(stage))
        await stage.refuses_unseen(FRONT, far.at(stage), lamp="not now")
    finally:
        await stage.world.broker.start()
    late = {"kind": "access", "reason": "out_of_hours", "replayed": True}
    await stage.office.event(stage.site.readers[FRONT], late, after=after, patience=30)
    granted = {"kind": "access", "reason": "granted", "replayed": True}
    found = await stage.office.events_like(stage.site.readers[FRONT], granted, after=after, count=2)
    keys = [event["detail"].rpartition(" ")[2] for event in found]
    assert keys[-2:] == [known.point, new.point]
    await stage.settled()


async def test_a_refused_key_opens_nothing_until_it_is_lifted(
    stage: Stage, sharing: Sharing
) -> None:
    lost, other = sharing.guest(), sharing.guest()
    for door in (FRONT, WORKSHOP):
        await stage.opens_unseen(door, lost.at(stage, door))
    await _refuse(stage, sharing, {"public_key": lost.point, "cause": "lost"})
    for door in (FRONT, WORKSHOP):
        await stage.refuses(door, lost.at(stage, door), reason="lost", lamp="not here")
        await stage.opens_unseen(door, other.at(stage, door))
    await _refuse(stage, sharing)
    for door in (FRONT, WORKSHOP):
        await stage.opens_unseen(door, lost.at(stage, door))


async def test_a_refused_key_is_refused_after_a_restart_without_a_broker(
    stage: Stage, sharing: Sharing
) -> None:
    lost = sharing.guest()
    await stage.opens_unseen(FRONT, lost.at(stage))
    await _refuse(stage, sharing, {"public_key": lost.point, "cause": "stolen"})
    after = await stage.mark(FRONT)
    await stage.world.broker.stop()
    try:
        await stage.world.kill_reader(stage.post(FRONT))
        await stage.world.start_reader(stage.post(FRONT))
        await stage.refuses_unseen(FRONT, lost.at(stage), lamp="not here")
    finally:
        await stage.world.broker.start()
    refused = {"kind": "access", "reason": "stolen"}
    await stage.office.event(stage.site.readers[FRONT], refused, after=after, patience=30)
    await stage.settled()
    await _refuse(stage, sharing)


async def test_somebody_else_brings_the_revocation(stage: Stage, sharing: Sharing) -> None:
    revoked, bearer = sharing.guest(), sharing.guest()
    await stage.opens_unseen(FRONT, revoked.at(stage))
    news = sharing.issuer.without(revoked.key).revocation(int(time.time()), DAY)
    bearer.wallet.carry(news)
    await stage.opens_unseen(FRONT, bearer.at(stage))
    for _ in range(2):
        await stage.refuses(
            FRONT,
            revoked.at(stage),
            reason="revoked",
            lamp="not here",
            detail="credential_revoked",
        )
    # Nobody has carried it to the other door.
    await stage.opens_unseen(WORKSHOP, revoked.at(stage, WORKSHOP))


async def test_a_killed_reader_remembers_who_was_revoked(stage: Stage, sharing: Sharing) -> None:
    revoked, bearer = sharing.guest(), sharing.guest()
    await stage.opens_unseen(FRONT, revoked.at(stage))
    issuer = sharing.issuer.without(sharing.guest().key).without(revoked.key)
    bearer.wallet.carry(issuer.revocation(int(time.time()), DAY))
    await stage.opens_unseen(FRONT, bearer.at(stage))
    await stage.world.kill_reader(stage.post(FRONT))
    await stage.world.start_reader(stage.post(FRONT))
    await stage.settled()
    await stage.refuses(FRONT, revoked.at(stage), reason="revoked", lamp="not here")
    await stage.opens_unseen(FRONT, bearer.at(stage))
