"""`scripts/demo`, or `python -m hw.sim.demo`."""

from __future__ import annotations

import importlib
import signal


def main() -> None:
    """Load the demo and run it. Until it is loaded, Ctrl-C ends it without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command_line = importlib.import_module("hw.sim.demo.command_line")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line.main()


if __name__ == "__main__":
    main()
