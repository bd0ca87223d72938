"""Envelopes: what a message proves, and that it proves nothing anywhere else."""

from __future__ import annotations

import hmac
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.p256 import PrivateKey
from shared.wire import cose, messages
from shared.wire.envelope import (
    MAX_ENVELOPE,
    Forged,
    Malformed,
    PairwiseKey,
    is_signed,
    open_signed,
    seal_signed,
)
from shared.wire.messages import (
    MAX_MESSAGE,
    Ack,
    Claim,
    Claimed,
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
)
from shared.wire.topics import Leaf
from tests.shared.credential.keys import key
from tests.shared.wire.samples import BY_TYPE, OTHER, READER, STRATEGIES, at

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "cose" / "doorward.json").read_text(encoding="utf-8")
)

CONTROLLER, IDENTITY, STRANGER = key("controller"), key("reader"), key("stranger")
AT_READER = PairwiseKey(IDENTITY, CONTROLLER.public, READER)
AT_CONTROLLER = PairwiseKey(CONTROLLER, IDENTITY.public, READER)
REFUSED = (Malformed, Forged)

# Which message travels on which leaf, and who answers for it.
SIGNED: list[tuple[str, Leaf, PrivateKey]] = [
    ("plan", Leaf.PLAN, CONTROLLER),
    ("lease", Leaf.PLAN, CONTROLLER),
    ("deny", Leaf.DENY, CONTROLLER),
    ("pulse", Leaf.CMD, CONTROLLER),
    ("events", Leaf.EVENT, IDENTITY),
]
AUTHENTICATED: list[tuple[str, Leaf]] = [
    ("hello", Leaf.HELLO),
    ("ack", Leaf.ACK),
    ("state", Leaf.STATE),
    ("event_receipt", Leaf.CMD),
    ("claim", Leaf.CLAIM),
    ("claimed", Leaf.CLAIMED),
]
ALL: tuple[type[Message], ...] = (
    PlanPage, DenyUpdate, Lease, Pulse, EventReceipt, Claimed,
    Hello, Ack, EventBatch, Claim, State,
)  # fmt: skip


def open_any(data: bytes, leaf: Leaf, reader: str = READER) -> Message:
    """Open as the controller's signature, with no kind refused for its type alone."""
    return open_signed(data, CONTROLLER.public, at(leaf, reader), *ALL)


LEASE = seal_signed(BY_TYPE["lease"], CONTROLLER, Leaf.PLAN)
HELLO = AT_READER.seal(BY_TYPE["hello"], Leaf.HELLO)


def open_lease(data: bytes) -> Message:
    return open_signed(data, CONTROLLER.public, at(Leaf.PLAN), Lease, PlanPage)


def open_hello(data: bytes) -> Message:
    return AT_CONTROLLER.open(data, at(Leaf.HELLO), Hello)


BOTH = [pytest.param(open_lease, LEASE, id="signed"), pytest.param(open_hello, HELLO, id="mac")]


# Both ends


def test_every_message_has_an_envelope() -> None:
    assert {kind for kind, *_ in SIGNED} | {kind for kind, _ in AUTHENTICATED} == set(BY_TYPE)


@pytest.mark.parametrize(("kind", "leaf", "signer"), SIGNED)
def test_a_signed_message_arrives(kind: str, leaf: Leaf, signer: PrivateKey) -> None:
    data = seal_signed(BY_TYPE[kind], signer, leaf)

    assert is_signed(data)
    assert open_signed(data, signer.public, at(leaf), *ALL) == BY_TYPE[kind]


@pytest.mark.parametrize(("kind", "leaf"), AUTHENTICATED)
def test_an_authenticated_message_arrives_either_way(kind: str, leaf: Leaf) -> None:
    for one, other in ((AT_READER, AT_CONTROLLER), (AT_CONTROLLER, AT_READER)):
        data = one.seal(BY_TYPE[kind], leaf)
        assert not is_signed(data)
        assert other.open(data, at(leaf), *ALL) == BY_TYPE[kind]


@given(st.sampled_from(ALL).flatmap(STRATEGIES.__getitem__), st.sampled_from(Leaf))
def test_any_message_survives_its_envelope(message: Message, leaf: Leaf) -> None:
    place = at(leaf, message.reader)

    signed = seal_signed(message, CONTROLLER, leaf)
    assert open_signed(signed, CONTROLLER.public, place, *ALL) == message
    assert AT_READER.open(AT_CONTROLLER.seal(message, leaf), place, *ALL) == message


def test_only_the_kinds_that_belong_there_are_opened() -> None:
    with pytest.raises(Malformed, match=r"^type 'lease', expected plan$"):
        open_signed(LEASE, CONTROLLER.public, at(Leaf.PLAN), PlanPage)
    with pytest.raises(Malformed, match=r"^type 'hello', expected ack, state$"):
        AT_CONTROLLER.open(HELLO, at(Leaf.HELLO), Ack, State)


