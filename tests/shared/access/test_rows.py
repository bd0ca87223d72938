"""Rows: bytes there and back, the place each takes, and what is no row."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from shared import cbor
from shared.access.calendar import Holiday, OffsetFrom
from shared.access.rows import (
    ALL_FLAGS,
    CALENDAR_KEY,
    CARD_ISSUERS_KEY,
    DOOR_KEY,
    MAX_KEY,
    MAX_ROW,
    READER_CERTIFICATES_KEY,
    Calendar,
    CardIssuers,
    Door,
    Flag,
    Grant,
    Method,
    Modes,
    ReaderCertificates,
    Row,
    decode_row,
    encode_row,
    grant_key,
    grants_prefix,
    row_key,
    schedule_key,
)
from shared.access.schedule import MAX_ID, Schedule
from shared.cbor import Malformed
from tests.shared.access import strategies

KEY = b"\x04" + b"k" * 64
GRANT = Grant(KEY, 7, 8, 9, schedule=3, flags=5, not_before=10, not_after=20, uses=2)


@given(strategies.rows)
def test_every_row_comes_back(row: Row) -> None:
    body = encode_row(row)
    assert decode_row(body) == row
    assert type(decode_row(body)) is type(row)
    assert len(body) <= MAX_ROW


@given(strategies.rows)
def test_bytes_are_deterministic(row: Row) -> None:
    assert encode_row(row) == encode_row(decode_row(encode_row(row)))


@given(strategies.rows, strategies.rows)
def test_different_rows_have_different_bytes(one: Row, other: Row) -> None:
    assert (encode_row(one) == encode_row(other)) == (one == other)


def place(row: Row) -> tuple[object, ...]:
    """Say again, without bytes, what place a row takes."""
    match row:
        case Door() | Calendar() | CardIssuers() | ReaderCertificates():
            return (type(row),)
        case Schedule():
            return (type(row), row.id)
        case Grant():
            return (type(row), row.key, row.plan)


@given(strategies.rows, strategies.rows)
def test_two_rows_share_a_key_only_for_the_same_place(one: Row, other: Row) -> None:
    assert (row_key(one) == row_key(other)) == (place(one) == place(other))


@given(strategies.grants, strategies.grants)
def test_a_prefix_finds_all_grants_to_a_key_and_no_others(one: Grant, other: Grant) -> None:
    found = row_key(other).startswith(grants_prefix(one.key))
    assert found == (one.key == other.key)


@given(st.binary(min_size=4, max_size=MAX_KEY), strategies.ids, strategies.rows)
def test_a_prefix_finds_nothing_but_grants(key: bytes, plan: int, row: Row) -> None:
    assume(not isinstance(row, Grant))
    assert not row_key(row).startswith(grants_prefix(key)[:1])
    assert grant_key(key, plan).startswith(grants_prefix(key))


def test_keys_are_what_is_stored_on_readers_already() -> None:
    assert row_key(Door(5, ())) == DOOR_KEY == b"\x01"
    assert row_key(CardIssuers()) == CARD_ISSUERS_KEY == b"\x00"
    assert row_key(ReaderCertificates()) == READER_CERTIFICATES_KEY == b"\x00\x01"
    assert row_key(Calendar(5, (OffsetFrom(0, 0),))) == CALENDAR_KEY == b"\x02"
    assert row_key(Schedule(258, ())) == schedule_key(258) == bytes.fromhex("030000000000000102")
    assert row_key(Grant(b"abcd", 258, 1, 1)) == bytes.fromhex("0404616263640000000000000102")
    assert len(row_key(replace(GRANT, plan=MAX_ID))) == MAX_KEY + 10


def test_bytes_are_what_is_stored_on_readers_already() -> None:
    assert (
        encode_row(Grant(b"abcd", 7, 8, 9, not_after=20)).hex() == "8a0444616263640708090000f614f6"
    )
    assert encode_row(Door(1, (Method.PKOC_NFC,))) == cbor.encode(
        [1, 1, ["pkoc-nfc"], 5, 20, 30, 604_800, False, 0, False, [False, False, None, None]]
    )


def test_the_values_of_flags_and_methods_are_for_ever() -> None:
    assert {flag.name: int(flag) for flag in Flag} == {
        "SUSPENDED": 1,
        "LOST": 2,
        "STOLEN": 4,
        "OVERRIDE": 8,
        "RESPONDER": 16,
        "SECOND_FACTOR": 32,
        "EXTENDED": 64,
        "OWNED_USES": 128,
    }
    assert ALL_FLAGS == 255
    assert {method.value for method in Method} >= {"pkoc-nfc", "pkoc-ble", "pkoc-ble-ecdhe"}


@given(st.integers(0, ALL_FLAGS), st.sampled_from(list(Flag)))
def test_a_flag_is_there_or_not(flags: int, flag: Flag) -> None:
    grant = replace(GRANT, flags=flags)
    assert grant.has(flag) is (flag in Flag(flags))


def test_the_largest_calendar_fits_a_row() -> None:
    largest = Calendar(
        2**40,
        tuple(OffsetFrom(2**40 - n, -18 * 3600) for n in range(200, 0, -1)),
        (Holiday(2**24, 2**24, 16),) * 400,
    )
    assert decode_row(encode_row(largest)) == largest


# What is no row.


@given(strategies.rows, st.binary(min_size=1, max_size=4))
def test_a_row_with_trailing_bytes_is_none(row: Row, more: bytes) -> None:
    with pytest.raises(Malformed):
        decode_row(encode_row(row) + more)


@given(strategies.rows)
def test_a_row_that_is_cut_short_is_none(row: Row) -> None:
    body = encode_row(row)
    for end in range(0, len(body), max(1, len(body) // 40)):
        with pytest.raises(Malformed):
            decode_row(body[:end])


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_a_row_or_malformed(body: bytes) -> None:
    try:
        row = decode_row(body)
    except Malformed:
        return
    assert decode_row(encode_row(row)) == row


@given(strategies.rows, st.data())
def test_a_flipped_bit_gives_a_row_within_bounds_or_malformed(
    row: Row, data: st.DataObject
) -> None:
    body = bytearray(encode_row(row))
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    body[bit // 8] ^= 1 << bit % 8
    try:
        flipped = decode_row(bytes(body))
    except Malformed:
        return
    assert decode_row(encode_row(flipped)) == flipped


def test_a_row_above_the_cap_is_refused_unread() -> None:
    with pytest.raises(Malformed, match="16385 bytes of CBOR, at most 16384"):
        decode_row(b"\x59\x40\x00" + bytes(16_382))


members = list(asdict(GRANT))
WRONG: list[tuple[str, object]] = [
    ("key", b"abc"),
    ("key", b"k" * 66),
    ("key", "abcd"),
    ("key", None),
    ("plan", 0),
    ("plan", -1),
    ("plan", 2**63),
    ("plan", 1.0),
    ("plan", True),
    ("credential", 0),
    ("person", None),
    ("schedule", -1),
    ("schedule", 2**63),
    ("flags", 256),
    ("flags", -1),
    ("not_before", -1),
    ("not_before", 2**40 + 1),
    ("not_after", 1.5),
    ("not_after", "2025-01-01"),
    ("uses", 0),
    ("uses", 1_000_001),
]


@pytest.mark.parametrize(("member", "value"), WRONG)
def test_a_grant_out_of_bounds_is_refused_by_name(member: str, value: object) -> None:
    place = members.index(member) + 1
    body: list[object] = [4, *asdict(GRANT).values()]
    body[place] = value
    with pytest.raises(Malformed, match=rf"at `\$\[{place}\]`"):
        decode_row(cbor.encode(body))


@pytest.mark.parametrize(
    "body",
    [
        [],
        [0, 1],
        [5, 1],
        ["4", b"abcd", 1, 1, 1],
        [4],
        [4, b"abcd", 1, 1],
        {"key": b"abcd"},
        None,
        4,
        [1, 1, ["keypad"]],
        [1, 1, ["pkoc-nfc"] * 17],
        [1, 1, [], 0],
        [1, 1, [], 121],
        [1, 1, [], 5, 20, 30, 3599],
        [1, 1, [], 5, 20, 30, 30 * 86_400 + 1],
        [1, 1, [], 5, 20, 30, 3600, 0],
        [1, 1, [], 5, 20, 30, 3600, False, 0, False, [1]],
        [2, 100, []],
        [2, 100, [[5, 0], [5, 1]]],
        [2, 100, [[0, 64_801]]],
        [2, 100, [[0, 0]], [[5, 4, 1]]],
        [2, 100, [[0, 0]], [[5, 5, 0]]],
        [2, 100, [[0, 0]], [[5, 5, 17]]],
        [3, 0, []],
        [6, [bytes(15), bytes(65), b"c"]],
        [6, [bytes(16), bytes(64), b"c"]],
        [6, [bytes(16), bytes(65), b""]],
        [6, None, [bytes(65), bytes(137)]],
        [3, 1, [[7, [0, 1]]]],
        [3, 1, [[0, [5, 5]]]],
        [3, 1, [[0, [0, 1]]] * 85],
        [3, 1, [], [[0]]],
    ],
)
def test_what_is_no_row_is_refused(body: object) -> None:
    with pytest.raises(Malformed):
        decode_row(cbor.encode(body))


def test_a_newer_controller_may_say_more_in_a_row() -> None:
    body: list[object] = [4, *asdict(GRANT).values(), "more"]
    assert decode_row(cbor.encode(body)) == GRANT


def test_modes_are_off_unless_somebody_wants_them() -> None:
    assert Door(1, ()).modes == Modes(False, False, None, None)
    assert Door(1, ()).unlock_schedule == 0
    assert not Door(1, ()).fail_safe
