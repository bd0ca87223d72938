"""`doorward-reader` from the outside: what it says, what it refuses, and how it stops."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reader.__main__ import main
from reader.folder import LOCK, locked
from reader.identity import IDENTITY, IDENTITY_KEY, load_enrolment, load_keys
from tests.reader.keys import ANSWER, READER
from tests.reader.test_enrol import desk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "reader.toml"
    path.write_text('data = "data"\ndoor = "sim"\n')
    return path


@pytest.fixture(autouse=True)
def no_logging_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `main` sets up would outlive the test."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


def ended(*arguments: str | Path) -> str:
    """Run `main`, which must end with a text, and return that."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    text = str(end.value.code)
    assert text.startswith("doorward-reader: ")
    return text


def enrol(config: Path, *more: str | Path, answer: object = ANSWER, status: int = 200) -> None:
    token = config.with_name("token")
    token.write_text(" the token\n")
    with desk(status, answer) as server:
        arguments = ["enrol", "--config", config, "--controller", server.url, "--token-file", token]
        main([str(argument) for argument in [*arguments, *more]])
    assert [body["token"] for _, body in server.asked] == ["the token"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["run", "enrol", "--version", "pn532:/dev/ttyUSB0", "DOORWARD_READER_NFC"]),
        (["run"], ["--config", "--door-port-file"]),
        (["enrol"], ["--config", "--controller", "--token-file", "--again"]),
    ],
)
def test_help_tells_all(
    command: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert [word for word in words if word not in said] == []


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "usage: doorward-reader" in capsys.readouterr().err


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.toml"
    assert ended("run", "--config", path).startswith(f"doorward-reader: {path}: cannot be read")


def test_a_reader_that_is_not_enrolled_says_what_to_do(config: Path) -> None:
    assert "not enrolled yet: run `doorward-reader enrol` first" in ended("run", "--config", config)
    assert not config.with_name("data").exists()


def test_enrolment_makes_keys_and_remembers_the_answer(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enrol(config)
    assert capsys.readouterr().out == f"Enrolled as reader {READER} for 'Front door'.\n"
    enrolment = load_enrolment(config.with_name("data"))
    assert enrolment is not None
    assert enrolment.reader == READER
    load_keys(config.with_name("data"))


def test_enrolling_twice_takes_a_word_more_and_keeps_the_keys(config: Path) -> None:
    enrol(config)
    before = load_keys(config.with_name("data"))
    said = ended("enrol", "--config", config, "--controller", "http://127.0.0.1:1")
    assert f"already enrolled as {READER} for 'Front door'. With --again" in said
    enrol(config, "--again", answer={**ANSWER, "reader": "reader0009"})
    enrolment = load_enrolment(config.with_name("data"))
    assert enrolment is not None
    assert enrolment.reader == "reader0009"
    after = load_keys(config.with_name("data"))
    assert after.identity.public == before.identity.public
    assert after.pkoc.public == before.pkoc.public


def test_a_refused_enrolment_leaves_the_reader_not_enrolled(config: Path) -> None:
    with pytest.raises(SystemExit, match="answered 410: used"):
        enrol(config, answer={"error_description": "used"}, status=410)
    assert "not enrolled" in ended("run", "--config", config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no token could be read"),
        (b"\xff\xfe", "no token could be read"),
        (b" \n", "no token in"),
    ],
)
def test_a_token_that_is_not_there_is_missed(
    config: Path, content: bytes | None, said: str
) -> None:
    token = config.with_name("token")
    if content is not None:
        token.write_bytes(content)
    address = "http://127.0.0.1:1"
    text = ended("enrol", "--config", config, "--controller", address, "--token-file", token)
    assert said in text
    assert str(token) in text
    assert not config.with_name("data").exists()


def test_the_token_may_come_from_standard_input(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed = tmp_path / "typed"
    typed.write_text("from the keyboard\n")
    with typed.open() as stdin, desk(200, ANSWER) as server:
        monkeypatch.setattr(sys, "stdin", stdin)
        main(["enrol", "--config", str(config), "--controller", server.url])
    assert server.asked[0][1]["token"] == "from the keyboard"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("DOOR", "gpio:17", "'gpio:17' is no door device"),
        ("BLE", "hci0", "'hci0' is no Bluetooth device"),
        ("NFC", "acr122:usb", "'acr122:usb' is no NFC device"),
        ("BROKER", "tcp://x", "'broker' is written mqtt://host:1883"),
        ("LOG_LEVEL", "loud", "'log_level' is debug, info"),
    ],
)
def test_what_a_reader_cannot_use_it_names(
    config: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str, said: str
) -> None:
    enrol(config)
    monkeypatch.setenv(f"DOORWARD_READER_{key}", value)
    assert said in ended("run", "--config", config)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (IDENTITY, b"{", "cannot be read: put it back, or enrol"),
        (IDENTITY_KEY, b"00", "is damaged: put it back"),
        (IDENTITY_KEY, None, "is gone: put it back"),
        ("journal.db", b"ruined" * 1000, "move it away and start again"),
    ],
)
def test_a_damaged_folder_is_explained(
    config: Path, file: str, content: bytes | None, said: str
) -> None:
    enrol(config)
    path = config.with_name("data") / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    text = ended("run", "--config", config)
    assert said in text
    assert str(path) in text


