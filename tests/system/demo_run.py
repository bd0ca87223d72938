"""`scripts/demo` as somebody runs it: from anywhere, with a temporary folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """A run that has been started; its temporary folders lie in `temp`."""

    process: subprocess.Popen[str]
    temp: Path

    @property
    def left_over(self) -> list[str]:
        """Files and processes that are still there because of this run."""
        files = [str(path) for path in self.temp.iterdir()]
        return files + [f"process {pid}" for pid in processes_in(self.temp)]


@contextmanager
def demo(tmp_path: Path, *arguments: str, stderr: int = subprocess.STDOUT) -> Iterator[Demo]:
    """Run the script with another folder as the current one, output in a pipe."""
    temp, elsewhere = tmp_path / "temp", tmp_path / "elsewhere"
    temp.mkdir()
    elsewhere.mkdir()
    # The environment that runs this test is the one to run the demo, wherever it lies.
    venv = {"DOORWARD_VENV": sys.prefix, "TMPDIR": str(temp)}
    with subprocess.Popen(
        [sys.executable, SCRIPT, *arguments],
        cwd=elsewhere,
        env={**os.environ, **venv},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield Demo(process, temp)
        finally:
            process.kill()


def processes_in(folder: Path) -> list[int]:
    """Processes that run in `folder`, or name it on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in command or where.startswith(str(folder)):
            found.append(int(entry.name))
    return found
