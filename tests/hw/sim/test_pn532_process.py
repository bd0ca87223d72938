"""The simulated PN532 as a process: started by hand, found by its port file, ended by a signal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hw.nfc.pn532 import Pn532TagListener
from hw.ports import HardwareFault
from hw.sim.card import Visit, bring
from hw.sim.pn532 import main
from tests.hw.processes import simulator

pytestmark = pytest.mark.slow

UID = bytes.fromhex("08a1b2c3")
OK = b"\x90\x00"


async def test_a_card_is_read_and_the_end_is_clean(
    nothing_left_behind: None, tmp_path: Path
) -> None:
    tty = tmp_path / "pn532"
    options = ("--tty", str(tty), "--port", "0")
    listener = Pn532TagListener(str(tty))
    async with simulator(tmp_path / "port", "hw.sim.pn532", *options) as (_, port):
        card = asyncio.create_task(bring("127.0.0.1", port, UID, lambda apdu: apdu + OK))
        async with asyncio.timeout(5.0):
            tag = await listener.accept()
            assert await tag.transceive(b"\x00\xa4") == b"\x00\xa4" + OK
            await tag.release()
            assert await card == Visit(apdus=1, released=True)
    assert not tty.exists()
    with pytest.raises(HardwareFault):
        await listener.accept()
    await listener.close()


async def test_faults_can_be_asked_for(nothing_left_behind: None, tmp_path: Path) -> None:
    tty = tmp_path / "pn532"
    options = ("--tty", str(tty), "--mute", "--slow", "0.2")
    listener = Pn532TagListener(str(tty))
    async with simulator(tmp_path / "port", "hw.sim.pn532", *options):
        with pytest.raises(HardwareFault, match="no PN532 answers"):
            await listener.accept()
    await listener.close()


def test_a_path_that_cannot_be_made_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["--tty", "/nowhere/at/all/pn532"])
    assert "cannot start" in capsys.readouterr().err
