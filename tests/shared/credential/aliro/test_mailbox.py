"""The mailbox: all of a session or nothing, reads before writes, never over the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.mailbox import (
    MAX_WAITING,
    Mailbox,
    MailboxRequest,
    Operation,
    Read,
    Set,
    Write,
)
from shared.credential.errors import RuleBroken
from shared.credential.tlv import Malformed
from tests.shared.credential.keys import QUICK
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing

OFFSET = st.integers(0, 40)
OPERATION: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Read, OFFSET, OFFSET),
    st.builds(Write, OFFSET, st.binary(max_size=20)),
    st.builds(Set, OFFSET, OFFSET, st.integers(0, 255)),
)
REQUEST = st.builds(MailboxRequest, st.lists(OPERATION, max_size=6).map(tuple), st.booleans())
EVERYTHING = MailboxRequest((Read(0, 4), Write(2, b"ab"), Set(8, 4, 0x7F)), more=True)


class TestRequest:
    def test_layout(self) -> None:
        text = "8c0101 870400000004 8a0400026162 9505000800047f"
        assert EVERYTHING.encode() == bytes.fromhex(text)
        assert EVERYTHING.lengths == (4,)

    @QUICK
    @given(REQUEST)
    def test_round_trip(self, request: MailboxRequest) -> None:
        assert MailboxRequest.decode(request.encode()) == request

    @pytest.mark.parametrize(
        "text",
        ["", "870400000001", "8C00", "8C0102", "8C020000", "8C0100 8C0100", "8C0100 8703000000",
         "8C0100 8A0100", "8C0100 950400000001", "8C0100 8400"],
    )  # fmt: skip
    def test_malformed(self, text: str) -> None:
        with pytest.raises(Malformed):
            MailboxRequest.decode(bytes.fromhex(text))

    def test_three_ways(self) -> None:
        feed_prefixes(MailboxRequest.decode, EVERYTHING.encode())
        feed_trailing(MailboxRequest.decode, EVERYTHING.encode())

    @QUICK
    @given(st.binary(max_size=80))
    def test_random_bytes(self, data: bytes) -> None:
        attempt(MailboxRequest.decode, data)


class TestMailbox:
    def test_reads_give_what_was_there_before(self) -> None:
        mailbox = Mailbox(b"0123456789")
        request = MailboxRequest((Write(0, b"ab"), Read(0, 4), Set(2, 3, 0x2A), Read(4, 2)))
        assert mailbox.apply(request) == [b"0123", b"45"]
        assert mailbox.content == b"ab***56789"

    def test_more_waits_for_the_last(self) -> None:
        mailbox = Mailbox(bytes(4))
        mailbox.apply(MailboxRequest((Write(0, b"ab"),), more=True))
        assert mailbox.content == bytes(4)
        assert mailbox.apply(MailboxRequest((Read(0, 2), Write(2, b"c")))) == [b"\0\0"]
        assert mailbox.content == b"abc\0"

    def test_an_abandoned_session_has_done_nothing(self) -> None:
        mailbox = Mailbox(bytes(4))
        mailbox.apply(MailboxRequest((Write(0, b"ab"),), more=True))
        mailbox.abandon()
        mailbox.apply(MailboxRequest(()))
        assert mailbox.content == bytes(4)

    @pytest.mark.parametrize("operation", [Read(3, 2), Write(4, b"a"), Set(0, 5, 1), Read(5, 0)])
    def test_over_the_end(self, operation: Operation) -> None:
        mailbox = Mailbox(bytes(4))
        with pytest.raises(RuleBroken):
            mailbox.apply(MailboxRequest((Write(0, b"x"), operation)))
        assert mailbox.content == bytes(4)

    def test_a_session_has_an_end(self) -> None:
        mailbox = Mailbox(bytes(4))
        request = MailboxRequest((Write(0, b"x"),), more=True)
        for _ in range(MAX_WAITING):
            mailbox.apply(request)
        with pytest.raises(RuleBroken):
            mailbox.apply(request)

    def test_used_is_not_all_zero(self) -> None:
        assert not Mailbox(bytes(4)).is_used
        assert Mailbox(b"\0\1").is_used
        assert not Mailbox(b"").is_used

    def test_no_longer_than_offsets_reach(self) -> None:
        with pytest.raises(ValueError, match="65536"):
            Mailbox(bytes(0x10000))

    @QUICK
    @given(st.binary(min_size=40, max_size=40), st.lists(REQUEST, max_size=6))
    def test_against_a_model(self, content: bytes, requests: list[MailboxRequest]) -> None:
        mailbox, model = Mailbox(content), content
        waiting: list[Write | Set] = []
        for request in requests:
            try:
                reads = mailbox.apply(request)
            except RuleBroken:
                continue
            asked = [each for each in request.operations if isinstance(each, Read)]
            assert reads == [model[each.offset : each.offset + each.length] for each in asked]
            waiting += [each for each in request.operations if not isinstance(each, Read)]
            for each in [] if request.more else waiting:
                model = model[: each.offset] + each.data + model[each.offset + each.length :]
            waiting = waiting if request.more else []
            assert mailbox.content == model


def test_what_is_written_does_not_show() -> None:
    assert "secret" not in repr(MailboxRequest((Write(0, b"secret"),)))
