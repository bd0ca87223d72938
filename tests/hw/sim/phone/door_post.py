"""A reader with real drivers and sessions and no plan: it lets in whom the test says.

To cards it speaks PKOC, or what `ask` says; of a card that speaks nothing it takes the UID.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from hw.ble.peripheral import Peripheral
from hw.nfc.pn532 import Pn532TagListener
from hw.ports import Link, LinkClosed, LinkListener, Signal, Tag, TagListener, TagLost
from hw.sim.air import Air
from hw.sim.door import DoorSim
from hw.sim.door_control import DoorControl
from hw.sim.phone.wallet import KnownDoor
from hw.sim.pn532 import Pn532
from shared.credential.card_number import judge_uid
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc import ble_reader, nfc_reader
from shared.credential.pkoc.identity import KnownReader, ReaderIdentity
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession

NAME = "Front door"


def fresh() -> PrivateKey:
    return PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))


class DoorPost:
    """`admitted` are the points of the keys that may enter; `release` is how long, in seconds."""

    def __init__(self) -> None:
        self.identity = ReaderIdentity(b"s" * 16, b"l" * 16, fresh())
        self.door = DoorSim(say=lambda _: None, clock=time.time)
        self.admitted: set[bytes] = set()
        self.release = 0.05
        self.refusal = Signal.NOT_HERE
        self.outcomes: list[Outcome] = []
        self.ask = self._ask_pkoc
        self.certificate: ReaderCertificate | None = None

    @property
    def known(self) -> KnownDoor:
        """What a phone learns of this door."""
        identity = self.identity
        reader = KnownReader(identity.site, identity.location, identity.key.public)
        return KnownDoor(NAME, reader)

    async def serve_links(self, listener: LinkListener) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._serve_link(await listener.accept()))

    async def _serve_link(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        session = ble_reader.ReaderSession(
            self.identity,
            fresh(),
            own_keys=OwnKeys([]),
            now=loop.time(),
            policy=ble_reader.Policy(certificate=self.certificate),
        )
        with contextlib.suppress(LinkClosed):
            hello = session.hello(link.mtu)
            assert not isinstance(hello, Finished)
            for message in hello:
                await link.send(message)
            while True:
                match session.receive(await link.receive(), loop.time()):
                    case Send(message):
                        await link.send(message)
                    case Finished(outcome):
                        await link.send(session.result(granted=self._judge(outcome)))
                        await asyncio.sleep(0.1)
                        break
                    case None:
                        pass
        await link.close()

    async def serve_tags(self, listener: TagListener) -> None:
        while True:
            tag = await listener.accept()
            self._judge(await self._interrogate(tag))
            await tag.release()

    async def _interrogate(self, tag: Tag) -> Outcome:
        if not tag.iso_dep:
            return judge_uid(tag.uid)
        loop = asyncio.get_running_loop()
        session = TagSession(self.ask(), now=loop.time())
        command = session.start()
        while True:
            try:
                response = await tag.transceive(command)
            except TagLost:
                return Refused(Reason.LINK_LOST)
            match session.receive(response, loop.time()):
                case Send(command):
                    pass
                case Finished(outcome):
                    return outcome
                case None:
                    raise AssertionError("every response moves the session on")

    def _ask_pkoc(self) -> Dialogue[Outcome]:
        return nfc_reader.dialogue(self.identity, b"t" * 16, own_keys=OwnKeys([]))

    def _judge(self, outcome: Outcome) -> bool:
        self.outcomes.append(outcome)
        granted = isinstance(outcome, Proven) and outcome.key in self.admitted
        self.door.indicator.show(Signal.GRANTED if granted else self.refusal)
        if granted:
            self.door.strike.release()
        asyncio.get_running_loop().call_later(self.release, self._at_rest)
        return granted

    def _at_rest(self) -> None:
        self.door.strike.secure()
        self.door.indicator.show(Signal.IDLE)


@contextlib.asynccontextmanager
async def on_air(post: DoorPost, air: Air) -> AsyncIterator[None]:
    """The post advertises and serves phones."""
    peripheral = Peripheral(air.transport, name=NAME, address="F0:00:00:00:00:01")
    serving = asyncio.get_running_loop().create_task(post.serve_links(peripheral))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await peripheral.close()


@contextlib.asynccontextmanager
async def with_field(post: DoorPost, folder: Path) -> AsyncIterator[tuple[str, int]]:
    """The post reads cards; yields where to hold them."""
    async with Pn532(folder / "pn532") as chip:
        listener = Pn532TagListener(str(chip.tty_path))
        serving = asyncio.get_running_loop().create_task(post.serve_tags(listener))
        try:
            yield "127.0.0.1", chip.port
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await listener.close()


@contextlib.asynccontextmanager
async def with_wires(post: DoorPost) -> AsyncIterator[tuple[str, int]]:
    """The post's door can be watched; yields where."""
    async with DoorControl(post.door) as control:
        yield "127.0.0.1", control.port
