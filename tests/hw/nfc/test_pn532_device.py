"""Serial ports with something else behind them, and the chip's timer."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nfc.pn532_device import Pn532Device, _timeout_index, _timeout_seconds


@given(st.floats(0.0, 3.2))
def test_the_timer_is_the_shortest_that_is_long_enough(wait: float) -> None:
    index = _timeout_index(wait)
    assert _timeout_seconds(index) >= wait
    assert index == 1 or _timeout_seconds(index - 1) < wait


def test_the_timer_ends_at_three_seconds() -> None:
    assert _timeout_seconds(_timeout_index(1000.0)) == pytest.approx(3.2768)


class Stranger:
    """Answers everything that comes over a serial line with the same bytes, or not at all."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        self.path = os.ttyname(self._far)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while data := os.read(self._near, 4096):
            if data == b"the end":
                return
            os.write(self._near, self._answer)

    def close(self) -> None:
        os.write(self._far, b"the end")
        self._thread.join()
        os.close(self._near)
        os.close(self._far)


ACK, FIRMWARE = "0000ff00ff00", "0000ff06fad50332010607e800"
ANSWERS = {
    "silence": "",
    "noise": "a5" * 64,
    "one byte": "00",
    "another device": "0d0a4f4b0d0a",
    "acknowledges and no more": ACK,
    "another chip": ACK + "0000ff06fad50333010607e700",
    "half a frame": ACK + "0000ff06fa",
    "claims a long frame": ACK + "0000ffffff0109f6" + "00" * 40,
    "answers every question alike": ACK + FIRMWARE,
}


@pytest.fixture(params=list(ANSWERS))
def stranger(request: pytest.FixtureRequest) -> Iterator[Stranger]:
    stranger = Stranger(bytes.fromhex(ANSWERS[request.param]))
    yield stranger
    stranger.close()


@pytest.mark.slow
def test_what_is_no_pn532_is_an_error_and_leaves_nothing_open(stranger: Stranger) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises((OSError, IndexError, TypeError)):
        Pn532Device(stranger.path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
