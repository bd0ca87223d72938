"""Journal entries: round trip, limits, and a chain that shows every change."""

from __future__ import annotations

import hashlib
from itertools import accumulate

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import cbor
from shared.access.decide import Reason
from shared.access.mode import Trust
from shared.access.rows import Method
from shared.cbor import Malformed
from shared.wire.events import GENESIS, Event, EventKind, chain, decode_event, encode_event
from shared.wire.messages import MAX_EVENT
from tests.shared.wire.samples import counts, hashes, milliseconds, nonces, texts

events = st.builds(
    Event,
    seq=counts,
    at=milliseconds,
    trust=st.sampled_from(Trust),
    kind=st.sampled_from(EventKind),
    reason=st.none() | st.sampled_from(Reason),
    reasons=st.lists(st.sampled_from(Reason), unique=True).map(tuple),
    method=st.none() | st.sampled_from(Method),
    credential=st.none() | counts,
    person=st.none() | counts,
    plan=st.none() | counts,
    key_hash=st.none() | hashes,
    command=st.none() | nonces,
    operator=st.none() | counts,
    count=st.none() | counts,
    detail=st.none() | texts,
)
bodies = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8)

ENTRY = Event(
    seq=3,
    at=1_700_000_000_000,
    trust=Trust.TRUSTED,
    kind=EventKind.ACCESS,
    reason=Reason.GRANTED,
    reasons=(Reason.GRANTED,),
    method=Method.PKOC_NFC,
    credential=4,
    person=5,
    plan=6,
)


def head(entries: list[bytes]) -> bytes:
    """The hash after these entries, from the start of a journal."""
    *_, last = accumulate(entries, chain, initial=GENESIS)
    return last


@given(events)
def test_an_entry_survives_the_journey(event: Event) -> None:
    body = encode_event(event)

    assert decode_event(body) == event
    assert encode_event(decode_event(body)) == body
    assert len(body) <= MAX_EVENT


def test_the_values_in_the_journal_are_stable() -> None:
    """They are stored for years: a value may be added here, never changed."""
    assert {kind.value for kind in EventKind} >= {
        "started", "access", "entered", "not_entered", "remote", "exit", "forced", "held", "closed",
        "tamper", "fire", "message_refused", "cache", "lease", "clock", "device", "gap", "repeated",
    }  # fmt: skip
    assert encode_event(ENTRY).hex() == (
        "aa6261741b0000018bcfe56800637365710364"
        "6b696e6466616363657373"
        "64706c616e0665747275737467747275737465646"
        "66d6574686f6468706b6f632d6e666366706572736f6e05"
        "66726561736f6e676772616e746564"
        "67726561736f6e7381676772616e746564"
        "6a63726564656e7469616c04"
    )


def test_an_entry_says_only_what_there_is_to_say() -> None:
    started = Event(seq=1, at=0, trust=Trust.UNKNOWN, kind=EventKind.STARTED)

    assert set(cbor.decode(encode_event(started), limit=MAX_EVENT)) == {
        "seq",
        "at",
        "trust",
        "kind",
    }


