"""The demo as it is typed: options, signals, a folder for everything, an exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hw.sim.demo.broker import KINDS, NoBroker
from hw.sim.demo.director import direct
from hw.sim.demo.narrate import Narrator
from hw.sim.demo.office import OfficeError
from hw.sim.demo.ports import NoFreePort
from hw.sim.demo.processes import ProcessFailed
from hw.sim.demo.report import Report

_STANDARD_OUTPUT = Path("-")
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> None:
    """Exit code 0: all as expected, or Ctrl-C while it stayed up; 1: something was not."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no folder {options.json.parent}")
    say = Narrator(tell=not options.once, aside=options.json == _STANDARD_OUTPUT)
    run = _Run(options.json)
    try:
        with _folder(options.dir, keep=options.keep) as folder:
            try:
                asyncio.run(_until_told(folder, options, run, say))
            finally:
                _finish_undisturbed()
    except* (NoBroker, NoFreePort, ProcessFailed, OfficeError, OSError) as group:
        for error in _leaves(group):
            say.trouble(str(error))
    except* KeyboardInterrupt:  # before there was anything to stop
        run.told = signal.SIGINT
    if run.exit_code == 1 and not options.keep and options.dir is None:
        say.note("With --keep the log files stay.")
    sys.exit(run.exit_code)


def _finish_undisturbed() -> None:
    """No process runs any more; what is left is to remove a folder that has keys in it."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)


class _Run:
    """How it went, as far as it went."""

    def __init__(self, json_file: Path | None) -> None:
        self._json_file = json_file
        self.report: Report | None = None
        self.told: signal.Signals | None = None

    def done(self, report: Report) -> None:
        if self._json_file == _STANDARD_OUTPUT:
            sys.stdout.write(report.to_json())
        elif self._json_file is not None:  # a run that cannot be told of is no success
            self._json_file.write_text(report.to_json(), encoding="utf-8")
        self.report = report

    @property
    def exit_code(self) -> int:
        if self.report is not None:
            return 0 if self.report.ok else 1
        return 1 if self.told is None else 128 + self.told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Broker, controller, virtual air, three readers and phones, as processes of "
        "this machine. Shows what they do and stays up until Ctrl-C.",
    )
    parser.add_argument(
        "--once", action="store_true", help="play the whole script, print a table, exit"
    )
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=_STANDARD_OUTPUT,
        metavar="FILE",
        help="write the outcome here too; without FILE to standard output, and all else to stderr",
    )
    parser.add_argument(
        "--broker", choices=KINDS, default="auto", help="auto: mosquitto if it is there, else amqtt"
    )
    parser.add_argument("--dir", type=Path, help="an empty folder for everything; it is kept")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    return parser


@contextlib.contextmanager
def _folder(wanted: Path | None, *, keep: bool) -> Iterator[Path]:
    """Where everything lies: the wanted folder, or a temporary one that goes at the end."""
    if wanted is not None:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise FileExistsError(f"{wanted} is not empty: give --dir a new folder")
        yield wanted.resolve()
    elif keep:
        folder = Path(tempfile.mkdtemp(prefix="doorward-demo-"))
        try:
            yield folder
        finally:
            print(f"Everything is kept in {folder}", file=sys.stderr)
    else:
        with tempfile.TemporaryDirectory(prefix="doorward-demo-") as name:
            yield Path(name)


async def _until_told(folder: Path, options: argparse.Namespace, run: _Run, say: Narrator) -> None:
    """Direct until it ends by itself or a signal comes."""
    loop = asyncio.get_running_loop()
    directing = loop.create_task(
        direct(folder, kind=options.broker, once=options.once, say=say, done=run.done)
    )

    def on_signal(number: signal.Signals) -> None:
        if run.told is None:  # a second Ctrl-C must not interrupt the clearing up
            run.told = number
            say.note("\nStopping everything.")
            directing.cancel()

    for number in _ENDS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        await directing
    except asyncio.CancelledError:
        if run.told is None:
            raise
        say.note("Stopped; no process is left.")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
