"""Fuzz one target in this process: `python -m tests.fuzz.one TARGET [OPTIONS OF LIBFUZZER]`.

With a FILE instead of options, look again at an input that was found.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["shared", "controller.intent"]):
    from tests.fuzz.targets import BY_NAME

if __name__ == "__main__":
    program, name, *options = sys.argv
    atheris.Setup([program, *options], BY_NAME[name].run)
    atheris.Fuzz()
