"""Cards of all kinds: entered at the office, compiled for the doors, shown back, revoked."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from controller.store.tables import Credential
from shared.credential.identifier import of_uid
from shared.credential.p256 import PublicKey
from shared.credential.piv.keys import EccKey
from tests.controller.client import Api
from tests.controller.keys import hex_key, point, private_key
from tests.controller.readers import Listener
from tests.shared.credential.piv.cards import ROOT, rsa_key

pytestmark = pytest.mark.slow  # every test builds a whole installation

UID = "uid 04A1B2C3D4E5F6"
NUMBER = {"credential_type_id": 1001, "value": "uid 04:a1:b2:c3:d4:e5:f6"}
RSA = ROOT.issue(rsa_key()).public_bytes(Encoding.PEM).decode()
ECC = ROOT.issue(private_key(1).native).public_bytes(Encoding.PEM).decode()


@pytest.fixture
async def reader(api: Api) -> Listener:
    """The reader of a door that everybody may open."""
    person = await api.person()
    door = await api.door()
    listener = await Listener.join(api.database, await api.reader(door))
    await api.post("/access_plans", {"name": "P", "person_ids": [person], "door_ids": [door]})
    return listener


async def give(api: Api, body: dict[str, Any], person: int = 1) -> dict[str, Any]:
    made: dict[str, Any] = await api.post(f"/people/{person}/credentials", body)
    return made


async def test_a_certificate_gives_its_key(api: Api, reader: Listener) -> None:
    made = await give(api, {"credential_type_id": 5, "value": ECC})
    named = EccKey(PublicKey.parse(point(1))).identifier
    assert (made["value"], made["cloneable"], made["numbers"]) == (named.hex(), False, [])
    await reader.listen()
    assert [grant.key for grant in reader.grants] == [named]


async def test_an_rsa_card_from_the_desk_to_the_deny_set(api: Api, reader: Listener) -> None:
    made = await give(api, {"credential_type_id": 5, "value": RSA})
    identifier = bytes.fromhex(made["value"])
    assert len(identifier) == 33
    await reader.listen()
    assert [grant.key for grant in reader.grants] == [identifier]
    status, said = await api.refused("POST", "/people/1/credentials", {
        "credential_type_id": 5, "value": made["value"],
    })  # fmt: skip
    assert (status, made["id"] in said["error_description"]) == (409, True)
    await api.put(f"/credentials/{made['id']}", {"enabled": False})
    await reader.listen()
    assert (await reader.denied())[identifier] == "suspended"


async def test_a_number_says_everywhere_that_it_is_cloneable(api: Api, reader: Listener) -> None:
    made = await give(api, NUMBER)
    assert (made["value"], made["cloneable"]) == (UID, True)
    assert made["label"] == "Card number (cloneable)"
    assert await api.get("/credentials") == [made]
    await reader.listen()
    assert [grant.key for grant in reader.grants] == [of_uid(bytes.fromhex("04A1B2C3D4E5F6"))]


async def test_a_number_is_one_persons(api: Api, reader: Listener) -> None:
    made = await give(api, NUMBER)
    status, said = await api.refused("POST", "/people/1/credentials", NUMBER)
    assert (status, made["id"] in said["error_description"]) == (409, True)
    other = await api.person()
    errors = await api.wrong("POST", f"/people/{other}/credentials", NUMBER)
    assert errors == {"value": ["is in use"]}


async def test_one_number_of_37_bits_is_one_card_whatever_is_printed_on_it(
    api: Api, reader: Listener
) -> None:
    made = await give(api, {"credential_type_id": 1001, "value": "H10302 524289"})
    assert made["value"] == "H10302 524289"
    same = {"credential_type_id": 1001, "value": "H10304 1-1"}
    status, _ = await api.refused("POST", "/people/1/credentials", same)
    assert status == 409


async def test_another_number_takes_the_place_of_the_first(api: Api, reader: Listener) -> None:
    made = await give(api, NUMBER)
    said = await api.put(f"/credentials/{made['id']}", {"value": "H10301 1-1234"})
    assert (said["value"], said["cloneable"]) == ("H10301 1-1234", True)
    await reader.listen()
    assert len(reader.grants) == 1
    errors = await api.wrong("PUT", f"/credentials/{made['id']}", {"value": hex_key(1)})
    assert "must be a UID such as" in errors["value"][0]


async def test_of_a_revoked_number_nothing_is_kept_but_a_hash(api: Api, reader: Listener) -> None:
    made = await give(api, NUMBER)
    await reader.listen()
    response = await api.ask("DELETE", f"/credentials/{made['id']}")
    assert response.status_code == 204
    async with api.database.read() as session:
        (row,) = await session.scalars(select(Credential))
    assert (row.public_key, row.external_id) == (None, None)
    await reader.listen()
    denied = await reader.denied()
    assert denied[of_uid(bytes.fromhex("04A1B2C3D4E5F6"))] == "revoked"
    assert (await give(api, NUMBER))["value"] == UID


async def test_a_private_key_is_turned_away_unread(api: Api, reader: Listener) -> None:
    secret = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
    body = {"credential_type_id": 5, "value": secret}
    response = await api.ask("POST", "/people/1/credentials", body)
    assert response.status_code == 422
    assert "must never leave the card" in response.text
    assert "MHcCAQEE" not in response.text


async def test_an_own_id_of_a_phone_is_one_line(api: Api, reader: Listener) -> None:
    for value in ("a\nb", "x" * 201):
        errors = await api.wrong(
            "POST", "/people/1/credentials", {"credential_type_id": 9, "value": value}
        )
        assert errors == {"value": ["must be a line of at most 200 characters"]}


async def test_cards_of_all_kinds_are_imported(api: Api, reader: Listener) -> None:
    cards = [{"public_key": ECC}, {"public_key": RSA}, {"card_number": "H10301 1-1234"}]
    people = [{"first_name": "F", "last_name": "L", "cards": cards}]
    assert (await api.post("/people/import", {"people": people}))["credentials"] == 3
    shown = await api.get("/credentials")
    assert [card["credential_type_id"] for card in shown] == [5, 5, 1001]
    assert shown[2]["value"] == "H10301 1-1234"


@pytest.mark.parametrize(
    ("cards", "field"),
    [
        ([{"card_number": "4711"}], "people[0].cards[0].card_number"),
        ([{"card_number": UID}, {"card_number": UID}], "people[0].cards[0].card_number"),
        ([{"card_number": UID, "public_key": hex_key(1)}], "people[0].cards[0]"),
        ([{"label": "blue"}], "people[0].cards[0]"),
    ],
)
async def test_cards_that_cannot_be_imported(
    api: Api, reader: Listener, cards: list[dict[str, str]], field: str
) -> None:
    people = [{"first_name": "F", "last_name": "L", "cards": cards}]
    errors = await api.wrong("POST", "/people/import", {"people": people})
    assert field in errors
