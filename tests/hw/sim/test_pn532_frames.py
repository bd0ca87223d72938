"""The PN532's frames: whole, byte by byte, after noise, and never more memory than one frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sim.pn532_frames import ACK, NACK, Command, Control, FrameParser, response

FIRMWARE = bytes.fromhex("0000ff02fed4022a00")
SAM = bytes.fromhex("0000ff05fbd4140100001700")


def host_frame(code: int, data: bytes) -> bytes:
    """What a host sends; the chip's answer to `code - 1` with the other direction byte."""
    frame = bytearray(response(code - 1, data))
    at = frame.index(b"\xd5")
    frame[at] -= 1
    frame[-2] = (frame[-2] + 1) & 0xFF
    return bytes(frame)


def parse(data: bytes) -> list[tuple[int, bytes] | Control]:
    return [_plain(frame) for frame in FrameParser().feed(data)]


def _plain(frame: Command | Control) -> tuple[int, bytes] | Control:
    return (frame.code, frame.data) if isinstance(frame, Command) else frame


def test_the_frames_of_the_data_sheet() -> None:
    assert parse(FIRMWARE) == [(0x02, b"")]
    assert parse(SAM) == [(0x14, b"\x01\x00\x00")]
    assert parse(ACK + NACK) == [Control.ACK, Control.NACK]
    assert response(0x14, b"") == bytes.fromhex("0000ff02fed5151600")
    assert response(0x02, bytes.fromhex("32010607")) == bytes.fromhex("0000ff06fad50332010607e800")


@pytest.mark.parametrize("size", [0, 1, 100, 252, 253, 254, 255, 262, 263])
def test_long_frames_are_extended(size: int) -> None:
    data = bytes(n & 0xFF for n in range(size))
    frame = host_frame(0x42, data)
    assert frame[3:5] == b"\xff\xff" if size >= 253 else frame[3:5] != b"\xff\xff"
    assert parse(frame) == [(0x42, data)]


def test_a_frame_longer_than_the_chips_buffer_is_skipped() -> None:
    assert parse(host_frame(0x42, bytes(264)) + FIRMWARE) == [(0x02, b"")]


def test_the_preamble_is_counted() -> None:
    (frame,) = FrameParser().feed(b"\x55\x55" + bytes(14) + FIRMWARE)
    assert isinstance(frame, Command)
    assert frame.preamble >= 16


@given(st.lists(st.binary(max_size=263), max_size=4), st.binary(max_size=30))
def test_whole_byte_by_byte_and_with_trailing_bytes(datas: list[bytes], tail: bytes) -> None:
    stream = b"".join(host_frame(0x42, data) for data in datas)
    expected: list[tuple[int, bytes] | Control] = [(0x42, data) for data in datas]
    assert parse(stream) == expected
    assert parse(stream + tail)[: len(expected)] == expected
    parser = FrameParser()
    dripped = [frame for byte in stream for frame in parser.feed(bytes((byte,)))]
    assert [_plain(frame) for frame in dripped] == expected


@given(st.binary(max_size=600))
def test_after_any_noise_a_frame_is_found_again(noise: bytes) -> None:
    """Noise may look like the head of a frame; what that swallows is at most one frame long."""
    parser = FrameParser()
    parser.feed(noise)
    found = [frame for _ in range(40) for frame in parser.feed(bytes(10) + FIRMWARE)]
    assert any(_plain(frame) == (0x02, b"") for frame in found)


@pytest.mark.parametrize(
    "frame",
    [
        "0000ff02ffd4022a00",  # length checksum
        "0000ff02fed4022b00",  # data checksum
        "0000ff02fed5022900",  # a frame in the chip's direction
        "0000ff01ffd42c00",  # no command code
        "0000ffffff000203d4022a00",  # extended, length checksum
    ],
)
def test_a_frame_that_does_not_add_up_is_skipped(frame: str) -> None:
    assert parse(bytes.fromhex(frame)) == []
    assert parse(bytes.fromhex(frame) + bytes(300) + FIRMWARE) == [(0x02, b"")]


def test_noise_is_not_kept() -> None:
    parser = FrameParser()
    for _ in range(100):
        parser.feed(b"\x00" * 10_000)
    assert len(parser._buffer) <= 1
