"""`scripts/_env.py`: environments are made, mended and moved, and nobody else's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, in a project with locks of its own, whose installers only say what they do."""
    spec = spec_from_file_location("doorward_env", SCRIPTS / "_env.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path / "a project"
    (root / "locks").mkdir(parents=True)
    for name in ("pyproject.toml", *(f"locks/{lock}.txt" for lock in module.SUPERSETS)):
        (root / name).write_text(f"{name}\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.delenv("DOORWARD_VENV", raising=False)
    module.done = []

    def must(command: list[str], _remedy: str) -> None:
        assert "venv" in command
        module.done.append("make")
        folder = Path(command[-1])
        assert not folder.exists()
        (folder / "bin").mkdir(parents=True)
        (folder / "pyvenv.cfg").touch()
        (folder / "bin" / "python").symlink_to(sys.executable)

    def install(_venv: Path, lock: Path) -> None:
        module.done.append(lock.stem)

    monkeypatch.setattr(module, "_must", must)
    monkeypatch.setattr(module, "_install", install)
    return module


def test_an_environment_is_made_once(env: Any) -> None:
    venv = env.ROOT / ".venv"

    assert env.ensure_venv("reader") == venv / "bin"
    assert env.ensure_venv("reader") == venv / "bin"
    assert env.done == ["make", "reader"]


def test_an_environment_grows_and_keeps_what_it_has(env: Any) -> None:
    for extra in ("sim", "dev", "reader"):
        env.ensure_venv(extra)

    assert env.done == ["make", "sim", "dev"]

    (env.ROOT / "locks" / "dev.txt").write_text("other versions", encoding="utf-8")
    env.ensure_venv("sim")

    # Also where only the lock of something smaller is asked for.
    assert env.done[3:] == ["dev"]


def half_made(venv: Path) -> None:
    venv.mkdir()
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")


def without_its_python(venv: Path) -> None:
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    (venv / "bin" / "python").symlink_to("/nonexistent/python3")


def of_another_python(venv: Path) -> None:
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text("#!/bin/sh\necho 3.10.0\n", encoding="utf-8")
    python.chmod(0o755)


def without_pip(venv: Path) -> None:
    of_another_python(venv)
    (venv / "bin" / "python").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")


BROKEN = [half_made, without_its_python, of_another_python, without_pip]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_environment_of_ours_is_made_anew(env: Any, broken: Any) -> None:
    broken(env.ROOT / ".venv")

    env.ensure_venv("dev")

    assert env.done == ["make", "dev"]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_we_did_not_make_is_left_alone(
    env: Any, broken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    broken(theirs)
    before = sorted(theirs.rglob("*"))
    monkeypatch.setenv("DOORWARD_VENV", str(theirs))

    with pytest.raises(SystemExit, match="in the way"):
        env.ensure_venv("dev")

    assert sorted(theirs.rglob("*")) == before
    assert env.done == []


def test_a_file_is_in_the_way(env: Any) -> None:
    (env.ROOT / ".venv").touch()

    with pytest.raises(SystemExit, match="in the way"):
        env.ensure_venv("dev")


def test_an_empty_folder_is_taken(env: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DOORWARD_VENV", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()

    assert env.ensure_venv("dev") == tmp_path / "empty" / "bin"


def test_what_was_broken_off_is_gone_on_with(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours still, wherever it is; and not believed to be whole."""
    monkeypatch.setenv("DOORWARD_VENV", str(env.ROOT / "elsewhere"))

    def broken_off(_venv: Path, _lock: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(env, "_install", broken_off)
        with pytest.raises(KeyboardInterrupt):
            env.ensure_venv("dev")
    env.ensure_venv("dev")
    assert env.done == ["make", "dev"]

    (env.ROOT / "elsewhere" / "doorward-stamp").write_text("unfinished\n", encoding="utf-8")
    (env.ROOT / "elsewhere" / "bin" / "python").unlink()
    env.ensure_venv("dev")
    assert env.done[2:] == ["make", "dev"]


def test_an_environment_may_lose_its_python(env: Any) -> None:
    env.ensure_venv("dev")
    (env.ROOT / ".venv" / "bin" / "python").unlink()
    without_its_python(env.ROOT / ".venv")

    env.ensure_venv("dev")

    assert env.done == ["make", "dev", "make", "dev"]


def test_a_project_that_was_moved_makes_its_environment_anew(env: Any) -> None:
    env.ensure_venv("dev")
    env.ROOT = env.ROOT.rename(env.ROOT.with_name("moved"))

    assert env.ensure_venv("dev") == env.ROOT / ".venv" / "bin"
    assert env.done == ["make", "dev", "make", "dev"]


def test_an_environment_holds_the_project_that_asks(
    env: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones may share one environment, but not what is installed from them."""
    monkeypatch.setenv("DOORWARD_VENV", str(tmp_path / "shared"))
    env.ensure_venv("dev")
    other = tmp_path / "other"
    subprocess.run(["cp", "-R", env.ROOT, other], check=True)
    env.ROOT = other

    env.ensure_venv("dev")

    assert env.done == ["make", "dev", "dev"]


@pytest.mark.parametrize("said", [".venv-3.13", "a b/c"])
def test_a_relative_path_is_the_callers(
    env: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOORWARD_VENV", said)

    assert env.venv_path() == tmp_path / said


def test_an_empty_setting_is_none(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_VENV", "")

    assert env.venv_path() == env.ROOT / ".venv"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["bench", "demo"])
def test_a_script_runs_this_project_from_anywhere(script: str, tmp_path: Path) -> None:
    """Not what lies in the caller's folder by the same name."""
    for package in ("hw", "tests", "json"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('not ours')\n")

    said = subprocess.run(
        [sys.executable, SCRIPTS / script, "--help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "DOORWARD_VENV": sys.prefix},
    )

    assert "usage:" in said.stdout, said.stderr


def test_programs_keep_what_they_have_compiled(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PATH", "/usr/bin")
    bin_dir = env.ensure_venv("reader")

    given = env.environment(bin_dir)

    assert "PYTHONDONTWRITEBYTECODE" not in given
    assert given["PATH"] == f"{bin_dir}:/usr/bin"
