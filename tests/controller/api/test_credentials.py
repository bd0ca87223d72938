"""Cards and invitations: given, disabled, flagged, replaced, revoked."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from controller.store.tables import Credential, Invitation
from shared.wire.proofs import code_hash
from tests.controller.client import Api
from tests.controller.conftest import Clock
from tests.controller.keys import hex_key, point


async def invite(api: Api, person: int, kind: int = 8) -> dict[str, object]:
    made: dict[str, object] = await api.post(
        f"/people/{person}/credentials", {"credential_type_id": kind}
    )
    return made


async def redeem(api: Api, handle: object, number: int) -> None:
    """Make the phone's key the credential, as a redemption does."""
    async with api.database.write(actor="test", action="redeem") as uow:
        query = select(Credential).where(Credential.handle == handle)
        credential = (await uow.session.scalars(query)).one()
        credential.public_key, credential.issuance = point(number), "active"
        credential.device = "Phone 1"
        uow.touch_credentials([credential.id])


async def test_the_kinds_there_are(api: Api) -> None:
    kinds = {kind["id"]: kind for kind in await api.get("/credential_types")}
    assert sorted(kinds) == [5, 8, 9, 1001]
    assert (kinds[8]["label"], kinds[9]["name"]) == ("HID Mobile Access", "PassFlow")
    assert (kinds[8]["format"], kinds[9]["format"]) == ("mobile", "mobile")
    assert [kind["id"] for kind in kinds.values() if kind["cloneable"]] == [1001]
    assert "cloneable" in kinds[1001]["name"]
    assert "cloneable" in kinds[1001]["description"]


async def test_a_card(api: Api) -> None:
    person = await api.person()
    body = {"credential_type_id": 5, "value": hex_key(1).upper(), "label": "blue"}
    made = await api.post(f"/people/{person}/credentials", {"person_credential": body})
    assert re.fullmatch("[a-z2-7]{16}", made["id"])
    assert made == {
        "id": made["id"],
        "person_id": person,
        "credential_type_id": 5,
        "label": "blue",
        "value": hex_key(1),
        "numbers": [
            {
                "bits": bits,
                "hexadecimal": f"{number:0{(bits + 7) // 8 * 2}X}",
                "decimal": str(number),
            }
            for bits in (64, 75, 128, 200, 256)
            for number in [int.from_bytes(point(1)[1:33], "big") % (1 << bits)]
        ],
        "printed": [],
        "cloneable": False,
        "enabled": True,
        "state": "active",
        "status": "active",
        "device": None,
        "not_before": None,
        "not_after": None,
        "max_uses": None,
        "uses": None,
        "created_at": "2025-06-02T10:00:00.000Z",
        "updated_at": "2025-06-02T10:00:00.000Z",
    }
    for path in (f"/people/{person}/credentials", ""):
        listed = await api.get(path or "/credentials")
        assert listed == [made]
    assert await api.get(f"/credentials/{made['id']}") == made
    assert await api.get(f"/people/{person}/credentials/{made['id']}") == made


async def test_the_flat_form_names_the_person(api: Api) -> None:
    person = await api.person()
    body = {"credential_type_id": 5, "value": hex_key(1), "person_id": person}
    assert (await api.post("/credentials", body))["person_id"] == person


async def test_somebody_elses_credential_is_not_found_here(api: Api) -> None:
    one, other = await api.person(), await api.person()
    handle = await api.card(one, 1)
    for method in ("GET", "PUT", "DELETE"):
        path = f"/people/{other}/credentials/{handle}"
        assert (await api.ask(method, path, {"enabled": False})).status_code == 404
    assert (await api.get(f"/credentials/{handle}"))["enabled"] is True


async def test_the_same_card_twice(api: Api) -> None:
    one, other = await api.person(), await api.person()
    handle = await api.card(one, 1)
    body = {"credential_type_id": 5, "value": hex_key(1)}
    status, said = await api.refused("POST", f"/people/{one}/credentials", body)
    assert (status, said["error"]) == (409, "conflict")
    assert handle in said["error_description"]
    errors = await api.wrong("POST", f"/people/{other}/credentials", body)
    assert errors == {"value": ["is in use"]}  # not a word of whose it is


