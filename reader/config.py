"""What an operator writes down for one reader: a TOML file, checked whole, into one frozen object.

Every key can be overridden by an environment variable, `DOORWARD_READER_` and the key in capitals.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

PREFIX = "DOORWARD_READER_"


class ConfigError(Exception):
    """The configuration cannot be used. The text names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a reader is told; the rest it learns by enrolment and from its plan."""

    data: Path  # keys, identity, plan cache, journal
    ble: str = "none"
    nfc: str = "none"
    door: str = "none"
    broker: str = ""  # empty: the broker that enrolment named
    log_level: str = "info"


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read `path`. Raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}). Write one; see --help"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: byte {error.start} is not UTF-8") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return parse(values, environ, source=str(path), base=path.parent)


def parse(
    values: Mapping[str, object], environ: Mapping[str, str], *, source: str, base: Path
) -> Config:
    """Return `values`, with the environment's overrides, as `Config`. Raises `ConfigError`."""
    known = {field.name: field for field in fields(Config)}
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{source}: '{key}' is not a setting. Remove it, or use one of: {', '.join(known)}"
            )
    merged: dict[str, object] = dict(values)
    origin = {}
    for key in known:
        if (text := environ.get(PREFIX + key.upper())) is not None:
            merged[key] = text
            origin[key] = PREFIX + key.upper()
    for key, value in merged.items():
        _check(key, value, origin.get(key, source))
    if not merged.get("data"):
        raise ConfigError(f"{source}: 'data' is missing: the folder for keys, plan and journal")
    return Config(**{**merged, "data": (base / str(merged["data"])).resolve()})  # type: ignore[arg-type]


def _check(key: str, value: object, source: str) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{source}: '{key}' must be text in quotes")
    if key == "broker" and value:
        broker(value, source)
    if key == "log_level" and value not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"{source}: 'log_level' is debug, info, warning or error")
    if key in ("ble", "nfc", "door") and not re.match(r"^[a-z0-9]+(:.*)?\Z", value):
        raise ConfigError(f"{source}: '{key}' names a driver and a device, as \"{_EXAMPLES[key]}\"")


_EXAMPLES = {
    "ble": "bumble:tcp-client:127.0.0.1:9000",
    "nfc": "pn532:/dev/ttyUSB0",
    "door": "sim:127.0.0.1:0",
}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker listens."""

    host: str
    port: int


def broker(url: str, source: str = "broker") -> Broker:
    """Return the parts of `mqtt://host[:port]`. Raises `ConfigError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, 1883 if parts.port is None else parts.port
    except ValueError:
        host, port = None, 0
    # Not a word of the address itself: somebody may have written a password into it.
    if not host or not port or parts.scheme != "mqtt" or _rest(parts):
        raise ConfigError(
            f"{source}: 'broker' is written mqtt://host:1883, without user, password or path"
        )
    return Broker(host, port)


def _rest(parts: SplitResult) -> str:
    """Return what of an address would not be used."""
    user = parts.netloc.rpartition("@")[0]
    return user + parts.path.removeprefix("/") + parts.query + parts.fragment
