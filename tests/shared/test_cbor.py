"""Strict CBOR: what is accepted, and everything hostile that must not be."""

from __future__ import annotations

import enum
import itertools
import math
import tracemalloc
from typing import Annotated, Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import cbor
from shared.cbor import Malformed

LIMIT = 4096
MEBIBYTE = 1 << 20


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct, frozen=True, array_like=True):
    x: int
    y: Annotated[int, msgspec.Meta(ge=0, le=9)] = 3


class Circle(msgspec.Struct, frozen=True):
    centre: Point
    colour: Colour = Colour.RED
    name: bytes = b""
    marks: dict[str, int] = {}


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=30) | st.binary(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
).filter(lambda value: _depth(value) <= cbor.MAX_DEPTH)


def _depth(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(_depth, value), default=0)
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case _:
            return 0


def refused(data: bytes | str, *, limit: int = LIMIT) -> str:
    """Return what `decode` says in refusing `data` (hex or bytes)."""
    with pytest.raises(Malformed) as raised:
        cbor.decode(bytes.fromhex(data) if isinstance(data, str) else data, limit=limit)
    return str(raised.value)


# What is accepted.


@given(values)
def test_every_value_comes_back(value: object) -> None:
    assert cbor.decode(cbor.encode(value), limit=LIMIT) == value


@given(values)
def test_every_beginning_of_an_item_is_refused(value: object) -> None:
    data = cbor.encode(value)
    for end in range(len(data)):
        assert "cut short" in refused(data[:end])


@given(values, st.binary(min_size=1, max_size=9))
def test_trailing_bytes_are_refused(value: object, more: bytes) -> None:
    assert refused(cbor.encode(value) + more) == f"{len(more)} bytes follow the CBOR item"


@pytest.mark.parametrize("size", [0, 4000, 4095, 4096, 4097, 9000])
@pytest.mark.parametrize("more", [1, 5000])
def test_trailing_bytes_are_counted_beyond_any_buffer(size: int, more: int) -> None:
    data = cbor.encode(bytes(size)) + bytes(more)
    assert refused(data, limit=MEBIBYTE) == f"{more} bytes follow the CBOR item"


def test_published_examples_decode() -> None:
    # RFC 8949, appendix A.
    examples: dict[str, object] = {
        "00": 0,
        "17": 23,
        "1818": 24,
        "1b000000e8d4a51000": 1_000_000_000_000,
        "1bffffffffffffffff": 2**64 - 1,
        "3bffffffffffffffff": -(2**64),
        "f93e00": 1.5,
        "fb7e37e43c8800759c": 1.0e300,
        "f4": False,
        "f6": None,
        "4401020304": b"\1\2\3\4",
        "62c3bc": "ü",
        "8301820203820405": [1, [2, 3], [4, 5]],
        "a26161016162820203": {"a": 1, "b": [2, 3]},
    }
    for data, value in examples.items():
        assert cbor.decode(bytes.fromhex(data), limit=LIMIT) == value
        assert cbor.encode(value).hex() == data


def test_bytes_do_not_depend_on_the_order_of_a_map() -> None:
    members = {"bb": 1, "a": 2, "c": 3, "": 4, "x" * 30: 5, "w" * 300: 6}
    encodings = {cbor.encode(dict(order)) for order in itertools.permutations(members.items())}
    assert len(encodings) == 1
    keys = list(cbor.decode(encodings.pop(), limit=LIMIT))
    assert keys == sorted(members, key=lambda key: (len(key), key))


def test_structs_encode_with_all_their_members() -> None:
    circle = Circle(Point(1), Colour.BLUE, b"\0", {"b": 2, "a": 1})
    assert cbor.decode(cbor.encode(circle), limit=LIMIT) == {
        "centre": [1, 3],
        "colour": "blue",
        "name": b"\0",
        "marks": {"a": 1, "b": 2},
    }
    assert cbor.decode_as(cbor.encode(circle), Circle, limit=LIMIT) == circle


def test_a_newer_peer_may_say_more() -> None:
    more = cbor.encode({"centre": [1, 2, "z"], "radius": [4]})
    assert cbor.decode_as(more, Circle, limit=LIMIT) == Circle(Point(1, 2))


# What is not.


@pytest.mark.parametrize("major", range(8))
@pytest.mark.parametrize("info", [28, 29, 30, 31])
def test_reserved_and_indefinite_lengths_are_refused(major: int, info: int) -> None:
    head = bytes([major << 5 | info])
    refused(head)
    refused(head + b"\x00\xff")
    refused(b"\x81" + head + b"\x41\x00\xff")


@pytest.mark.parametrize(
    "data",
    ["5f4101ff", "7f6161ff", "9fff", "9f01ff", "bfff", "bf616101ff", "819f01ff", "ff", "81ff"],
)
def test_no_indefinite_form_gets_through(data: str) -> None:
    refused(data)


