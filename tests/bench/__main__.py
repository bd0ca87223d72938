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

from tests.bench import aliro, api, decisions, fanout, ingest, piv, pkoc, plan, show
from tests.bench.flow import measure
from tests.bench.report import Figure, Progress

CHUNK = 20_000


def _plan(progress: Progress, *, quick: bool) -> list[Figure]:
    return plan.run(progress, 50_000 if quick else 1_000_000)


def _credentials(progress: Progress, *, quick: bool) -> list[Figure]:
    flows = [*pkoc.flows(), *aliro.flows(), *piv.flows()]
    progress(1, 2)
    costs = measure(flows, 5 if quick else 50)
    progress(2, 2)
    return [figure for cost in costs for figure in cost.figures]


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
    "credentials": _credentials,
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
    for table in show.tables(results):
        Console().print(table)
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
