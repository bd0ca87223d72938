"""Each program starts where only the packages of its lock are: nobody installs more than that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ONLY = """
import importlib, importlib.metadata as metadata, re, sys
lock, module = sys.argv[1], sys.argv[2]
locked = {re.sub("[-_.]+", "-", line.split("==")[0].split("[")[0]).lower()
          for line in open(lock) if re.match("[a-z]", line)} | {"doorward"}
theirs = metadata.packages_distributions()

class Only:
    def find_spec(self, name, path=None, target=None):
        owners = {re.sub("[-_.]+", "-", owner).lower() for owner in theirs.get(name, ())}
        if owners and not owners & locked:
            raise ModuleNotFoundError(f"{name} is not in {lock}")

sys.meta_path.insert(0, Only())
importlib.import_module(module)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "module"),
    [
        ("controller", "controller.__main__"),
        ("controller", "hw.sim.phone.__main__"),
        ("controller", "hw.sim.cards.__main__"),
        ("reader", "reader.__main__"),
        ("reader", "hw.sim.phone.__main__"),
        ("reader", "hw.sim.cards.__main__"),
        ("reader", "hw.sim.phone.at_door"),
        ("reader", "hw.sim.air"),
        ("reader", "hw.sim.pn532"),
        ("sim", "hw.sim.demo.__main__"),
    ],
)
def test_a_program_finds_what_it_imports_in_its_lock(lock: str, module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ONLY, ROOT / "locks" / f"{lock}.txt", module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
