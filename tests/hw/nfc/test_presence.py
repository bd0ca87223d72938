"""A card is reported once, however long it lies there, and again after it has been away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hw.nfc.presence import Presence

CARD, OTHER = bytes.fromhex("04a1b2c3d4e5f6"), bytes.fromhex("04000000000001")
PHONE, PHONE_AGAIN = bytes.fromhex("08123456"), bytes.fromhex("08abcdef")


def test_a_card_that_stays_is_reported_once() -> None:
    presence = Presence()
    assert [presence.seen(CARD) for _ in range(5)] == [True, False, False, False, False]


def test_a_card_that_comes_back_is_reported_again() -> None:
    presence = Presence()
    assert presence.seen(CARD)
    presence.nothing()
    presence.nothing()
    assert presence.seen(CARD)


def test_one_missed_look_is_no_absence() -> None:
    presence = Presence()
    presence.seen(CARD)
    presence.nothing()
    assert not presence.seen(CARD)


def test_another_card_is_reported_at_once() -> None:
    presence = Presence()
    presence.seen(CARD)
    assert presence.seen(OTHER)
    assert not presence.seen(OTHER)


def test_a_phone_that_changes_its_number_is_still_the_same_phone() -> None:
    presence = Presence()
    presence.seen(PHONE)
    assert not presence.seen(PHONE_AGAIN)


def test_a_torn_card_is_tried_three_times_and_then_has_to_leave() -> None:
    presence = Presence()
    reported = 0
    for _ in range(10):
        if presence.seen(CARD):
            reported += 1
            presence.torn()
    assert reported == 3
    presence.nothing()
    presence.nothing()
    assert presence.seen(CARD)


def test_a_torn_phone_may_try_again_under_a_new_number() -> None:
    presence = Presence()
    presence.seen(PHONE)
    presence.torn()
    assert presence.seen(PHONE_AGAIN)
    assert not presence.seen(PHONE)


@given(st.lists(st.sampled_from([None, CARD, PHONE, PHONE_AGAIN]), max_size=60))
def test_never_more_reports_than_arrivals(looks: list[bytes | None]) -> None:
    """Without torn exchanges, each report needs a change of card or two empty looks before it."""
    presence, reports, arrivals, before = Presence(), 0, 0, None
    for look in looks:
        if look is None:
            presence.nothing()
        else:
            reports += presence.seen(look)
        arrivals += look is not None and look != before
        before = look
    assert reports <= arrivals
