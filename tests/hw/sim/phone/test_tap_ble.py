"""A phone at a door over the virtual air, against a reader with the real drivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hw.sim.air import Air
from hw.sim.phone import load, tap_ble, wallet
from hw.sim.phone.load import Load
from hw.sim.phone.tap import Light, Tap
from shared.credential.outcome import Proven, Strength
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.identity import KnownReader
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from tests.hw.sim.phone.door_post import DoorPost, fresh, on_air


@pytest.fixture
async def air(nothing_left_behind: None) -> AsyncIterator[Air]:
    async with Air() as air:
        yield air


@pytest.fixture
async def post(air: Air) -> AsyncIterator[DoorPost]:
    post = DoorPost()
    async with on_air(post, air):
        yield post


def _where(air: Air) -> str:
    return f"127.0.0.1:{air.port}"


async def test_a_known_key_opens_after_both_have_proved_themselves(
    air: Air, post: DoorPost
) -> None:
    key = wallet.new_key("phone", 7)
    post.admitted.add(key.private.public.point)
    seen = await tap_ble.tap(_where(air), post.known, key)
    assert (seen.light, seen.text) == (Light.GREEN, "Front door opens")
    assert 0 < seen.milliseconds < 5000
    [outcome] = post.outcomes
    assert isinstance(outcome, Proven)
    assert outcome.key == key.private.public.point
    assert outcome.strength is Strength.MUTUAL


async def test_a_stranger_sees_red(air: Air, post: DoorPost) -> None:
    seen = await tap_ble.tap(_where(air), post.known, wallet.new_key("stranger", 7))
    assert (seen.light, seen.text) == (Light.RED, "Front door stays shut")
    assert not post.door.state.released


async def test_nothing_is_shown_to_a_reader_that_only_has_the_name(
    air: Air, post: DoorPost
) -> None:
    reader = post.known.reader
    impostor = KnownReader(reader.site, reader.location, fresh().public)
    seen = await tap_ble.tap(
        _where(air), replace(post.known, reader=impostor), wallet.new_key("phone", 7)
    )
    assert seen.light is Light.TROUBLE
    assert "bad_signature" in seen.text
    assert not any(isinstance(outcome, Proven) for outcome in post.outcomes)


async def test_nothing_is_said_to_another_site(air: Air, post: DoorPost) -> None:
    reader = KnownReader(b"x" * 16, post.known.reader.location, post.known.reader.key)
    seen = await tap_ble.tap(
        _where(air), replace(post.known, reader=reader), wallet.new_key("phone", 7)
    )
    assert seen.light is Light.TROUBLE
    assert "unknown_reader" in seen.text


async def test_a_door_that_is_not_there(air: Air, post: DoorPost) -> None:
    elsewhere = replace(post.known, name="Cellar")
    seen = await tap_ble.tap(_where(air), elsewhere, wallet.new_key("phone", 7), patience=0.2)
    assert seen.light is Light.TROUBLE
    assert "Cellar was not seen in 0.2 s" in seen.text


async def test_no_air_at_all(post: DoorPost) -> None:
    async with Air() as other:
        gone = _where(other)
    seen = await tap_ble.tap(gone, post.known, wallet.new_key("phone", 7))
    assert seen.light is Light.TROUBLE
    assert "python -m hw.sim.air" in seen.text


async def test_a_crowd_is_served(air: Air, post: DoorPost) -> None:
    known, stranger = wallet.new_key("phone", 7), wallet.new_key("stranger", 7)
    post.admitted.add(known.private.public.point)
    seen = await load.crowd(
        _where(air), post.known, [known, stranger], phones=4, taps=2, patience=10
    )
    assert [seen.count(light) for light in Light] == [4, 4, 0]
    assert 0 < seen.quantile(0.5) <= seen.quantile(0.99) <= seen.quantile(1.0)
    assert seen.troubles == {}


def test_quantiles_count_answers_alone() -> None:
    taps = [Tap(Light.GREEN, "", float(number)) for number in range(1, 101)]
    seen = Load((*taps, Tap(Light.TROUBLE, "gone", 9999.0)), 1.0)
    assert (seen.quantile(0), seen.quantile(0.5), seen.quantile(0.99)) == (1.0, 51.0, 100.0)
    assert seen.quantile(1.0) == 100.0
    assert seen.troubles == {"gone": 1}
    assert Load((), 1.0).quantile(0.5) == 0


def _certified(post: DoorPost, issuer: PrivateKey, **dates: int) -> ReaderCertificate:
    reader = post.known.reader
    return ReaderCertificate.issue(
        issuer, site=reader.site, location=reader.location, key=reader.key, **dates
    )


async def _taps(air: Air, post: DoorPost, issuer: PrivateKey | None) -> Tap:
    key = wallet.new_key("phone", 7)
    post.admitted.add(key.private.public.point)
    door = replace(post.known, issuer=None if issuer is None else issuer.public)
    return await tap_ble.tap(_where(air), door, key)


async def test_a_certificate_of_the_known_issuer_is_believed_every_time(
    air: Air, post: DoorPost
) -> None:
    issuer = fresh()
    post.certificate = _certified(post, issuer)
    for _ in range(2):
        assert (await _taps(air, post, issuer)).light is Light.GREEN


async def test_a_reader_is_known_by_its_certificate_alone(air: Air, post: DoorPost) -> None:
    issuer, key = fresh(), wallet.new_key("phone", 7)
    post.admitted.add(key.private.public.point)
    post.certificate = _certified(post, issuer)
    reader = post.known.reader
    replaced = KnownReader(reader.site, reader.location, fresh().public)
    door = replace(post.known, reader=replaced, issuer=issuer.public)
    assert (await tap_ble.tap(_where(air), door, key)).light is Light.GREEN


async def test_a_certificate_of_somebody_else_is_refused_in_clear_words(
    air: Air, post: DoorPost
) -> None:
    post.certificate = _certified(post, fresh())
    seen = await _taps(air, post, fresh())
    assert seen.light is Light.TROUBLE
    assert seen.text == ("Front door: bad_certificate: the site has not signed the certificate")
    assert not any(isinstance(outcome, Proven) for outcome in post.outcomes)


async def test_one_that_has_ended_is_refused(air: Air, post: DoorPost) -> None:
    issuer = fresh()
    post.certificate = _certified(post, issuer, not_after=1_000_000)
    seen = await _taps(air, post, issuer)
    assert "certificate_expired: the reader's certificate is out of date" in seen.text


async def test_without_an_issuer_or_without_a_certificate_the_key_decides(
    air: Air, post: DoorPost
) -> None:
    assert (await _taps(air, post, fresh())).light is Light.GREEN
    post.certificate = _certified(post, fresh())
    assert (await _taps(air, post, None)).light is Light.GREEN