@pytest.mark.parametrize("member", ["seq", "at", "trust", "kind"])
def test_an_entry_without_number_time_or_kind_is_refused(member: str) -> None:
    members = cbor.decode(encode_event(ENTRY), limit=MAX_EVENT)
    del members[member]

    with pytest.raises(Malformed, match=f"missing required field `{member}`"):
        decode_event(cbor.encode(members))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("seq", -1),
        ("seq", 2**62 + 1),
        ("seq", "3"),
        ("at", -1),
        ("at", 2**52 + 1),
        ("at", 1.5),
        ("trust", "surely"),
        ("kind", "opened"),
        ("reason", "because"),
        ("reasons", "granted"),
        ("reasons", ["granted", "because"]),
        ("method", "knock"),
        ("credential", b"4"),
        ("person", "Ada Lovelace"),
        ("key_hash", bytes(31)),
        ("key_hash", bytes(65)),
        ("command", bytes(15)),
        ("operator", True),
        ("count", -1),
        ("detail", "x" * 201),
        ("detail", b"x"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(member: str, value: object) -> None:
    members = cbor.decode(encode_event(ENTRY), limit=MAX_EVENT)

    with pytest.raises(Malformed, match=rf"`\$\.{member}"):
        decode_event(cbor.encode({**members, member: value}))


def test_an_entry_from_a_newer_reader_is_understood() -> None:
    members = cbor.decode(encode_event(ENTRY), limit=MAX_EVENT)

    assert decode_event(cbor.encode({**members, "head": "in"})) == ENTRY


def test_an_entry_is_never_too_long_to_be_delivered() -> None:
    """One entry that the controller must refuse would hold up all that come after it."""
    for detail in ("x" * 300, "\U0001f6aa" * 5_000):
        long = Event(
            seq=2**62,
            at=2**52,
            trust=Trust.TRUSTED,
            kind=EventKind.MESSAGE_REFUSED,
            reason=Reason.BAD_PROOF,
            reasons=tuple(Reason),
            method=Method.PKOC_BLE_ECDHE,
            credential=2**62,
            person=2**62,
            plan=2**62,
            key_hash=bytes(32),
            command=bytes(16),
            operator=2**62,
            count=2**62,
            detail=detail,
        )
        body = encode_event(long)
        assert len(body) <= MAX_EVENT
        assert decode_event(body).detail == detail[:200]


def test_an_entry_is_read_whole_or_not_at_all() -> None:
    body = encode_event(ENTRY)
    for size in range(len(body)):
        with pytest.raises(Malformed):
            decode_event(body[:size])
    for extra in range(256):
        with pytest.raises(Malformed):
            decode_event(body + bytes([extra]))
    with pytest.raises(Malformed, match="at most 2048 are accepted"):
        decode_event(cbor2.dumps({"detail": "x" * MAX_EVENT}))


@given(st.binary(max_size=120))
def test_noise_is_malformed(body: bytes) -> None:
    try:
        event = decode_event(body)
    except Malformed:
        return
    assert decode_event(encode_event(event)) == event


def test_the_chain_is_what_is_published() -> None:
    largest = bytes(range(256)) * 8
    first = hashlib.sha256(bytes(32) + b"one").digest()

    assert head([b"one"]) == first
    assert head([b"one", largest]) == hashlib.sha256(first + largest).digest()
    assert head([]) == GENESIS == bytes(32)


@given(bodies, st.data())
def test_a_changed_entry_changes_the_head(entries: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    other = data.draw(st.binary(max_size=60).filter(lambda body: body != entries[index]))

    assert head([*entries[:index], other, *entries[index + 1 :]]) != head(entries)


@given(bodies, st.data())
def test_a_dropped_or_repeated_entry_changes_the_head(
    entries: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))

    assert head([*entries[:index], *entries[index + 1 :]]) != head(entries)
    assert head([*entries[: index + 1], *entries[index:]]) != head(entries)
    assert head(entries[index + 1 :]) != head(entries)


@given(st.lists(st.binary(max_size=9), min_size=2, max_size=8, unique=True), st.data())
def test_swapped_entries_change_the_head(entries: list[bytes], data: st.DataObject) -> None:
    first, second = sorted(
        data.draw(st.sets(st.integers(0, len(entries) - 1), min_size=2, max_size=2))
    )
    swapped = list(entries)
    swapped[first], swapped[second] = swapped[second], swapped[first]

    assert head(swapped) != head(entries)


@given(bodies, st.integers(1, 59))
def test_bytes_cannot_move_from_one_entry_to_the_next(entries: list[bytes], cut: int) -> None:
    whole = b"".join(entries)

    assert head([whole]) != head(entries) or entries == [whole]
    assert head([whole[:cut], whole[cut:]]) != head(entries) or entries == [
        whole[:cut],
        whole[cut:],
    ]
