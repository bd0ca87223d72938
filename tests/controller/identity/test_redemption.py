"""One secret, one phone, once: what an invitation becomes, and all it does not."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from controller.drafts import Draft
from controller.identity.redemption import (
    NONCE_LIFE_MS,
    Issued,
    Redemption,
    WrongCode,
    begin,
    decline,
    redeem,
)
from controller.identity.wallet import Question, UnknownCredential, doors
from controller.intent import credentials, people
from controller.problems import Conflict, Gone, Invalid
from controller.store.database import Database
from controller.store.tables import (
    Change,
    CompiledRow,
    Credential,
    Invitation,
    Outbox,
    Site,
)
from shared.access.rows import Grant, decode_row
from shared.wire.proofs import code_hash, doors_proof, redeem_proof
from tests.controller.building import CONTROLLER, Building, ReaderKeys, build
from tests.controller.conftest import Clock
from tests.controller.keys import point, private_key

pytestmark = pytest.mark.slow  # every test builds a whole installation

ORIGIN = "https://doors.example"
PHONE = 500
BY_CODE, BY_LINK = 8, 9


@dataclass(slots=True)
class Guest:
    """A person who was invited."""

    building: Building
    person: int
    handle: str
    code: str

    async def answer(self, key: int = PHONE) -> Redemption:
        """Begin, and return a good redemption with key number `key`."""
        opened = await begin(self.building.database, self.code)
        return self.signed(opened.nonce, key)

    def signed(self, nonce: bytes, key: int = PHONE, origin: str = ORIGIN) -> Redemption:
        private = private_key(key)
        proof = redeem_proof(self.code, nonce, origin, private.public.point)
        return Redemption(self.code, nonce, private.public.point, private.sign(proof), "Phone 1")

    async def redeem(self, redemption: Redemption | None = None) -> Issued:
        redemption = redemption or await self.answer()
        return await redeem(self.building.database, redemption, ORIGIN, CONTROLLER.public)


async def invite(building: Building, person: int, kind: int = BY_CODE) -> Guest:
    draft = Draft({"credential_type_id": kind})
    view = await building.edit(lambda uow: credentials.create(uow, person, draft))
    assert view.secret is not None
    return Guest(building, person, view.credential.handle, view.secret.text)


@pytest.fixture
async def building(database: Database) -> Building:
    building = await build(database, 2)
    await building.enrol()
    return building


@pytest.fixture
async def guest(building: Building) -> Guest:
    return await invite(building, await building.add_person())


async def credential_row(guest: Guest) -> Credential:
    async with guest.building.database.read() as session:
        row = await session.scalar(select(Credential).where(Credential.handle == guest.handle))
    assert row is not None
    return row


async def invitation_row(guest: Guest) -> Invitation:
    async with guest.building.database.read() as session:
        query = select(Invitation).where(Invitation.code_hash == code_hash(guest.code))
        row = await session.scalar(query)
    assert row is not None
    return row


async def is_untouched(guest: Guest) -> bool:
    credential, invitation = await credential_row(guest), await invitation_row(guest)
    return (credential.public_key, credential.issuance, invitation.status) == (
        None,
        "invited",
        "pending",
    )


class TestBegin:
    async def test_says_whose_it_is(self, guest: Guest) -> None:
        opened = await begin(guest.building.database, guest.code)
        assert (opened.person, opened.site) == ("Ada", "Main")
        assert len(opened.nonce) == 32

    async def test_gives_a_new_nonce_every_time(self, guest: Guest) -> None:
        nonces = {(await begin(guest.building.database, guest.code)).nonce for _ in range(5)}
        assert len(nonces) == 5

    async def test_uses_nothing_up(self, guest: Guest) -> None:
        await begin(guest.building.database, guest.code)
        assert await is_untouched(guest)

    async def test_a_code_may_be_typed_without_dashes(self, guest: Guest) -> None:
        typed = guest.code.replace("-", "").lower()
        assert (await begin(guest.building.database, typed)).person == "Ada"

    @pytest.mark.parametrize("code", ["", "x", "ABCD-EFGH-JKMN-PQRS", "\ud800", "é" * 16])
    async def test_a_wrong_code_learns_nothing(self, guest: Guest, code: str) -> None:
        with pytest.raises(WrongCode, match=r"^there is no invitation with this code$"):
            await begin(guest.building.database, code)

    async def test_the_hash_itself_is_no_code(self, guest: Guest) -> None:
        with pytest.raises(WrongCode):
            await begin(guest.building.database, code_hash(guest.code).hex())


class TestRedeem:
    @pytest.mark.parametrize("kind", [BY_CODE, BY_LINK])
    async def test_makes_the_key_a_credential(self, building: Building, kind: int) -> None:
        guest = await invite(building, await building.add_person(), kind)
        issued = await guest.redeem()
        row = await credential_row(guest)
        assert (issued.handle, issued.first_name) == (guest.handle, "Ada")
        assert (row.issuance, row.device) == ("active", "Phone 1")
        assert row.public_key == point(PHONE)
        assert row.key_hash == hashlib.sha256(point(PHONE)).digest()
        assert (await invitation_row(guest)).status == "redeemed"

    async def test_readers_will_be_told(self, guest: Guest) -> None:
        async with guest.building.database.read() as session:
            before = set(await session.execute(select(Outbox.reader_id, Outbox.version)))
        await guest.redeem()
        async with guest.building.database.read() as session:
            after = set(await session.execute(select(Outbox.reader_id, Outbox.version)))
            bodies = await session.scalars(select(CompiledRow.body))
            keys = {row.key for row in map(decode_row, bodies) if isinstance(row, Grant)}
        assert {reader for reader, _ in after - before} == set(guest.building.readers)
        assert keys == {point(PHONE)}

    async def test_tells_the_phone_its_doors(self, guest: Guest) -> None:
        issued = await guest.redeem()
        assert [door.name for door in issued.doors] == ["Door 0", "Door 1"]
        assert [door.public_key for door in issued.doors] == [
            point(ReaderKeys(number).identity_scalar + 1) for number in (0, 1)
        ]
        assert len({door.site for door in issued.doors}) == 2
        async with guest.building.database.read() as session:
            group = (await session.scalars(select(Site.wallet_group))).one()
        issuer = guest.building.database.issuer.of(group).pkoc.public.point
        assert {door.issuer_key for door in issued.doors} == {issuer}

    async def test_names_no_door_to_whom_no_plan_admits(self, building: Building) -> None:
        draft = Draft({"first_name": "Bob", "last_name": "Example"})
        view = await building.edit(lambda uow: people.create(uow, draft))
        issued = await (await invite(building, view.person.id)).redeem()
        assert issued.doors == ()

    async def test_names_no_door_without_a_reader(self, database: Database) -> None:
        building = await build(database, 2)  # nobody enrols
        issued = await (await invite(building, await building.add_person())).redeem()
        assert issued.doors == ()

    async def test_is_on_record(self, guest: Guest) -> None:
        await guest.redeem()
        async with guest.building.database.read() as session:
            change = await session.scalar(
                select(Change).where(Change.action == "invitation.redeem")
            )
        assert change is not None
        assert (change.actor, change.subject) == (
            f"person {guest.person}",
            f"credential {guest.handle}",
        )

    async def test_the_last_moment_is_in_time(self, guest: Guest, clock: Clock) -> None:
        redemption = await guest.answer()
        clock.now += NONCE_LIFE_MS - 1
        await guest.redeem(redemption)

    async def test_two_phones_of_one_person(self, guest: Guest) -> None:
        await guest.redeem()
        second = await invite(guest.building, guest.person)
        await second.redeem(await second.answer(PHONE + 1))
        async with guest.building.database.read() as session:
            keys = set(await session.scalars(select(Credential.public_key)))
        assert keys == {point(PHONE), point(PHONE + 1)}


class TestOnlyOnce:
    async def test_a_second_use_says_used(self, guest: Guest) -> None:
        redemption = await guest.answer()
        await guest.redeem(redemption)
        with pytest.raises(Gone, match=r"^used"):
            await guest.redeem(redemption)
        with pytest.raises(Gone, match=r"^used"):
            await begin(guest.building.database, guest.code)
        assert (await credential_row(guest)).public_key == point(PHONE)

    async def test_of_two_phones_the_later_begin_wins(self, guest: Guest) -> None:
        first = await guest.answer(PHONE)
        second = await guest.answer(PHONE + 1)
        with pytest.raises(Conflict, match="begin again"):
            await guest.redeem(first)
        await guest.redeem(second)
        assert (await credential_row(guest)).public_key == point(PHONE + 1)

    async def test_at_the_same_instant(self, guest: Guest) -> None:
        """Everybody has the nonce; whoever comes first has the key, and nobody else."""
        opened = await begin(guest.building.database, guest.code)
        phones = [guest.signed(opened.nonce, PHONE + number) for number in range(4)]
        ends = await asyncio.gather(*map(guest.redeem, phones), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["Gone"] * 3 + ["Issued"]
        first = [isinstance(end, Issued) for end in ends].index(True)
        assert (await credential_row(guest)).public_key == phones[first].public_key

    async def test_while_it_is_revoked(self, guest: Guest) -> None:
        """Whichever comes first: in the end there is no key."""
        for first in (True, False):
            other = await invite(guest.building, guest.person)
            redemption = await other.answer()
            both = [other.redeem(redemption), guest.building.remove_card(other.handle)]
            ends = await asyncio.gather(*both[:: 1 if first else -1], return_exceptions=True)
            assert all(not isinstance(end, Exception) or isinstance(end, Gone) for end in ends)
            row = await credential_row(other)
            assert (row.public_key, row.issuance) == (None, "revoked")

    async def test_a_stale_nonce_is_refused(self, guest: Guest, clock: Clock) -> None:
        redemption = await guest.answer()
        clock.now += NONCE_LIFE_MS
        with pytest.raises(Conflict, match="begin again"):
            await guest.redeem(redemption)
        assert await is_untouched(guest)

    async def test_without_begin_there_is_no_nonce(self, guest: Guest) -> None:
        with pytest.raises(Conflict, match="begin again"):
            await guest.redeem(guest.signed(bytes(32)))

    async def test_an_expired_invitation(self, guest: Guest, clock: Clock) -> None:
        redemption = await guest.answer()
        clock.forward(seconds=8 * 86_400)
        for attempt in (
            guest.redeem(redemption),
            begin(guest.building.database, guest.code),
            decline(guest.building.database, guest.code),
        ):
            with pytest.raises(Gone, match=r"^expired: ask whoever invited you"):
                await attempt

    async def test_a_resent_invitation_replaces(self, guest: Guest) -> None:
        redemption = await guest.answer()
        view = await guest.building.edit(lambda uow: credentials.resend(uow, guest.handle))
        with pytest.raises(Gone, match=r"^replaced"):
            await guest.redeem(redemption)
        assert view.secret is not None
        await Guest(guest.building, guest.person, guest.handle, view.secret.text).redeem()

    async def test_a_deleted_credential_withdraws(self, guest: Guest) -> None:
        redemption = await guest.answer()
        await guest.building.remove_card(guest.handle)
        with pytest.raises(Gone, match=r"^withdrawn"):
            await guest.redeem(redemption)

    async def test_a_deleted_person_withdraws(self, guest: Guest) -> None:
        redemption = await guest.answer()
        await guest.building.edit(lambda uow: people.remove(uow, guest.person))
        with pytest.raises(Gone, match=r"^withdrawn"):
            await guest.redeem(redemption)


class TestDecline:
    async def test_ends_it(self, guest: Guest) -> None:
        redemption = await guest.answer()
        await decline(guest.building.database, guest.code)
        assert (await invitation_row(guest)).status == "declined"
        with pytest.raises(Gone, match=r"^declined"):
            await guest.redeem(redemption)
        with pytest.raises(Gone, match=r"^declined"):
            await decline(guest.building.database, guest.code)

    async def test_takes_no_key_away(self, guest: Guest) -> None:
        await guest.redeem()
        with pytest.raises(Gone, match=r"^used"):
            await decline(guest.building.database, guest.code)
        assert (await credential_row(guest)).issuance == "active"

    async def test_a_wrong_code_declines_nothing(self, guest: Guest) -> None:
        with pytest.raises(WrongCode):
            await decline(guest.building.database, "wrong")


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"public_key": b""}, "public_key"),
            ({"public_key": point(PHONE)[:-1]}, "public_key"),
            ({"public_key": private_key(PHONE).public.compressed}, "public_key"),
            ({"public_key": b"\x04" + bytes(64)}, "public_key"),
            ({"public_key": point(PHONE + 1)}, "proof"),
            ({"proof": b""}, "proof"),
            ({"proof": bytes(64)}, "proof"),
            ({"nonce": b""}, "nonce"),
            ({"nonce": bytes(31)}, "nonce"),
            ({"nonce": bytes(32)}, "proof"),
        ],
    )
    async def test_is_refused_by_field(
        self, guest: Guest, changes: dict[str, bytes], field: str
    ) -> None:
        redemption = replace(await guest.answer(), **changes)  # type: ignore[arg-type]
        with pytest.raises(Invalid) as raised:
            await guest.redeem(redemption)
        assert field in raised.value.errors
        assert await is_untouched(guest)

    async def test_a_proof_for_another_controller_is_none(self, guest: Guest) -> None:
        opened = await begin(guest.building.database, guest.code)
        with pytest.raises(Invalid) as raised:
            await guest.redeem(guest.signed(opened.nonce, origin="https://evil.example"))
        assert raised.value.errors.keys() == {"proof"}

    async def test_a_wrong_code_learns_nothing_of_the_rest(self, guest: Guest) -> None:
        redemption = replace(await guest.answer(), code="wrong", public_key=b"")
        with pytest.raises(WrongCode):
            await guest.redeem(redemption)

    async def test_the_nonce_of_one_invitation_is_none_for_another(self, guest: Guest) -> None:
        other = await invite(guest.building, guest.person)
        opened = await begin(guest.building.database, other.code)
        await begin(guest.building.database, guest.code)
        with pytest.raises(Conflict, match="begin again"):
            await guest.redeem(guest.signed(opened.nonce))

    async def test_no_code_shows(self, guest: Guest) -> None:
        assert guest.code not in repr(await guest.answer())


class TestTakenKeys:
    @pytest.mark.parametrize(
        "number", [901, 902, ReaderKeys(0).identity_scalar, ReaderKeys(1).identity_scalar + 1]
    )
    async def test_our_own_keys_are_nobodys(self, guest: Guest, number: int) -> None:
        redemption = await guest.answer(number)
        with pytest.raises(Invalid) as raised:
            await guest.redeem(redemption)
        assert raised.value.errors.keys() == {"public_key"}
        assert await is_untouched(guest)

    async def test_the_same_phone_twice(self, guest: Guest) -> None:
        await guest.redeem()
        second = await invite(guest.building, guest.person)
        with pytest.raises(Conflict, match="redeem it on another phone"):
            await second.redeem()
        assert await is_untouched(second)
        await second.redeem(await second.answer(PHONE + 1))

    async def test_somebody_elses_key(self, guest: Guest) -> None:
        await guest.redeem()
        other = await invite(guest.building, await guest.building.add_person("Bob"))
        with pytest.raises(Conflict, match="let the phone make a new one"):
            await other.redeem()
        assert await is_untouched(other)

    async def test_the_key_of_a_card(self, guest: Guest) -> None:
        await guest.building.add_card(guest.person, PHONE)
        with pytest.raises(Conflict):
            await guest.redeem()

    async def test_a_key_is_free_again_after_removal(self, guest: Guest) -> None:
        await guest.redeem()
        await guest.building.remove_card(guest.handle)
        second = await invite(guest.building, guest.person)
        await second.redeem()
        assert (await credential_row(second)).public_key == point(PHONE)


class TestDoors:
    def question(self, guest: Guest, clock: Clock, key: int = PHONE) -> Question:
        private = private_key(key)
        statement = doors_proof(ORIGIN, guest.handle, clock.now, private.public.point)
        return Question(guest.handle, private.public.point, clock.now, private.sign(statement))

    async def test_says_what_was_given_later(self, database: Database, clock: Clock) -> None:
        building = await build(database, 1)
        guest = await invite(building, await building.add_person())
        assert (await guest.redeem()).doors == ()
        await building.enrol()
        found = await doors(database, self.question(guest, clock), ORIGIN)
        assert [door.name for door in found] == ["Door 0"]

    async def test_is_for_the_holder_alone(self, guest: Guest, clock: Clock) -> None:
        await guest.redeem()
        with pytest.raises(UnknownCredential):
            await doors(guest.building.database, self.question(guest, clock, PHONE + 1), ORIGIN)

    async def test_an_unknown_credential(self, guest: Guest, clock: Clock) -> None:
        with pytest.raises(UnknownCredential):
            await doors(guest.building.database, self.question(guest, clock), ORIGIN)

    @pytest.mark.parametrize("seconds", [-301, 301])
    async def test_an_old_question(self, guest: Guest, clock: Clock, seconds: int) -> None:
        await guest.redeem()
        question = self.question(guest, clock)
        clock.forward(seconds=seconds)
        with pytest.raises(Invalid) as raised:
            await doors(guest.building.database, question, ORIGIN)
        assert raised.value.errors.keys() == {"time"}

    async def test_a_question_to_another_controller(self, guest: Guest, clock: Clock) -> None:
        await guest.redeem()
        with pytest.raises(Invalid):
            await doors(
                guest.building.database, self.question(guest, clock), "https://evil.example"
            )

    @pytest.mark.parametrize("key", [b"", bytes(65)])
    async def test_no_key(self, guest: Guest, clock: Clock, key: bytes) -> None:
        question = replace(self.question(guest, clock), public_key=key)
        with pytest.raises(Invalid):
            await doors(guest.building.database, question, ORIGIN)

    async def test_a_removed_credential_is_told_so(self, guest: Guest, clock: Clock) -> None:
        await guest.redeem()
        await guest.building.remove_card(guest.handle)
        with pytest.raises(Gone, match="removed"):
            await doors(guest.building.database, self.question(guest, clock), ORIGIN)
