"""What a phone believes of a controller, and what it signs for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hw.sim.phone import redeem, wallet
from hw.sim.phone.controllers import MAX_ANSWER, ControllerRefused
from hw.sim.phone.redeem import Invitation
from hw.sim.phone.wallet import Account, Key
from shared.credential.p256 import PublicKey
from shared.wire.proofs import doors_proof, redeem_proof
from tests.hw.sim.phone.door_post import DoorPost, fresh
from tests.hw.sim.phone.hostile import Answer, answer, controller

NONCE = bytes(range(32))
ISSUER = fresh()


def _invitation(url: str) -> Invitation:
    return Invitation(url, "secret", NONCE, "Ada", "Main")


def _door(post: DoorPost) -> dict[str, str]:
    reader = post.known.reader
    return {
        "name": "Front door",
        "site_uuid": "73737373-7373-7373-7373-737373737373",
        "location_uuid": reader.location.hex(),
        "public_key": reader.key.point.hex(),
        "issuer_key": ISSUER.public.point.hex(),
    }


@pytest.mark.parametrize(
    ("text", "controller", "expected"),
    [
        ("http://h:1/wallet#abc", None, ("http://h:1", "abc")),
        ("https://h/wallet/#abc", None, ("https://h", "abc")),
        ("http://h:1/wallet#abc", "http://other:2/", ("http://other:2", "abc")),
        ("ABCD-EFGH-JKLM-NPQR", "http://h:1/", ("http://h:1", "ABCD-EFGH-JKLM-NPQR")),
    ],
)
def test_links_and_codes(text: str, controller: str | None, expected: tuple[str, str]) -> None:
    assert redeem.read_link(text, controller) == expected


@pytest.mark.parametrize(
    ("text", "controller", "said"),
    [
        ("http://h:1/wallet", None, "no secret"),
        ("ABCD-EFGH", None, "--controller"),
        ("ABCD-EFGH", "h:1", "no http"),
        ("ABCD-EFGH", "ftp://h", "no http"),
        ("ABCD-EFGH", "http://", "no http"),
    ],
)
def test_what_is_neither(text: str, controller: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        redeem.read_link(text, controller)


async def test_begin_asks_and_shows_who_invites() -> None:
    asked: list[Any] = []

    def reply(path: str, body: Any) -> Answer:
        asked.append((path, body))
        offer = {"nonce": NONCE.hex(), "origin": f"{url}/", "person": "Ada", "site": "Main"}
        return answer(200, offer)

    async with controller(reply) as url:
        found = await redeem.begin(url, "secret")
    assert asked == [("/wallet/begin", {"code": "secret"})]
    assert found == _invitation(url)
    assert "secret" not in repr(found)


async def test_a_controller_must_be_the_one_that_invited() -> None:
    def reply(_: str, __: Any) -> Answer:
        offer = {"nonce": NONCE.hex(), "origin": "http://victim", "person": "A", "site": "M"}
        return answer(200, offer)

    async with controller(reply) as url:
        with pytest.raises(ControllerRefused, match="calls itself http://victim"):
            await redeem.begin(url, "secret")


async def test_redeem_proves_the_key_and_learns_the_doors() -> None:
    asked: list[Any] = []
    post = DoorPost()

    def reply(path: str, body: Any) -> Answer:
        asked.append((path, body))
        return answer(200, {"credential": "c1", "label": "Phone", "doors": [_door(post)]})

    fresh = wallet.new_key("x", 7)
    async with controller(reply) as url:
        key = await redeem.redeem(_invitation(url), fresh, device="Test")
    [(path, body)] = asked
    assert path == "/wallet/redeem"
    public = PublicKey.parse(bytes.fromhex(body["public_key"]))
    assert public == fresh.private.public
    statement = redeem_proof("secret", NONCE, url, public.point)
    assert public.verifies(bytes.fromhex(body["proof"]), statement)
    assert body["device"] == "Test"
    known = replace(post.known, issuer=ISSUER.public)
    assert key == Key("Phone", 7, fresh.private, Account(url, "c1", "Ada"), (known,))


async def test_refresh_proves_the_key_at_this_time() -> None:
    asked: list[Any] = []
    post = DoorPost()

    def reply(path: str, body: Any) -> Answer:
        asked.append((path, body))
        return answer(200, {"doors": [_door(post)]})

    async with controller(reply) as url:
        old = Key("Phone", 7, wallet.new_key("x", 7).private, Account(url, "c1", "Ada"))
        key = await redeem.refresh(old, now=1234.5)
    [(path, body)] = asked
    assert (path, body["time"], body["credential"]) == ("/wallet/doors", 1_234_500, "c1")
    public = old.private.public
    statement = doors_proof(url, "c1", 1_234_500, public.point)
    assert public.verifies(bytes.fromhex(body["proof"]), statement)
    assert key.doors == (replace(post.known, issuer=ISSUER.public),)


async def test_a_card_cannot_ask() -> None:
    with pytest.raises(ControllerRefused, match="no phone key"):
        await redeem.refresh(wallet.new_key("Card", 0), now=0)


async def test_decline() -> None:
    asked: list[Any] = []

    def reply(path: str, body: Any) -> Answer:
        asked.append((path, body))
        return answer(200, {})

    async with controller(reply) as url:
        await redeem.decline(url, "secret")
    assert asked == [("/wallet/decline", {"code": "secret"})]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(410, {"error": "gone", "error_description": "used: too late"}), "410: used"),
        (answer(404, {"error": "not_found"}), "404: not_found"),
        (answer(307, {"error": "moved"}), "307: moved"),
        (answer(500, {}), "500: no reason given"),
        (answer(410, {"error_description": "a\x1b[31mb\n"}), r"a\?\[31mb\?"),
        (answer(200, []), "does not answer as a controller does"),
        ((200, b"<html>"), "does not answer as a controller does"),
        ((200, b"[" * 100_000), "does not answer as a controller does"),
        ((200, b"\xff\xfe"), "does not answer as a controller does"),
        ((200, b" " * (MAX_ANSWER + 1)), "more than 1048576 bytes"),
        (answer(200, {"origin": 7, "nonce": "00"}), "does not answer as a controller does"),
        (answer(200, {"nonce": "zz"}), "does not answer as a controller does"),
    ],
)
async def test_bad_answers_end_in_one_clear_refusal(given: Answer, said: str) -> None:
    async with controller(lambda _, __: given) as url:
        with pytest.raises(ControllerRefused, match=said):
            await redeem.begin(url, "secret")


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
async def test_a_nonce_of_another_length_is_not_signed(nonce: bytes) -> None:
    asked: list[str] = []

    def reply(path: str, _: Any) -> Answer:
        asked.append(path)
        return answer(200, {})

    async with controller(reply) as url:
        invitation = Invitation(url, "secret", nonce, "Ada", "Main")
        with pytest.raises(ControllerRefused):
            await redeem.redeem(invitation, wallet.new_key("x", 7), device="")
    assert asked == []


@pytest.mark.parametrize(
    "doors",
    [
        None,
        7,
        [7],
        [{}],
        [{"name": "a", "site_uuid": "00", "location_uuid": "00", "public_key": "04"}],
        [{"name": "a", "site_uuid": "0" * 32, "location_uuid": "0" * 32, "public_key": "04" * 65}],
    ],
)
async def test_doors_that_are_none(doors: object) -> None:
    given = answer(200, {"credential": "c1", "doors": doors})
    async with controller(lambda _, __: given) as url:
        with pytest.raises(ControllerRefused, match="does not answer as a controller does"):
            await redeem.redeem(_invitation(url), wallet.new_key("x", 7), device="")


async def test_nobody_there() -> None:
    async with controller(lambda _, __: answer(200, {})) as url:
        pass
    with pytest.raises(ControllerRefused, match=r"cannot be reached \(Connection refused\)"):
        await redeem.begin(url, "secret")


@pytest.mark.parametrize("url", ["http://h:port", "http://h:99999", "http://a b", "http://é" * 40])
async def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ControllerRefused, match="cannot be reached"):
        await redeem.begin(url, "secret")
