"""Messages on the wire: what they carry, and everything about them that is refused."""

from __future__ import annotations

import traceback
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import cbor
from shared.cbor import Malformed
from shared.wire import messages
from shared.wire.messages import (
    BATCH_BYTES,
    MAX_EVENT,
    MAX_MESSAGE,
    PAGE_BYTES,
    DenyEntry,
    DenyUpdate,
    Down,
    EventBatch,
    Message,
    PlanPage,
    PlanState,
    State,
    Up,
)
from tests.shared.wire.samples import BY_TYPE, KEY, OPTIONAL, PLAN, READER, SAMPLES, STRATEGIES

KINDS: tuple[type[Message], ...] = (*get_args(Down), *get_args(Up))


def wire(kind: str, **changes: Any) -> dict[str, Any]:
    """The sample of `kind` as it travels, with members replaced."""
    members = cbor.decode(messages.encode(BY_TYPE[kind]), limit=MAX_MESSAGE)
    assert isinstance(members, dict)
    return {**members, **changes}


def decode(members: object) -> Message:
    """What the other end makes of these members."""
    return messages.decode(cbor.encode(members), *KINDS)


def refusal(members: object) -> str:
    """Why the other end refuses these members."""
    with pytest.raises(Malformed) as caught:
        decode(members)
    return str(caught.value)


def test_there_is_a_sample_and_a_strategy_for_every_message() -> None:
    assert {type(sample) for sample in SAMPLES} == set(KINDS) == set(STRATEGIES)


@given(st.sampled_from(KINDS).flatmap(STRATEGIES.__getitem__))
def test_every_message_survives_the_journey(message: Message) -> None:
    data = messages.encode(message)

    assert messages.decode(data, *KINDS) == message
    assert messages.decode(data, type(message)) == message
    assert messages.encode(messages.decode(data, *KINDS)) == data


@pytest.mark.parametrize("kind", BY_TYPE)
def test_every_message_says_version_type_and_reader(kind: str) -> None:
    members = wire(kind)

    assert (members["v"], members["type"], members["reader"]) == (1, kind, READER)
    assert len(members) == len(type(BY_TYPE[kind]).__struct_fields__) + 1


@pytest.mark.parametrize("kind", BY_TYPE)
def test_a_newer_peer_may_say_more(kind: str) -> None:
    more = {"later": {"nested": [1, None, b"x"]}, "": 0}

    assert decode(wire(kind, **more)) == BY_TYPE[kind]


@pytest.mark.parametrize("version", [0, 2, 99, -1, None, "1", b"\x01", [1], 1.5, {}])
def test_another_version_is_refused(version: object) -> None:
    said = refusal(wire("ack", v=version))

    assert said.endswith("this is version 1")
    assert not isinstance(version, int) or f"version {version} of" in said


@pytest.mark.parametrize("version", [1.0, True])
def test_the_version_is_the_integer(version: object) -> None:
    assert "`$.v`" in refusal(wire("ack", v=version))


def test_a_message_without_version_or_type_is_refused() -> None:
    for member, text in (("v", "version"), ("type", "type")):
        members = wire("ack")
        del members[member]
        assert refusal(members).startswith(text)


@pytest.mark.parametrize("kind", ["", "Ack", "ack ", "plan2", "ack\n", 1, None, b"ack", ["ack"]])
def test_an_unknown_type_is_refused(kind: object) -> None:
    members = wire("ack", type=kind)

    with pytest.raises(Malformed, match=r"^type .*, expected ack, lease$"):
        messages.decode(cbor.encode(members), messages.Ack, messages.Lease)


def test_an_unknown_type_is_named_if_it_is_a_name() -> None:
    assert refusal(wire("ack", type="clam")).startswith("type 'clam', expected ")
    assert refusal(wire("ack", type=7)).startswith("type 7, expected ")


