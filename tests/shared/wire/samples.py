"""One message of every kind with all members said, and Hypothesis strategies for any other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from shared.access.decide import DenyCause
from shared.wire.messages import (
    Ack,
    CacheHealth,
    Claim,
    Claimed,
    DenyEntry,
    DenyUpdate,
    EventBatch,
    EventReceipt,
    Hello,
    Lease,
    Message,
    PlanPage,
    PlanState,
    Pulse,
    State,
    Verdict,
)
from shared.wire.topics import Leaf, Place

READER = "reader0001"
OTHER = "reader0002"


def at(leaf: Leaf, reader: str = READER) -> Place:
    """Where a message of `reader` arrives."""
    return Place(reader, leaf)


PLAN = PlanState(epoch=1, version=41, digest=bytes(range(32)), count=7)
NONCE, SESSION, PULSE, CLAIM = b"n" * 16, b"s" * 16, b"p" * 16, b"c" * 16
JOURNAL = b"journal8"
KEY = b"\x04" + bytes(range(64))

SAMPLES: tuple[Message, ...] = (
    PlanPage(
        reader=READER,
        base=40,
        after=PLAN,
        issued_at=1_700_000_000,
        page=1,
        pages=2,
        put=(b"row one", b"row two"),
        delete=(b"\x04key",),
    ),
    DenyUpdate(
        reader=READER,
        epoch=1,
        base=5,
        counter=7,
        issued_at=1_700_000_000,
        entries=(DenyEntry(6, KEY, DenyCause.STOLEN), DenyEntry(7, KEY, None)),
    ),
    Lease(reader=READER, plan=PLAN, deny_counter=7, nonce=NONCE, issued_at=1_700_000_000_000),
    Pulse(
        reader=READER,
        id=PULSE,
        session=SESSION,
        operator=12,
        override=True,
        issued_at=1_700_000_000_000,
    ),
    EventReceipt(reader=READER, journal=JOURNAL, upto=99),
    Claimed(reader=READER, id=CLAIM, verdict=Verdict.RESERVED),
    Hello(
        reader=READER,
        session=SESSION,
        nonce=NONCE,
        plan=PLAN,
        health=CacheHealth.GOOD,
        deny_counter=7,
        journal=JOURNAL,
        next_seq=100,
        software="0.1.0",
        wallet_key=KEY,
    ),
    Ack(reader=READER, session=SESSION, plan=PLAN, deny_counter=7),
    EventBatch(
        reader=READER,
        journal=JOURNAL,
        kept_from=90,
        first=98,
        previous=bytes(32),
        live_from=99,
        entries=(b"one", b"two"),
    ),
    Claim(
        reader=READER,
        id=CLAIM,
        session=SESSION,
        credential=17,
        plan=3,
        journal=JOURNAL,
        next_seq=100,
    ),
    State(
        reader=READER,
        session=SESSION,
        online=True,
        mode="secure",
        contact="closed",
        health="good",
        devices={"nfc": "ready"},
    ),
)
BY_TYPE: dict[str, Message] = {str(type(one).__struct_config__.tag): one for one in SAMPLES}

# What a message may leave out, as it stands on the wire.
OPTIONAL: dict[str, frozenset[str]] = {
    "hello": frozenset({"wallet_key"}),
    "plan": frozenset({"put", "delete"}),
    "pulse": frozenset({"override"}),
    "state": frozenset({"mode", "contact", "health", "devices"}),
}

readers = st.from_regex(r"[a-z0-9]{4,32}", fullmatch=True)
counts = st.integers(0, 2**62)
instants = st.integers(0, 2**40)
milliseconds = st.integers(0, 2**52)
nonces = st.binary(min_size=16, max_size=16)
journals = st.binary(min_size=8, max_size=8)
hashes = st.binary(min_size=32, max_size=32)
texts = st.text(max_size=200)
keys = st.binary(min_size=4, max_size=65)
plans = st.builds(PlanState, counts, counts, hashes, counts)
maybe_plans = st.none() | plans


def _tuples(items: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=5).map(tuple)


def _page(numbers: tuple[int, int], **rest: Any) -> PlanPage:
    return PlanPage(page=min(numbers), pages=max(numbers) + 1, **rest)


STRATEGIES: dict[type[Message], st.SearchStrategy[Message]] = {
    PlanPage: st.builds(
        _page,
        st.tuples(st.integers(0, 99_999), st.integers(0, 99_999)),
        reader=readers,
        base=st.none() | counts,
        after=plans,
        issued_at=instants,
        put=_tuples(st.binary(min_size=1, max_size=16_384)),
        delete=_tuples(st.binary(min_size=1, max_size=75)),
    ),
    DenyUpdate: st.builds(
        DenyUpdate,
        reader=readers,
        epoch=counts,
        base=counts,
        counter=counts,
        issued_at=instants,
        entries=_tuples(st.builds(DenyEntry, counts, keys, st.none() | st.sampled_from(DenyCause))),
    ),
    Lease: st.builds(
        Lease,
        reader=readers,
        plan=plans,
        deny_counter=counts,
        nonce=nonces,
        issued_at=milliseconds,
    ),
    Pulse: st.builds(
        Pulse,
        reader=readers,
        id=nonces,
        session=nonces,
        operator=counts,
        override=st.booleans(),
        issued_at=milliseconds,
    ),
    EventReceipt: st.builds(EventReceipt, reader=readers, journal=journals, upto=counts),
    Claimed: st.builds(Claimed, reader=readers, id=nonces, verdict=st.sampled_from(Verdict)),
    Claim: st.builds(
        Claim,
        reader=readers,
        id=nonces,
        session=nonces,
        credential=counts,
        plan=counts,
        journal=journals,
        next_seq=counts,
    ),
    Hello: st.builds(
        Hello,
        wallet_key=st.none() | st.binary(min_size=65, max_size=65),
        reader=readers,
        session=nonces,
        nonce=nonces,
        plan=maybe_plans,
        health=st.sampled_from(CacheHealth),
        deny_counter=counts,
        journal=journals,
        next_seq=counts,
        software=texts,
    ),
    Ack: st.builds(Ack, reader=readers, session=nonces, plan=maybe_plans, deny_counter=counts),
    EventBatch: st.builds(
        EventBatch,
        reader=readers,
        journal=journals,
        kept_from=counts,
        first=counts,
        previous=hashes,
        live_from=counts,
        entries=_tuples(st.binary(min_size=1, max_size=2_048), least=1),
    ),
    State: st.builds(
        State,
        reader=readers,
        session=nonces,
        online=st.booleans(),
        mode=texts,
        contact=texts,
        health=texts,
        devices=st.dictionaries(texts, texts, max_size=4),
    ),
}
