"""A short look of every target at random and almost right input; `scripts/fuzz` looks for hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import MAX_INPUT, TARGETS, Target, conversation, pieces
from tests.shared.credential.keys import QUICK


@st.composite
def almost(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good input with a few bytes replaced, taken out, or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_surprises_it(target: Target) -> None:
    @QUICK
    @given(st.binary(max_size=300) | almost(target.seeds))
    def look(data: bytes) -> None:
        target.run(data)

    look()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("byte", [0x00, 0x30, 0x5B, 0x7F, 0x80, 0x81, 0x9F, 0xA1, 0xBF, 0xD8, 0xFF])
def test_nothing_drags_it_down(target: Target, byte: int) -> None:
    """One byte over and over: nesting, lengths, numbers and maps without end."""
    target.run(bytes((byte,)) * MAX_INPUT)


@QUICK
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_a_conversation_is_cut_where_it_was_joined(said: list[bytes]) -> None:
    assert list(pieces(conversation(*said))) == said


def test_every_target_has_a_name_of_its_own_and_seeds_to_begin_from() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)
    assert all(target.seeds for target in TARGETS)
