"""What a site's doors are known by to phones, as the API shows and takes it."""

from __future__ import annotations

import pytest

from controller.store.tables import Reader
from shared.access.rows import ReaderCertificates
from tests.controller.client import Api
from tests.controller.keys import ISSUER, point
from tests.controller.readers import Listener

pytestmark = pytest.mark.slow  # every test builds a whole installation


async def test_a_site_shows_its_group_and_its_issuers_and_no_other_has_them(api: Api) -> None:
    await api.post("/sites", {"name": "Annexe", "time_zone": "UTC"})
    sites = await api.get("/sites")
    for site in sites:
        group = site["wallet_group"]
        issuer = ISSUER.of(bytes.fromhex(group["identifier"]))
        assert group["public_key"] == issuer.aliro.public.point.hex()
        assert site["pkoc_issuer_key"] == issuer.pkoc.public.point.hex()
        assert await api.get(f"/sites/{site['id']}") == site
    shown = [[*site["wallet_group"].values(), site["pkoc_issuer_key"]] for site in sites]
    assert len({text for each in shown for text in each}) == 6


async def test_it_stays_the_same_whatever_is_edited(api: Api) -> None:
    [before] = await api.get("/sites")
    after = await api.put("/sites/1", {"name": "Headquarters", "time_zone": "Asia/Tokyo"})
    assert after["wallet_group"] == before["wallet_group"]
    assert after["pkoc_issuer_key"] == before["pkoc_issuer_key"]


async def test_an_issuer_is_nobodys_credential(api: Api) -> None:
    person = await api.person()
    [site] = await api.get("/sites")
    for value in (site["wallet_group"]["public_key"], site["pkoc_issuer_key"]):
        body = {"credential_type_id": 5, "value": value}
        assert list(await api.wrong("POST", f"/people/{person}/credentials", body)) == ["value"]


async def test_nor_is_what_a_reader_proves_to_wallets(api: Api) -> None:
    reader, person = await api.reader(await api.door()), await api.person()
    async with api.database.transaction() as session:
        (await session.get_one(Reader, reader)).aliro_key = point(55)
    body = {"credential_type_id": 5, "value": point(55).hex()}
    assert list(await api.wrong("POST", f"/people/{person}/credentials", body)) == ["value"]


async def test_a_door_says_whether_its_reader_shows_a_certificate(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    async with api.database.transaction() as session:
        (await session.get_one(Reader, reader)).aliro_key = point(55)
    listener = await Listener.join(api.database, reader)
    for on in (True, False):
        answer = await api.put(f"/doors/{door}", {"reader_certificate": on})
        assert answer["reader_certificate"] is on
        told = (await listener.listen()).of(ReaderCertificates)
        shown = [row.pkoc is not None for row in told if isinstance(row, ReaderCertificates)]
        assert shown == [True] * on
    wrongs: list[object] = ["yes", 1, []]
    for wrong in wrongs:
        refused = await api.wrong("PUT", f"/doors/{door}", {"reader_certificate": wrong})
        assert list(refused) == ["reader_certificate"]