# Golden vectors: readers in the field must understand a controller of today, and the reverse.


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=lambda vector: vector["title"])
def test_signed_messages_keep_their_bytes(vector: dict[str, Any]) -> None:
    signer = PrivateKey.from_bytes(bytes.fromhex(VECTORS[vector["signer"]]))
    leaf, data = Leaf(vector["leaf"]), bytes.fromhex(vector["message"])

    found = open_signed(data, signer.public, at(leaf), *ALL)

    assert found == BY_TYPE[vector["title"]]
    assert seal_signed(found, signer, leaf) == data


@pytest.mark.parametrize("vector", VECTORS["authenticated"], ids=lambda vector: vector["title"])
def test_authenticated_messages_keep_their_bytes(vector: dict[str, Any]) -> None:
    leaf, data = Leaf(vector["leaf"]), bytes.fromhex(vector["message"])

    found = AT_CONTROLLER.open(data, at(leaf), *ALL)

    assert found == BY_TYPE[vector["title"]]
    assert AT_READER.seal(found, leaf) == data


def test_the_golden_vectors_are_complete() -> None:
    titles = [vector["title"] for vector in (*VECTORS["signed"], *VECTORS["authenticated"])]

    assert sorted(titles) == sorted(BY_TYPE)


def test_the_pairwise_key_is_hkdf_of_ecdh() -> None:
    """RFC 5869 by hand, and the tag by hand: no part of it is ours alone."""
    agreed = IDENTITY.agree(CONTROLLER.public)
    extracted = hmac.digest(bytes(32), agreed, "sha256")
    info = b"doorward pairwise v1 " + READER.encode()
    expanded = hmac.digest(extracted, info + b"\x01", "sha256")

    payload = messages.encode(BY_TYPE["hello"])
    covered = cbor2.dumps(["MAC0", b"\xa1\x01\x05", b"doorward v1 hello", payload])
    tag = hmac.digest(expanded, covered, "sha256")

    assert b"\xd1" + cbor2.dumps([b"\xa1\x01\x05", {}, payload, tag]) == HELLO


# Not from whom it must be


@pytest.mark.parametrize(("kind", "leaf", "signer"), SIGNED)
def test_nobody_else_signs_for_them(kind: str, leaf: Leaf, signer: PrivateKey) -> None:
    for other in {CONTROLLER, IDENTITY, STRANGER} - {signer}:
        data = seal_signed(BY_TYPE[kind], other, leaf)
        with pytest.raises(Forged, match="not known here"):
            open_signed(data, signer.public, at(leaf), *ALL)


def test_the_id_of_the_right_key_does_not_help() -> None:
    forged = cbor2.loads(seal_signed(BY_TYPE["lease"], STRANGER, Leaf.PLAN)[1:])
    forged[1] = {cose.KID: cose.key_id(CONTROLLER.public)}

    with pytest.raises(Forged, match="signature"):
        open_lease(b"\xd2" + cbor2.dumps(forged))


def test_the_right_signature_under_the_id_of_another_key_is_refused() -> None:
    renamed = cbor2.loads(LEASE[1:])
    renamed[1] = {cose.KID: cose.key_id(STRANGER.public)}

    with pytest.raises(Forged, match="not known here"):
        open_lease(b"\xd2" + cbor2.dumps(renamed))


@pytest.mark.parametrize(
    "thief",
    [
        PairwiseKey(STRANGER, CONTROLLER.public, READER),
        PairwiseKey(STRANGER, IDENTITY.public, READER),
        PairwiseKey(IDENTITY, STRANGER.public, READER),
        PairwiseKey(IDENTITY, CONTROLLER.public, OTHER),
        PairwiseKey(IDENTITY, CONTROLLER.public, READER + "x"),
        PairwiseKey(IDENTITY, IDENTITY.public, READER),
    ],
)
def test_no_other_pair_has_this_key(thief: PairwiseKey) -> None:
    for kind, leaf in AUTHENTICATED:
        with pytest.raises(Forged, match="authentication tag"):
            AT_CONTROLLER.open(thief.seal(BY_TYPE[kind], leaf), at(leaf), *ALL)


def test_a_reader_speaks_for_no_other() -> None:
    """A stolen reader has a good key of its own; its messages still count only as its own."""
    for message in BY_TYPE.values():
        with pytest.raises(Forged, match="another reader"):
            open_any(seal_signed(message, CONTROLLER, Leaf.PLAN), Leaf.PLAN, OTHER)
        with pytest.raises(Forged, match="another reader"):
            AT_CONTROLLER.open(AT_READER.seal(message, Leaf.ACK), at(Leaf.ACK, OTHER), *ALL)


# Somewhere else than it belongs


@pytest.mark.parametrize(("sent", "arrived"), list(itertools.permutations(Leaf, 2)))
def test_no_message_moves_to_another_topic(sent: Leaf, arrived: Leaf) -> None:
    for message in BY_TYPE.values():
        with pytest.raises(Forged, match="signature"):
            open_any(seal_signed(message, CONTROLLER, sent), arrived)
        with pytest.raises(Forged, match="authentication tag"):
            AT_CONTROLLER.open(AT_READER.seal(message, sent), at(arrived), *ALL)


