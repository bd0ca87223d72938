"""doorward-controller: the daemon in the office."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from controller.config import Config, ConfigError, load
from controller.data_folder import DataFolder, DataFolderError
from controller.identity.keys import KeyFileError
from controller.service import CannotListen, serve
from controller.storage import bring_up_to_date
from controller.store.schema import UnknownSchema

DEFAULT_CONFIG = Path("/etc/doorward/controller.toml")

_EPILOG = """commands:
  run       serve until told to stop (what happens without a command)
  token     print where the operator's token is
  migrate   bring the database to this release's schema, and stop

configuration, in TOML (or as DOORWARD_CONTROLLER_<KEY> in the environment):
  data = "/var/lib/doorward"             folder for the database, the keys, the operator's token
  listen = "127.0.0.1:8080"
  public_url = "https://doors.example.org"
  broker = "mqtt://127.0.0.1:1883"
  time_zone = "Europe/London"            of the first site
  log_level = "info"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        config = load(asked.config)
    except ConfigError as error:
        return _fail(error, 2)
    if asked.check_config:
        print(f"{asked.config}: good")  # noqa: T201 - the answer to the command
        return 0
    logging.basicConfig(
        level=config.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # aiosqlite would tell every value that is written: people's names, hashes of secrets.
    for talkative in ("aiosqlite", "alembic", "uvicorn"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    os.umask(0o077)  # whatever is written here is nobody else's
    try:
        return _COMMANDS[asked.command](config)
    except (CannotListen, DataFolderError, KeyFileError, UnknownSchema) as error:
        return _fail(error, 1)


def _run(config: Config) -> int:
    folder = DataFolder(config.data)
    folder.make()
    with folder.locked():
        asyncio.run(serve(config, folder))
    return 0


def _token(config: Config) -> int:
    path = DataFolder(config.data).token_file
    if not path.exists():
        return _fail(f"{path} is not there yet; the first start makes it", 1)
    print(path)  # noqa: T201 - the answer to the command
    return 0


def _migrate(config: Config) -> int:
    folder = DataFolder(config.data)
    folder.make()
    if not folder.database.exists():
        return _fail(f"{folder.database} is not there yet; the first start makes it", 1)

    with folder.locked():
        asyncio.run(bring_up_to_date(folder.database))
    print(f"{folder.database}: up to date")  # noqa: T201 - the answer to the command
    return 0


_COMMANDS = {"run": _run, "token": _token, "migrate": _migrate}


def _fail(error: object, status: int) -> int:
    print(f"doorward-controller: {error}", file=sys.stderr)  # noqa: T201 - for who started it
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doorward-controller",
        description="Looks after doors, and who may open them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=list(_COMMANDS), default="run")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE")
    parser.add_argument("--check-config", action="store_true", help="read FILE, and stop")
    parser.add_argument("--version", action="version", version=version("doorward"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