async def test_an_invitation_by_code_is_shown_once(api: Api) -> None:
    person = await api.person()
    made = await invite(api, person)
    code = str(made["invitation_code"])
    assert re.fullmatch("[A-HJ-KM-NP-Z2-9]{4}(-[A-HJ-KM-NP-Z2-9]{4}){3}", code)
    assert (made["status"], made["invitation_status"]) == ("invited", "pending")
    assert made["invitation_expires_at"] == "2025-06-09T10:00:00.000Z"
    shown = await api.get(f"/credentials/{made['id']}")
    assert "invitation_code" not in shown
    assert {**shown, "invitation_code": code} == made
    async with api.database.read() as session:
        (invitation,) = await session.scalars(select(Invitation))
    assert invitation.code_hash == code_hash(code.lower().replace("-", " "))
    assert invitation.by == "code"


async def test_an_invitation_by_link_has_its_secret_in_the_fragment(api: Api) -> None:
    made = await invite(api, await api.person(), 9)
    url = str(made["url"])
    assert re.fullmatch(r"http://controller\.test/wallet#[A-Za-z0-9_-]{43}", url)
    assert "invitation_code" not in made
    assert "url" not in await api.get(f"/credentials/{made['id']}")
    async with api.database.read() as session:
        (invitation,) = await session.scalars(select(Invitation))
    assert invitation.code_hash == code_hash(url.partition("#")[2])


async def test_an_invitation_runs_out(api: Api, clock: Clock) -> None:
    made = await invite(api, await api.person())
    clock.forward(seconds=7 * 86_400)
    shown = await api.get(f"/credentials/{made['id']}")
    assert (shown["status"], shown["invitation_status"]) == ("invited", "expired")


async def test_resend_makes_the_old_one_void(api: Api, clock: Clock) -> None:
    made = await invite(api, await api.person())
    clock.forward(seconds=60)
    again = await api.post(f"/credentials/{made['id']}/resend")
    assert again["id"] == made["id"]
    assert again["invitation_code"] != made["invitation_code"]
    assert again["invitation_expires_at"] == "2025-06-09T10:01:00.000Z"
    async with api.database.read() as session:
        old, new = await session.scalars(select(Invitation).order_by(Invitation.id))
    assert (old.status, new.status) == ("replaced", "pending")


async def test_what_is_enrolled_is_not_invited_again(api: Api) -> None:
    person = await api.person()
    made = await invite(api, person, 9)
    await redeem(api, made["id"], 1)
    shown = await api.get(f"/credentials/{made['id']}")
    assert (shown["status"], shown["device"], shown["value"]) == ("active", "Phone 1", None)
    assert "invitation_status" not in shown
    for handle in (made["id"], await api.card(person, 2)):
        status, said = await api.refused("POST", f"/credentials/{handle}/resend")
        assert (status, said["error"]) == (409, "conflict")


async def test_a_number_that_is_shown_is_no_value_to_enter(api: Api) -> None:
    """Somebody else's key may end alike: a card is known by its whole key."""
    person = await api.person()
    path = f"/people/{person}/credentials"
    made = await api.post(path, {"credential_type_id": 5, "value": hex_key(1)})
    for number in made["numbers"]:
        for text in (number["hexadecimal"], number["decimal"]):
            for kind in (5, 1001):
                body = {"credential_type_id": kind, "value": text}
                assert list(await api.wrong("POST", path, body)) == ["value"]


async def test_phones_and_rsa_keys_show_no_number(api: Api) -> None:
    person = await api.person()
    made = await invite(api, person)
    await redeem(api, made["id"], 1)
    assert (await api.get(f"/credentials/{made['id']}"))["numbers"] == []
    body = {"credential_type_id": 5, "value": "01" + "ab" * 32}
    assert (await api.post(f"/people/{person}/credentials", body))["numbers"] == []


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("H10301 1-1234", ["H10301 1-1234"]),
        ("H10302 1234", ["H10302 1234", "H10304 0-1234"]),
        (f"bits {'01' * 16}", []),
        ("uid 04A1B2C3D4E5F6", []),
    ],
)
async def test_what_may_be_printed_on_a_card(api: Api, value: str, printed: list[str]) -> None:
    person = await api.person()
    body = {"credential_type_id": 1001, "value": value}
    made = await api.post(f"/people/{person}/credentials", body)
    assert (made["value"], made["printed"], made["numbers"]) == (value, printed, [])


