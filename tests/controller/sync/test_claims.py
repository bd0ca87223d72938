"""Two readers share a card that opens once: what is claimed over the bus is answered once."""

from __future__ import annotations

import secrets

import pytest

from controller.drafts import Draft
from controller.intent import credentials
from controller.store.database import Database
from controller.sync.claims import MAX_PER_READER
from shared.wire.messages import Claim, Verdict
from shared.wire.topics import Leaf
from tests.controller.building import ReaderKeys, build
from tests.controller.sync.site import Site

pytestmark = pytest.mark.slow  # every test builds a whole installation


@pytest.fixture
async def site(database: Database) -> Site:
    building = await build(database, 2)
    await building.enrol()
    return Site(building)


@pytest.fixture
async def card(site: Site) -> int:
    person = await site.building.add_person()
    handle = await site.building.add_card(person, 7)
    await site.building.edit(lambda uow: credentials.update(uow, handle, Draft({"max_uses": 1})))
    async with site.building.database.read() as session:
        return (await credentials.find(session, handle)).id


def claim_at(site: Site, number: int, card: int, **more: object) -> Claim:
    model = site.ends[number].model
    values: dict[str, object] = {
        "reader": model.reader,
        "id": secrets.token_bytes(16),
        "session": model.session,
        "credential": card,
        "plan": site.building.plan,
        "journal": b"journal1",
        "next_seq": 1,
        **more,
    }
    return Claim(**values)  # type: ignore[arg-type]  # the names are those of Claim


async def test_one_of_two_gets_the_use(site: Site, card: int) -> None:
    async with site.up():
        claims = [claim_at(site, number, card) for number in (0, 1)]
        for end, claim in zip(site.ends, claims, strict=True):
            await end.say(claim)
        for end in site.ends:
            await end.until(lambda model: len(model.claimed) == 1)
        answers = [end.model.claimed[0] for end in site.ends]
        assert [answer.id for answer in answers] == [claim.id for claim in claims]
        verdicts = {answer.verdict for answer in answers}
        assert verdicts == {Verdict.RESERVED, Verdict.USED_UP}


async def test_a_claim_of_another_session_is_not_answered(site: Site, card: int) -> None:
    async with site.up():
        end = site.ends[0]
        await end.say(claim_at(site, 0, card, session=secrets.token_bytes(16)))
        last = claim_at(site, 0, card)
        await end.say(last)
        await end.until(lambda model: bool(model.claimed))
        assert [answer.id for answer in end.model.claimed] == [last.id]


async def test_a_forged_claim_is_not_answered(site: Site, card: int) -> None:
    async with site.up():
        end, claim = site.ends[0], claim_at(site, 0, card)
        strange = ReaderKeys(1).pairwise(claim.reader).seal(claim, Leaf.CLAIM)
        await end.publish(Leaf.CLAIM, strange)
        await end.publish(Leaf.CLAIM, b"\xd1\x84")
        last = claim_at(site, 0, card)
        await end.say(last)
        await end.until(lambda model: bool(model.claimed))
        assert [answer.id for answer in end.model.claimed] == [last.id]


async def test_a_reader_that_asks_for_too_much_at_once_is_not_heard(site: Site, card: int) -> None:
    async with site.up():
        member = site.service.roster.get(site.building.readers[0])
        other = site.service.roster.get(site.building.readers[1])
        assert member is not None
        assert other is not None
        asked = [claim_at(site, 0, card) for _ in range(MAX_PER_READER + 5)]
        for claim in asked:
            site.service.claims.offer(member, claim)
        site.service.claims.offer(other, claim_at(site, 1, card))
        await site.ends[1].until(lambda model: bool(model.claimed))
        await site.ends[0].until(lambda model: len(model.claimed) >= MAX_PER_READER)
        answered = [answer.id for answer in site.ends[0].model.claimed]
        assert answered == [claim.id for claim in asked[:MAX_PER_READER]]
