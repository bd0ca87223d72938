"""What the README tells a newcomer to type works, in this order, to the refusal at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("8080", "1883", "9000", "9200")

# Between the commands a newcomer waits for what the daemons say, and copies from an answer.
FROM_ANSWER = """python -c '
import json, sys
found = json.load(open(sys.argv[1]))
print(found.get("url") or found["enrolment"]["token"])' """
ONLINE = """'"online":true'"""
MORE = {
    "doorward-controller --config": "until [ -e controller/http.address ]; do sleep 0.1; done",
    "doorward-reader run": f"until api readers | grep -q {ONLINE}; do sleep 0.1; done",
    "api people/1 -X PUT -d '{\"enabled\": false}'": (
        "until api 'changes?per_page=1' | grep -q processed; do sleep 0.1; done"
    ),
}


def commands() -> list[str]:
    """The lines of all blocks of "Run it for real" but the first, which installs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Run it for real")[1].split("\n## ")[0]
    install, *blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert "locks/controller.txt" in install
    return [line for block in blocks for line in block.splitlines()]


def typed(line: str) -> list[str]:
    """A line of the README as this test types it."""
    match line.split()[:2]:
        case ["api", "people/1/credentials" | "readers"]:
            return [f"{line} > answer.json", f"GIVEN=$({FROM_ANSWER} answer.json)"]
        case ["doorward-reader", "enrol"]:
            return [f'{line} <<< "$TOKEN"']
        case ["doorward-phone", "redeem"]:
            return [line.replace("LINK", '"$LINK"')]
        case ["doorward-phone", "tap"]:
            return [f"{line.partition('#')[0]} || true"]
        case _:
            return [line]


def script() -> str:
    """All of it, for bash, which leaves no daemon behind."""
    lines = ["trap 'kill $(jobs -p) 2> /dev/null' EXIT"]
    for line in commands():
        lines += typed(line)
        if line.startswith("api people/1/credentials"):
            lines.append("LINK=$GIVEN")
        elif line.startswith("api readers"):
            lines.append("TOKEN=$GIVEN")
        lines += [more for start, more in MORE.items() if line.startswith(start)]
    return "\n".join(lines)


def test_it_runs_as_written(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    text = script()
    ports = {port: str(unused_tcp_port_factory()) for port in PORTS}
    for port, free in ports.items():
        assert f":{port}" in text or f"--port {port}" in text
        text = re.sub(rf"\b{port}\b", free, text)
    venv = Path(sys.executable).parent
    environment = {"PATH": f"{venv}:{os.defpath}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    broker = [sys.executable, "-m", "hw.sim.broker", "--port", ports["1883"]]
    said = tmp_path / "said"
    with (
        said.open("w") as file,
        subprocess.Popen(broker, cwd=tmp_path, env=environment, stdout=file) as mqtt,
        subprocess.Popen(
            ["/bin/bash", "-m", "-e", "-o", "pipefail", "-c", text],
            cwd=tmp_path,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        ) as shell,
    ):
        try:
            code = shell.wait(timeout=90)
        finally:
            shell.terminate()
            mqtt.kill()
    found = said.read_text()
    assert code == 0, found
    assert "You have a key for: Front door" in found
    assert re.search(r"GREEN: Front door opens .*\n(.*\n)*?RED: Front door stays shut", found), (
        found
    )
    assert '"reason":"suspended"' in found
    assert '"status":"processed"' in found
