"""Children of the demo director: started, watched, stopped, and never left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hw.sim.demo import processes as module
from hw.sim.demo.holders import holder
from hw.sim.demo.ports import free_port
from hw.sim.demo.processes import Processes, ProcessFailed, environment, listens
from hw.sim.serve import write_port

pytestmark = pytest.mark.slow

OUTGOING_FROM = int(
    Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]
)
SLEEP = (sys.executable, "-c", "import time; print('up'); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up');"
    "time.sleep(60)",
)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Somebody's child that has ended and was not waited for is a zombie, and does no harm.
    state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return state != "Z"


async def _up(processes: Processes, name: str, *command: str, times: int = 1) -> int:
    async def said() -> bool:
        return processes.log(name).read_text(encoding="utf-8").count("up") == times

    await processes.start(name, *command)
    await processes.ready(name, said, patience=10)
    return processes.pids[name]


async def test_a_child_is_started_logged_and_stopped(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        pid = await _up(processes, "sleeper", *SLEEP)
        assert processes.alive("sleeper")
        assert os.getsid(pid) != os.getsid(0)
        await processes.stop("sleeper")
        assert not _alive(pid)
        assert not processes.alive("sleeper")
        await processes.stop("sleeper")  # twice does nothing


async def test_a_log_goes_on_over_a_restart(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        await _up(processes, "sleeper", *SLEEP)
        await processes.kill("sleeper")
        await _up(processes, "sleeper", *SLEEP, times=2)
    assert processes.tail("sleeper").split() == ["up", "up"]


async def test_leaving_stops_the_stubborn_and_the_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.3)
    async with Processes(tmp_path) as processes:
        pids = [await _up(processes, "stubborn", *STUBBORN)]
        pids.append(await _up(processes, "stopped", *SLEEP))
        os.kill(pids[1], signal.SIGSTOP)
    assert [_alive(pid) for pid in pids] == [False, False]


async def test_an_error_stops_them_too(tmp_path: Path) -> None:
    pids: list[int] = []

    async def fail() -> None:
        async with Processes(tmp_path) as processes:
            pids.append(await _up(processes, "sleeper", *SLEEP))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fail()
    assert not _alive(pids[0])


async def test_a_child_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async with Processes(tmp_path) as processes:
        await processes.start("broken", sys.executable, "-c", "raise SystemExit('no such file')")
        with pytest.raises(ProcessFailed, match=r"broken ended at once:\n +no such file"):
            await processes.ready("broken", never, patience=10)
        await processes.start("sleeper", *SLEEP)
        with pytest.raises(ProcessFailed, match=r"sleeper is not ready in 0\.1 s"):
            await processes.ready("sleeper", never, patience=0.1)


async def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    async with Processes(tmp_path) as processes:
        with pytest.raises(ProcessFailed, match="/no/such/program"):
            await processes.start("nobody", "/no/such/program")


async def test_short_lived_children(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        said = await processes.run("/bin/sh", "-c", "echo out; echo err >&2; pwd; exit 3")
        assert (said.code, said.output.split()) == (3, ["out", "err", str(tmp_path)])
        with pytest.raises(ProcessFailed, match="takes over"):
            await processes.run(*SLEEP, patience=0.2)


async def test_an_invitation_that_fails_is_not_quoted(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        ada = holder("Ada", processes)
        with pytest.raises(ProcessFailed, match="doorward-phone redeem said: ") as failed:
            await ada.phone("redeem", f"http://127.0.0.1:{free_port()}/wallet#secret")
        assert "secret" not in str(failed.value)


async def test_a_cancelled_end_is_an_end_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.3)
    pids: list[int] = []

    async def leave() -> None:
        async with Processes(tmp_path) as processes:
            pids.append(await _up(processes, "stubborn", *STUBBORN))
            stop = processes.stop

            async def interrupted(name: str) -> None:
                leaving.cancel()
                await stop(name)

            monkeypatch.setattr(processes, "stop", interrupted)

    leaving = asyncio.create_task(leave())
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert not _alive(pids[0])


async def test_settings_of_another_doorward_are_not_inherited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOORWARD_READER_BROKER", "mqtt://elsewhere")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    found = environment()
    assert not [name for name in found if name.startswith("DOORWARD_")]
    assert found["SOMETHING_ELSE"] == "kept"


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (Debian: util-linux)")
def test_who_kills_the_director_kills_the_children(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path;"
        "from hw.sim.demo.processes import Processes\n"
        "async def main():\n"
        "    async with Processes(Path(sys.argv[1])) as processes:\n"
        "        await processes.start('sleeper', 'sleep', '60')\n"
        "        print(processes.pids['sleeper'], flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    director = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with director:
        assert director.stdout is not None
        pid = int(director.stdout.readline())
        assert _alive(pid)
        director.kill()
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_ports_are_free_and_not_for_outgoing_connections() -> None:
    ports = {free_port() for _ in range(20)}
    for port in ports:
        assert 10_000 <= port < OUTGOING_FROM
        assert not await listens(port)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", free_port())
    async with server:
        assert await listens(server.sockets[0].getsockname()[1])


def test_a_port_file_is_never_half_written(tmp_path: Path) -> None:
    write_port(tmp_path / "port", 12345)
    assert (tmp_path / "port").read_text(encoding="ascii") == "12345\n"
    assert [each.name for each in tmp_path.iterdir()] == ["port"]
