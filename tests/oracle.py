"""Other people's libraries to be held against, each in an environment of its own."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest

INSTALL_SECONDS = 50


def environment(folder: Path, *wanted: str, alone: tuple[str, ...] = ()) -> Path:
    """The Python of a new environment that has `wanted`, and `alone` without what those want.

    Skips, and says why, where they cannot be installed.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _install(python, "--only-binary", ":all:", *wanted)
    if alone:
        _install(python, "--only-binary", ":all:", "--no-deps", *alone)
    return python


def _install(python: Path, *arguments: str) -> None:
    names = " ".join(each for each in arguments if not each.startswith((":", "-")))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10"]
    try:
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"installing {names} took over {INSTALL_SECONDS} s: is an index reachable?")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        pytest.skip(f"could not install {names} (is an index reachable?): {last[0][:120]}")
