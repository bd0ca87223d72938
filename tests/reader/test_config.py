"""Configuration: what is taken, and that every error names file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from reader.config import Broker, Config, ConfigError, broker, load, parse

WHOLE = """
data = "state"
ble = "bumble:usb:0"
nfc = "pn532:/dev/ttyUSB0"
door = "sim:127.0.0.1:0"
broker = "mqtt://office:2000"
log_level = "debug"
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "reader.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, environ)
    return str(error.value)


def test_every_setting_is_taken(tmp_path: Path) -> None:
    assert load(written(tmp_path, WHOLE), {}) == Config(
        data=tmp_path / "state",
        ble="bumble:usb:0",
        nfc="pn532:/dev/ttyUSB0",
        door="sim:127.0.0.1:0",
        broker="mqtt://office:2000",
        log_level="debug",
    )


def test_all_but_the_folder_may_be_left_out(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'data = "/somewhere"'), {})
    assert config == Config(data=Path("/somewhere"))
    assert (config.ble, config.nfc, config.door, config.broker) == ("none", "none", "none", "")


def test_the_environment_overrides_single_keys(tmp_path: Path) -> None:
    environ = {"DOORWARD_READER_NFC": "none", "DOORWARD_READER_DATA": "other", "OTHER": "x"}
    config = load(written(tmp_path, WHOLE), environ)
    assert (config.nfc, config.data, config.ble) == ("none", tmp_path / "other", "bumble:usb:0")


def test_the_environment_alone_is_enough() -> None:
    config = parse({}, {"DOORWARD_READER_DATA": "/var/x"}, source="a.toml", base=Path("/etc"))
    assert config.data == Path("/var/x")


@pytest.mark.parametrize("door", ["none", "sim", "sim:127.0.0.1:9200"])
def test_devices_are_named_as_the_registry_names_them(tmp_path: Path, door: str) -> None:
    assert load(written(tmp_path, f'data = "d"\ndoor = "{door}"'), {}).door == door


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ('data = "d"\ncolour = "red"', "'colour'", "use one of: data, ble, nfc"),
        ("data = 7", "'data'", "in quotes"),
        ('data = ""', "'data'", "the folder"),
        ('ble = "none"', "'data' is missing", "the folder"),
        ('data = "d"\nble = true', "'ble'", "in quotes"),
        ('data = "d"\nble = "USB"', "'ble'", "bumble:tcp-client:127.0.0.1:9000"),
        ('data = "d"\nnfc = ""', "'nfc'", "pn532:/dev/ttyUSB0"),
        ('data = "d"\ndoor = "sim\\n"', "'door'", "sim:127.0.0.1:0"),
        ('data = "d"\nlog_level = "loud"', "'log_level'", "debug, info, warning or error"),
        ('data = "d"\nbroker = "office:1883"', "'broker'", "mqtt://host:1883"),
        ('data = "d"\nbroker = "mqtt://office:99999"', "'broker'", "mqtt://host:1883"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    tmp_path: Path, text: str, key: str, remedy: str
) -> None:
    path = written(tmp_path, text)
    said = refused(path)
    assert said.startswith(f"{path}: ")
    assert key in said
    assert remedy in said


def test_an_override_is_blamed_by_its_own_name(tmp_path: Path) -> None:
    said = refused(written(tmp_path, WHOLE), DOORWARD_READER_BLE="???")
    assert said.startswith("DOORWARD_READER_BLE: 'ble'")
    said = refused(written(tmp_path, WHOLE), DOORWARD_READER_BROKER="http://x")
    assert said.startswith("DOORWARD_READER_BROKER: 'broker'")


def test_a_missing_file_is_named_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.toml"
    assert refused(path) == (
        f"{path}: cannot be read (No such file or directory). Write one; see --help"
    )


@pytest.mark.parametrize("text", ["data = ", b'data = "\xff"', b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)
    assert refused(path).startswith(f"{path}: not TOML: ")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("mqtt://office", Broker("office", 1883)),
        ("mqtt://127.0.0.1:1", Broker("127.0.0.1", 1)),
        ("mqtt://[::1]:2000", Broker("::1", 2000)),
        ("mqtt://office/", Broker("office", 1883)),
    ],
)
def test_a_broker_is_host_and_port(url: str, found: Broker) -> None:
    assert broker(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "office",
        "mqtts://office",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://office:0",
        "mqtt://office:x",
        "mqtt://[::1",
        "mqtt://user:secret@office",  # there are no passwords here: it would not be used
        "mqtt://office/path",
        "mqtt://office?x=1",
        "mqtt://office#x",
    ],
)
def test_what_would_not_be_used_as_written_is_no_broker(url: str) -> None:
    with pytest.raises(ConfigError, match="mqtt://host:1883") as error:
        broker(url, "a.toml")
    assert "secret" not in str(error.value)
