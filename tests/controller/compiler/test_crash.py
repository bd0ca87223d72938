"""A controller that dies between commit and publish has promised nothing it does not keep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from controller.storage import open_database
from controller.store.tables import Change, ChangeTarget, Denial, Door, Outbox, ReaderPlan
from tests.controller.client import Api
from tests.controller.keys import load_issuer
from tests.controller.readers import Listener


async def test_what_is_committed_is_there_for_the_next_process(api: Api, tmp_path: Path) -> None:
    """Nobody publishes here; another process that opens the file finds all there is to send."""
    door, person = await api.door(), await api.person()
    handle = await api.card(person, 1)
    reader = await api.reader(door)
    await api.post("/access_plans", {"name": "P", "person_ids": [person], "door_ids": [door]})
    await api.put(f"/credentials/{handle}", {"state": "stolen"})
    later = await open_database(tmp_path / "doorward.db", load_issuer)
    try:
        async with later.read() as session:
            versions = list(await session.scalars(select(Outbox.version).order_by(Outbox.version)))
            (denial,) = await session.scalars(select(Denial))
            change = await session.get_one(Change, api.change)
            target = await session.get_one(ChangeTarget, (api.change, reader))
            plan = await session.get_one(ReaderPlan, reader)
        assert versions == [2, 3]
        assert (plan.version, plan.deny_counter, denial.cause) == (3, 1, "stolen")
        assert (target.version, target.deny_counter, change.processed_at) == (3, 1, None)
    finally:
        await later.close()


async def test_an_edit_that_fails_while_compiling_is_undone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))

    def fail(*_: object) -> None:
        raise RuntimeError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr("controller.compiler.frame.door_row", fail)
        status, _ = await api.refused("PUT", f"/doors/{door}", {"lockdown": True})
    assert status == 500
    assert (await api.get(f"/doors/{door}"))["lockdown"] is False
    version = reader.version
    assert (await reader.listen()).version == version
    await api.put(f"/doors/{door}", {"lockdown": True})
    assert (await reader.listen()).door.modes.lockdown


KILLED = """
import asyncio, os, sys
from pathlib import Path
from controller.drafts import Draft
from controller.intent import doors
from controller.storage import open_database
from tests.controller.keys import load_issuer

async def main():
    database = await open_database(Path(sys.argv[1]), load_issuer)
    async with database.write(actor="a", action="b") as uow:
        await doors.update(uow, 1, Draft({"release_seconds": 9}))
    async with database.write(actor="a", action="b") as uow:
        await doors.update(uow, 1, Draft({"release_seconds": 11}))
        await uow.session.flush()
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_killed_in_the_middle_of_an_edit(api: Api, tmp_path: Path) -> None:
    """A real process, a real SIGKILL: the first edit is whole, the second never was."""
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))
    await api.database.close()
    path = tmp_path / "doorward.db"
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [sys.executable, "-c", KILLED, str(path)], check=False, env=dict(os.environ)
    )
    assert done.returncode == -9
    later = await open_database(path, load_issuer)
    try:
        async with later.read() as session:
            assert (await session.get_one(Door, door)).release_seconds == 9
        after = Listener(later, reader.id, reader.version, reader.rows)
        assert (await after.listen()).door.release == 9
        assert after.version == reader.version + 1
    finally:
        await later.close()
