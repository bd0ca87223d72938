"""Fuzz for as long as you like: every target in turn, guided by coverage, from what it has learnt.

.fuzz/TARGET keeps what the target has learnt, and the next run goes on from there. Beside that are
its log, and each input that raised what it may not, took more than two seconds, or half a gigabyte.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.progress import Progress

from tests.fuzz.targets import BY_NAME, MAX_INPUT, Target

FOLDER = Path(__file__).parents[2] / ".fuzz"
SECONDS = 60


def main() -> int:
    """Fuzz; return 1 if anything was found."""
    options = _arguments()
    found = []
    with Progress() as progress:
        for name in options.targets:
            bar = progress.add_task(f"{name:<24}", total=options.seconds)
            with _started(BY_NAME[name], options.seconds) as process:
                began = time.monotonic()
                while process.poll() is None:
                    progress.update(bar, completed=min(time.monotonic() - began, options.seconds))
                    time.sleep(0.2)
            progress.update(bar, completed=options.seconds)
            if process.returncode:
                found.append(name)
                progress.console.print(f"[red]{name}[/]: {_last_words(FOLDER / name)}")
    for name in found:
        again = [sys.executable, "-m", "tests.fuzz.one", name, *_findings(FOLDER / name)[-1:]]
        print(f"look again: {shlex.join(again)}")
    print(f"{len(options.targets)} targets, {len(found)} with findings; kept in {FOLDER}")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="targets: " + ", ".join(BY_NAME),
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which (default: all)")
    parser.add_argument(
        "--seconds", type=int, default=SECONDS, help=f"for each target (default: {SECONDS})"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in BY_NAME]:
        parser.error(f"no target {', '.join(unknown)}; see --help")
    options.targets = options.targets or list(BY_NAME)
    return options


def _started(target: Target, seconds: int) -> subprocess.Popen[bytes]:
    folder = FOLDER / target.name
    learnt = folder / "learnt"
    learnt.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (learnt / f"seed-{number}").write_bytes(seed)
    limits = (f"-max_total_time={seconds}", "-timeout=2", "-rss_limit_mb=512")
    paths = (f"-max_len={MAX_INPUT}", f"-artifact_prefix={folder}/", str(learnt))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.one", target.name, *limits, *paths],
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _last_words(folder: Path) -> str:
    lines = (folder / "log").read_text(errors="replace").splitlines()
    told = [line for line in lines if "Error" in line or "ERROR" in line]
    return told[0] if told else f"see {folder / 'log'}"


def _findings(folder: Path) -> list[str]:
    """The inputs that libFuzzer kept, the newest last."""
    kept = [path for path in folder.glob("*-*") if path.is_file()]
    return [str(path) for path in sorted(kept, key=lambda path: path.stat().st_mtime)]


if __name__ == "__main__":
    sys.exit(main())
