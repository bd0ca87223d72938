"""`scripts/bench`: measure what has a budget, show a table, write JSON for machines."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from tests.bench import aliro, api, cards, decisions, fanout, ingest, pkoc, plan
from tests.bench.report import Figure, Progress

CHUNK = 20_000


def _plan(progress: Progress, *, quick: bool) -> list[Figure]:
    return plan.run(progress, 50_000 if quick else 1_000_000)


def _pkoc(progress: Progress, *, quick: bool) -> list[Figure]:
    cost = pkoc.measure(10 if quick else 50)
    progress(1, 1)
    return [
        Figure("PKOC ECDHE, reader's processor", cost.session_us, "us"),
        Figure("PKOC ECDHE, bare operations", cost.bare_us, "us"),
        Figure("PKOC ECDHE over bare operations", cost.ratio, "x", 1.5),
    ]


def _cards(progress: Progress, *, quick: bool) -> list[Figure]:
    costs = cards.measure(10 if quick else 50)
    progress(1, 1)
    return [
        figure
        for cost in costs
        for figure in (
            Figure(f"{cost.name}, reader's processor", cost.transaction_us, "us"),
            Figure(f"{cost.name}, bare operations", cost.bare_us, "us"),
            Figure(f"{cost.name}, over bare operations", cost.ratio, "x"),
            Figure(f"{cost.name}, round trips", cost.round_trips, ""),
            Figure(f"{cost.name}, bytes both ways", cost.bytes, "bytes"),
        )
    ]


def _aliro(progress: Progress, *, quick: bool) -> list[Figure]:
    standard, fast = aliro.measure(10 if quick else 50)
    progress(1, 2)
    _, crowded = aliro.measure(5 if quick else 20, remembered=64)
    progress(2, 2)
    return [
        Figure("Aliro standard, reader's processor", standard.transaction_us, "us"),
        Figure("Aliro standard, bare operations", standard.bare_us, "us"),
        Figure("Aliro standard over bare operations", standard.ratio, "x", 1.5),
        Figure("Aliro fast, reader's processor", fast.transaction_us, "us"),
        Figure("Aliro fast, bare operations", fast.bare_us, "us"),
        Figure("Aliro fast more than bare operations", fast.over_us, "us", 60),
        Figure("Aliro fast, the last of 64 remembered", crowded.transaction_us, "us"),
    ]


def _decisions(progress: Progress, *, quick: bool) -> list[Figure]:
    chunks = 2 if quick else 25
    different = 0
    for number in range(chunks):
        different += decisions.run(CHUNK, seed=number)
        progress(number + 1, chunks)
    return [Figure(f"of {chunks * CHUNK:,} decisions, other than the model's", different, "", 0)]


def _fanout(progress: Progress, *, quick: bool) -> list[Figure]:
    return fanout.run(progress, readers=10 if quick else 100, changes=6 if quick else 20)


def _crowd(progress: Progress, *, quick: bool) -> list[Figure]:
    return fanout.run_light(progress, readers=20 if quick else 1_000, changes=6 if quick else 20)


def _ingest(progress: Progress, *, quick: bool) -> list[Figure]:
    if quick:
        return ingest.run(progress, readers=10, live=20, drained=200)
    return ingest.run(progress, readers=100, live=100, drained=2_000)


def _api(progress: Progress, *, quick: bool) -> list[Figure]:
    people, requests = (2_000, 200) if quick else (100_000, 3_000)
    return api.run(progress, people, requests)


BENCHES: dict[str, Callable[..., list[Figure]]] = {
    "plan": _plan,
    "pkoc": _pkoc,
    "cards": _cards,
    "aliro": _aliro,
    "decisions": _decisions,
    "fanout": _fanout,
    "crowd": _crowd,
    "ingest": _ingest,
    "api": _api,
}


def main() -> None:
    """Run the benchmarks that were asked for; fail if a budget is not kept."""
    options = _parser().parse_args()
    console = Console(stderr=True)
    results: dict[str, list[Figure]] = {}
    with Bar(console=console) as bar:
        for name in options.only or BENCHES:
            task = bar.add_task(name, total=None)

            def progress(done: int, total: int, task: object = task) -> None:
                bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

            results[name] = BENCHES[name](progress, quick=options.quick)
    Console().print(_table(results))
    if options.json:
        _write(options.json, results, quick=options.quick)
    if any(figure.kept is False for figures in results.values() for figure in figures):
        sys.exit("a budget is not kept; machines are noisy: look at the ratios, run it again")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=BENCHES, help="run this one; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    return parser


def _table(results: dict[str, list[Figure]]) -> Table:
    table = Table(title="Doorward, measured on this machine")
    for heading in ("", "figure"):
        table.add_column(heading)
    for heading in ("value", "budget"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for name, figures in results.items():
        for figure in figures:
            budget = "" if figure.budget is None else f"{figure.budget:g} {figure.unit}"
            verdict = {None: "", True: "[green]kept[/]", False: "[red]not kept[/]"}[figure.kept]
            table.add_row(name, figure.name, f"{figure.value:.4g} {figure.unit}", budget, verdict)
            name = ""  # noqa: PLW2901 - named once for each group
        table.add_section()
    return table


def _write(path: Path, results: dict[str, list[Figure]], *, quick: bool) -> None:
    content = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "quick": quick,
        "figures": {name: [asdict(each) for each in figures] for name, figures in results.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
