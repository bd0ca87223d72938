"""`doorward-reader`: enrol a reader and run it. The one place that composes concrete drivers."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from hw.ports import HardwareFault
from hw.registry import UnknownDevice, open_ble, open_door, open_nfc
from reader import app, config
from reader.clock import SystemTime
from reader.database import TooNew, Unusable
from reader.enrol import EnrolmentRefused, enrol
from reader.folder import FolderInUse, locked
from reader.identity import (
    IDENTITY,
    Enrolment,
    IdentityError,
    load_enrolment,
    load_keys,
    load_or_make_keys,
    save_enrolment,
)
from reader.memory import open_memory
from reader.mqtt import MqttBus

EXAMPLE = """\
A configuration file, with every setting:

  data = "/var/lib/doorward-reader"   # keys (0600), plan, journal
  ble = "bumble:usb:0"                # or "none"
  nfc = "pn532:/dev/ttyUSB0"          # or "none"
  door = "sim:127.0.0.1:0"            # strike, contact, exit button, lamps, buzzer
  broker = ""                         # mqtt://host:1883; empty: as enrolment said
  log_level = "info"                  # debug, info, warning, error

Any of them can come from the environment instead, as DOORWARD_READER_NFC=...
First, once: `doorward-reader enrol`, with a token from the controller (the answer to
POST /api/3/readers holds it). Then `doorward-reader run`.
"""


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and do what it says; exit with a clear text for whatever is wrong."""
    options = _parser().parse_args(arguments)
    try:
        settings = config.load(options.config)
        logging.basicConfig(
            level=settings.log_level.upper(),
            format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        run: Callable[[argparse.Namespace, config.Config], None] = options.run
        run(options, settings)
    except (
        config.ConfigError,
        EnrolmentRefused,
        FolderInUse,
        IdentityError,
        TooNew,
        Unusable,
        HardwareFault,
        UnknownDevice,
    ) as error:
        sys.exit(f"doorward-reader: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doorward-reader",
        description="The daemon at a door: reads phones and cards, decides, releases the strike.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("doorward"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("run", help="serve the door until stopped (SIGTERM, Ctrl-C)")
    serve.add_argument(
        "--door-port-file", type=Path, metavar="FILE", help="where a simulated door writes its port"
    )
    serve.set_defaults(run=_serve)
    introduce = commands.add_parser("enrol", help="introduce this reader to its controller, once")
    introduce.add_argument("--controller", required=True, metavar="URL", help="http://host:8080")
    introduce.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the one-time token; otherwise it is asked for, or read from standard input",
    )
    introduce.add_argument("--again", action="store_true", help="replace an earlier enrolment")
    introduce.set_defaults(run=_enrol)
    for command in (serve, introduce):
        command.add_argument(
            "--config",
            type=Path,
            required=True,
            metavar="FILE",
            help="the TOML file; `doorward-reader --help` shows one",
        )
    return parser


def _enrol(options: argparse.Namespace, settings: config.Config) -> None:
    known = load_enrolment(settings.data)
    if known is not None and not options.again:
        sys.exit(
            f"doorward-reader: already enrolled as {known.reader} for '{known.door}'. "
            "With --again it is enrolled anew, with the same keys and a new token."
        )
    token = _token(options.token_file)
    keys = load_or_make_keys(settings.data)
    with locked(settings.data):
        enrolment = enrol(options.controller, token, keys, app.SOFTWARE)
        save_enrolment(settings.data, enrolment)
    print(f"Enrolled as reader {enrolment.reader} for '{enrolment.door}'.")  # noqa: T201


def _token(path: Path | None) -> str:
    """Read the token; not an argument, because those can be seen by every user of the machine."""
    try:
        token = (path.read_text("utf-8") if path else _typed()).strip()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(
            f"doorward-reader: no token could be read from {path or 'standard input'}: {error}"
        )
    return token or sys.exit(f"doorward-reader: there is no token in {path or 'standard input'}")


def _typed() -> str:
    """Ask whoever sits there, without showing the answer; else take a line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass("One-time token of this reader (it is not shown): ")
    return sys.stdin.readline()


def _serve(options: argparse.Namespace, settings: config.Config) -> None:
    enrolment = load_enrolment(settings.data)
    if enrolment is None:
        sys.exit("doorward-reader: not enrolled yet: run `doorward-reader enrol` first (--help)")
    with locked(settings.data):
        try:
            asyncio.run(_run(settings, enrolment, options.door_port_file))
        except* asyncio.CancelledError:
            pass


async def _run(settings: config.Config, enrolment: Enrolment, door_port_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    this = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, this.cancel if this else loop.stop)
    keys = load_keys(settings.data)
    memory = open_memory(settings.data, SystemTime())
    try:
        devices = app.Devices(
            door=await open_door(settings.door, say=_say, port_file=door_port_file),
            links=await open_ble(settings.ble, name=enrolment.door),
            tags=await open_nfc(settings.nfc),
        )
        address = _broker(settings, enrolment)
        bus = MqttBus(address, f"doorward-{enrolment.reader}")
        await app.run(devices, bus, enrolment, keys, memory)
    finally:
        memory.close()


def _broker(settings: config.Config, enrolment: Enrolment) -> config.Broker:
    """Return the broker that was written down, or else the one that enrolment named."""
    if settings.broker:
        return config.broker(settings.broker)
    source = f"{settings.data / IDENTITY} (set 'broker' in the configuration, or enrol again)"
    return config.broker(enrolment.broker, source)


def _say(line: str) -> None:
    """Print what a simulated door does: this is what somebody standing there sees and hears."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
