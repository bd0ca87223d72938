"""Topics: what is ours, what is not, and shards that never move."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire import topics
from shared.wire.topics import DOWN, UP, Leaf, Place
from tests.shared.wire.samples import readers

# Readers are enrolled for years under these: a change here would lose every one of them.
GOLDEN_SHARDS = {"abcd": 8, "reader0001": 18, "door1": 62, "0000": 26, "zzzz": 45, "x" * 32: 6}

# Each would be read by a broker, a log or a file system as something else than a name.
NOT_READERS = [
    "",
    "abc",
    "a" * 33,
    "ABCD",
    "reader-1",
    "reader 1",
    "+",
    "#",
    "++++",
    "abc+",
    "abc#",
    "#abc",
    "ab/cd",
    "abcd/",
    "/abcd",
    "abcd\n",
    "abcd\r\n",
    "\nabcd",
    "ab\x00cd",
    "abcd\x00",
    "$sys0",
    "..00",
    "lés3",
    "аbcd",  # noqa: RUF001 - the first letter is Cyrillic
    "٣٤٥٦",
    "abcd\u2028",
    "abcd\ud800",
]


@given(readers, st.sampled_from(Leaf))
def test_a_topic_says_who_and_what(reader: str, leaf: Leaf) -> None:
    text = topics.topic(reader, leaf)

    assert text.count("/") == 3
    assert topics.parse(text) == Place(reader, leaf)


def test_topics_look_as_published() -> None:
    assert topics.topic("abcd", Leaf.HELLO) == f"doorward/{GOLDEN_SHARDS['abcd']:02d}/abcd/hello"
    assert topics.every(Leaf.STATE) == "doorward/+/+/state"


def test_every_leaf_has_one_direction() -> None:
    assert sorted(leaf.value for leaf in (*DOWN, *UP)) == sorted(leaf.value for leaf in Leaf)
    assert not set(DOWN) & set(UP)


@pytest.mark.parametrize(("reader", "shard"), GOLDEN_SHARDS.items())
def test_shards_never_move(reader: str, shard: int) -> None:
    assert topics.shard(reader) == shard


def test_readers_spread_over_all_shards() -> None:
    load = Counter(topics.shard(f"reader{number:04d}") for number in range(6_400))

    assert set(load) == set(range(topics.SHARDS))
    assert max(load.values()) < 2 * min(load.values())


@pytest.mark.parametrize("reader", NOT_READERS)
def test_a_name_that_is_none_is_dropped_on_every_shard(reader: str) -> None:
    for shard in range(topics.SHARDS):
        assert topics.parse(f"doorward/{shard:02d}/{reader}/hello") is None


@pytest.mark.parametrize("reader", NOT_READERS)
def test_a_name_that_is_none_gets_no_topic(reader: str) -> None:
    with pytest.raises(ValueError, match=r"4 to 32 of a-z and 0-9"):
        topics.topic(reader, Leaf.PLAN)


@given(readers, st.sampled_from(Leaf), st.integers(0, 99))
def test_a_foreign_shard_is_dropped(reader: str, leaf: Leaf, shard: int) -> None:
    found = topics.parse(f"doorward/{shard:02d}/{reader}/{leaf.value}")

    assert (found is None) is (shard != topics.shard(reader))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "///",
        "doorward",
        "doorward/08/abcd",
        "doorward/08/abcd/",
        "doorward/08/abcd/hello/",
        "doorward/08/abcd/hello/x",
        "/doorward/08/abcd/hello",
        "Doorward/08/abcd/hello",
        "doorward /08/abcd/hello",
        "other/08/abcd/hello",
        "doorward/8/abcd/hello",
        "doorward/008/abcd/hello",
        "doorward/+8/abcd/hello",
        "doorward/+/abcd/hello",
        "doorward/#",
        "doorward/08/abcd/HELLO",
        "doorward/08/abcd/hello\n",
        "doorward/08/abcd/hello\x00",
        "doorward/08\n/abcd/hello",
        "doorward/08/abcd/+",
        "doorward/08/abcd/#",
        "doorward/08/abcd/claims",
        "doorward/08/abcd/hellos",
        "doorward/٠٨/abcd/hello",
    ],
)
def test_what_is_not_quite_a_topic_is_dropped(text: str) -> None:
    assert topics.parse("doorward/08/abcd/hello") == Place("abcd", Leaf.HELLO)
    assert topics.parse(text) is None


@given(st.text(max_size=80) | st.lists(st.text(max_size=9), max_size=6).map("/".join))
def test_no_text_does_harm(text: str) -> None:
    found = topics.parse(text)

    assert found is None or topics.topic(found.reader, found.leaf) == text