def test_a_signature_for_the_door_is_none_for_the_wire() -> None:
    """Bare ECDSA or HMAC by the right key over the payload alone proves nothing here."""
    payload = messages.encode(BY_TYPE["lease"])
    for context in (b"", b"plan", b"doorward v1", b"doorward v1 plan ", b"doorward v2 plan"):
        with pytest.raises(Forged):
            open_lease(cose.sign1(payload, CONTROLLER, context))
    bare = [b"\xa1\x01\x26", {4: cose.key_id(CONTROLLER.public)}, payload, CONTROLLER.sign(payload)]
    with pytest.raises(Forged):
        open_lease(b"\xd2" + cbor2.dumps(bare))


def test_a_mac_is_no_signature_and_the_reverse() -> None:
    """A reader holds the pairwise key: it must not be able to make itself a plan."""
    for kind, leaf, signer in SIGNED:
        for data in (AT_READER.seal(BY_TYPE[kind], leaf), AT_READER.seal(BY_TYPE[kind], leaf)[1:]):
            for confused in (data, b"\xd2" + data):
                with pytest.raises(Malformed):
                    open_signed(confused, signer.public, at(leaf), *ALL)
    for kind, leaf in AUTHENTICATED:
        for data in (seal_signed(BY_TYPE[kind], IDENTITY, leaf), HELLO[:1] + LEASE[1:]):
            for confused in (data, data[1:]):
                with pytest.raises(Malformed):
                    AT_CONTROLLER.open(confused, at(leaf), *ALL)


def test_a_claim_to_be_signed_is_only_a_claim() -> None:
    assert [is_signed(data) for data in (LEASE, HELLO, b"", LEASE[1:], b"\xd2")] == [
        True, False, False, False, True,
    ]  # fmt: skip
    with pytest.raises(Malformed):
        open_lease(b"\xd2" + HELLO[1:])


# Damage


@pytest.mark.parametrize(("open_it", "data"), BOTH)
def test_an_envelope_is_read_whole_or_not_at_all(
    open_it: Callable[[bytes], Message], data: bytes
) -> None:
    assert isinstance(open_it(data), Message)
    for size in range(len(data)):
        with pytest.raises(Malformed):
            open_it(data[:size])
    for extra in range(256):
        with pytest.raises(Malformed):
            open_it(data + bytes([extra]))


@pytest.mark.parametrize(("open_it", "data"), BOTH)
def test_no_byte_can_be_changed(open_it: Callable[[bytes], Message], data: bytes) -> None:
    for index in range(len(data)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[index] ^= change
            with pytest.raises(REFUSED):
                open_it(bytes(damaged))


@given(st.binary(max_size=120))
def test_noise_is_refused(noise: bytes) -> None:
    for open_it, data in ((open_lease, LEASE), (open_hello, HELLO)):
        for candidate in (noise, data[:1] + noise, noise + data, data + noise):
            if candidate != data:
                with pytest.raises(REFUSED):
                    open_it(candidate)


def test_what_is_signed_must_still_be_a_message() -> None:
    """Our own controller may have a bug; a reader survives it."""
    for payload in (b"", b"\xa0", b"\xf6", b"not cbor", cbor2.dumps({"v": 1, "type": "lease"})):
        with pytest.raises(Malformed):
            open_lease(cose.sign1(payload, CONTROLLER, b"doorward v1 plan"))


# Sizes


def _page_of(size: int) -> PlanPage:
    """A page whose bytes, without envelope, are so many."""

    def build(last: int) -> PlanPage:
        return PlanPage(
            reader=READER,
            base=None,
            after=PlanState(0, 0, bytes(32), 0),
            issued_at=0,
            page=0,
            pages=1,
            put=(*[b"r" * 16_000] * (size // 16_003), b"r" * last),
        )

    return build(1_000 + size - len(messages.encode(build(1_000))))


def test_the_largest_message_arrives_and_no_larger_one() -> None:
    largest, larger = _page_of(MAX_MESSAGE), _page_of(MAX_MESSAGE + 1)
    assert [len(messages.encode(page)) - MAX_MESSAGE for page in (largest, larger)] == [0, 1]

    signed = seal_signed(largest, CONTROLLER, Leaf.PLAN)
    assert len(signed) <= MAX_ENVELOPE
    assert open_any(signed, Leaf.PLAN) == largest
    assert AT_READER.open(AT_CONTROLLER.seal(largest, Leaf.PLAN), at(Leaf.PLAN), *ALL) == largest
    with pytest.raises(Malformed, match="at most"):
        open_any(seal_signed(larger, CONTROLLER, Leaf.PLAN), Leaf.PLAN)
    with pytest.raises(Malformed, match="at most"):
        AT_READER.open(AT_CONTROLLER.seal(larger, Leaf.PLAN), at(Leaf.PLAN), *ALL)


# Secrets


def test_a_pairwise_key_shows_nothing() -> None:
    extracted = hmac.digest(bytes(32), IDENTITY.agree(CONTROLLER.public), "sha256")
    info = b"doorward pairwise v1 " + READER.encode()
    secret = hmac.digest(extracted, info + b"\x01", "sha256")

    for shown in (repr(AT_READER), str(AT_READER), f"{AT_READER}", repr([AT_READER])):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
