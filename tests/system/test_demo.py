"""The demo's whole script with each broker; and that nothing of it stays, however it ends."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hw.sim.demo.story import EVERYTHING
from tests.system.demo_run import Demo, demo

pytestmark = pytest.mark.slow

# What the design promises on a laptop, once installed.
FIRST_DOOR_SECONDS = 15
WHOLE_SECONDS = 90
NO_MOSQUITTO = "needs mosquitto (Debian: apt install mosquitto)"


@pytest.fixture
def report(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What `--once --json` says with the broker that the test asks for: in a file, or alone."""
    file = tmp_path / "report.json"
    broker, where = request.param
    quiet = os.getloadavg()[0] < (os.cpu_count() or 1) / 2
    arguments = ("--once", "--broker", broker, "--json", *([str(file)] if where == "file" else []))
    with demo(tmp_path, *arguments, stderr=subprocess.PIPE) as run:
        said, errors = run.process.communicate(timeout=180)
        assert run.process.returncode == 0, said + errors
        assert run.left_over == []
    assert f"{len(EVERYTHING)} steps, all as expected" in (said if where == "file" else errors)
    text = file.read_text(encoding="utf-8") if where == "file" else said
    found: dict[str, Any] = json.loads(text)
    return {**found, "quiet": quiet and os.getloadavg()[0] < (os.cpu_count() or 1)}


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        (("amqtt", "alone"), "amqtt"),
        pytest.param(
            ("auto", "file"),
            "mosquitto",
            marks=pytest.mark.skipif(not shutil.which("mosquitto"), reason=NO_MOSQUITTO),
        ),
    ],
    indirect=["report"],
)
def test_everything_is_as_expected(report: dict[str, Any], kind: str) -> None:
    assert report["ok"] is True
    assert [(step["step"], step["expected"]) for step in report["steps"]] == [
        (step.name, step.expected) for step in EVERYTHING
    ]
    for step in report["steps"]:
        assert set(step) == {"step", "expected", "seen", "ok", "milliseconds"}
        assert step["ok"] is True
        assert step["seen"]
    made = report["environment"]
    assert made["broker"] == kind
    assert re.match(r"\d+\.\d+", made["broker_version"])
    # Promised on a machine that has nothing else to do.
    if report["quiet"]:
        assert made["first_opened_door_seconds"] < FIRST_DOOR_SECONDS
        assert made["total_seconds"] < WHOLE_SECONDS


def test_it_stays_up_and_its_commands_work_until_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path) as run:
        said = _read_until(run, "see what happened")
        assert "It stays up until Ctrl-C" in said
        lines = (said + _line(run)).splitlines()
        commands = [after for line, after in itertools.pairwise(lines) if line[:1] == "#"]
        assert len(commands) == 3
        for command in commands:
            if command.startswith("curl ") and not shutil.which("curl"):
                continue
            done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(timeout=20) == 0
        assert run.left_over == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "Open by BLE"),
        (signal.SIGINT, "Everything runs"),
        (signal.SIGHUP, "Starting broker"),
    ],
)
def test_a_signal_in_the_middle_leaves_nothing(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    with demo(tmp_path, "--once", "--broker", "amqtt") as run:
        _read_until(run, moment)
        deadline = time.monotonic() + 20
        while run.process.poll() is None:  # an impatient hand, which does not let go
            assert time.monotonic() < deadline
            run.process.send_signal(number)
            time.sleep(0.01)
        assert run.process.returncode == 128 + number
        assert run.left_over == []


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv (Debian: util-linux)")
def test_even_a_killed_director_leaves_no_process(tmp_path: Path) -> None:
    with demo(tmp_path, "--once", "--broker", "amqtt") as run:
        _read_until(run, "Everything runs")
        run.process.kill()
        run.process.wait(timeout=5)
        deadline = time.monotonic() + 5
        while any(each.startswith("process") for each in run.left_over):
            assert time.monotonic() < deadline, run.left_over
            time.sleep(0.05)


def test_a_folder_of_ones_own_is_kept_and_must_be_empty(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with demo(tmp_path, "--dir", str(folder), "--broker", "amqtt") as run:
        _read_until(run, "Everything runs")
        token = folder / "controller" / "operator.token"
        assert token.stat().st_mode & 0o777 == 0o600
        run.process.terminate()
        assert run.process.wait(timeout=20) == 128 + signal.SIGTERM
        assert run.left_over == []
    assert (folder / "controller.log").exists()
    again = tmp_path / "again"
    again.mkdir()
    with demo(again, "--dir", str(folder)) as run:
        said, _ = run.process.communicate(timeout=20)
        assert run.process.returncode == 1
        assert "is not empty" in said


def _line(run: Demo) -> str:
    assert run.process.stdout is not None
    return run.process.stdout.readline()


def _read_until(run: Demo, wanted: str) -> str:
    """Read lines up to and with the wanted one; an output that ends before is a failure."""
    said = ""
    while line := _line(run):
        said += line
        if wanted in line:
            return said
    raise AssertionError(f"it ended without {wanted!r}:\n{said}\n{os.linesep}")
