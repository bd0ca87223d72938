"""What every simulator process does: say where it listens, and end when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hw.sim.serve import announce, until_stopped, write_port


def test_a_port_file_holds_the_port_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    for port in (1, 65535, 80):
        write_port(port_file, port)
        assert int(port_file.read_text()) == port
    assert list(tmp_path.iterdir()) == [port_file]


def test_a_port_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_port(tmp_path / "missing" / "port", 1)


@pytest.mark.parametrize("with_file", [True, False])
def test_it_is_said_where_it_listens(
    with_file: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announce("the air", 9000, tmp_path / "port" if with_file else None)
    assert capsys.readouterr().out == "the air listens on 127.0.0.1:9000\n"
    assert (tmp_path / "port").exists() == with_file


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_the_end_and_leaves_no_handler(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    async with asyncio.timeout(2.0), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(until_stopped())
        await asyncio.sleep(0)
        assert not waiting.done()
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)