def test_a_second_start_in_the_same_folder_is_refused(config: Path) -> None:
    enrol(config)
    address = "http://127.0.0.1:1"
    token = config.with_name("token")
    with locked(config.with_name("data")):
        said = ended("run", "--config", config)
        again = ended(
            "enrol", "--again", "--config", config, "--controller", address, "--token-file", token
        )
    assert f"{config.with_name('data')} is in use by another doorward-reader" in said
    assert again == said


def test_a_folder_that_cannot_be_written_to_is_explained(config: Path) -> None:
    enrol(config)
    lock = config.with_name("data") / LOCK
    lock.unlink()
    lock.mkdir()  # root may open everything but this
    said = ended("run", "--config", config)
    assert f"{lock} cannot be opened" in said
    assert "let this user write to the folder" in said


@pytest.mark.slow
def test_at_a_terminal_the_token_is_asked_for_and_not_shown(config: Path) -> None:
    at, terminal = pty.openpty()
    with desk(200, ANSWER) as server:
        command = [sys.executable, "-m", "reader", "enrol", "--config", str(config)]
        with subprocess.Popen(
            [*command, "--controller", server.url],
            cwd=ROOT,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        ) as process:
            os.close(terminal)
            shown = read_until(at, b"One-time token")
            os.write(at, b"typed-token\n")
            shown += read_until(at, b"Enrolled as")
            assert process.wait(timeout=20) == 0
    os.close(at)
    assert server.asked[0][1]["token"] == "typed-token"
    assert b"typed-token" not in shown


def read_until(terminal: int, words: bytes) -> bytes:
    """What a terminal shows up to and with `words`."""
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1000)
    return shown


def test_ctrl_c_at_the_question_leaves_no_traceback(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("reader.__main__._typed", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["enrol", "--config", str(config), "--controller", "http://127.0.0.1:1"])
    assert end.value.code == 130


def test_a_broker_that_enrolment_named_wrongly_is_named_with_its_file(config: Path) -> None:
    enrol(config, answer={**ANSWER, "broker": "office:1883"})
    text = ended("run", "--config", config)
    assert f"{config.with_name('data') / IDENTITY} (set 'broker' in the configuration" in text
    assert "mqtt://host:1883" in text


@contextmanager
def daemon(config: Path) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """Run the daemon; give its process and a line to its simulated door."""
    port_file = config.with_name("door.port")
    environ = {**os.environ, "DOORWARD_READER_DOOR": "sim:127.0.0.1:0"}
    command = [sys.executable, "-m", "reader", "run", "--config", str(config)]
    with subprocess.Popen(
        [*command, "--door-port-file", str(port_file)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while not port_file.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            with socket.create_connection(("127.0.0.1", int(port_file.read_text())), 10) as line:
                yield process, line
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_with_the_strike_secured(
    config: Path, number: signal.Signals
) -> None:
    enrol(config)
    with daemon(config) as (process, line):
        assert process.stdout is not None
        assert process.stderr is not None
        served = next(said for said in process.stderr if "is served" in said)
        assert served.rstrip().endswith(
            "door 'Front door' is served; plan: none (empty); everybody is refused until one comes"
        )
        line.sendall(b'{"do": "rex", "active": true}\n')
        next(said for said in process.stdout if said.startswith("Click"))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
        assert "Clack: the strike holds." in rest
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


@pytest.mark.slow
def test_it_says_what_happens_at_the_door(config: Path) -> None:
    enrol(config)
    with daemon(config) as (_, line):
        lines = line.makefile()
        first = json.loads(lines.readline())
        assert (first["change"], first["strike"]) == ("snapshot", "secured")
        line.sendall(b'{"do": "rex"}\n')
        changes: dict[str, object] = {}
        while changes.get("strike") != "released":
            changes = json.loads(lines.readline())
        lines.close()