@pytest.mark.parametrize(
    "data", ["a2616101616102", "a241010141010 2".replace(" ", ""), "a2606060f6"]
)
def test_repeated_keys_are_refused(data: str) -> None:
    refused(data)


@pytest.mark.parametrize("data", ["61ff", "62c328", "63eda080", "a161ff01"])
def test_text_that_is_not_utf8_is_refused(data: str) -> None:
    refused(data)


# A tag means that something else than the plain value comes out, or that work is done: dates,
# bignums, decimals with enormous exponents, rationals, patterns, addresses, sets, references.
NATIVE = [
    *range(6),
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
]
INNER = [
    "00",
    "1a514b67b0",
    "49010000000000000000",
    "820103",
    "821b00000002540be40001",
    "6a323032352d30312d3031",
    "74323031332d30332d32315432303a30343a30305a",
    "63612b62",
    "5000000000000000000000000000000001",
    "4401020304",
    "80",
    "a0",
    "f6",
]


@pytest.mark.parametrize("tag", [*NATIVE, 16, 17, 18, 24, 31, 999, 65535, 2**32, 2**64 - 1])
@pytest.mark.parametrize("inner", INNER)
def test_every_tag_is_refused_wherever_it_stands(tag: int, inner: str) -> None:
    for width in (0, 1, 2, 4, 8):
        if tag < (24 if width == 0 else 256**width):
            head = (
                bytes([0xC0 | tag])
                if width == 0
                else bytes([0xD8 + (1, 2, 4, 8).index(width)]) + tag.to_bytes(width, "big")
            )
            item = head + bytes.fromhex(inner)
            for data in (item, b"\x81" + item, b"\xa1\x60" + item, b"\xa1" + item + b"\0"):
                assert refused(data) == "the CBOR has a tag; none is used here"


def test_references_build_neither_rings_nor_bombs() -> None:
    refused("d81c81d81d00")  # a list that holds itself
    bomb = b"\x00"
    for _ in range(3):
        bomb = b"\x82\xd8\x1c" + bomb + b"\xd8\x1d\x00"
        refused(bomb)


def test_a_tag_is_refused_before_its_content_is_looked_at() -> None:
    # A pattern that takes long to compile; but here its text is cut short, and nobody notices.
    assert refused("d8237a000fffff2861") == "the CBOR has a tag; none is used here"