@pytest.mark.parametrize("kind", BY_TYPE)
def test_only_the_kinds_asked_for_are_opened(kind: str) -> None:
    others = [other for other in KINDS if other is not type(BY_TYPE[kind])]

    with pytest.raises(Malformed, match=f"^type '{kind}', expected "):
        messages.decode(messages.encode(BY_TYPE[kind]), *others)


@pytest.mark.parametrize(
    ("kind", "member"),
    [(kind, member) for kind in BY_TYPE for member in wire(kind) if member not in ("v", "type")],
)
def test_a_member_is_there_and_of_its_type(kind: str, member: str) -> None:
    """Left out, or anything it never is, it is refused by name; unless it may be left out."""
    for wrong in WRONG:
        if (kind, member, wrong) not in MEANT:
            assert f"`$.{member}" in refusal(wire(kind, **{member: wrong})), wrong
    members = wire(kind)
    del members[member]
    if member in OPTIONAL.get(kind, ()):
        assert type(decode(members)) is type(BY_TYPE[kind])
    else:
        assert refusal(members) == f"Object missing required field `{member}`"


WRONG: tuple[object, ...] = (1.5, "x" * 201, b"", {"a": 1}, [[]], True, -1, float("nan"))
MEANT: list[tuple[str, str, object]] = [("pulse", "override", True), ("state", "online", True)]


@pytest.mark.parametrize("member", ["base", "plan"])
def test_nothing_can_be_said_only_where_it_means_something(member: str) -> None:
    """A snapshot has no base, a reader with an empty cache has no plan; nothing else may be nil."""
    for kind in BY_TYPE:
        if member not in wire(kind):
            continue
        if (kind, member) in {("plan", "base"), ("hello", "plan"), ("ack", "plan")}:
            assert getattr(decode(wire(kind, **{member: None})), member) is None
        else:
            assert f"`$.{member}`" in refusal(wire(kind, **{member: None}))


BEYOND: list[tuple[str, str, list[Any]]] = [
    ("hello", "reader", ["", "abc", "a" * 33, "ABCD", "ab-cd", "ab/cd", "+", "abcd\n", "abcdé"]),
    ("plan", "base", [-1, 2**62 + 1, 2**64 - 1, -(2**63)]),
    ("plan", "issued_at", [-1, 2**40 + 1]),
    ("plan", "page", [-1, 100_000]),
    ("plan", "pages", [0, 100_001]),
    ("plan", "put", [[b""], [b"x" * 16_385]]),
    ("plan", "delete", [[b""], [b"x" * 76]]),
    ("plan", "after", [{}, {"epoch": 1}, [1, 41, bytes(32), 7]]),
    ("deny", "epoch", [-1, 2**62 + 1]),
    ("deny", "base", [-1]),
    ("deny", "counter", [-1, 2**62 + 1]),
    (
        "deny",
        "entries",
        [[[-1, KEY, None]], [[1, b"abc", None]], [[1, b"x" * 66, None]], [[1, KEY]]],
    ),
    ("deny", "entries", [[[1, KEY, "because"]], [{"counter": 1, "key": KEY, "cause": None}]]),
    ("lease", "nonce", [b"", b"n" * 15, b"n" * 17, "n" * 16]),
    ("lease", "issued_at", [-1, 2**52 + 1]),
    ("lease", "deny_counter", [-1, 2**62 + 1]),
    ("pulse", "id", [b"", b"n" * 15, b"n" * 17]),
    ("pulse", "session", [b"n" * 15, b"n" * 17]),
    ("pulse", "operator", [-1, 2**62 + 1, 2**64 - 1]),
    ("pulse", "override", [0, 1, None, "true"]),
    ("pulse", "issued_at", [-1, 2**52 + 1]),
    ("event_receipt", "journal", [b"j" * 7, b"j" * 9]),
    ("event_receipt", "upto", [-1, 2**62 + 1]),
    ("hello", "session", [b"n" * 15, b"n" * 17]),
    ("hello", "nonce", [b"n" * 15, b"n" * 17]),
    ("hello", "health", ["", "fine", 0, b"good"]),
    ("hello", "journal", [b"j" * 7, b"j" * 9]),
    ("hello", "software", ["x" * 201]),
    ("events", "first", [-1, 2**62 + 1]),
    ("events", "previous", [b"p" * 31, b"p" * 33]),
    ("events", "entries", [[], [b""], [b"x" * (MAX_EVENT + 1)]]),
    ("state", "session", [b"n" * 15, b"n" * 17]),
    ("state", "devices", [{"a" * 201: ""}, {"a": "b" * 201}, {"a": 1}, {b"a": "b"}]),
    ("state", "devices", [{str(number): "" for number in range(33)}]),
]


