"""Reading the PKOC transcripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from shared.credential.p256 import PrivateKey

FOLDER = Path(__file__).parents[3] / "vectors"


class Step(NamedTuple):
    """One line of a BLE transcript: who does what, with which bytes."""

    actor: str
    verb: str  # notify, write, no_reaction, disconnects, shows_status
    data: bytes


class Transcript:
    """One file of `tests/vectors/pkoc`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.raw: dict[str, Any] = json.loads((FOLDER / "pkoc" / f"{name}.json").read_text())

    def input(self, name: str) -> bytes:
        return bytes.fromhex(self.raw["inputs"][name])

    def derived(self, name: str) -> bytes:
        return bytes.fromhex(self.raw["derived"][name])

    def has_key(self, name: str) -> bool:
        return name in self.raw["keys"]

    def key(self, name: str) -> PrivateKey:
        return PrivateKey.from_bytes(bytes.fromhex(self.raw["keys"][name]["private"]))

    def steps(self) -> list[Step]:
        return [self._step(step) for step in self.raw["steps"]]

    def exchanges(self) -> list[tuple[bytes, bytes]]:
        """NFC: each command with its response."""
        return [
            (bytes.fromhex(step["command"]), bytes.fromhex(step["response"]))
            for step in self.raw["steps"]
        ]

    @staticmethod
    def _step(step: dict[str, Any]) -> Step:
        verb = next(name for name in step if name not in ("from", "len"))
        data = step[verb]
        return Step(step["from"], verb, bytes.fromhex(data) if verb in ("notify", "write") else b"")


def published(name: str) -> dict[str, Any]:
    entries = json.loads((FOLDER / "published.json").read_text())["vectors"]
    found: dict[str, Any] = next(entry for entry in entries if entry["id"] == name)
    return found
