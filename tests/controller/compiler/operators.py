"""Operators, holders and readers at work: random edits, by every use case there is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
)
from sqlalchemy import select

from controller.drafts import Draft
from controller.identity.enrolment import enrol
from controller.identity.redemption import Redemption, begin, decline, redeem
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
    wallet_keys,
)
from controller.intent.installation import renew_calendars
from controller.problems import Problem
from controller.storage import open_database
from controller.store import tables as t
from controller.store.database import Database
from controller.store.uow import UnitOfWork
from shared.wire.proofs import redeem_proof
from tests.controller.building import CONTROLLER, ReaderKeys
from tests.controller.conftest import NOON, Clock, share_statements
from tests.controller.keys import hex_key, load_issuer, point, private_key

DAY = 86_400_000
DOCUMENT = "aliro-nfc-document"
ZONES = ["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu"]
TIMES = [
    [],
    [{"day": "Monday", "start_time": "09:00", "end_time": "17:00"}],
    [{"day": "Daily", "start_time": "22:00", "end_time": "06:00"}],
]
RULES = [[], [{"kind": 1, "as_usual": True, "times": []}]]
HOLIDAYS = [[], [{"name": "May", "first_day": "2025-05-01", "last_day": "2025-05-02", "kind": 1}]]
METHODS = [*doors.DEFAULT_METHODS, "aliro-nfc", DOCUMENT]
INSTANTS = [None, NOON - DAY, NOON + 1, NOON + DAY]
# Hypothesis' own randoms prefer zeros, which makes for operators who hardly do anything.
RANDOMS = st.integers(0, 2**32).map(Random)
Case = Callable[[UnitOfWork, Draft], Awaitable[object]]
Change = Callable[[UnitOfWork, int, Draft], Awaitable[object]]
ORIGIN = "https://doors.example"


def card(random: Random) -> tuple[int, str]:
    """Return type and value of a card that may be in use: a point, another key, or a number."""
    number = random.randint(1, 12)
    return random.choice(
        [(5, hex_key(number)), (5, f"01{number:064x}"), (1001, f"uid 04{number:012X}")]
    )


def person(key: int) -> Draft:
    """Return somebody with a card."""
    card = {"public_key": hex_key(key)}
    return Draft({"first_name": "A", "last_name": "B", "cards": [card]})


async def answer(database: Database, code: str, key: int) -> Redemption:
    """Return what a phone with key number `key` sends to redeem the invitation of `code`."""
    nonce = (await begin(database, code)).nonce
    private = private_key(key)
    proof = private.sign(redeem_proof(code, nonce, ORIGIN, private.public.point))
    return Redemption(code, nonce, private.public.point, proof)


class Operators(RuleBasedStateMachine):
    """Every use case, in any order, in a database copied from `template`."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="doorward-edits-"))
        path = Path(shutil.copy(self.template, self.folder))
        self.clock = Clock()
        opening = open_database(
            path, load_issuer, clock=self.clock, random_bytes=Random(1).randbytes
        )
        self.database = self.runner.run(opening)
        share_statements(self.database)
        self.names = itertools.count()
        self.machines = itertools.count()
        self.codes: list[str] = []
        self.tokens: list[str] = []

    def teardown(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    # --- Tools -----------------------------------------------------------------------------------

    def edit(self, work: Callable[[UnitOfWork], Awaitable[object]]) -> None:
        """Do one edit; one that is refused must leave no trace, which the invariants show."""

        async def run() -> None:
            async with self.database.write(actor="test", action="test") as uow:
                await work(uow)

        self.attempt(run())

    def attempt(self, work: Coroutine[Any, Any, object]) -> None:
        with contextlib.suppress(Problem):
            self.runner.run(work)

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

    def add_reader(self, door: int) -> None:
        async def work(uow: UnitOfWork) -> None:
            draft = Draft({"door_id": door, "name": f"r{door}"})
            self.tokens.append((await readers.create(uow, draft))[1].token)

        self.edit(work)

    def enrol(self, door: int) -> None:
        self.add_reader(door)
        self.use_token(self.tokens[-1])

    def use_token(self, token: str) -> None:
        application = ReaderKeys(next(self.machines)).application(token)
        self.attempt(enrol(self.database, application, CONTROLLER.public))

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
        kind, value = card(random)
        draft = self.maybe(random, max_uses=random.choice([None, 1, 5]))
        draft.fields |= {"credential_type_id": kind, "value": value}
        self.change(random, t.Person, credentials.create, draft)

    @rule(random=RANDOMS)
    def change_card(self, random: Random) -> None:
        draft = self.maybe(
            random,
            state=random.choice(["active", "active", "inactive", "lost", "stolen"]),
            value=card(random)[1],
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

    @rule(random=RANDOMS)
    def join_or_leave_group(self, random: Random) -> None:
        case = random.choice([groups.add_person, groups.remove_person])
        group, who = self.one(random, t.Group), self.one(random, t.Person)
        self.edit(lambda uow: case(uow, group, who))

    @rule(random=RANDOMS)
    def invite(self, random: Random) -> None:
        who, limit = self.one(random, t.Person), random.choice([None, None, 1])

        async def work(uow: UnitOfWork) -> None:
            draft = Draft({"credential_type_id": random.choice([8, 9]), "max_uses": limit})
            view = await credentials.create(uow, who, draft)
            self.codes.append(view.secret.text if view.secret else "")

        self.edit(work)

    @rule(random=RANDOMS)
    def invite_again(self, random: Random) -> None:
        handle = self.one_handle(random)

        async def work(uow: UnitOfWork) -> None:
            view = await credentials.resend(uow, handle)
            self.codes.append(view.secret.text if view.secret else "")

        self.edit(work)

    @rule(random=RANDOMS)
    def answer_invitation(self, random: Random) -> None:
        code, key = random.choice([*self.codes[-3:], "none"]), random.randint(1, 12)

        async def run() -> None:
            if random.random() < 0.1:
                await decline(self.database, code)
            redemption = await answer(self.database, code, key)
            await redeem(self.database, redemption, ORIGIN, CONTROLLER.public)

        self.attempt(run())

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
    def add_schedule(self, random: Random) -> None:
        self.create(schedules.create, Draft({"times": random.choice(TIMES)}))

    @rule(random=RANDOMS)
    def change_schedule(self, random: Random) -> None:
        draft = self.maybe(random, times=random.choice(TIMES), holidays=random.choice(RULES))
        self.change(random, t.Schedule, schedules.update, draft)

    @rule(random=RANDOMS)
    def change_site(self, random: Random) -> None:
        draft = self.maybe(random, time_zone=random.choice(ZONES), holidays=random.choice(HOLIDAYS))
        self.change(random, t.Site, sites.update, draft)

    @rule(random=RANDOMS)
    def refuse_device_keys(self, random: Random) -> None:
        """Some of them are, were, or will be those of cards."""
        keys = random.sample(range(1, 13), random.randint(0, 4))
        causes = ["revoked", "stolen", "lost", "suspended"]
        refused = [{"public_key": hex_key(key), "cause": random.choice(causes)} for key in keys]
        self.change(random, t.Site, sites.update, Draft({"refused_keys": refused}))

    @rule(random=RANDOMS)
    def take_documents_or_not(self, random: Random) -> None:
        methods = random.choice([[DOCUMENT], ["aliro-nfc", DOCUMENT], ["aliro-nfc"]])
        self.change(random, t.Door, doors.update, Draft({"methods": methods}))

    @rule(random=RANDOMS)
    def add_site(self, random: Random) -> None:
        if len(self.numbers(t.Site)) < 3:
            draft = {"time_zone": random.choice(ZONES), "holidays": random.choice(HOLIDAYS)}
            self.create(sites.create, Draft(draft))

    @rule()
    def a_year_goes_by(self) -> None:
        self.clock.forward(seconds=366 * 86_400)
        self.runner.run(renew_calendars(self.database))

    @rule(random=RANDOMS)
    def add_door(self, random: Random) -> None:
        if len(self.numbers(t.Door)) < 4:
            self.create(doors.create, Draft({"site_id": self.one(random, t.Site)}))
            if random.random() < 0.7:
                self.enrol(max(self.numbers(t.Door)))

    @rule(random=RANDOMS)
    def change_door(self, random: Random) -> None:
        draft = self.maybe(
            random,
            name=f"n{next(self.names)}",
            site_id=self.one(random, t.Site),
            methods=random.sample(METHODS, random.randint(1, 3)),
            reader_certificate=random.random() < 0.5,
            release_seconds=random.randint(1, 3),
            release_extended_seconds=random.randint(4, 6),
            held_after_seconds=random.randint(10, 12),
            lease_seconds=random.choice([3_600, 86_400]),
            fail_safe=random.random() < 0.5,
            first_person_in=random.random() < 0.5,
            maintenance=random.random() < 0.5,
            lockdown=random.random() < 0.5,
            lock_until=random.choice(INSTANTS),
            unlock_until=random.choice(INSTANTS),
            unlock_schedule_id=random.choice([None, *self.numbers(t.Schedule)]),
        )
        self.change(random, t.Door, doors.update, draft)

    @rule(random=RANDOMS)
    def set_modes(self, random: Random) -> None:
        door, on = self.one(random, t.Door), random.random() < 0.5
        until = Draft({"relock_at": random.choice(INSTANTS)})
        cases: list[Callable[[UnitOfWork], Awaitable[object]]] = [
            lambda uow: doors.unlock(uow, door, until),
            lambda uow: doors.normal(uow, door),
            lambda uow: doors.lockdown(uow, door, on=on),
        ]
        self.edit(random.choice(cases))

    @rule(random=RANDOMS)
    def replace_reader(self, random: Random) -> None:
        reader, door = self.one(random, t.Reader), self.one(random, t.Door)
        self.edit(lambda uow: readers.remove(uow, reader))
        if random.random() < 0.7:
            self.add_reader(door)

    @rule(random=RANDOMS)
    def give_a_token(self, random: Random) -> None:
        reader = self.one(random, t.Reader)

        async def work(uow: UnitOfWork) -> None:
            self.tokens.append((await readers.new_token(uow, reader))[1].token)

        self.edit(work)

    @rule(random=RANDOMS)
    def enrol_reader(self, random: Random) -> None:
        self.use_token(random.choice(self.tokens[-3:]))

    @rule(random=RANDOMS)
    def a_reader_names_its_key_for_wallets(self, random: Random) -> None:
        said = {self.one(random, t.Reader): point(random.randint(1, 40))}
        self.edit(lambda uow: wallet_keys.take(uow, said))

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
