"""The demo's command line: what it says and how it exits when it cannot even begin."""

from __future__ import annotations

import importlib
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from hw.sim.demo import __main__ as program
from hw.sim.demo.command_line import _Run, main
from hw.sim.demo.report import Environment, Report

REPORT = Report((), Environment("amqtt", "0.12", "3.11.1", 61.2, 7.0))


def test_ctrl_c_while_it_loads_ends_it_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers: list[object] = []

    def load(name: str) -> SimpleNamespace:
        handlers.append(signal.getsignal(signal.SIGINT))
        assert name == "hw.sim.demo.command_line"
        return SimpleNamespace(main=lambda: handlers.append(signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(importlib, "import_module", load)
    try:
        program.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.SIG_DFL, signal.default_int_handler]


def test_a_folder_that_is_not_there_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--once", "--json", str(tmp_path / "gone" / "report.json")])
    assert ended.value.code == 2
    assert f"there is no folder {tmp_path / 'gone'}" in capsys.readouterr().err


def test_an_outcome_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    run = _Run(tmp_path / "report.json")
    assert run.exit_code == 1
    run.done(REPORT)
    assert run.exit_code == 0
    run = _Run(tmp_path)
    with pytest.raises(IsADirectoryError):
        run.done(REPORT)
    assert run.exit_code == 1


def test_what_ended_it_is_the_exit_code() -> None:
    run = _Run(None)
    run.told = signal.SIGTERM
    assert run.exit_code == 143
    run.done(REPORT)
    assert run.exit_code == 0
