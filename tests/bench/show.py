"""Figures as tables: one for all that stand alone, one for each group with a line a subject."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from tests.bench.report import Figure

# So wide that names break between words, in a terminal of eighty columns too.
_SUBJECT = 18
_COLOURS = {None: "", True: "green", False: "red"}


def tables(results: dict[str, list[Figure]]) -> Iterator[Table]:
    """Yield the tables for the figures of each benchmark."""
    alone = {name: [each for each in found if not each.of] for name, found in results.items()}
    if any(alone.values()):
        yield _list({name: found for name, found in alone.items() if found})
    for name, found in results.items():
        if subjects := [each for each in found if each.of]:
            yield _grid(name, subjects)


def _list(results: dict[str, list[Figure]]) -> Table:
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


def _grid(name: str, figures: list[Figure]) -> Table:
    """A line for each subject, a column for each thing; after a slash the most that it may be."""
    headings = list(dict.fromkeys(f"{each.name}\n{each.unit}" for each in figures))
    lines: dict[str, dict[str, str]] = {}
    for each in figures:
        lines.setdefault(each.of, {})[f"{each.name}\n{each.unit}"] = _cell(each)
    table = Table(title=f"{name}, measured on this machine (value/budget)", padding=0)
    table.add_column("", min_width=_SUBJECT, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right")
    for subject, line in lines.items():
        table.add_row(subject, *(line.get(heading, "") for heading in headings))
    return table


def _cell(figure: Figure) -> str:
    value = f"{figure.value:.0f}" if figure.value >= 100 else f"{figure.value:.3g}"
    if figure.budget is None:
        return value
    return f"[{_COLOURS[figure.kept]}]{value}/{figure.budget:g}[/]"
