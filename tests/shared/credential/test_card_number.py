"""Card numbers: layouts against masks written elsewhere, parity, and what is nobody's number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.card_number import (
    C1000_35,
    FORMATS,
    H10301,
    H10302,
    H10304,
    H10306,
    Field,
    Format,
    Wiegand,
    judge_uid,
    judge_wiegand,
)
from shared.credential.identifier import is_cloneable
from shared.credential.outcome import Proven, Reason, Refused, Standard, Strength, Transport
from tests.shared.credential.keys import QUICK

CARDS = st.sampled_from(FORMATS).flatmap(
    lambda form: st.tuples(
        st.just(form),
        st.integers(0, _largest(form.number)),
        st.none() if form.facility is None else st.integers(0, _largest(form.facility)),
    )
)


def _largest(field: Field) -> int:
    return (1 << (field.last - field.first + 1)) - 1


def text(form: Format, value: int) -> str:
    return f"{value:0{form.bits}b}"


def parity(value: int) -> int:
    return value.bit_count() % 2


@QUICK
@given(CARDS)
def test_what_is_printed_is_what_is_read(card: tuple[Format, int, int | None]) -> None:
    form, number, facility = card
    value = form.write(number, facility)
    sent = Wiegand.decode(text(form, value))
    assert (form, facility, number) in sent.readings()
    assert judge_wiegand(text(form, value)) == Proven(
        sent.identifier, Standard.CARD_NUMBER, Transport.WIRE, Strength.CLONEABLE
    )


@QUICK
@given(CARDS, st.data())
def test_one_bit_read_wrong_is_noticed(
    card: tuple[Format, int, int | None], data: st.DataObject
) -> None:
    form, number, facility = card
    bit = data.draw(st.integers(0, form.bits - 1))
    value = form.write(number, facility) ^ 1 << bit
    assert form.read(value) is None
    assert judge_wiegand(text(form, value)) == Refused(Reason.MALFORMED)


def test_a_card_that_everybody_knows() -> None:
    """Facility 1, number 1 in 26 bits, by hand."""
    assert text(H10301, H10301.write(1, 1)) == "1" + "00000001" + "0000000000000001" + "0"


@QUICK
@given(st.integers(0, 0xFFF), st.integers(0, 0xFFFFF))
def test_corporate_1000_by_masks(facility: int, number: int) -> None:
    """The same three parity bits by the masks of another implementation's making."""
    low = number << 1 | (facility & 0x7FF) << 21
    high = facility >> 11
    high |= (parity(high & 1) ^ parity(low & 0xB6DB6DB6)) << 1
    low |= 1 ^ parity(high & 3) ^ parity(low & 0x6DB6DB6C)
    high |= (1 ^ parity(high & 3) ^ parity(low)) << 2
    assert C1000_35.write(number, facility) == high << 32 | low


@QUICK
@given(st.integers(0, 2**35 - 1))
def test_37_bits_can_be_read_in_two_ways(number: int) -> None:
    value = H10302.write(number)
    readings = Wiegand(37, value).readings()
    assert readings == (
        (H10302, None, number),
        (H10304, number >> 19, number & 0x7FFFF),
    )
    assert H10304.write(number & 0x7FFFF, number >> 19) == value


@pytest.mark.parametrize(
    ("form", "number", "facility"),
    [
        (H10301, 65536, 1),
        (H10301, 1, 256),
        (H10301, -1, 1),
        (H10301, 1, None),
        (H10302, 1, 1),
        (H10306, 1, 65536),
    ],
)
def test_what_no_card_has_printed_on_it(form: Format, number: int, facility: int | None) -> None:
    with pytest.raises(ValueError, match=form.name):
        form.write(number, facility)


def test_a_length_of_the_sites_own_is_taken_as_it_is() -> None:
    for bits in (24, 32, 48, 64):
        outcome = judge_wiegand("1" * bits)
        assert isinstance(outcome, Proven)
        assert is_cloneable(outcome.key)


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        ("", Reason.MALFORMED),
        ("01" * 12 + "2", Reason.MALFORMED),
        ("\u0661" * 26, Reason.MALFORMED),  # a digit, but not one of ours
        ("1" * 26 + "\n", Reason.MALFORMED),
        ("0" * 4, Reason.WRONG_LENGTH),
        ("0" * 23, Reason.WRONG_LENGTH),
        ("0" * 65, Reason.WRONG_LENGTH),
    ],
)
def test_what_is_no_card(bits: str, reason: Reason) -> None:
    assert judge_wiegand(bits) == Refused(reason)


@QUICK
@given(st.text(max_size=80) | st.text("01", max_size=80))
def test_any_text_is_an_outcome(bits: str) -> None:
    assert isinstance(judge_wiegand(bits), Proven | Refused)


@pytest.mark.parametrize("uid", ["04A1B2C3", "04112233445566", "00112233445566778899"])
def test_the_serial_number_of_a_card(uid: str) -> None:
    outcome = judge_uid(bytes.fromhex(uid))
    assert isinstance(outcome, Proven)
    assert outcome.strength is Strength.CLONEABLE
    assert outcome.key == b"\x02" + bytes.fromhex(uid)


def test_a_random_serial_number_is_nobodys() -> None:
    assert judge_uid(bytes.fromhex("08A1B2C3")) == Refused(Reason.NOT_THIS_STANDARD)
    assert isinstance(judge_uid(bytes.fromhex("08112233445566")), Proven)  # seven bytes are fixed


@pytest.mark.parametrize("size", [0, 3, 5, 8])
def test_no_card_has_such_a_serial_number(size: int) -> None:
    assert judge_uid(bytes(size)) == Refused(Reason.WRONG_LENGTH)


def test_a_number_never_means_a_uid_and_the_reverse() -> None:
    uid = judge_uid(bytes.fromhex("04A1B2C3"))
    bits = judge_wiegand(f"{0x04A1B2C3:032b}")
    assert isinstance(uid, Proven)
    assert isinstance(bits, Proven)
    assert uid.key != bits.key
