"""Issuers of documents, and device keys that are refused: from a site to the doors that ask."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.access.rows import CardIssuers, Documents
from tests.controller.client import Api
from tests.controller.keys import hex_key, point
from tests.controller.readers import Listener
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import ROOT, Authority

pytestmark = pytest.mark.slow  # every test builds a whole installation

ISSUER = key("issuer of documents").public.point
AUTHORITY = Authority("authority of documents").certificate
PEM = AUTHORITY.public_bytes(Encoding.PEM).decode()
SPKI = AUTHORITY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
WANTED = {
    "document_issuers": [ISSUER.hex()],
    "document_authorities": [PEM],
    "access_elements": ["floor1"],
    "revocation_elements": ["gone"],
}
TAKES = {"methods": ["aliro-nfc", "aliro-nfc-document"]}
NOT = {"methods": ["aliro-nfc", "pkoc-nfc-validated"]}
STRANGER = point(7)


async def joined(api: Api, **fields: Any) -> tuple[int, Listener]:
    door = await api.door(**{"name": f"Door {fields}", **fields})
    return door, await Listener.join(api.database, await api.reader(door))


async def edit(api: Api, **fields: Any) -> dict[str, Any]:
    site = (await api.get("/sites"))[0]
    shown: dict[str, Any] = await api.put(f"/sites/{site['id']}", fields)
    return shown


def refusing(*keys: bytes, cause: str = "revoked") -> list[dict[str, str]]:
    return [{"public_key": each.hex(), "cause": cause} for each in keys]


async def test_a_door_is_told_only_what_it_asks_for(api: Api) -> None:
    _, takes = await joined(api, **TAKES)
    _, other = await joined(api, **NOT)
    both = {**WANTED, "authorities": [ROOT.certificate.public_bytes(Encoding.PEM).decode()]}
    await edit(api, card_issuers=both)
    [told] = (await takes.listen()).of(CardIssuers)
    documents = Documents((ISSUER,), (SPKI,), ("floor1",), ("gone",))
    assert told == CardIssuers(documents=documents)
    [told] = (await other.listen()).of(CardIssuers)
    assert isinstance(told, CardIssuers)
    assert (len(told.authorities), told.documents) == (1, Documents())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"access_elements": []}, "at least one"),
        ({"document_issuers": ["04" * 65]}, "130 hex digits"),
        ({"document_issuers": ["a key"]}, "130 hex digits"),
        ({"document_issuers": [ISSUER.hex()] * 2}, "the same key twice"),
        ({"document_issuers": [SPKI.hex()]}, "the same key twice"),
        ({"document_issuers": [], "document_authorities": []}, "to sign them"),
        ({"document_authorities": ["nonsense"]}, "is no certificate in PEM"),
        ({"access_elements": ["x" * 65]}, "64"),
        ({"access_elements": [""]}, ""),
    ],
)
async def test_what_could_open_no_door_is_refused(
    api: Api, change: dict[str, Any], said: str
) -> None:
    await api.door()
    [site] = await api.get("/sites")
    body = {"card_issuers": {**WANTED, **change}}
    errors = await api.wrong("PUT", f"/sites/{site['id']}", body)
    assert said in " ".join(text for texts in errors.values() for text in texts)


async def test_a_refused_key_goes_where_documents_are_taken_and_is_lifted(api: Api) -> None:
    _, takes = await joined(api, **TAKES)
    _, other = await joined(api, **NOT)
    shown = await edit(api, refused_keys=refusing(STRANGER, cause="stolen"))
    assert shown["refused_keys"] == refusing(STRANGER, cause="stolen")
    assert await takes.denied() == {STRANGER: "stolen"}
    assert await other.denied() == {}
    await edit(api, refused_keys=refusing(STRANGER, cause="lost"))
    assert await takes.denied() == {STRANGER: "lost"}
    await edit(api, name="Another name")
    assert await takes.denied() == {STRANGER: "lost"}
    await edit(api, refused_keys=[])
    assert await takes.denied() == {STRANGER: None}


async def test_a_new_reader_and_a_door_that_changes_are_told(api: Api) -> None:
    door, before = await joined(api, **NOT)
    await edit(api, refused_keys=refusing(STRANGER))
    assert await before.denied() == {}
    await api.put(f"/doors/{door}", TAKES)
    assert await before.denied() == {STRANGER: "revoked"}
    _, new = await joined(api, **TAKES)
    assert await new.denied() == {STRANGER: "revoked"}
    await api.put(f"/doors/{door}", NOT)
    await edit(api, refused_keys=[])
    assert await before.denied() == await new.denied() == {STRANGER: None}


async def test_a_refused_key_stays_refused_whoever_enrols_it(api: Api) -> None:
    _, takes = await joined(api, **TAKES)
    await edit(api, refused_keys=refusing(point(1), cause="stolen"))
    person = await api.person()
    card = await api.card(person, 1)
    assert await takes.denied() == {point(1): "stolen"}
    await api.put(f"/people/{person}", {"enabled": False})
    await api.put(f"/people/{person}", {"enabled": True})
    assert await takes.denied() == {point(1): "stolen"}
    await edit(api, refused_keys=[])
    assert await takes.denied() == {point(1): None}
    await api.delete(f"/credentials/{card}")


async def test_no_document_lets_in_whom_the_office_has_locked_out(api: Api) -> None:
    _, takes = await joined(api, **TAKES)
    door, other = await joined(api, **NOT)
    person = await api.person()
    card = await api.card(person, 1)
    assert await takes.denied() == {}
    await api.put(f"/credentials/{card}", {"state": "stolen", "reason": "a theft"})
    assert await takes.denied() == {point(1): "stolen"}
    assert await other.denied() == {}
    await api.put(f"/doors/{door}", {"name": "Still no documents"})
    assert await other.denied() == {}
    await api.put(f"/doors/{door}", TAKES)
    assert await other.denied() == {point(1): "stolen"}
    await api.put(f"/credentials/{card}", {"state": "active", "reason": "found"})
    assert await takes.denied() == await other.denied() == {point(1): None}
    await api.put(f"/people/{person}", {"enabled": False})
    assert await takes.denied() == await other.denied() == {point(1): "suspended"}
    _, new = await joined(api, name="New", **TAKES)
    assert await new.denied() == {point(1): "suspended"}


async def test_refusing_a_key_at_one_site_lifts_nothing_at_another(api: Api) -> None:
    [here] = [site["id"] for site in await api.get("/sites")]
    away = (await api.post("/sites", {"name": "Away", "time_zone": "Europe/London"}))["id"]
    _, takes = await joined(api, site_id=here, **TAKES)
    door, far = await joined(api, site_id=away, **TAKES)

    async def edit(api: Api, **fields: Any) -> None:
        await api.put(f"/sites/{here}", fields)

    await api.put(f"/sites/{away}", {"refused_keys": refusing(STRANGER, cause="lost")})
    await edit(api, refused_keys=refusing(STRANGER))
    assert await far.denied() == {STRANGER: "lost"}
    await api.put(f"/doors/{door}", {"methods": NOT["methods"]})
    await edit(api, refused_keys=refusing(STRANGER, cause="stolen"))
    assert await takes.denied() == {STRANGER: "stolen"}
    assert await far.denied() == {STRANGER: "lost"}
    await edit(api, refused_keys=[])
    assert await takes.denied() == await far.denied() == {STRANGER: None}


async def test_a_revoked_key_stays_revoked_whatever_becomes_of_its_refusal(api: Api) -> None:
    """An operator removes a lost phone, and refuses its key as well: nothing is lifted by that."""
    door, takes = await joined(api, **TAKES)
    other_door, other = await joined(api, **NOT)
    person = await api.person()
    card = await api.card(person, 1)
    doors = {"person_ids": [person], "door_ids": [door, other_door]}
    await api.post("/access_plans", {"name": "Both", **doors})
    await api.delete(f"/credentials/{card}")
    assert await takes.denied() == await other.denied() == {point(1): "revoked"}
    await edit(api, refused_keys=refusing(point(1), cause="lost"))
    assert await takes.denied() == await other.denied() == {point(1): "revoked"}
    await edit(api, refused_keys=[])
    assert await takes.denied() == await other.denied() == {point(1): "revoked"}


@pytest.mark.parametrize(
    "refused",
    [
        [{"public_key": "04"}],
        [{"public_key": hex_key(7), "cause": "disliked"}],
        refusing(STRANGER, STRANGER),
    ],
)
async def test_what_is_no_key_is_refused(api: Api, refused: list[dict[str, str]]) -> None:
    await api.door()
    [site] = await api.get("/sites")
    assert await api.wrong("PUT", f"/sites/{site['id']}", {"refused_keys": refused})
