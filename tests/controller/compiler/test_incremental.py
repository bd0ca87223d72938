"""Whatever is edited in whatever order: readers are told exactly what they should have.

After every edit the compiled rows equal a compilation from scratch, digest and count are theirs,
the deltas in the outbox lead from nothing to them, and the deny sets say what the edit revoked.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from controller.drafts import Draft
from controller.intent import (
    credentials,
    doors,
    groups,
    imports,
    people,
    plans,
    readers,
    schedules,
    sites,
)
from controller.problems import Problem
from controller.storage import open_database
from controller.store import tables as t
from controller.store.uow import UnitOfWork
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply
from tests.controller.compiler.naive import Everything
from tests.controller.conftest import NOON, share_statements
from tests.controller.keys import hex_key

pytestmark = pytest.mark.slow  # every test builds a whole installation

DAY = 86_400_000
ZONES = ["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu"]
TIMES = [
    [],
    [{"day": "Monday", "start_time": "09:00", "end_time": "17:00"}],
    [{"day": "Daily", "start_time": "22:00", "end_time": "06:00"}],
]
RULES = [[], [{"kind": 1, "as_usual": True, "times": []}]]
HOLIDAYS = [[], [{"name": "May", "first_day": "2025-05-01", "last_day": "2025-05-02", "kind": 1}]]
INSTANTS = [None, NOON - DAY, NOON + 1, NOON + DAY]
# Hypothesis' own randoms prefer zeros, which makes for operators who hardly do anything.
RANDOMS = st.integers(0, 2**32).map(Random)
Case = Callable[[UnitOfWork, Draft], Awaitable[object]]
Change = Callable[[UnitOfWork, int, Draft], Awaitable[object]]


def person(key: int) -> Draft:
    """Return somebody with a card."""
    card = {"public_key": hex_key(key)}
    return Draft({"first_name": "A", "last_name": "B", "cards": [card]})


def keys_of(plan: Iterable[bytes]) -> set[bytes]:
    """Return the credential keys that the row keys of a plan name."""
    return {row[2 : 2 + row[1]] for row in plan if row[0] == 4}


class Edits(RuleBasedStateMachine):
    """Operators at work, and a reader at each door that listens to the outbox only."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="doorward-edits-"))
        path = Path(shutil.copy(self.template, self.folder))
        opening = open_database(path, clock=lambda: NOON, random_bytes=Random(1).randbytes)
        self.database = self.runner.run(opening)
        share_statements(self.database)
        self.names = itertools.count()
        self.listening: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        self.before: dict[str, dict[bytes, bytes]] = {}
        self.causes_before: dict[bytes, str | None] = {}
        self.said_before: dict[tuple[str, bytes], str | None] = {}

    def teardown(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    # --- Tools -----------------------------------------------------------------------------------

    def edit(self, work: Callable[[UnitOfWork], Awaitable[object]]) -> None:
        """Do one edit; one that is refused must leave no trace, which the invariants show."""

        async def run() -> None:
            try:
                async with self.database.write(actor="test", action="test") as uow:
                    await work(uow)
            except Problem:
                pass

        self.runner.run(run())

    def numbers(self, table: type[t.Base]) -> list[Any]:
        """Return the numbers of all rows of `table` that are not deleted."""

        async def run() -> list[Any]:
            columns = table.__table__.c
            query = select(columns.id)
            if "deleted_at" in columns:
                query = query.where(columns.deleted_at.is_(None))
            async with self.database.read() as session:
                return list(await session.scalars(query))

        return self.runner.run(run())

    def some(self, random: Random, table: type[t.Base]) -> list[Any]:
        known = self.numbers(table)
        return random.sample(known, random.randint(0, min(3, len(known))))

    def one(self, random: Random, table: type[t.Base]) -> Any:
        known = self.numbers(table)
        return random.choice(known) if known else 1

    def maybe(self, random: Random, **fields: Any) -> Draft:
        """Return a draft of some of `fields`."""
        return Draft({name: value for name, value in fields.items() if random.random() < 0.6})

    def change(self, random: Random, table: type[t.Base], case: Change, draft: Draft) -> None:
        number = self.one(random, table)
        self.edit(lambda uow: case(uow, number, draft))

    def create(self, case: Case, draft: Draft) -> None:
        draft.fields.setdefault("name", f"n{next(self.names)}")
        self.edit(lambda uow: case(uow, draft))

    # --- What operators do -----------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.create(sites.create, Draft({"time_zone": "Europe/London"}))
        for number in (1, 2):
            self.create(schedules.create, Draft({"times": TIMES[number]}))
            self.create(doors.create, Draft({}))
            self.enrol(number)
            self.add_person(person(10 + number), max_uses=number)
            self.create(groups.create, Draft({"person_ids": [number]}))
            links = {"group_ids": [number], "door_ids": [number], "schedule_id": number}
            self.create(plans.create, Draft(links))

    def add_person(self, draft: Draft, max_uses: int | None) -> None:
        card = {"credential_type_id": 5, "value": draft.fields.pop("cards")[0]["public_key"]}

        async def work(uow: UnitOfWork) -> None:
            view = await people.create(uow, draft)
            await credentials.create(uow, view.person.id, Draft({**card, "max_uses": max_uses}))

        self.edit(work)

    def enrol(self, door: int) -> None:
        async def work(uow: UnitOfWork) -> None:
            view, _ = await readers.create(uow, Draft({"door_id": door, "name": f"r{door}"}))
            view.reader.status = "enrolled"

        self.edit(work)

    def rights(self, random: Random) -> dict[str, Any]:
        return {
            "enabled": random.random() < 0.7,
            "extended_release": random.random() < 0.3,
            "override_lockdown": random.random() < 0.3,
            "valid_from": random.choice(INSTANTS),
            "valid_to": random.choice(INSTANTS),
            "group_ids": self.some(random, t.Group),
        }

    @rule(random=RANDOMS)
    def add_person_with_card(self, random: Random) -> None:
        draft = person(random.randint(1, 12))
        draft.fields |= self.maybe(random, **self.rights(random)).fields
        self.add_person(draft, random.choice([None, None, 2]))

    @rule(random=RANDOMS)
    def import_people(self, random: Random) -> None:
        drafts = []
        for number in random.sample(range(13, 40), random.randint(1, 3)):
            drafts.append(person(number))
            drafts[-1].fields |= self.maybe(random, **self.rights(random)).fields
        self.edit(lambda uow: imports.import_people(uow, drafts))

    @rule(random=RANDOMS)
    def change_person(self, random: Random) -> None:
        draft = self.maybe(random, **self.rights(random))
        self.change(random, t.Person, people.update, draft)

    @rule(random=RANDOMS)
    def give_a_card(self, random: Random) -> None:
        value = hex_key(random.randint(1, 12))
        draft = self.maybe(random, max_uses=random.choice([None, 1, 5]))
        draft.fields |= {"credential_type_id": 5, "value": value}
        self.change(random, t.Person, credentials.create, draft)

    @rule(random=RANDOMS)
    def change_card(self, random: Random) -> None:
        draft = self.maybe(
            random,
            state=random.choice(["active", "active", "inactive", "lost", "stolen"]),
            value=hex_key(random.randint(1, 12)),
            not_before=random.choice(INSTANTS),
            not_after=random.choice(INSTANTS),
            max_uses=random.choice([None, 3]),
        )
        draft.fields["reason"] = "found"
        handle = self.one_handle(random)
        self.edit(lambda uow: credentials.update(uow, handle, draft))

    @rule(random=RANDOMS)
    def remove_card(self, random: Random) -> None:
        handle = self.one_handle(random)
        self.edit(lambda uow: credentials.remove(uow, handle))

    def one_handle(self, random: Random) -> str:
        async def run() -> list[str]:
            async with self.database.read() as session:
                live = t.Credential.deleted_at.is_(None)
                return list(await session.scalars(select(t.Credential.handle).where(live)))

        return random.choice(self.runner.run(run()) or ["none"])

    @rule(random=RANDOMS)
    def add_group(self, random: Random) -> None:
        self.create(groups.create, Draft({"person_ids": self.some(random, t.Person)}))

    @rule(random=RANDOMS)
    def change_group(self, random: Random) -> None:
        draft = Draft({"person_ids": self.some(random, t.Person)})
        self.change(random, t.Group, groups.update, draft)

    def plan(self, random: Random) -> dict[str, Any]:
        return {
            "schedule_id": random.choice([None, *self.numbers(t.Schedule)]),
            "group_ids": self.some(random, t.Group),
            "person_ids": self.some(random, t.Person),
            "door_ids": self.some(random, t.Door),
        }

    @rule(random=RANDOMS)
    def add_plan(self, random: Random) -> None:
        self.create(plans.create, Draft(self.plan(random)))

    @rule(random=RANDOMS)
    def change_plan(self, random: Random) -> None:
        draft = self.maybe(random, **self.plan(random))
        self.change(random, t.AccessPlan, plans.update, draft)

    @rule(random=RANDOMS)
    def change_schedule(self, random: Random) -> None:
        draft = self.maybe(random, times=random.choice(TIMES), holidays=random.choice(RULES))
        self.change(random, t.Schedule, schedules.update, draft)

    @rule(random=RANDOMS)
    def change_site(self, random: Random) -> None:
        draft = self.maybe(random, time_zone=random.choice(ZONES), holidays=random.choice(HOLIDAYS))
        self.change(random, t.Site, sites.update, draft)

    @rule(random=RANDOMS)
    def add_door_with_reader(self, random: Random) -> None:
        if len(self.numbers(t.Door)) < 4:
            self.create(doors.create, Draft({}))
            self.enrol(max(self.numbers(t.Door)))

    @rule(random=RANDOMS)
    def change_door(self, random: Random) -> None:
        draft = self.maybe(
            random,
            lockdown=random.random() < 0.5,
            unlock_until=random.choice(INSTANTS),
            unlock_schedule_id=random.choice([None, *self.numbers(t.Schedule)]),
        )
        self.change(random, t.Door, doors.update, draft)

    @rule(random=RANDOMS)
    def replace_reader(self, random: Random) -> None:
        reader, door = self.one(random, t.Reader), self.one(random, t.Door)
        self.edit(lambda uow: readers.remove(uow, reader))
        self.enrol(door)

    @rule(random=RANDOMS)
    def remove_something(self, random: Random) -> None:
        cases: list[tuple[type[t.Base], Callable[[UnitOfWork, int], Awaitable[object]]]] = [
            (t.Person, people.remove),
            (t.Group, groups.remove),
            (t.AccessPlan, plans.remove),
            (t.Schedule, schedules.delete),
            (t.Door, doors.remove),
        ]
        table, case = random.choice(cases)
        number = self.one(random, table)
        self.edit(lambda uow: case(uow, number))

    # --- What must hold --------------------------------------------------------------------------

    @invariant()
    def readers_are_told_what_they_should_have(self) -> None:
        self.runner.run(self.check())

    async def check(self) -> None:
        async with self.database.read() as session:
            everything = await Everything.load(session)
        stored: dict[str, dict[bytes, bytes]] = {
            reader.id: {} for reader in everything.all(t.Reader)
        }
        for row in everything.all(t.CompiledRow):
            stored[row.reader_id][row.row_key] = row.body
        assert stored == everything.plans()
        for plan in everything.all(t.ReaderPlan):
            digest = SetDigest.of(stored[plan.reader_id].values())
            assert (plan.digest, plan.count) == (digest.value, digest.count)
        self.listen(everything)
        for reader, (_, heard) in self.listening.items():
            assert heard == stored[reader]
        self.check_denials(everything)
        self.before, self.causes_before = stored, everything.causes()

    def listen(self, everything: Everything) -> None:
        """Apply the deltas that are new, as a reader would."""
        enrolled = {row.id for row in everything.all(t.Reader) if row.status == "enrolled"}
        self.listening = {
            reader: self.listening.get(reader, (0, {})) for reader in sorted(enrolled)
        }
        for entry in sorted(everything.all(t.Outbox), key=lambda row: row.version):
            version, plan = self.listening[entry.reader_id]
            if entry.version > version:
                assert entry.version == version + 1
                plan = apply(cbor.decode_as(entry.delta, Delta, limit=2**20), plan)
                assert SetDigest.of(plan.values()).value == entry.digest
                self.listening[entry.reader_id] = entry.version, plan

    def check_denials(self, everything: Everything) -> None:
        causes = everything.causes()
        said = {(row.reader_id, row.key): row.cause for row in everything.all(t.Denial)}
        for (reader, key), cause in said.items():
            assert cause is None or causes.get(key, "revoked") is not None
            if cause not in {None, self.said_before.get((reader, key))}:
                assert key in keys_of(self.before[reader])
        for reader, rows in self.before.items():
            if reader not in self.listening:
                continue
            for key in keys_of(rows):
                now, then = causes.get(key, "revoked"), self.causes_before.get(key, "revoked")
                if now != then:
                    assert said.get((reader, key)) == now
        self.said_before = said
        counters = {row.reader_id: row.deny_counter for row in everything.all(t.ReaderPlan)}
        entries = [(row.reader_id, row.counter) for row in everything.all(t.Denial)]
        assert len(entries) == len(set(entries))
        assert all(0 < counter <= counters[reader] for reader, counter in entries)


def run(template: Path, examples: int, steps: int) -> None:
    Edits.template = template
    run_state_machine_as_test(
        Edits, settings=settings(max_examples=examples, stateful_step_count=steps)
    )


def test_a_few_edits(template: Path) -> None:
    run(template, examples=5, steps=25)


@pytest.mark.slow
def test_many_edits(template: Path) -> None:
    run(template, examples=20, steps=50)
