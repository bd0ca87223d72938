"""The people of the demo, with a virtual phone or card in their hand."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from hw.sim.demo.processes import Processes, ProcessFailed
from hw.sim.demo.world import Post, World
from hw.sim.phone import tap_ble, tap_nfc, wallet
from hw.sim.phone.tap import Light, Tap
from hw.sim.phone.wallet import Key


@dataclass(frozen=True, slots=True)
class Holder:
    """One person and their wallet. What has a `doorward-phone` process of its own says so."""

    name: str
    wallet: Path
    processes: Processes

    async def phone(self, *arguments: str) -> str:
        """Run `doorward-phone` to its end and return what it printed. Raises `ProcessFailed`."""
        said = await self.processes.run(*self._command(*arguments))
        if said.code:
            # The arguments of `redeem` hold the secret of the invitation.
            raise ProcessFailed(f"doorward-phone {arguments[0]} said: {said.output}")
        return said.output

    async def tap_in_process(self, *arguments: str) -> Tap:
        """Tap with a `doorward-phone` process; `arguments` as on its command line after `tap`."""
        command = self._command("tap", *arguments, "--json")
        said = await self.processes.run(*command)
        try:
            seen = json.loads(said.output.splitlines()[-1])
            return Tap(Light(said.code), str(seen["text"]), float(seen["milliseconds"]))
        except (ValueError, KeyError, IndexError):
            raise ProcessFailed(f"doorward-phone tap ended {said.code}: {said.output}") from None

    def make_card(self) -> str:
        """Make a card; return its public key in hex."""
        card = wallet.add(self.wallet, wallet.new_key("Card", 0))
        return card.private.public.point.hex()

    @property
    def key(self) -> Key:
        """The newest key. Raises `WalletError`."""
        return wallet.load(self.wallet).find()

    async def tap_ble(self, world: World, post: Post) -> Tap:
        """Tap with this process's phone."""
        key = wallet.load(self.wallet).find(door=post.door)
        door = key.door(post.door)
        if door is None:
            return Tap(Light.TROUBLE, f"{self.name} has no key for {post.door}", 0.0)
        return await tap_ble.tap(world.air, door, key)

    async def tap_nfc(self, post: Post) -> Tap:
        """Hold the newest key to the reader, as a card."""
        return await tap_nfc.tap(post.field, tap_nfc.phone(self.key), lamp=post.wires)

    def stranger(self) -> Holder:
        """Somebody with a key of their own, who has found out where this holder's doors are."""
        path = self.wallet.with_name(f"stranger-{self.wallet.name}")
        key = wallet.new_key("stranger", 0)
        wallet.save(
            path, wallet.Wallet((Key(key.name, key.made, key.private, None, self.key.doors),))
        )
        return Holder("a stranger", path, self.processes)

    def _command(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "hw.sim.phone", "--wallet", str(self.wallet), *arguments)


def holder(name: str, processes: Processes) -> Holder:
    """A person with an empty wallet in the demo's folder."""
    return Holder(name, processes.folder / f"{name.lower()}.json", processes)
