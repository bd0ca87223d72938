"""What an operator writes down for the controller: a TOML file, checked whole, one frozen object.

Every key can be overridden by an environment variable, `DOORWARD_CONTROLLER_` and the key in
capitals.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.compiler.offsets import UnknownTimeZone, time_zone

PREFIX = "DOORWARD_CONTROLLER_"


class ConfigError(Exception):
    """The configuration cannot be used. The text names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; port 0 is any free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the controller is told."""

    data: Path  # database, keys, operator's token
    listen: Listen = Listen("127.0.0.1", 8080)
    public_url: str = ""  # what links are made of; empty: where it listens
    broker: str = field(default="mqtt://127.0.0.1:1883", repr=False)  # may hold a password
    time_zone: str = "UTC"  # of the first site, which is made at the first start
    log_level: str = "info"


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read `path`. Raises `ConfigError`."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); see --help") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: byte {error.start} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return parse(values, environ, source=str(path), base=path.parent)


def parse(
    values: Mapping[str, object], environ: Mapping[str, str], *, source: str, base: Path
) -> Config:
    """Return `values`, with the environment's overrides, as `Config`.

    A relative `data` is relative to `base`. Raises `ConfigError` with all that is wrong.
    """
    known = [setting.name for setting in fields(Config)]
    wrong = [
        f"{source}: {key!r} is no setting; remove it, or use one of {', '.join(known)}"
        for key in values
        if key not in known
    ]
    read: dict[str, Any] = {}
    for key in known:
        variable = PREFIX + key.upper()
        value = environ.get(variable, values.get(key))
        if value is None:
            continue
        where = variable if variable in environ else source
        try:
            read[key] = _READ[key](value)
        except ValueError as error:
            wrong.append(f"{where}: {key!r} {error}")
    if "data" not in {**read, **values}:
        wrong.append(f"{source}: 'data' is missing: the folder for the database and the keys")
    if wrong:
        raise ConfigError("\n".join(wrong))
    return Config(**{**read, "data": (base / read["data"]).resolve()})


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise ValueError("must be text in quotes")
    return value.strip()


def _listen(value: object) -> Listen:
    found = re.fullmatch(r"(\[.+\]|[^:\s]+):([0-9]{1,5})", _text(value))
    if found is None or int(found[2]) > 65_535:
        raise ValueError('is written "127.0.0.1:8080", or "[::1]:8080"; port 0 is any free one')
    host = found[1].strip("[]")
    if found[1].startswith("["):
        ipaddress.IPv6Address(host)
    return Listen(host, int(found[2]))


def _public_url(value: object) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError('is written "https://doors.example.org"')
    return _text(value).rstrip("/")


def _broker(value: object) -> str:
    # Not a word of the address itself: somebody may have written a password into it.
    parts = urlsplit(_text(value))
    try:
        there = bool(parts.hostname) and parts.port != 0
    except ValueError:
        there = False
    if parts.scheme != "mqtt" or not there or parts.path not in {"", "/"}:
        raise ValueError('is written "mqtt://host:1883"')
    return _text(value)


def _time_zone(value: object) -> str:
    try:
        return time_zone(_text(value)).key
    except UnknownTimeZone as error:
        raise ValueError(str(error)) from error


def _log_level(value: object) -> str:
    if value not in {"debug", "info", "warning", "error"}:
        raise ValueError("is debug, info, warning or error")
    return _text(value)


_READ: dict[str, Callable[[object], Any]] = {
    "data": _text,
    "listen": _listen,
    "public_url": _public_url,
    "broker": _broker,
    "time_zone": _time_zone,
    "log_level": _log_level,
}
