"""What somebody sees who watches the demo, on several screens; and its choice of broker."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from hw.sim.demo import broker
from hw.sim.demo.broker import Broker, NoBroker
from hw.sim.demo.narrate import Narrator
from hw.sim.demo.processes import Processes
from hw.sim.demo.steps import Outcome
from hw.sim.demo.story import EVERYTHING

SEEN = (
    "refused before; receipt 43 ms after the commit, before the answer; then the lamp says granted"
)


def shown(width: int, *, terminal: bool) -> list[str]:
    """The lines of two outcomes and of a note."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False)
    say = Narrator(tell=True, console=console)
    say.end(Outcome("Open", "a door", "[it] opens", ok=True, milliseconds=68.4))
    say.end(Outcome("New grant", "a door", SEEN, ok=False, milliseconds=1169.6))
    say.note(f"{SEEN}. {SEEN}")
    return [line.rstrip() for line in Text.from_ansi(out.getvalue()).plain.splitlines()]


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_on_a_terminal_lines_break_between_words(width: int) -> None:
    lines = shown(width, terminal=True)

    words = [word for line in lines for word in line.split()]
    note = f"{SEEN}. {SEEN}".split()
    assert words[-len(note) :] == note
    assert max(map(len, lines)) <= min(width, 110)
    # Milliseconds stand one below the other; what breaks goes on below its own text.
    ends = {len(line) for line in lines if line.endswith((" 68 ms", "1170 ms"))}
    assert ends == {min(width, 110)}
    assert lines[0].startswith(" ok Open: [it] opens ")
    assert lines[1].startswith(" NO New grant: refused before; ")
    if width < 110:
        assert lines[2].startswith("    ")
        assert lines[2].strip() in SEEN


def test_in_a_file_each_is_one_line() -> None:
    lines = shown(80, terminal=False)

    assert len(lines) == 3
    assert lines[1].split(maxsplit=3)[3].startswith(SEEN)
    assert lines[2] == f"{SEEN}. {SEEN}"


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_gets_the_whole_tale(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    say = Narrator(tell=True, console=console)
    for step in EVERYTHING:
        say.begin(step)
    lines = [line.rpartition("\r")[2] for line in out.getvalue().split("\n")]
    assert max(len(line.rstrip()) for line in lines) <= width
    said = " ".join(" ".join(lines).split())
    for step in EVERYTHING:
        assert step.tale in said


def test_a_file_gets_one_line_for_each_step() -> None:
    out = io.StringIO()
    say = Narrator(tell=False, console=Console(file=out, width=80))
    say.begin(EVERYTHING[0])
    say.end(Outcome("Open", "a door", SEEN, ok=False, milliseconds=None))
    say.trouble("[no] such door")
    assert out.getvalue() == f" NO Open: {SEEN}\ndoorward: [no] such door\n"


@pytest.fixture
def no_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without mosquitto; the folder where its daemons lie."""
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(broker, "_DAEMONS", str(tmp_path))
    return tmp_path


def test_mosquitto_is_found_where_only_roots_path_leads(no_mosquitto: Path) -> None:
    program = no_mosquitto / "mosquitto"
    program.touch(mode=0o755)
    assert Broker("auto", Processes(no_mosquitto)).kind == "mosquitto"
    assert Broker("mosquitto", Processes(no_mosquitto)).kind == "mosquitto"
    assert Broker("amqtt", Processes(no_mosquitto)).kind == "amqtt"


def test_without_mosquitto_the_demo_has_another_broker(no_mosquitto: Path) -> None:
    assert Broker("auto", Processes(no_mosquitto)).kind == "amqtt"


def test_a_broker_that_is_wanted_and_not_installed_is_named(no_mosquitto: Path) -> None:
    with pytest.raises(NoBroker, match="apt install mosquitto"):
        Broker("mosquitto", Processes(no_mosquitto))
