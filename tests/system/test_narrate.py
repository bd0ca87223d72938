"""What somebody reads who watches the demo, on a narrow terminal or in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hw.sim.demo.narrate import Narrator
from hw.sim.demo.steps import Outcome
from hw.sim.demo.story import EVERYTHING

SEEN = "receipt 72 ms after the commit, [before] the answer; then the lamp says granted " * 2


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_gets_whole_words(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    say = Narrator(tell=True, console=console)
    for step in EVERYTHING:
        say.begin(step)
        say.end(Outcome(step.name, step.expected, SEEN, ok=True, milliseconds=72.0))
    lines = [line.rpartition("\r")[2] for line in out.getvalue().split("\n")]
    assert max(len(line.rstrip()) for line in lines) <= width
    said = " ".join(" ".join(lines).split())
    for step in EVERYTHING:
        assert step.tale in said
        assert f" ok {step.name}: {SEEN.strip()} 72 ms" in said


def test_a_file_gets_one_line_for_each_step() -> None:
    out = io.StringIO()
    say = Narrator(tell=False, console=Console(file=out, width=80))
    say.begin(EVERYTHING[0])
    say.end(Outcome("Open", "a door", SEEN, ok=False, milliseconds=None))
    say.trouble("[no] such door")
    assert out.getvalue() == f" NO Open: {SEEN}\ndoorward: [no] such door\n"