@pytest.mark.parametrize(("kind", "member", "values"), BEYOND)
def test_what_is_out_of_bounds_is_refused_by_name(
    kind: str, member: str, values: list[Any]
) -> None:
    for value in values:
        assert f"`$.{member}" in refusal(wire(kind, **{member: value})) or (
            f" in `$.{member}" in refusal(wire(kind, **{member: value}))
        )


@pytest.mark.parametrize(("pages", "page"), [(1, 1), (2, 2), (1, 99_999)])
def test_there_is_no_page_beyond_the_last(pages: int, page: int) -> None:
    """Such a page would be kept for a plan that can never be complete."""
    said = refusal(wire("plan", pages=pages, page=page))

    assert said.startswith(f"page {page} of {pages}, counted from 0")


def test_a_plan_state_names_a_plan_exactly() -> None:
    for member, value in (("digest", b"d" * 31), ("count", -1), ("epoch", 2**62 + 1)):
        after = {**wire("plan")["after"], member: value}
        assert f"`$.after.{member}`" in refusal(wire("plan", after=after))


def test_a_batch_ends_at_500_events() -> None:
    full = wire("events", entries=[b"e"] * 500)

    assert len(getattr(decode(full), "entries")) == 500  # noqa: B009 - one type for all kinds
    assert "`$.entries`" in refusal({**full, "entries": [b"e"] * 501})


def test_a_deny_update_ends_at_1000_entries() -> None:
    entries = [[number, KEY, "stolen"] for number in range(1000)]

    assert type(decode(wire("deny", entries=entries))) is DenyUpdate
    assert "`$.entries`" in refusal(wire("deny", entries=[*entries, [1000, KEY, None]]))


