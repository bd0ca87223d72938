"""The first start, and calendars that are renewed before they run out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from controller.drafts import Draft
from controller.intent import credentials, people
from controller.intent.installation import prepare, renew_calendars
from controller.intent.readers import EPOCH
from controller.problems import Invalid
from controller.store.database import Database
from controller.store.tables import Change, Setting, Site
from shared.access.calendar import local_time
from shared.credential.p256 import ORDER
from tests.controller.client import Api
from tests.controller.conftest import NOON, Clock
from tests.controller.keys import hex_key, point
from tests.controller.readers import Listener

YEAR = 366 * 86_400


async def test_the_first_start_makes_a_site_and_later_ones_do_not(database: Database) -> None:
    for zone in ("Europe/London", "UTC"):
        await prepare(database, time_zone=zone, own_keys=[point(1)])
    async with database.read() as session:
        (site,) = await session.scalars(select(Site))
        assert (site.name, site.time_zone) == ("Main", "Europe/London")
        assert (await session.get_one(Setting, EPOCH)).value == "1"
        (change,) = await session.scalars(select(Change))
        assert (change.actor, change.subject) == ("system", "site 1")


@pytest.mark.parametrize("number", [41, ORDER - 41])
async def test_our_own_keys_are_nobodys_credential(database: Database, number: int) -> None:
    """Nor their mirror images, which have the same X."""
    await prepare(database, time_zone="UTC", own_keys=[point(40), point(41)])

    async def attempt() -> None:
        async with database.write(actor="a", action="b") as uow:
            view = await people.create(uow, Draft({"first_name": "A", "last_name": "B"}))
            card = Draft({"credential_type_id": 5, "value": hex_key(number)})
            await credentials.create(uow, view.person.id, card)

    with pytest.raises(Invalid, match="value: is a key of this installation"):
        await attempt()


async def test_calendars_are_renewed_when_a_year_comes_into_view(api: Api, clock: Clock) -> None:
    reader = await Listener.join(api.database, await api.reader(await api.door()))
    assert await renew_calendars(api.database) == []
    before = reader.calendar
    clock.forward(seconds=YEAR)
    assert await renew_calendars(api.database) == [1]
    after = (await reader.listen()).calendar
    assert after.until - before.until >= 365 * 86_400
    assert after.offsets[0].since > before.offsets[0].since
    assert await renew_calendars(api.database) == []
    change = (await api.get("/changes?per_page=1"))[0]
    assert (change["actor"], change["action"]) == ("system", "calendar.renew")


@pytest.mark.parametrize("year", [1970, 2100])
async def test_a_clock_that_was_wrong_leaves_no_calendar_that_lacks_today(
    api: Api, clock: Clock, year: int
) -> None:
    """A board without a battery wakes up in 1970, one with a bad crystal anywhere."""
    reader = await Listener.join(api.database, await api.reader(await api.door()))
    clock.now = int(datetime(year, 3, 1, tzinfo=UTC).timestamp()) * 1000
    await renew_calendars(api.database)
    await api.post("/sites", {"name": "Annex", "time_zone": "Europe/London"})
    if year == 1970:
        assert covers(await reader.listen(), NOON)
    clock.now = NOON
    await renew_calendars(api.database)
    assert covers(await reader.listen(), NOON)
    async with api.database.read() as session:
        ends = set(await session.scalars(select(Site.offsets_until)))
    assert ends == {reader.calendar.until * 1000}


def covers(reader: Listener, now: int) -> bool:
    """Return whether a reader knows its local time at `now` and ten years later."""
    calendar = reader.calendar
    seconds = (now // 1000, now // 1000 + 3652 * 86_400)
    return all(local_time(calendar.offsets, calendar.until, at) is not None for at in seconds)


async def test_a_new_time_zone_database_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = await Listener.join(api.database, await api.reader(await api.door()))
    from controller.compiler.offsets import compile_offsets

    monkeypatch.setattr(
        "controller.compiler.frame.compile_offsets",
        lambda _, until: compile_offsets("Asia/Kathmandu", until),
    )
    assert await renew_calendars(api.database) == [1]
    assert [offset.seconds for offset in (await reader.listen()).calendar.offsets] == [20_700]
