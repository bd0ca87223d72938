"""Questions about long records find their rows by an index, however long the record is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from controller.store.database import Database
from tests.controller.client import Api

Statement = tuple[str, Any]


@contextmanager
def statements(database: Database) -> Iterator[list[Statement]]:
    """Yield the list of what is asked of the database meanwhile."""
    asked: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    engine = database._engines.reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("address", "table", "index"),
    [
        ("/events?credential={card}", "event", "ix_event_person_id"),
        ("/events?person_id={person}", "event", "ix_event_person_id"),
        ("/events?door_id={door}", "event", "ix_event_door_id"),
        ("/events?since=2025-06-02T10:00:00Z", "event", "ix_event_at"),
        ("/changes?processing=true", "change", "ix_change_processing"),
    ],
)
async def test_is_found_by_an_index(
    api: Api, tmp_path: Path, address: str, table: str, index: str
) -> None:
    person, door = await api.person(), await api.door()
    card = await api.card(person, 1)
    with statements(api.database) as asked:
        await api.get(address.format(person=person, door=door, card=card))
    connection = sqlite3.connect(tmp_path / "doorward.db")
    steps = [
        step
        for statement, values in asked
        if f"FROM {table}" in statement
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        if step.split()[1] == table and "USING INTEGER PRIMARY KEY" not in step
    ]
    connection.close()
    assert len(steps) == 2, steps  # the page, and how many there are in all
    assert all(index in step for step in steps), steps
