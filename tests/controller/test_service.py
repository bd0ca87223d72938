"""The controller as a process: first start, stop, start again, and refusals to start."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from controller.__main__ import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "controller.toml"
    path.write_text(
        'data = "data"\nlisten = "127.0.0.1:0"\ntime_zone = "Europe/London"\n'
        f'broker = "mqtt://me:hunter2@127.0.0.1:{free_port()}"\nlog_level = "debug"\n',
        encoding="utf-8",
    )
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A controller in a process of its own."""

    def __init__(self, config: Path) -> None:
        self.data = config.parent / "data"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "controller", "--config", str(config)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""

    @contextmanager
    def ready(self) -> Iterator[httpx.Client]:
        """Yield a client with the operator's token, once the controller answers."""
        with self._client() as client:
            give_up = time.monotonic() + 30
            while not self._answers(client):
                if time.monotonic() > give_up or self.process.poll() is not None:
                    raise AssertionError(f"the controller does not answer: {self.stop()}")
                time.sleep(0.05)
            yield client

    def _client(self) -> httpx.Client:
        address = self.data / "http.address"
        address = self.data / "http.address"
        give_up = time.monotonic() + 30
        while not address.exists():
            if time.monotonic() > give_up or self.process.poll() is not None:
                raise AssertionError(f"the controller does not start: {self.stop()}")
            time.sleep(0.05)
        token = (self.data / "operator.token").read_text(encoding="ascii").strip()
        return httpx.Client(
            base_url=f"http://{address.read_text(encoding='ascii').strip()}",
            headers={"Authorization": f"Bearer {token}"},
        )

    def _answers(self, client: httpx.Client) -> bool:
        try:
            return client.get("/api/3/status").is_success
        except httpx.TransportError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.wait()
        return self.process.returncode

    def wait(self) -> str:
        """Return all it logged, once it has ended."""
        if not self.process.stderr or not self.process.stderr.closed:
            self.log += self.process.communicate(timeout=30)[1]
        return self.log


@contextmanager
def running(config: Path) -> Iterator[Running]:
    controller = Running(config)
    try:
        yield controller
    finally:
        if controller.process.poll() is None:
            controller.process.kill()
        controller.wait()


@pytest.mark.slow
def test_from_first_start_to_second(config: Path) -> None:
    with running(config) as controller:
        with controller.ready() as client:
            (site,) = client.get("/api/3/sites").json()
            assert (site["name"], site["time_zone"]) == ("Main", "Europe/London")
            body = {"first_name": "Ada", "last_name": "Lovelace"}
            assert client.post("/api/3/people", json=body).status_code == 201
            url = client.post("/api/3/people/1/credentials", json={"credential_type_id": 9}).json()
            secret = url["url"].partition("#")[2]
            token = client.headers["Authorization"].split()[1]
            begun = client.post("/wallet/begin", json={"code": secret})
            assert begun.json()["person"] == "Ada"
            assert client.post("/wallet/begin", content=b"{").status_code == 400
        assert main(["--config", str(config)]) == 1  # the folder is in use
        assert controller.stop() == 0
        for hidden in (secret, token, "hunter2", "Lovelace"):
            assert hidden not in controller.log
    files = {path.name: path.stat().st_mode & 0o777 for path in (config.parent / "data").iterdir()}
    assert set(files.values()) == {0o600}
    assert "http.address" not in files
    with running(config) as controller, controller.ready() as client:
        assert [one["first_name"] for one in client.get("/api/3/people").json()] == ["Ada"]
        assert len(client.get("/api/3/sites").json()) == 1
        assert controller.stop(signal.SIGINT) == 0


@pytest.mark.slow
def test_a_database_of_a_later_release_stops_the_start(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(config) as controller, controller.ready():
        controller.stop()
    connection = sqlite3.connect(config.parent / "data" / "doorward.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with running(config) as controller:
        assert controller.process.wait(30) == 1
        assert "'9999'" in controller.wait()
    assert main(["migrate", "--config", str(config)]) == 1
    assert "later one" in capsys.readouterr().err


@pytest.mark.slow
def test_a_lost_key_stops_the_start(config: Path) -> None:
    with running(config) as controller, controller.ready():
        controller.stop()
    (config.parent / "data" / "plan-signing.key").unlink()
    with running(config) as controller:
        assert controller.process.wait(30) == 1
        assert "put plan-signing.key back" in controller.wait()


@pytest.mark.slow
def test_without_its_issuer_of_certificates_it_does_not_start_again(config: Path) -> None:
    with running(config) as controller, controller.ready():
        controller.stop()
    issuer = config.parent / "data" / "reader-issuer.key"
    kept = issuer.rename(config.parent / "kept")
    with running(config) as controller:
        assert controller.process.wait(30) == 1
        assert "reader-issuer.key is missing: put reader-issuer.key back" in controller.wait()
    assert not issuer.exists()
    kept.rename(issuer)
    with running(config) as controller, controller.ready():
        assert controller.stop() == 0


def test_commands_before_the_first_start(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "--check-config"]) == 0
    assert "good" in capsys.readouterr().out
    assert main(["token", "--config", str(config)]) == 1
    assert main(["migrate", "--config", str(config)]) == 1
    assert "first start" in capsys.readouterr().err
    assert main(["--config", str(config.with_name("none.toml"))]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_who_comes_as_soon_as_the_address_is_known_is_let_in(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[str] = []

    async def come(*_: object) -> None:
        host, port = (config.parent / "data" / "http.address").read_text().strip().split(":")
        with socket.create_connection((host, int(port)), timeout=5):
            came.append(host)

    monkeypatch.setattr("controller.service._run", come)
    assert main(["--config", str(config)]) == 0
    assert came == ["127.0.0.1"]


def test_an_address_that_is_taken(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = config.read_text(encoding="utf-8").replace("127.0.0.1:0", f"127.0.0.1:{port}")
        config.write_text(text, encoding="utf-8")
        assert main(["--config", str(config)]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err
    assert not (config.parent / "data" / "doorward.db").exists()
