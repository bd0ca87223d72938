"""A small building in a real database: doors with readers, one access plan, people with keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from controller.drafts import Draft
from controller.identity.enrolment import Application, enrol
from controller.identity.keys import ControllerKeys
from controller.intent import credentials, doors, people, plans, readers, sites
from controller.store.database import Database
from controller.store.uow import UnitOfWork
from shared.wire.envelope import PairwiseKey
from shared.wire.proofs import Role, enrol_proof
from tests.controller.keys import hex_key, private_key

T = TypeVar("T")

CONTROLLER = ControllerKeys(signing=private_key(901), agreement=private_key(902))


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """The keys of the reader number `number` (from 0) of a building."""

    number: int

    @property
    def identity_scalar(self) -> int:
        return 10_000 + 2 * self.number

    def application(self, token: str) -> Application:
        """Return what such a reader sends to enrol."""
        identity, pkoc = private_key(self.identity_scalar), private_key(self.identity_scalar + 1)
        return Application(
            token=token,
            identity_key=identity.public.point,
            pkoc_key=pkoc.public.point,
            proof_identity=identity.sign(enrol_proof(token, Role.IDENTITY, identity.public.point)),
            proof_pkoc=pkoc.sign(enrol_proof(token, Role.PKOC, pkoc.public.point)),
            software="test 1",
        )

    def pairwise(self, reader: str) -> PairwiseKey:
        """Return the reader's end of the key it shares with the controller."""
        own = private_key(self.identity_scalar)
        return PairwiseKey(own, CONTROLLER.agreement.public, reader)


@dataclass(slots=True)
class Building:
    """Numbers of what there is. The access plan `plan` opens every door."""

    database: Database
    site: int = 0
    plan: int = 0
    doors: list[int] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    async def edit(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Do one edit and return what `work` returned."""
        async with self.database.write(actor="test", action="test") as uow:
            return await work(uow)

    async def enrol(self) -> None:
        """Enrol every reader."""
        for number, token in enumerate(self.tokens):
            await enrol(self.database, ReaderKeys(number).application(token), CONTROLLER.public)

    async def add_person(self, name: str = "Ada") -> int:
        """Make a person whom the access plan admits."""

        async def work(uow: UnitOfWork) -> int:
            draft = Draft({"first_name": name, "last_name": "Example"})
            person = (await people.create(uow, draft)).person.id
            admitted = [*self.people, person]
            await plans.update(uow, self.plan, Draft({"person_ids": admitted}))
            return person

        self.people.append(await self.edit(work))
        return self.people[-1]

    async def add_card(self, person: int, key: int) -> str:
        """Give `person` the card with key number `key`; return its handle."""
        draft = Draft({"credential_type_id": 5, "value": hex_key(key)})
        view = await self.edit(lambda uow: credentials.create(uow, person, draft))
        return view.credential.handle

    async def remove_card(self, handle: str) -> None:
        """Revoke a card."""
        await self.edit(lambda uow: credentials.remove(uow, handle))

    async def set_card(self, handle: str, *, enabled: bool) -> None:
        """Enable or disable a card."""
        await self.edit(lambda uow: credentials.update(uow, handle, Draft({"enabled": enabled})))

    async def set_door(self, number: int, **settings: object) -> None:
        """Change a door (by its place in `doors`)."""
        await self.edit(lambda uow: doors.update(uow, self.doors[number], Draft(dict(settings))))


async def build(database: Database, size: int = 1) -> Building:
    """Make a building with `size` doors, each with a reader that has not enrolled yet."""
    building = Building(database)

    async def work(uow: UnitOfWork) -> None:
        site = await sites.create(uow, Draft({"name": "Main", "time_zone": "UTC"}))
        building.site = site.site.id
        for number in range(size):
            door = (await doors.create(uow, Draft({"name": f"Door {number}"}))).door.id
            view, enrolment = await readers.create(
                uow, Draft({"door_id": door, "name": f"Reader {number}"})
            )
            building.doors.append(door)
            building.readers.append(view.reader.id)
            building.tokens.append(enrolment.token)
        plan = await plans.create(uow, Draft({"name": "All doors", "door_ids": building.doors}))
        building.plan = plan.plan.id

    await building.edit(work)
    return building
