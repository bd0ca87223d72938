"""What every step needs: the running world, its people, and eyes at the doors.

Nothing is believed because a program said so. A door has opened if its strike let go, its holder
saw green, somebody walked through, and the office has the event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hw.sim.demo.attacker import Attacker
from hw.sim.demo.holders import Holder, holder
from hw.sim.demo.office import Json, Office, OfficeError
from hw.sim.demo.site import ADA, BEN, CLEO, DORA, EMIL, Site
from hw.sim.demo.world import Post, World
from hw.sim.phone.eyes import Eyes, watch
from hw.sim.phone.tap import Light, Tap

# A red lamp goes out, and an open door relocks, within a few seconds.
_CALM_SECONDS = 15.0
_STRIKE_SECONDS = 2.0


class Differs(Exception):
    """What was seen is not what was expected."""


def expect(*, that: bool, seen: str) -> None:
    """Raise `Differs` with what was `seen`, unless it is as it should be."""
    if not that:
        raise Differs(seen)


@dataclass
class Stage:
    """`first_opened` is when the first strike let go, in Unix seconds."""

    world: World
    site: Site
    attacker: Attacker
    holders: dict[str, Holder] = field(init=False)
    first_opened: float | None = None
    gap_begins: dict[str, int] = field(default_factory=dict)
    """The last journal numbers the office knew when the broker went away."""

    def __post_init__(self) -> None:
        processes = self.world.processes
        self.holders = {name: holder(name, processes) for name in (ADA, BEN, CLEO, DORA, EMIL)}

    @property
    def office(self) -> Office:
        return self.world.office

    def post(self, door: str) -> Post:
        return self.world.posts[door]

    async def mark(self, door: str) -> int:
        """Where the journal of this door's reader stands, as far as the office knows."""
        return await self.office.last_seq(self.site.readers[door])

    async def event(self, door: str, after: int, **wanted: object) -> Json:
        """The event that the office has of it. Raises `OfficeError`."""
        return await self.office.event(self.site.readers[door], wanted, after=after)

    async def opens(
        self, door: str, tap: Callable[[], Awaitable[Tap]], *, person: str | None, method: str
    ) -> Tap:
        """Tap, see the door open, walk through, find both events. Raises `Differs` and others.

        `person` None: of somebody whom the office does not know.
        """
        after = await self.mark(door)
        seen = await self.opens_unseen(door, tap)
        await self.event(
            door,
            after,
            kind="access",
            reason="granted",
            method=method,
            person_id=None if person is None else self.site.people[person],
        )
        await self.event(door, after, kind="entered")
        return seen

    async def opens_unseen(self, door: str, tap: Callable[[], Awaitable[Tap]]) -> Tap:
        """The same at the door alone: the office is not asked."""
        async with watch(*self.post(door).wires) as eyes:
            await eyes.calm(patience=_CALM_SECONDS)
            seen = await tap()
            expect(that=seen.light is Light.GREEN, seen=f"the holder saw {seen}")
            line = await eyes.see(lambda now: now.strike == "released", patience=_STRIKE_SECONDS)
            self.first_opened = self.first_opened or line.at
            await walk_through(eyes)
        return seen

    async def refuses(
        self,
        door: str,
        tap: Callable[[], Awaitable[Tap]],
        *,
        reason: str,
        lamp: str,
        detail: str = "",
    ) -> Tap:
        """Tap, and see the door stay locked, with the right lamp and the right event."""
        after = await self.mark(door)
        seen = await self.refuses_unseen(door, tap, lamp=lamp)
        event = await self.event(door, after, kind="access", reason=reason)
        said = event["detail"] or ""
        expect(that=detail in said, seen=f"the event says {said!r}")
        return seen

    async def refuses_unseen(
        self, door: str, tap: Callable[[], Awaitable[Tap]], *, lamp: str
    ) -> Tap:
        """The same at the door alone: the office is not asked."""
        async with watch(*self.post(door).wires) as eyes:
            await eyes.calm(patience=_CALM_SECONDS)
            seen = await tap()
            expect(that=seen.light is Light.RED, seen=f"the holder saw {seen}")
            line = await eyes.see(lambda now: now.signal == lamp, patience=_STRIKE_SECONDS)
            expect(that=line.strike == "secured", seen=f"the strike is {line.strike}")
            pushed = await eyes.do("open")
            expect(that=pushed is not None, seen="somebody pushed, and the door gave way")
        return seen

    async def processed(self, change: int, *doors: str) -> Json:
        """The change once it is processed; `doors` are those whose readers must have it."""
        found = await self.office.processed(change)
        acked = {reader["id"] for reader in found["readers"] if reader["acked_at"]}
        wanted = {self.site.readers[door] for door in doors}
        expect(that=wanted <= acked, seen=f"processed, but acknowledged by {len(acked)} only")
        return found

    async def settled(self) -> None:
        """Every reader is online and has its newest plan. Raises `Differs`."""
        try:
            await self.world.readers_online()
        except OfficeError as error:
            raise Differs(str(error)) from error


async def walk_through(eyes: Eyes) -> None:
    """Open the released door, pass, let it fall shut, and see it locked again."""
    eyes.forget()
    trouble = await eyes.do("walk-through", seconds=0.02)
    expect(that=trouble is None, seen=f"the door does not open: {trouble}")
    await eyes.see(lambda now: now.strike == "secured", patience=_STRIKE_SECONDS)
