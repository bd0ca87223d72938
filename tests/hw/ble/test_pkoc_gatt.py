"""A door's advertisement fits 31 bytes, and a stranger's never raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hw.ble.pkoc_gatt import SERVICE, advertisement, parse_advertisement


def test_a_short_name_is_advertised_complete() -> None:
    data = advertisement("Front door")
    assert data == bytes.fromhex("020106 0303f0ff 0b09") + b"Front door"


def test_the_name_of_the_reader_simulator_fits() -> None:
    assert len(advertisement("PSIA Reader Simulator")) == 30


def test_a_long_name_is_cut_and_marked_as_cut() -> None:
    data = advertisement("Workshop, back entrance from the yard")
    assert len(data) == 31
    assert data[8] == 0x08
    assert parse_advertisement(data).name == "Workshop, back entranc"


def test_a_name_is_never_cut_inside_a_character() -> None:
    name = "x" * 21 + "ü"  # 22 characters, 23 bytes
    assert parse_advertisement(advertisement(name)).name == "x" * 21


@given(st.text(max_size=40))
def test_every_name_fits_and_comes_back_as_its_own_beginning(name: str) -> None:
    data = advertisement(name)
    said = parse_advertisement(data)
    assert len(data) <= 31
    assert name.startswith(said.name)
    assert said.services == {SERVICE}


@given(st.binary(max_size=64))
def test_a_stranger_can_advertise_anything(data: bytes) -> None:
    parse_advertisement(data)


@given(st.binary(max_size=8))
def test_what_follows_the_end_is_not_read(tail: bytes) -> None:
    """A length of zero ends an advertisement early (Core, Vol 3, Part C, 11)."""
    assert parse_advertisement(advertisement("Door") + b"\x00" + tail) == parse_advertisement(
        advertisement("Door")
    )


def test_several_services_in_either_kind_of_list() -> None:
    assert parse_advertisement(bytes.fromhex("0502f0ff0f18")).services == {0xFFF0, 0x180F}
    assert parse_advertisement(bytes.fromhex("0403f0ff0f")).services == {0xFFF0}


def test_a_torn_structure_is_left_out() -> None:
    assert parse_advertisement(bytes.fromhex("0303f0ff0909466f")).services == {0xFFF0}
    assert parse_advertisement(bytes.fromhex("0909466f")).name == ""
