"""`scripts/test`: what it runs, what it says, and that it never asks or installs unbidden."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "test"

SUITE = '''
"""A suite with one test of each fate."""
import os, shutil, sys, pytest

def test_passes(): pass
def test_fails(): assert False
def test_skips(): pytest.skip("no such hardware")
def test_finds_daemons(): assert "/usr/sbin" in os.environ["PATH"].split(":")
def test_finds_this_environment(): assert shutil.which("pytest").startswith(sys.prefix)

@pytest.mark.slow
def test_takes_long(): pass

@pytest.mark.bench
def test_needs_metal(): raise AssertionError("there is none")
'''


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, which wants a program that no system has."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    loader = SourceFileLoader("scripts_test", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, loader.name, module)
    loader.exec_module(module)
    wanted = module.Wanted("doorward-nonesuch", "doorward-nonesuch", "what nobody has")
    monkeypatch.setattr(module, "WANTED", (wanted,))
    return module


def run(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script in the environment that these tests run in."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**outer, "DOORWARD_VENV": sys.prefix, **variables},
    )


@pytest.mark.parametrize(
    ("arguments", "own", "extra"),
    [
        ([], [], []),
        (["fast"], ["fast"], []),
        (["--"], [], []),
        (["slow", "--", "-k", "a or b"], ["slow"], ["-k", "a or b"]),
        (["--", "--no-install", "--", "x"], [], ["--no-install", "--", "x"]),
    ],
)
def test_arguments_part_at_the_dashes(
    script: Any, arguments: list[str], own: list[str], extra: list[str]
) -> None:
    assert script._split(arguments) == (own, extra)


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ([0], 0),
        ([0, 0], 0),
        ([0, 5], 0),
        ([5, 0], 0),
        ([5, 5], 5),
        ([1, 0], 1),
        ([5, 1], 1),
        ([2, 1], 2),
    ],
)
def test_one_failure_is_a_failure_and_nothing_at_all_too(
    script: Any, codes: list[int], verdict: int
) -> None:
    assert script._verdict(codes) == verdict


def test_a_debugger_is_left_alone(script: Any) -> None:
    assert script._spread("fast", []) == ["-n", "2"]
    assert script._spread("slow", ["-x"]) == ["-n", "1"]
    for extra in (["--pdb"], ["-n0"], ["-n", "4"], ["--numprocesses=4"]):
        assert script._spread("fast", extra) == []
    assert script._watch("fast", ["--pdb"]) == []
    assert "faulthandler_timeout=300" in script._watch("slow", [])


def test_nothing_is_installed_where_that_is_forbidden(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*command: object) -> bool:
        raise AssertionError(command)

    monkeypatch.setattr(script, "_shown", never)
    monkeypatch.setenv("DOORWARD_NO_APT", "1")
    assert script._system(install=True) == "DOORWARD_NO_APT=1"
    assert script._system(install=False) == "--no-install"
    monkeypatch.delenv("DOORWARD_NO_APT")
    monkeypatch.setattr(script, "_become_root", lambda: None)
    said = script._system(install=True)
    assert "doorward-nonesuch" in said
    monkeypatch.setattr(script, "WANTED", (script.Wanted("sh", "sh", "nothing"),))
    assert script._system(install=True) == ""


def test_what_could_not_be_installed_is_said(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try fails for want of lists, the lists come, and the package is still unknown."""
    commands: list[list[str]] = []

    def shown(command: list[str]) -> bool:
        commands.append(command)
        return "update" in command

    monkeypatch.setattr(script, "_shown", shown)
    monkeypatch.setattr(script, "_become_root", lambda: ["sudo", "-n"])
    monkeypatch.setattr(script.shutil, "which", lambda program, **_: program == "apt-get" or None)

    assert "by hand: apt install doorward-nonesuch" in script._system(install=True)
    assert ["install" in command for command in commands] == [True, False, True]
    assert all(command[:3] == ["sudo", "-n", "env"] for command in commands)


def test_the_summary_names_what_was_not_tested(
    script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = script.Outcome("fast", 0, 61.0, {"passed": 2, "failed": 0, "skipped": 3})
    slow.skips.update(["no radio", "no radio", "no card"])
    broken, none = script.Outcome("slow", 1, 2.0), script.Outcome("slow", 5, 0.5)

    script._summarise([slow, broken, none], "DOORWARD_NO_APT=1")

    assert capsys.readouterr().out.splitlines()[1:] == [
        "== summary",
        "fast: 2 passed, 3 skipped in 61.0 s",
        "  over 60 s: find out why with scripts/test fast -- --durations=20",
        "  skipped 2: no radio",
        "  skipped 1: no card",
        "slow: broken off in 2.0 s",
        "slow: no tests in 0.5 s",
        "not tested without doorward-nonesuch: what nobody has (DOORWARD_NO_APT=1)",
    ]


@pytest.mark.slow
def test_a_round_of_each_kind(tmp_path: Path) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE, encoding="utf-8")
    there = ["--", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(suite)]

    done = run(["all", "--no-install", *there])

    assert done.returncode == 1
    _, _, summary = done.stdout.partition("== summary\n")
    fast, skipped, slow, *_ = summary.splitlines()
    assert fast.startswith("fast: 3 passed, 1 failed, 1 skipped in ")
    assert skipped == "  skipped 1: no such hardware"
    assert slow.startswith("slow: 1 passed in ")


def test_a_missing_environment_is_said(tmp_path: Path) -> None:
    done = run(["--no-install"], DOORWARD_VENV=str(tmp_path))

    assert done.returncode == 1
    assert "Leave out --no-install" in done.stderr
    assert "Traceback" not in done.stderr
