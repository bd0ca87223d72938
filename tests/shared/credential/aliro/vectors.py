"""Reading the Aliro transcripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.credential.p256 import PrivateKey, PublicKey

FOLDER = Path(__file__).parents[3] / "vectors" / "aliro"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


class Transcript:
    """One file of `tests/vectors/aliro`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.raw: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())

    def hex(self, *path: str) -> bytes:
        return bytes.fromhex(self._find(path))

    def has(self, *path: str) -> bool:
        try:
            return self._find(path) is not None
        except KeyError:
            return False

    def private(self, *path: str) -> PrivateKey:
        return PrivateKey.from_bytes(self.hex(*path, "private"))

    def public(self, *path: str) -> PublicKey:
        return PublicKey.parse(self.hex(*path))

    def derived(self, name: str) -> bytes:
        return self.hex("derived", name)

    def commands(self) -> list[bytes]:
        return [bytes.fromhex(apdu["hex"]) for apdu in self.raw["apdus"] if apdu["dir"] == "C"]

    def responses(self) -> list[bytes]:
        return [bytes.fromhex(apdu["hex"]) for apdu in self.raw["apdus"] if apdu["dir"] == "R"]

    def plains(self, direction: str) -> list[tuple[str, bytes, bytes]]:
        """Every encrypted message of a direction: its name, what travels, what it says."""
        return [
            (apdu["name"], bytes.fromhex(apdu["hex"]), bytes.fromhex(apdu["plain"]))
            for apdu in self.raw["apdus"]
            if apdu["dir"] == direction and "plain" in apdu
        ]

    @property
    def group_key(self) -> PublicKey:
        name = "salt_key_public" if self.has("reader", "salt_key_public") else "public"
        return self.public("reader", name)

    def _find(self, path: tuple[str, ...]) -> Any:
        found: Any = self.raw
        for name in path:
            found = found[name]
        return found
