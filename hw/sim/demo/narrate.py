"""What the director says while it goes on."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from hw.sim.demo.commands import commands
from hw.sim.demo.report import Report
from hw.sim.demo.stage import Stage
from hw.sim.demo.steps import Outcome, Step

# A table in a log file is read by people with wide screens.
_FILE_WIDTH = 120
# On a wider terminal the milliseconds would stand too far from what they belong to.
_LINE_WIDTH = 110


class Narrator:
    """Colours and whole words on a terminal; plain text in a file, what is said in one line."""

    def __init__(self, *, tell: bool, aside: bool = False, console: Console | None = None) -> None:
        """`tell`: say before each step what goes on. `aside`: leave standard output to others."""
        self._console = console or Console(highlight=False, stderr=aside)
        self._tell = tell
        if not self._console.is_terminal:
            self._console.width = max(self._console.width, _FILE_WIDTH)

    def note(self, text: str) -> None:
        """Something that is neither good nor bad."""
        self._say(f"[dim]{escape(text)}[/]")

    def begin(self, step: Step) -> None:
        """What is tried now."""
        if self._tell:
            self._say(f"\n[cyan]{escape(step.tale)}[/]")
        if self._console.is_terminal:
            self._console.print(f"[cyan]...[/] {escape(step.name)}", end="\r")

    def end(self, outcome: Outcome) -> None:
        """What it was, what was seen, and, in a column of their own, the milliseconds."""
        mark = "[green] ok[/]" if outcome.ok else "[bold red] NO[/]"
        took = "" if outcome.milliseconds is None else f"{outcome.milliseconds:.0f} ms"
        if not self._console.is_terminal:
            line = f"{f'{outcome.step}: {outcome.seen}':<{_LINE_WIDTH - 13}}{took:>9}".rstrip()
            self._say(f"{mark} {escape(line)}")
            return
        row = Table.grid(expand=True)
        row.add_column(width=4)
        row.add_column(ratio=1)
        row.add_column(width=9, justify="right", style="yellow")
        row.add_row(mark, f"[bold]{escape(outcome.step)}[/]: {escape(outcome.seen)}", took)
        self._console.print(row, width=min(self._console.width, _LINE_WIDTH))

    def report(self, report: Report) -> None:
        self._console.print(report.table())
        self.summary(report)

    def summary(self, report: Report) -> None:
        style = "green" if report.ok else "bold red"
        self._say(f"[{style}]{escape(report.summary())}[/]")

    def stays_up(self, stage: Stage) -> None:
        """Addresses, and what to try."""
        world, office = stage.world, stage.office
        addresses = [
            ("Web API", f"{office.url}/api/3/docs"),
            ("Token", str(office.token_file)),
            ("Broker", f"{world.broker.address} ({world.broker.kind})"),
            ("Air", world.air),
            *((f"{post.door}, NFC", "{}:{}".format(*post.field)) for post in world.posts.values()),
            *(
                (f"{post.door}, wires", "{}:{}".format(*post.wires))
                for post in world.posts.values()
            ),
            ("Logs", str(world.folder)),
        ]
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, where in addresses:
            table.add_row(name, escape(where))
        self._console.print(Panel(table, title="It stays up until Ctrl-C", expand=False))
        self._console.print("Try, in another terminal:")
        for command in commands(stage):
            self._console.print(f"\n[dim]# {escape(command.why)}[/]")
            # One line, however narrow the terminal is: it is there to be copied.
            self._console.print(escape(command.line), style="cyan", soft_wrap=True)
        self._console.print()

    def trouble(self, text: str) -> None:
        self._say(f"[bold red]doorward:[/] {escape(text)}")

    def _say(self, text: str) -> None:
        file = not self._console.is_terminal
        width = None if file else min(self._console.width, _LINE_WIDTH)
        self._console.print(text, soft_wrap=file, width=width)
