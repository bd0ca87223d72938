"""House rules that no linter knows: arrows, purity of `shared`, sizes, locks, what ships."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("shared", "hw", "reader", "controller")
LOCKS = ("reader", "controller", "sim", "dev", "fuzz")
MAX_LINES = 500

_SHOWN_HIDDEN = {".ci", ".github"}
_MADE = {"__pycache__", "dist", "build", "htmlcov", "doorward-data", "node_modules", "venv"}


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that is part of the project, and nothing that was made or downloaded."""
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") and path.name not in _SHOWN_HIDDEN
        if path.is_dir():
            if not (hidden or path.name in _MADE or path.name.endswith(".egg-info")):
                yield from project_files(path)
        elif not (hidden or path.suffix == ".pyc"):
            yield path


def is_python(path: Path) -> bool:
    """Whether `path` is Python, by its name or by the interpreter it asks for."""
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as file:
        return re.match(rb"#!.*\bpython3?\b", file.readline()) is not None


FILES = list(project_files())
PYTHON = [path for path in FILES if is_python(path)]


def name(path: Path) -> str:
    """How a file is called in a failure."""
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """What stands in a file; nothing if it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def sources(package: str) -> list[Path]:
    """The modules of one package."""
    return [path for path in PYTHON if path.is_relative_to(ROOT / package)]


# Arrows


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, wherever it stands."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = "." * level + (module or "")
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)
            case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]):
                if called(func) in ("__import__", "import_module", "importlib.import_module"):
                    yield node.lineno, module
            case _:
                pass


def called(func: ast.expr) -> str:
    """The dotted name by which something is called, as far as it is one."""
    match func:
        case ast.Name(id=known):
            return known
        case ast.Attribute(value=value, attr=attr):
            return f"{called(value)}.{attr}"
        case _:
            return ""


def within(imported: str, modules: tuple[str, ...]) -> bool:
    """Whether what is imported lies in one of `modules`."""
    return any(f"{imported}.".startswith(f"{module}.") for module in modules)


def forbidden_imports(path: Path, modules: tuple[str, ...]) -> list[str]:
    """Where `path` imports what it must not."""
    return [
        f"{name(path)}:{line} imports {imported}"
        for line, imported in imports(ast.parse(text_of(path)))
        if within(imported, modules)
    ]


MUST_NOT_IMPORT = {
    "shared": ("hw", "reader", "controller", "tests"),
    "hw": ("reader", "controller", "tests"),
    "reader": ("controller", "tests"),
    "controller": ("hw", "reader", "tests"),
}
DRIVERS = ("hw.ble", "hw.nfc", "hw.door", "hw.sim", "hw.registry")


@pytest.mark.parametrize(("package", "others"), MUST_NOT_IMPORT.items())
def test_arrows_point_down(package: str, others: tuple[str, ...]) -> None:
    assert [found for path in sources(package) for found in forbidden_imports(path, others)] == []


def test_only_the_composition_root_names_drivers() -> None:
    others = [path for path in sources("reader") if name(path) != "reader/__main__.py"]

    assert [found for path in others for found in forbidden_imports(path, DRIVERS)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_are_absolute(package: str) -> None:
    found = [
        (path, *each) for path in sources(package) for each in imports(ast.parse(text_of(path)))
    ]

    assert [f"{name(path)}:{line}" for path, line, module in found if module[0] == "."] == []


# Purity

SHARED_LIBRARIES = ("shared", "cryptography", "cbor2", "msgspec")
# Clocks, randomness, files, processes, threads, the network: all of that is passed in.
IMPURE = (
    "asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "fileinput", "ftplib", "getpass",
    "glob", "http", "imaplib", "importlib", "locale", "mmap", "multiprocessing", "os", "pathlib",
    "pickle", "platform", "poplib", "pwd", "queue", "random", "runpy", "sched", "secrets", "select",
    "selectors", "shelve", "shutil", "signal", "site", "smtplib", "socket", "socketserver",
    "sqlite3", "ssl", "subprocess", "sys", "syslog", "tempfile", "termios", "threading", "time",
    "urllib", "uuid", "webbrowser", "zoneinfo",
)  # fmt: skip
IMPURE_CALLS = re.compile(
    r"(^(open|input|print|eval|exec|compile|breakpoint|__import__)$)"
    r"|((datetime|date)\.(now|utcnow|today|fromtimestamp)$)"
    r"|(\.(urandom|generate|generate_private_key|generate_key|open_code)$)"
)


def impurities(path: Path, source: str) -> list[str]:
    """Where a module of `shared` reaches for what must be passed in."""
    tree = ast.parse(source)
    found = []
    for line, imported in imports(tree):
        top = imported.split(".")[0]
        known = top in sys.stdlib_module_names or top in SHARED_LIBRARIES
        if not known or within(imported, IMPURE):
            found.append(f"{name(path)}:{line} imports {imported}")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found += [
        f"{name(path)}:{call.lineno} calls {called(call.func)}"
        for call in calls
        if IMPURE_CALLS.search(called(call.func))
    ]
    return found


def test_shared_has_no_clock_no_randomness_and_no_wire_of_its_own() -> None:
    found = [each for path in sources("shared") for each in impurities(path, text_of(path))]

    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path",
        "from os import urandom",
        "def f():\n    import asyncio",
        "if TYPE_CHECKING:\n    from pathlib import Path",
        "import aiomqtt",
        "from fastapi import FastAPI",
        "import importlib",
        "__import__('random')",
        "datetime.now()",
        "datetime.datetime.now(tz)",
        "date.today()",
        "module.urandom(8)",
        "ec.generate_private_key(curve)",
        "AESGCM.generate_key(128)",
        "open('x')",
        "print('x')",
    ],
)
def test_the_rule_sees_what_it_must(source: str) -> None:
    assert impurities(ROOT / "shared" / "x.py", source)


def test_the_rule_lets_be_what_is_pure() -> None:
    pure = "import io, re, enum\nfrom shared.access import mode\nimport cbor2\nhashlib.sha256(b'')"

    assert impurities(ROOT / "shared" / "x.py", pure) == []
    (both,) = {tuple(imports(ast.parse(line))) for line in ("from hw import ble",)}
    assert both == ((1, "hw.ble"),)
    assert within("hw.ble.radio", DRIVERS)
    assert not within("hw.blessed", DRIVERS)


# Modules


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_the_one_in_this_tree(package: str) -> None:
    """`reader` is also a package on the public index."""
    found = importlib.import_module(package).__file__

    assert found is not None
    assert Path(found).resolve() == ROOT / package / "__init__.py"
    assert (ROOT / package / "py.typed").is_file()


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in PYTHON
        if not ast.get_docstring(ast.parse(text_of(path)))
        and not (path.name == "__init__.py" and not text_of(path))
    ]

    assert silent == []


def test_no_file_is_too_long() -> None:
    code = [
        path for path in FILES if path in PYTHON or path.suffix in (".js", ".css", ".html", ".sh")
    ]
    lengths = {name(path): text_of(path).count("\n") for path in code if "vendor" not in path.parts}

    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in PYTHON if path.is_relative_to(ROOT / "tests")}
    for folder in list(folders):
        folders |= {above for above in folder.parents if above.is_relative_to(ROOT / "tests")}

    assert [name(path) for path in sorted(folders) if not (path / "__init__.py").is_file()] == []


# What ships


def _own_indexes() -> list[str]:
    """Hosts of the package indexes that this machine happens to use."""
    settings = (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_INDEX",
    )
    urls = " ".join(os.environ.get(setting, "") for setting in settings).split()
    hosts = {urlsplit(url.split("=", 1)[-1]).hostname or "" for url in urls}
    return [re.escape(host) for host in sorted(hosts - {"", "pypi.org", "localhost", "127.0.0.1"})]


NOT_OURS = re.compile(
    "|".join(
        [
            r"(?<![\w.~-])/(work|root)(?![\w-])",
            r"/tmp/plan",  # noqa: S108 - it is what must not be there
            r"\.\./shared",
            r"/opt/pypi",
            r"pythonhosted\.org",
            r"pypi\.org/simple",
            r"--(extra-)?index-url[ =]http",
            *_own_indexes(),
        ]
    )
)


def test_nothing_names_the_machine_it_was_made_on() -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in FILES
        if not path.is_relative_to(ROOT / "tests")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if NOT_OURS.search(line)
    ]

    assert found == []


def test_what_must_ship_ships() -> None:
    assert "Apache License" in text_of(ROOT / "LICENSE")
    assert "Doorward" in text_of(ROOT / "NOTICE")


def test_the_readme_names_what_there_is() -> None:
    named = set(re.findall(r"\bscripts/[a-z][\w-]*", text_of(ROOT / "README.md")))

    assert {"scripts/demo", "scripts/test"} <= named
    for script in named:
        assert os.access(ROOT / script, os.X_OK), f"README names {script}, which is no program"


@pytest.mark.parametrize("script", ["scripts/check", "scripts/lock", "scripts/test"])
def test_a_script_explains_itself_without_an_environment(script: str) -> None:
    said = subprocess.run(
        [sys.executable, ROOT / script, "--help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        env={"DOORWARD_VENV": os.devnull},
    )

    assert said.stdout.startswith(f"usage: {script}")


# Locks


def canonical(distribution: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, without the zeros at its end."""
    found = re.match(r"\d+(\.\d+)*", version)
    assert found, version
    numbers = [int(number) for number in found[0].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    return tuple(numbers)


PROJECT = tomllib.loads(text_of(ROOT / "pyproject.toml"))


def requirements(extra: str) -> dict[str, tuple[int, ...]]:
    """What an extra asks for directly, with the least version of each."""
    project = PROJECT["project"]
    asked: dict[str, tuple[int, ...]] = {}
    for requirement in (*project["dependencies"], *project["optional-dependencies"][extra]):
        found = re.fullmatch(
            r"([\w.-]+)(?:\[([\w,-]+)\])?(?:>=([\d.]+))?(?:,<\d+)?(?:; .+)?", requirement
        )
        assert found, f"this test does not know how to read {requirement!r}"
        distribution, extras, least = found.groups()
        if distribution == project["name"]:
            for other in extras.split(","):
                asked |= requirements(other)
        else:
            # Where it depends on the Python which one, the least of all.
            asked.setdefault(canonical(distribution), release(least))
    return asked


class Pin(NamedTuple):
    """One line of a lock."""

    version: str
    hashes: list[str]
    extras: set[str]


def pins(lock: str) -> dict[str, Pin]:
    """Everything in a lock, which has nothing else in it."""
    found = {}
    text = text_of(ROOT / "locks" / f"{lock}.txt").replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        pin = re.fullmatch(
            r"([\w.-]+)(?:\[([\w,-]+)\])?==([\w.+!]+)(?: ; [^#]+?)?"
            r"((?:\s+--hash=sha256:[0-9a-f]{64})*)",
            line.strip(),
        )
        assert pin, f"locks/{lock}.txt: {line[:80]}"
        extras = {canonical(extra) for extra in (pin[2] or "").split(",") if extra}
        found[canonical(pin[1])] = Pin(pin[3], pin[4].split(), extras)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_hashed_and_names_no_index(lock: str) -> None:
    assert [name for name, pin in pins(lock).items() if not pin.hashes] == []
    assert not re.search(r"https?:|://|file:| @ ", text_of(ROOT / "locks" / f"{lock}.txt"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_its_extra_asks_for(lock: str) -> None:
    locked = {name: release(pin.version) for name, pin in pins(lock).items()}
    build = {
        canonical(re.split(r"[>=\[]", each)[0]) for each in PROJECT["build-system"]["requires"]
    }

    assert requirements(lock).keys() - locked.keys() == set()
    assert build - locked.keys() == set()
    asked = requirements(lock).items()
    assert [pin for pin, least in asked if locked[pin] < least] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_agree(lock: str) -> None:
    """One environment can serve several of them."""
    own = {"fuzz": {"atheris"}}.get(lock, set())
    everything = {name: pin[:2] for name, pin in pins("dev").items()}
    these = {name: pin[:2] for name, pin in pins(lock).items() if name not in own}

    assert {name: everything.get(name) for name in these} == these


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_the_extras_that_its_packages_ask_of_each_other(lock: str) -> None:
    """Without, older pips look for a newer release, and refuse it for want of a hash."""
    locked = pins(lock)
    unnamed = []
    for asking, pin in locked.items():
        for wanted in asked_by(asking, pin.extras):
            has = locked[canonical(wanted.name)].extras if wanted.extras else set()
            missing = {canonical(extra) for extra in wanted.extras} - has
            unnamed += [f"{asking} asks for {wanted.name}[{extra}]" for extra in missing]

    assert unnamed == []


def asked_by(distribution: str, extras: set[str]) -> Iterator[Requirement]:
    """What an installed `distribution` with `extras` requires here; nothing of an absent one."""
    try:
        said = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:  # the lock has it for other systems
        return
    for requirement in map(Requirement, said):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


def test_there_is_a_lock_for_every_extra() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])

    assert extras == set(LOCKS) == {path.stem for path in (ROOT / "locks").glob("*.txt")}
