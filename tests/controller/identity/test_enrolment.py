"""A token and two proven keys make a reader; anything less leaves everything as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from controller.identity.enrolment import Application, enrol, fingerprint
from controller.intent import readers
from controller.problems import Gone, Invalid, Problem
from controller.store.database import Database
from controller.store.tables import Change, ChangeTarget, CompiledRow, Outbox, Reader, ReaderPlan
from shared.access.digest import SetDigest
from shared.wire.proofs import Role, enrol_proof
from tests.controller.building import CONTROLLER, Building, ReaderKeys, build
from tests.controller.conftest import Clock
from tests.controller.keys import point, private_key

pytestmark = pytest.mark.slow  # every test builds a whole installation


@pytest.fixture
async def building(database: Database) -> Building:
    return await build(database, 2)


async def reader_row(database: Database, reader: str) -> Reader:
    async with database.read() as session:
        return await session.get_one(Reader, reader)


async def plan_row(database: Database, reader: str) -> ReaderPlan:
    async with database.read() as session:
        return await session.get_one(ReaderPlan, reader)


async def enrol_first(building: Building, application: Application | None = None) -> None:
    application = application or ReaderKeys(0).application(building.tokens[0])
    await enrol(building.database, application, CONTROLLER.public)


def signed_by(application: Application, *, identity: int, pkoc: int) -> Application:
    """The same application, with these keys, all proofs right."""
    one, other = private_key(identity), private_key(pkoc)
    return replace(
        application,
        identity_key=one.public.point,
        pkoc_key=other.public.point,
        proof_identity=one.sign(enrol_proof(application.token, Role.IDENTITY, one.public.point)),
        proof_pkoc=other.sign(enrol_proof(application.token, Role.PKOC, other.public.point)),
    )


class TestEnrolled:
    async def test_is_told_who_and_where_it_is(self, building: Building) -> None:
        application = ReaderKeys(0).application(building.tokens[0])
        enrolled = await enrol(building.database, application, CONTROLLER.public)
        row = await reader_row(building.database, building.readers[0])
        assert enrolled.reader == building.readers[0]
        assert (enrolled.name, enrolled.door) == ("Reader 0", "Door 0")
        assert (enrolled.site.bytes, enrolled.location.bytes) == (row.pkoc_site, row.pkoc_location)

    async def test_has_its_keys_and_no_token(self, building: Building, clock: Clock) -> None:
        application = ReaderKeys(0).application(building.tokens[0])
        await enrol_first(building, application)
        row = await reader_row(building.database, building.readers[0])
        assert (row.status, row.enrolled_at) == ("enrolled", clock.now)
        assert (row.identity_key, row.pkoc_key) == (
            application.identity_key,
            application.pkoc_key,
        )
        assert (row.token_hash, row.token_expires_at) == (None, None)

    async def test_has_a_plan_from_the_start(self, building: Building) -> None:
        await enrol_first(building)
        plan = await plan_row(building.database, building.readers[0])
        async with building.database.read() as session:
            bodies = await session.scalars(
                select(CompiledRow.body).where(CompiledRow.reader_id == building.readers[0])
            )
            digest = SetDigest.of(bodies)
        assert plan.version > 0
        assert (plan.digest, plan.count) == (digest.value, digest.count)
        assert digest.count >= 2  # the door and its calendar

    async def test_is_told_of_edits_from_then_on(self, building: Building) -> None:
        await enrol_first(building)
        await building.set_door(0, release_seconds=9)
        await building.set_door(1, release_seconds=9)
        async with building.database.read() as session:
            assert set(await session.scalars(select(Outbox.reader_id))) == {building.readers[0]}
            assert set(await session.scalars(select(ChangeTarget.reader_id))) == {
                building.readers[0]
            }

    async def test_is_on_record(self, building: Building) -> None:
        await enrol_first(building)
        async with building.database.read() as session:
            change = await session.scalar(select(Change).where(Change.action == "reader.enrol"))
        assert change is not None
        assert change.actor == f"reader {building.readers[0]}"
        assert fingerprint(private_key(ReaderKeys(0).identity_scalar).public) in str(change.detail)

    async def test_rings_for_the_publisher(self, building: Building) -> None:
        building.database.committed.set()
        await building.database.committed.wait()
        await enrol_first(building)
        await building.database.committed.wait()


class TestTokens:
    async def test_a_second_use_is_refused(self, building: Building) -> None:
        await enrol_first(building)
        with pytest.raises(Gone, match="ask an operator"):
            await enrol_first(building)

    async def test_an_old_token_is_refused(self, building: Building, clock: Clock) -> None:
        clock.forward(seconds=24 * 3600)
        with pytest.raises(Gone, match="expired"):
            await enrol_first(building)

    @pytest.mark.parametrize("token", ["", "x", "é", "\ud800", "a" * 10_000])
    async def test_a_wrong_token_is_refused(self, building: Building, token: str) -> None:
        with pytest.raises(Gone, match="not good"):
            await enrol_first(building, ReaderKeys(0).application(token))

    async def test_a_removed_reader_cannot_come_back(self, building: Building) -> None:
        await building.edit(lambda uow: readers.remove(uow, building.readers[0]))
        with pytest.raises(Gone):
            await enrol_first(building)

    async def test_no_token_shows(self, building: Building) -> None:
        assert building.tokens[0] not in repr(ReaderKeys(0).application(building.tokens[0]))


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "field", "text"),
        [
            ({"identity_key": b""}, "identity_key", "has 0 bytes"),
            ({"identity_key": point(5)[:64]}, "identity_key", "has 64 bytes"),
            ({"identity_key": point(5) + b"\0"}, "identity_key", "has 66 bytes"),
            ({"pkoc_key": private_key(5).public.compressed}, "pkoc_key", "has 33 bytes"),
            ({"pkoc_key": b"\x04" + bytes(64)}, "pkoc_key", "no P-256 public key"),
            ({"pkoc_key": b"\x02" + bytes(64)}, "pkoc_key", "no P-256 public key"),
            ({"identity_key": b"\x04" + b"\xff" * 64}, "identity_key", "no P-256 public key"),
            ({"identity_key": point(5)}, "proof_identity", "does not prove"),
            ({"pkoc_key": point(5)}, "proof_pkoc", "does not prove"),
            ({"proof_identity": b""}, "proof_identity", "does not prove"),
            ({"proof_identity": bytes(64)}, "proof_identity", "does not prove"),
            ({"proof_pkoc": b"\xff" * 64}, "proof_pkoc", "does not prove"),
            ({"proof_pkoc": bytes(65)}, "proof_pkoc", "does not prove"),
        ],
    )
    async def test_is_refused_by_field(
        self, building: Building, changes: dict[str, bytes], field: str, text: str
    ) -> None:
        application = replace(ReaderKeys(0).application(building.tokens[0]), **changes)  # type: ignore[arg-type]
        with pytest.raises(Invalid) as raised:
            await enrol_first(building, application)
        assert any(text in said for said in raised.value.errors[field])
        await self._nothing_changed(building)

    async def test_says_everything_at_once(self, building: Building) -> None:
        bad = replace(
            ReaderKeys(0).application(building.tokens[0]), identity_key=b"", proof_pkoc=b""
        )
        with pytest.raises(Invalid) as raised:
            await enrol_first(building, bad)
        assert raised.value.errors.keys() == {"identity_key", "proof_pkoc"}

    async def test_proofs_cannot_be_exchanged(self, building: Building) -> None:
        good = ReaderKeys(0).application(building.tokens[0])
        swapped = replace(good, proof_identity=good.proof_pkoc, proof_pkoc=good.proof_identity)
        with pytest.raises(Invalid):
            await enrol_first(building, swapped)

    async def test_a_proof_for_another_token_is_none(self, building: Building) -> None:
        other = ReaderKeys(0).application(building.tokens[1])
        with pytest.raises(Invalid):
            await enrol_first(building, replace(other, token=building.tokens[0]))

    async def test_one_key_for_both_roles_is_refused(self, building: Building) -> None:
        application = ReaderKeys(0).application(building.tokens[0])
        with pytest.raises(Invalid, match="must be different"):
            await enrol_first(building, signed_by(application, identity=5, pkoc=5))

    @pytest.mark.parametrize("role", ["identity", "pkoc"])
    @pytest.mark.parametrize("owner", ["controller", "reader", "credential"])
    async def test_a_key_that_somebody_has_is_refused(
        self, building: Building, role: str, owner: str
    ) -> None:
        await enrol(
            building.database, ReaderKeys(1).application(building.tokens[1]), CONTROLLER.public
        )
        await building.add_card(await building.add_person(), 77)
        taken = {"controller": 901, "reader": ReaderKeys(1).identity_scalar, "credential": 77}
        application = signed_by(
            ReaderKeys(0).application(building.tokens[0]),
            identity=taken[owner] if role == "identity" else 5,
            pkoc=taken[owner] if role == "pkoc" else 6,
        )
        with pytest.raises(Invalid) as raised:
            await enrol_first(building, application)
        assert raised.value.errors.keys() == {f"{role}_key"}
        await self._nothing_changed(building)

    async def test_the_token_stays_good(self, building: Building) -> None:
        good = ReaderKeys(0).application(building.tokens[0])
        for bad in (replace(good, identity_key=b""), replace(good, proof_pkoc=b"")):
            with pytest.raises(Problem):
                await enrol_first(building, bad)
        await enrol_first(building)

    async def _nothing_changed(self, building: Building) -> None:
        row = await reader_row(building.database, building.readers[0])
        assert (row.status, row.identity_key, row.pkoc_key) == ("pending", None, None)
        assert row.token_hash is not None


class TestAnew:
    async def test_a_reader_keeps_its_keys_with_a_new_token(self, building: Building) -> None:
        await enrol_first(building)
        _, fresh = await building.edit(lambda uow: readers.new_token(uow, building.readers[0]))
        await enrol_first(building, ReaderKeys(0).application(fresh.token))

    async def test_another_machine_takes_over(self, building: Building) -> None:
        await enrol_first(building)
        async with building.database.transaction() as session:
            plan = await session.get_one(ReaderPlan, building.readers[0])
            plan.acked_version, plan.acked_deny, plan.online = plan.version, 3, True
            plan.session = bytes(16)
        before = plan.version
        _, fresh = await building.edit(lambda uow: readers.new_token(uow, building.readers[0]))
        await enrol_first(building, ReaderKeys(7).application(fresh.token))
        row = await reader_row(building.database, building.readers[0])
        plan = await plan_row(building.database, building.readers[0])
        assert row.identity_key == point(ReaderKeys(7).identity_scalar)
        assert (plan.acked_version, plan.acked_deny, plan.online) == (0, 0, False)
        assert plan.session is None
        assert plan.version >= before

    async def test_without_a_new_token_it_cannot(self, building: Building) -> None:
        await enrol_first(building)
        with pytest.raises(Gone):
            await enrol_first(building, ReaderKeys(7).application(building.tokens[0]))

    async def test_two_at_once_with_one_token(self, building: Building) -> None:
        machines = [ReaderKeys(number).application(building.tokens[0]) for number in (0, 5, 6)]
        ends = await asyncio.gather(
            *(enrol_first(building, machine) for machine in machines), return_exceptions=True
        )
        assert sorted(type(end).__name__ for end in ends) == ["Gone", "Gone", "NoneType"]
        row = await reader_row(building.database, building.readers[0])
        assert row.identity_key == machines[ends.index(None)].identity_key


def test_a_fingerprint_can_be_read_aloud() -> None:
    text = fingerprint(private_key(1).public)
    assert len(text) == 19
    assert text.count(" ") == 3
    assert text != fingerprint(private_key(2).public)
