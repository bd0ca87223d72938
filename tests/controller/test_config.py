"""Configuration: what is right is read whole, what is wrong is said with file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import Config, ConfigError, Listen, load, parse

SECRET = "hunter2"


def read(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "controller.toml"
    path.write_text(text, encoding="utf-8")
    return load(
        path, {f"DOORWARD_CONTROLLER_{key.upper()}": value for key, value in environ.items()}
    )


def test_the_least_there_can_be(tmp_path: Path) -> None:
    config = read(tmp_path, 'data = "data"')
    assert config == Config(data=tmp_path / "data")
    assert (config.listen, config.time_zone) == (Listen("127.0.0.1", 8080), "UTC")


def test_everything(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        data = "/var/lib/doorward"
        listen = "[::1]:0"
        public_url = "https://doors.example.org/"
        broker = "mqtt://me:hunter2@broker:1884"
        time_zone = "Europe/London"
        log_level = "debug"
        """,
    )
    assert config.data == Path("/var/lib/doorward")
    assert config.listen == Listen("::1", 0)
    assert config.public_url == "https://doors.example.org"
    assert SECRET not in repr(config)


def test_the_environment_wins(tmp_path: Path) -> None:
    config = read(tmp_path, 'data = "a"\nlisten = "nonsense"', listen="192.0.2.1:1", data="b")
    assert (config.listen, config.data) == (Listen("192.0.2.1", 1), tmp_path / "b")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("listen = 8080", "'listen' must be text"),
        ('listen = "localhost"', "'listen' is written"),
        ('listen = "127.0.0.1:65536"', "'listen' is written"),
        ('listen = "[zz]:1"', "'listen'"),
        ('public_url = "doors.example.org"', "'public_url' is written"),
        ('public_url = "ftp://x"', "'public_url' is written"),
        ('public_url = "https://x/#y"', "'public_url' is written"),
        ('broker = "tcp://x"', "'broker' is written"),
        (f'broker = "mqtt://me:{SECRET}@:99999"', "'broker' is written"),
        (f'broker = "mqtts://me:{SECRET}@x"', "'broker' is written"),
        ('time_zone = "Mars/Olympus"', "'time_zone'.*IANA"),
        ('log_level = "loud"', "'log_level' is debug"),
        ('colour = "blue"', "'colour' is no setting; remove it, or use one of data, listen"),
        ('data = ""', "'data' must be text"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, says: str) -> None:
    text = line if line.startswith("data") else f'data = "x"\n{line}'
    with pytest.raises(ConfigError, match=says) as caught:
        read(tmp_path, text)
    assert "controller.toml" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"listen": 1, "broker": 2}, {}, source="x.toml", base=Path())
    lines = str(caught.value).splitlines()
    assert [line.partition("'")[2].partition("'")[0] for line in lines] == [
        "listen",
        "broker",
        "data",
    ]


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DOORWARD_CONTROLLER_LISTEN: 'listen' is written"):
        read(tmp_path, 'data = "x"', listen="x")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="not TOML"):
        read(tmp_path, "data = ")
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="byte 0 is not UTF-8"):
        load(tmp_path / "binary.toml", {})
