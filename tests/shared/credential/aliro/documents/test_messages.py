"""Requests, responses and documents, as they travel."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents.encoding import MAX_SIZE, decode, embed, encode
from shared.credential.aliro.documents.messages import (
    MAX_DOCUMENTS,
    DeviceRequest,
    DeviceResponse,
    Document,
    DocumentType,
    unwrap,
    wrap,
)
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed
from shared.credential.tlv import encode as encode_tlv
from tests.shared.credential.aliro.documents.ends import FLOOR, access, flips
from tests.shared.credential.keys import LONG, QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

ACCESS, REVOCATION = DocumentType
REQUEST = DeviceRequest(((ACCESS, (FLOOR, "floor2")), (REVOCATION, ("site",))))
RESPONSE = DeviceResponse((access(),))


class TestSessionData:
    @QUICK
    @given(st.binary(min_size=16, max_size=600))
    def test_round_trip(self, sealed: bytes) -> None:
        assert unwrap(wrap(sealed)) == sealed

    def test_layout(self) -> None:
        assert wrap(b"\xab" * 3).hex() == "530a" + "a16464617461" + "43ababab"

    @QUICK
    @given(st.binary(min_size=16, max_size=100))
    def test_bare(self, sealed: bytes) -> None:
        """Some devices leave the map out. What is sealed looks like a map once in an age."""
        assert unwrap(encode_tlv(0x53, b"\xff" + sealed)) == b"\xff" + sealed

    def test_a_status_in_its_place(self) -> None:
        with pytest.raises(RuleBroken) as broken:
            unwrap(encode_tlv(0x53, encode({"status": 20})))
        assert broken.value.reason is Reason.CARD_ERROR

    @pytest.mark.parametrize(
        "wrong",
        [
            b"",
            b"\x53",
            encode_tlv(0x54, b"\0"),
            encode_tlv(0x53, b"\0") * 2,
            encode_tlv(0x53, encode({"data": "text"})),
        ],
    )
    def test_wrong(self, wrong: bytes) -> None:
        with pytest.raises(Malformed):
            unwrap(wrong)

    @LONG
    @given(st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        attempt(unwrap, data)
        attempt(unwrap, encode_tlv(0x53, data))


class TestRequest:
    def test_round_trip(self) -> None:
        assert DeviceRequest.decode(REQUEST.encode()) == REQUEST

    def test_prefixes_and_trailing_bytes(self) -> None:
        feed_prefixes(DeviceRequest.decode, REQUEST.encode())
        feed_trailing(DeviceRequest.decode, REQUEST.encode())

    def test_other_types_are_left_out(self) -> None:
        other = embed({"1": {"mdl": {"name": False}}, "5": "mdl"})
        data = encode({"1": "1.0", "2": [{"1": other}], "9": 0})
        assert DeviceRequest.decode(data) == DeviceRequest(())

    @pytest.mark.parametrize(
        "wrong",
        [
            [],
            {},
            {"1": "1.0"},
            {"1": "1.1", "2": []},
            {"1": "1.0", "2": {}},
            {"1": "1.0", "2": [{}]},
            {"1": "1.0", "2": [{"1": b"text"}]},
            {"1": "1.0", "2": [{"1": CBORTag(24, b"\xff")}]},
            {"1": "1.0", "2": [{"1": embed({"1": {"aliro-r": {}}, "5": "aliro-a"})}]},
            {"1": "1.0", "2": [{"1": embed({"1": {"aliro-a": {"a": 0}}, "5": "aliro-a"})}]},
            {"1": "1.0", "2": [{"1": embed({"1": {"aliro-a": {1: True}}, "5": "aliro-a"})}]},
            {"1": "1.0", "2": [{"1": embed({"1": {5: {}}, "5": 5})}]},
        ],
    )
    def test_wrong(self, wrong: Any) -> None:
        with pytest.raises(Malformed):
            DeviceRequest.decode(encode(wrong))


def altered(change: Any) -> bytes:
    """The response, with `change` made to its one document."""
    said = decode(RESPONSE.encode())
    change(said["2"][0])
    return encode(said)


def _set_header(key: int, value: Any) -> Any:
    def change(document: Any) -> None:
        document["1"]["2"][1][key] = value

    return change


def _set_auth(place: int, value: Any) -> Any:
    def change(document: Any) -> None:
        document["1"]["2"][place] = value

    return change


def _set_item(key: str, value: Any) -> Any:
    def change(document: Any) -> None:
        items = document["1"]["1"]["aliro-a"]
        said = decode(items[0].value) | {key: value}
        items[0] = embed({k: v for k, v in said.items() if v is not ...})

    return change


class TestResponse:
    def test_round_trip(self) -> None:
        assert DeviceResponse.decode(RESPONSE.encode()) == RESPONSE
        assert DeviceResponse.decode(RESPONSE.encode()).encode() == RESPONSE.encode()
        nothing = DeviceResponse((), status=10)
        assert DeviceResponse.decode(nothing.encode()) == nothing
        assert "2" not in decode(nothing.encode())

    def test_prefixes_and_trailing_bytes(self) -> None:
        feed_prefixes(DeviceResponse.decode, RESPONSE.encode())
        feed_trailing(DeviceResponse.decode, RESPONSE.encode())

    def test_flips_are_read_or_malformed(self) -> None:
        for data in flips(RESPONSE.encode(), 1):
            attempt(DeviceResponse.decode, data)

    @LONG
    @given(st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        for parse in (DeviceResponse.decode, DeviceRequest.decode, Document.decode):
            attempt(parse, data)

    def test_a_document_without_elements(self) -> None:
        """It is one, and says nothing."""
        bare = access().only(())
        assert "1" not in decode(bare.encode())["1"]
        assert Document.decode(bare.encode()) == bare

    def test_only_what_was_asked_for(self) -> None:
        document = access(elements={"a": {0: 1}, "b": {0: 1}})
        assert [each.item.element for each in document.only(("b", "c")).items] == ["b"]

    @pytest.mark.parametrize(
        "change",
        [
            _set_auth(0, b""),
            _set_auth(0, bytes.fromhex("a10127")),  # EdDSA
            _set_auth(0, bytes.fromhex("a201260281182a")),
            _set_auth(1, []),
            _set_auth(2, None),
            _set_auth(3, bytes(63)),
            _set_auth(3, bytes(71)),
            _set_header(1, -7),
            _set_header(2, [4]),
            _set_header(4, bytes(7)),
            _set_header(4, "12345678"),
            _set_header(33, b""),
            _set_header(33, [b"1", b"2"]),
            _set_header(33, bytes(4096)),
            _set_item("1", -1),
            _set_item("1", ...),
            _set_item("2", bytes(15)),
            _set_item("2", bytes(65)),
            _set_item("3", 5),
            _set_item("4", ...),
            lambda document: document.pop("5"),
            lambda document: document.update({"5": 5}),
            lambda document: document["1"].pop("2"),
            lambda document: document["1"].update({"2": []}),
            lambda document: document["1"]["2"].append(0),
            lambda document: document["1"].update({"1": []}),
            lambda document: document["1"]["1"].update({"aliro-a": {}}),
            lambda document: document["1"]["1"].update({5: document["1"]["1"]["aliro-a"]}),
            lambda document: document["1"]["1"].update({"aliro-a": [b"bare"]}),
            lambda document: document["1"]["1"]["aliro-a"].append(document["1"]["1"]["aliro-a"][0]),
        ],
    )
    def test_wrong(self, change: Any) -> None:
        with pytest.raises(Malformed):
            DeviceResponse.decode(altered(change))

    @pytest.mark.parametrize(
        "wrong",
        [
            5,
            {"1": "1.0", "2": []},
            {"1": "2.0", "2": [], "3": 0},
            {"1": "1.0", "2": {}, "3": 0},
            {"1": "1.0", "2": [], "3": -1},
            {"1": "1.0", "2": [decode(access().encode())] * (MAX_DOCUMENTS + 1), "3": 0},
        ],
    )
    def test_wrong_response(self, wrong: Any) -> None:
        with pytest.raises(Malformed):
            DeviceResponse.decode(cbor2.dumps(wrong))

    def test_a_long_list_fits(self) -> None:
        """Five hundred hashes, which is what the cap was made for."""
        entries = [{0: bytes(32)}] * 500
        response = DeviceResponse((access(elements={FLOOR: {0: 1, 2: entries}}),))
        assert len(response.encode()) < MAX_SIZE
        assert DeviceResponse.decode(response.encode()) == response

    def test_nothing_personal_shows(self) -> None:
        shown = repr(RESPONSE)
        assert "x04" not in shown
        assert repr(RESPONSE.documents[0].items[0].item.random) not in shown
