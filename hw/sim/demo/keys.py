"""Keys that lie in the demo's own folder: the director may look, an attacker may not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hw.sim.demo.world import CONTROLLER, Post, World
from shared.credential.p256 import PrivateKey, PublicKey


async def plan_key(post: Post) -> PublicKey:
    """The public key whose plans the reader believes, as it was told when it enrolled."""
    text = await asyncio.to_thread((post.data / "identity.json").read_text, encoding="utf-8")
    return PublicKey.parse(bytes.fromhex(json.loads(text)["plan_key"]))


async def signing_key(world: World) -> PrivateKey:
    """The controller's own key for plans. Raises `ValueError` if it is none."""
    path = world.folder / CONTROLLER / "plan-signing.key"
    key = load_pem_private_key(await asyncio.to_thread(Path.read_bytes, path), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds another kind of key")  # noqa: TRY004 - it is the file
    return PrivateKey.wrap(key)