async def test_a_value_of_ones_own_opens_no_door(api: Api) -> None:
    person = await api.person()
    body = {"credential_type_id": 8, "value": "badge 17"}
    made = await api.post(f"/people/{person}/credentials", body)
    assert (made["value"], made["status"]) == ("badge 17", "invited")
    path = f"/credentials/{made['id']}"
    assert (await api.put(path, {"value": "badge 18"}))["value"] == "badge 18"
    await redeem(api, made["id"], 1)
    assert list(await api.wrong("PUT", path, {"value": "badge 19"})) == ["value"]


async def test_disabled_and_enabled_it_is_the_same_credential(api: Api) -> None:
    person = await api.person()
    handle = await api.card(person, 1)
    path = f"/people/{person}/credentials/{handle}"
    for body in ({"enabled": False}, {"person_credential": {"enabled": False}}):
        said = await api.put(path, body)
        assert (said["enabled"], said["state"]) == (False, "inactive")
    assert (await api.get(path))["enabled"] is False
    errors = await api.wrong("PUT", path, {"enabled": "maybe"})
    assert errors == {"enabled": ["must be true or false"]}
    assert (await api.put(path, {"enabled": True}))["id"] == handle


async def test_a_flag_goes_only_with_a_reason(api: Api) -> None:
    handle = await api.card(await api.person(), 1)
    path = f"/credentials/{handle}"
    said = await api.put(path, {"state": "lost", "reason": "left on the train"})
    assert (said["state"], said["enabled"]) == ("lost", False)
    assert (await api.get(f"/changes/{api.change}"))["detail"] == "left on the train"
    assert list(await api.wrong("PUT", path, {"enabled": True})) == ["enabled"]
    assert (await api.put(path, {"enabled": False}))["state"] == "lost"
    assert list(await api.wrong("PUT", path, {"state": "active"})) == ["reason"]
    assert (await api.put(path, {"state": "stolen"}))["state"] == "stolen"
    errors = await api.wrong("PUT", path, {"state": "active", "enabled": False, "reason": "x"})
    assert list(errors) == ["enabled"]
    said = await api.put(path, {"state": "active", "reason": "came back"})
    assert (said["state"], said["enabled"]) == ("active", True)
    assert (await api.get(f"/changes/{api.change}"))["detail"] == "came back"


@pytest.mark.parametrize(("kind", "status"), [(5, 204), (8, 202), (9, 202)])
async def test_revoked_for_good(api: Api, kind: int, status: int) -> None:
    person = await api.person()
    body = {"credential_type_id": kind, "value": hex_key(1)}
    handle = (await api.post(f"/people/{person}/credentials", body))["id"]
    response = await api.ask("DELETE", f"/people/{person}/credentials/{handle}")
    assert (response.status_code, response.content) == (status, b"")
    assert int(response.headers["Doorward-Change"]) > 0
    for method in ("GET", "PUT", "DELETE"):
        assert (await api.ask(method, f"/credentials/{handle}", {})).status_code == 404
    async with api.database.read() as session:
        statuses = set(await session.scalars(select(Invitation.status)))
    assert statuses <= {"cancelled"}


async def test_limits(api: Api) -> None:
    handle = await api.card(await api.person(), 1)
    body = {"not_before": "2025-06-02T09:00:00Z", "not_after": "2025-06-03T09:00:00Z"}
    said = await api.put(f"/credentials/{handle}", {**body, "max_uses": 5})
    assert (said["not_before"], said["max_uses"]) == ("2025-06-02T09:00:00.000Z", 5)
    errors = await api.wrong("PUT", f"/credentials/{handle}", {"not_after": body["not_before"]})
    assert list(errors) == ["not_after"]
    said = await api.put(f"/credentials/{handle}", {"not_before": None, "max_uses": None})
    assert (said["not_before"], said["max_uses"]) == (None, None)
