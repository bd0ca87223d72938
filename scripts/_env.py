"""Make the virtual environment a script needs, from the hashed locks, and run a command in it.

Needs nothing but Python 3.11 or newer with pip and venv; uses uv where it is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST = (3, 13)
# Which locks hold everything that another one holds.
SUPERSETS = {
    "reader": ("reader", "sim", "dev"),
    "controller": ("controller", "sim", "dev"),
    "sim": ("sim", "dev"),
    "dev": ("dev",),
    "fuzz": ("fuzz",),
}


def fail(message: str) -> NoReturn:
    """Say what is wrong and stop."""
    sys.exit(f"doorward: {message}")


def ensure_python() -> None:
    """Start again under a Python this project supports, where the one that runs is not."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        usable = [found, "-c", "import venv, ensurepip"]
        if found and not subprocess.run(usable, check=False).returncode:
            os.execv(found, [found, *sys.argv])  # noqa: S606 - the interpreter that was just found
    running = ".".join(map(str, sys.version_info[:2]))
    fail(f"needs Python 3.11 to 3.13, this is {running}. Debian: apt install python3 python3-venv")


def venv_path() -> Path:
    """The environment's folder: `.venv` beside this project, or where DOORWARD_VENV says."""
    return Path(os.environ.get("DOORWARD_VENV") or ROOT / ".venv").absolute()


def ensure_venv(extra: str) -> Path:
    """Return the `bin` folder of an environment that holds the locked packages of `extra`."""
    ensure_python()
    venv = venv_path()
    stamp = venv / "doorward-stamp"
    wanted = {f"{name} {_fingerprint(name, venv)}" for name in SUPERSETS[extra]}
    said = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    have, _, place = said.strip().partition("\n")
    python = venv / "bin" / "python"
    if have in wanted and python.exists():
        return python.parent
    # An environment that grew to hold the tests keeps them.
    name = "dev" if have.startswith("dev ") else extra
    print(f"doorward: installing the locked packages for '{name}' into {venv}", file=sys.stderr)
    here = str(venv.resolve())
    # Programs in an environment begin with its path: one that was moved has to be made anew.
    if place not in ("", here) or not _usable(python):
        _make(venv.resolve(), ours=bool(said) or venv == ROOT / ".venv")
    stamp.write_text(f"unfinished\n{here}\n", encoding="utf-8")
    _install(venv, ROOT / "locks" / f"{name}.txt")
    stamp.write_text(f"{name} {_fingerprint(name, venv)}\n{here}\n", encoding="utf-8")
    return python.parent


def run(extra: str, *command: str) -> NoReturn:
    """Become `command`, a program of the environment, with the caller's arguments."""
    bin_dir = ensure_venv(extra)
    program = bin_dir / command[0]
    # The caller's folder may have packages of the same names as ours.
    clean = {**environment(bin_dir), "PYTHONSAFEPATH": "1"}
    os.execve(program, [str(program), *command[1:], *sys.argv[1:]], clean)  # noqa: S606


def environment(bin_dir: Path) -> dict[str, str]:
    """The caller's environment, with this project's programs first in PATH."""
    # Without compiled code at hand each process would spend seconds on compiling the same again.
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}"}


def _fingerprint(name: str, venv: Path) -> str:
    """Everything an environment depends on, with where it is and where this project is."""
    digest = hashlib.sha256(os.fsencode(f"{sys.version}\0{ROOT}\0{venv.resolve()}\0"))
    for path in (ROOT / "pyproject.toml", ROOT / "locks" / f"{name}.txt"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _usable(python: Path) -> bool:
    """Whether an environment is whole, and was made with the Python that runs now."""
    pip = "" if shutil.which("uv") else ", pip"
    ask = [str(python), "-c", f"import sys{pip}; print(sys.version)"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == sys.version


def _make(venv: Path, *, ours: bool) -> None:
    """Make an empty environment, also in place of one of ours that is broken, old or half made."""
    if venv.is_dir() and (ours or not any(venv.iterdir())):
        shutil.rmtree(venv)
    elif venv.exists():
        fail(f"{venv} is in the way and not made by us: remove it, or set DOORWARD_VENV to another")
    uv = shutil.which("uv")
    own = [sys.executable, "-m", "venv"]
    maker = [uv, "venv", "-q", "--python", sys.executable] if uv else own
    _must(
        [*maker, str(venv)],
        "could not make a virtual environment (Debian: apt install python3-venv)",
    )


def _install(venv: Path, lock: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends this and pip, without a traceback
    uv = shutil.which("uv")
    python = venv / "bin" / "python"
    installer = (
        [uv, "pip", "install", "--compile-bytecode", "--python", str(python)]
        if uv
        else [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    )
    locked = [*installer, "--require-hashes", "-r", str(lock)]
    project = [*installer, "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    remedy = "could not install the locked packages (is a package index reachable?)"
    if uv:
        _must(locked, remedy)
    else:
        pins = len(re.findall(r"^[\w.\[\]-]+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
        _with_progress(locked, pins, remedy)
    _must(project, "could not install this project into its environment")


def _must(command: list[str], remedy: str) -> None:
    if subprocess.run(command, check=False, cwd=ROOT).returncode:
        fail(remedy)


def _with_progress(command: list[str], total: int, remedy: str) -> None:
    """Run pip and draw one bar from the packages it names, instead of its hundreds of lines."""
    said: list[str] = []
    seen = 0
    bar = sys.stderr.isatty()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            said.append(line)
            if line.startswith("Collecting"):
                seen += 1
                name = line.split()[1].split("==")[0]
                filled = min(30, 30 * seen // max(total, 1))
                if bar:
                    text = f"  [{'#' * filled}{'.' * (30 - filled)}] {seen} {name}"
                    print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)
                elif seen % 10 == 1:
                    print(f"  {seen} of at most {total}: {name}", file=sys.stderr, flush=True)
            elif line.startswith("Installing collected"):
                print("\r  installing ...".ljust(79), file=sys.stderr, flush=True)
    if pip.returncode:
        sys.stderr.write("".join(said[-15:]))
        fail(remedy)