def test_the_fullest_page_fits() -> None:
    """A page is full at `PAGE_BYTES`, and the row that fills it may be the largest there is."""
    row, key = b"r" * 64, b"k" * 75
    for rows, keys in ((PAGE_BYTES // len(row), 0), (0, PAGE_BYTES // len(key))):
        page = PlanPage(
            reader="r" * 32,
            base=2**62,
            after=PlanState(2**62, 2**62, bytes(32), 2**62),
            issued_at=2**40,
            page=99_999,
            pages=100_000,
            put=(*[row] * rows, b"r" * 16_384),
            delete=(key,) * keys,
        )
        assert decode(wire("plan")) == BY_TYPE["plan"]
        assert messages.decode(messages.encode(page), PlanPage) == page


def test_the_fullest_batch_fits() -> None:
    """A sender that stops at `BATCH_BYTES` never makes a batch which the other end refuses."""
    largest = BATCH_BYTES // MAX_EVENT
    for entries in ((b"e" * MAX_EVENT,) * largest, (b"e" * (BATCH_BYTES // 500),) * 500):
        batch = EventBatch(
            reader="r" * 32,
            journal=b"j" * 8,
            kept_from=2**62,
            first=2**62,
            previous=bytes(32),
            live_from=2**62,
            entries=entries,
        )
        assert messages.decode(messages.encode(batch), EventBatch) == batch


def test_the_largest_state_fits() -> None:
    text = "\U0001f6aa" * 200
    devices = {f"{number}".ljust(200, "\U0001f6aa"): text for number in range(32)}
    state = State(
        reader=READER,
        session=b"s" * 16,
        online=True,
        mode=text,
        contact=text,
        health=text,
        devices=devices,
    )

    assert messages.decode(messages.encode(state), State) == state


def test_a_message_beyond_the_cap_is_not_even_decoded() -> None:
    room = MAX_MESSAGE - len(cbor.encode(wire("ack", more=b"x" * 70_000))) + 70_000

    assert decode(wire("ack", more=b"x" * room)) == BY_TYPE["ack"]
    said = refusal(wire("ack", more=b"x" * (room + 1)))
    assert said == f"{MAX_MESSAGE + 1} bytes of CBOR, at most {MAX_MESSAGE} are accepted"


@pytest.mark.parametrize("value", [None, [], [1, "ack", READER], "ack", b"ack", 1, 1.5, True])
def test_a_message_is_a_map(value: object) -> None:
    assert refusal(value) == "a message is a map"


@pytest.mark.parametrize("kind", BY_TYPE)
def test_a_message_is_read_whole_or_not_at_all(kind: str) -> None:
    data = messages.encode(BY_TYPE[kind])
    for size in range(len(data)):
        with pytest.raises(Malformed):
            messages.decode(data[:size], *KINDS)
    for extra in range(256):
        with pytest.raises(Malformed):
            messages.decode(data + bytes([extra]), *KINDS)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_message_is_malformed_or_another_message(
    message: Message, data: st.DataObject
) -> None:
    raw = bytearray(messages.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _attempt(bytes(raw))


@given(st.binary(max_size=200))
def test_noise_is_malformed(data: bytes) -> None:
    _attempt(data)


def _attempt(data: bytes) -> None:
    """Decode; nothing but `Malformed` may come out of it, and what is accepted is canonical."""
    try:
        message = messages.decode(data, *KINDS)
    except Malformed:
        return
    assert messages.decode(messages.encode(message), *KINDS) == message


SECRET = "tell nobody"


@pytest.mark.parametrize(
    "change",
    [
        {"v": SECRET},
        {"v": SECRET.encode()},
        {"type": SECRET},
        {"type": SECRET.encode()},
        {"reader": SECRET},
        {"reader": SECRET.encode()},
        {"session": SECRET},
        {"session": SECRET.encode()},
        {"nonce": SECRET.encode()},
        {"plan": SECRET},
        {"plan": {SECRET: SECRET}},
        {"plan": {"epoch": 1, "version": 1, "count": 1, "digest": SECRET.encode()}},
        {"health": SECRET},
        {"health": f"{SECRET} - at `$.health`"},
        {"health": {SECRET: 1}},
        {"software": SECRET * 20},
        {"software": [SECRET]},
        {SECRET: SECRET, "next_seq": SECRET},
    ],
)
def test_no_error_quotes_what_came(change: dict[str, Any]) -> None:
    """What a peer sent may be anybody's key, and reaches the log of whoever refuses it."""
    with pytest.raises(Malformed) as caught:
        decode(wire("hello", **change))

    said = "".join(traceback.format_exception(caught.value))
    assert SECRET not in said
    assert SECRET.encode().hex() not in said
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_defaults_are_the_cautious_ones() -> None:
    pulse = {key: value for key, value in wire("pulse").items() if key != "override"}
    page = {key: value for key, value in wire("plan").items() if key not in ("put", "delete")}

    assert getattr(decode(pulse), "override") is False  # noqa: B009 - one type for all kinds
    assert decode(page) == PlanPage(
        reader=READER, base=40, after=PLAN, issued_at=1_700_000_000, page=1, pages=2
    )


def test_a_deny_entry_is_short_on_the_wire() -> None:
    assert cbor.encode(DenyEntry(1, b"1234", None)) == bytes.fromhex("83 01 44 31323334 f6")