def test_nesting_ends_at_the_stated_depth() -> None:
    for head in (b"\x81", b"\xa1\x60"):
        cbor.decode(head * cbor.MAX_DEPTH + b"\x00", limit=LIMIT)
        for depth in (cbor.MAX_DEPTH + 1, 400, 1_000, MEBIBYTE // 2 - 1):
            refused(head * depth + b"\x00", limit=MEBIBYTE)


def test_what_is_too_large_is_not_even_looked_at() -> None:
    data = cbor.encode(bytes(100))
    assert cbor.decode(data, limit=len(data)) == bytes(100)
    assert refused(data, limit=101) == "102 bytes of CBOR, at most 101 are accepted"


@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("length", [2**16, 2**24, 2**31, 2**32 - 1, 2**32, 2**60, 2**63, 2**64 - 1])
def test_a_length_that_lies_costs_nothing(major: int, length: int) -> None:
    data = bytes([major << 5 | 27]) + length.to_bytes(8, "big") + b"\x00" * 64
    tracemalloc.start()
    try:
        refused(data)
        refused(b"\x81" + data)
        assert tracemalloc.get_traced_memory()[1] < MEBIBYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("item", [b"\x80", b"\xa0", b"\x40", b"\x60", b"\xf9\x00\x01", b"\x18\xff"])
def test_memory_stays_in_proportion(item: bytes) -> None:
    count = 60_000
    data = b"\x9a" + count.to_bytes(4, "big") + item * count
    tracemalloc.start()
    try:
        cbor.decode(data, limit=MEBIBYTE)
        assert tracemalloc.get_traced_memory()[1] < count * 100
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrap", [b"", b"\x81", b"\x84\x40"])
@pytest.mark.parametrize("key", [b"\x00", b"\x8e" + b"\x20\x21" * 7])
def test_the_first_key_that_could_be_chosen_to_collide_ends_it(wrap: bytes, key: bytes) -> None:
    """Numbers hash to themselves, and -1 as -2 does, also in tuples: thousands take seconds."""
    assert "cut short" not in refused(wrap + b"\xba\x00\x00\x40\x00" + key + b"\x00")


@pytest.mark.parametrize(
    "data", ["a10001", "a12001", "a18001", "a1a001", "a1f601", "a1f501", "a1f9000001", "a1f701"]
)
def test_keys_are_text_or_bytes(data: str) -> None:
    refused(data)


def headers_refused(data: str, count: int = 4) -> str:
    """Return what `decode_headers` says in refusing `data` (hex)."""
    with pytest.raises(Malformed) as raised:
        cbor.decode_headers(bytes.fromhex(data), count, limit=LIMIT)
    return str(raised.value)


def test_header_maps_may_have_integer_keys() -> None:
    headers = bytes.fromhex("40 a2 01 26 04 41 31 40 40")
    found = cbor.decode_headers(headers, 4, limit=LIMIT)
    assert found == [b"", {1: -7, 4: b"1"}, b"", b""]
    assert refused(b"\x84" + headers)
    assert "cut short" in headers_refused(headers.hex(), 5)
    assert headers_refused(headers.hex(), 3) == "1 bytes follow the CBOR item"
    assert "at most 4096" in headers_refused("40" * 4097)


@pytest.mark.parametrize("data", ["a1810001", "a1a1000001", "a1048101", "a104a10101", "818100"])
def test_what_is_in_a_header_holds_nothing(data: str) -> None:
    assert "not the CBOR spoken here" in headers_refused(data, 1)


def test_a_map_has_no_more_headers_than_anybody_needs() -> None:
    """With numbers as keys, 40,000 members can be chosen so that a dict takes seconds."""
    most = dict.fromkeys(range(cbor.MAX_HEADERS), 0)
    assert cbor.decode_headers(cbor2.dumps(most), 1, limit=LIMIT) == [most]
    for head in ("b818", "b90018", "ba00000018", "bb0000000000000018", "b801", "bf"):
        said = headers_refused("40" + head + "0000", 2)
        assert said == "a map of more than 23 headers"


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_arbitrary_bytes_give_a_plain_value_or_malformed(data: bytes) -> None:
    for decode in (cbor.decode, lambda data, limit: cbor.decode_headers(data, 1, limit=limit)):
        try:
            value = decode(data, limit=LIMIT)
        except Malformed:
            continue
        _plain(value)


def _plain(value: Any) -> None:
    match value:
        case list():
            for item in value:
                _plain(item)
        case dict():
            for item in (*value, *value.values()):
                _plain(item)
        case int():
            assert -(2**64) <= value < 2**64
        case cbor2.CBORSimpleValue():
            pass
        case _:
            assert value is cbor2.undefined or isinstance(value, bytes | str | float | None)


# As a type.


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"centre": [1, 10]}, "Expected `int` <= 9 - at `$.centre[1]`"),
        ({"centre": [1.0]}, "Expected `int`, got `float` - at `$.centre[0]`"),
        ({"centre": [True]}, "Expected `int`, got `bool` - at `$.centre[0]`"),
        ({"centre": ["1"]}, "Expected `int`, got `str` - at `$.centre[0]`"),
        ({"centre": [None]}, "Expected `int`, got `null` - at `$.centre[0]`"),
        ({"centre": {"x": 1}}, "Expected `array`, got `object` - at `$.centre`"),
        ({"centre": []}, "Expected `array` of at least length 1, got 0 - at `$.centre`"),
        ({}, "Object missing required field `centre`"),
        ({"centre": [1], "name": "AAAA"}, "Expected `bytes`, got `str` - at `$.name`"),
        ({"centre": [1], "colour": 5}, "Expected `str`, got `int` - at `$.colour`"),
        ({"centre": [1], "marks": {"a": "b"}}, "Expected `int`, got `str` - at `$.marks[...]`"),
        (cbor2.undefined, "Expected `object`, got `cbor2.UndefinedType`"),
        (cbor2.CBORSimpleValue(99), "Expected `object`, got `cbor2.CBORSimpleValue`"),
        (math.nan, "Expected `object`, got `float`"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value: object, said: str) -> None:
    data = cbor2.dumps(value)
    with pytest.raises(Malformed) as raised:
        cbor.decode_as(data, Circle, limit=LIMIT)
    assert str(raised.value) == said


@given(st.text(min_size=8))
def test_no_error_repeats_what_was_sent(secret: str) -> None:
    for value in ({"centre": [1], "colour": secret}, {"centre": [1], "marks": {secret: 0.5}}):
        with pytest.raises(Malformed) as raised:
            cbor.decode_as(cbor.encode(value), Circle, limit=1 << 16)
        assert str(raised.value) in {
            "a value that is not among those it may have - at `$.colour`",
            "Expected `int`, got `float` - at `$.marks[...]`",
        }
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__


def test_an_enum_at_the_top_says_no_more() -> None:
    with pytest.raises(Malformed) as raised:
        cbor.decode_as(cbor.encode("x - at `$.secret`"), Colour, limit=LIMIT)
    assert str(raised.value) == "a value that is not among those it may have"


def test_a_repeated_key_is_not_repeated_in_the_error() -> None:
    key = cbor.encode("hunter2")
    with pytest.raises(Malformed) as raised:
        cbor.decode(b"\xa2" + (key + b"\x00") * 2, limit=LIMIT)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
