"""A whole run: its rows, what it ran on, and whether all was as expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.markup import escape
from rich.table import Table

from hw.sim.demo.steps import Outcome


@dataclass(frozen=True, slots=True)
class Environment:
    """Seconds count from the start of the process; None: no door ever opened."""

    broker: str
    broker_version: str
    python: str
    total_seconds: float
    first_opened_door_seconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run leaves behind."""

    steps: Sequence[Outcome]
    environment: Environment

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)

    def to_json(self) -> str:
        whole = {
            "ok": self.ok,
            "steps": [step.to_json() for step in self.steps],
            "environment": asdict(self.environment),
        }
        return json.dumps(whole, indent=2) + "\n"

    def table(self) -> Table:
        """Step, expected, seen, milliseconds."""
        table = Table(title="What was to happen, and what happened", show_lines=False)
        table.add_column("", no_wrap=True)
        table.add_column("Step")
        table.add_column("Expected")
        table.add_column("Seen")
        table.add_column("ms", justify="right", no_wrap=True)
        for step in self.steps:
            took = "" if step.milliseconds is None else f"{step.milliseconds:.0f}"
            mark = "[green]ok[/]" if step.ok else "[bold red]NO[/]"
            table.add_row(mark, step.step, step.expected, escape(step.seen), took)
        return table

    def summary(self) -> str:
        """One line of figures."""
        made = self.environment
        failed = sum(not step.ok for step in self.steps)
        opened = made.first_opened_door_seconds
        first = "no door opened" if opened is None else f"first door opened after {opened:.1f} s"
        verdict = "all as expected" if self.ok else f"{failed} not as expected"
        return (
            f"{len(self.steps)} steps, {verdict}; {first}, {made.total_seconds:.1f} s in all; "
            f"{made.broker} {made.broker_version}, Python {made.python}"
        )
