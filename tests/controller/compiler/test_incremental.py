"""Whatever is edited in whatever order: readers are told exactly what they should have.

After every edit the compiled rows equal a compilation from scratch, digest and count are theirs,
the deltas in the outbox lead to them, the deny sets say what the edit revoked, and a change waits
for exactly those readers that are told something.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from controller.intent.keys import key_hash
from controller.store import tables as t
from shared import cbor
from shared.access.digest import SetDigest
from shared.access.plan import Delta, apply
from shared.credential.identifier import is_point
from tests.controller.compiler.naive import Everything
from tests.controller.compiler.operators import Operators

pytestmark = pytest.mark.slow  # every test builds a whole installation

Plan = dict[bytes, bytes]
Said = dict[tuple[str, bytes], str | None]


def keys_of(plan: Iterable[bytes]) -> set[bytes]:
    """Return the credential keys that the row keys of a plan name."""
    return {row[2 : 2 + row[1]] for row in plan if row[0] == 4}


class Edits(Operators):
    """Operators at work, and a reader at each door that listens to the outbox only."""

    def __init__(self) -> None:
        super().__init__()
        self.listening: dict[str, tuple[int, Plan]] = {}
        self.before: dict[str, Plan] = {}
        self.counters_before: dict[str, tuple[int, int]] = {}
        self.enrolled_before: set[str] = set()
        self.change_before = 0
        self.causes_before: dict[bytes, str | None] = {}
        self.ever_held: set[bytes] = set()
        self.said_before: Said = {}

    @invariant()
    def readers_are_told_what_they_should_have(self) -> None:
        self.runner.run(self.check())

    async def check(self) -> None:
        async with self.database.read() as session:
            everything = await Everything.load(session)
        stored: dict[str, Plan] = {reader.id: {} for reader in everything.all(t.Reader)}
        for row in everything.all(t.CompiledRow):
            stored[row.reader_id][row.row_key] = row.body
        assert stored == everything.plans()
        for plan in everything.all(t.ReaderPlan):
            digest = SetDigest.of(stored[plan.reader_id].values())
            assert (plan.digest, plan.count) == (digest.value, digest.count)
        self.listen(everything, stored)
        for reader, (_, heard) in self.listening.items():
            assert heard == stored[reader]
        self.check_denials(everything)
        self.check_changes(everything, stored)
        self.before, self.causes_before = stored, everything.causes()

    def listen(self, everything: Everything, stored: dict[str, Plan]) -> None:
        """Apply the deltas that are new, as a reader would; a new one begins with a snapshot."""
        versions = {row.reader_id: row.version for row in everything.all(t.ReaderPlan)}
        self.listening = {
            row.id: self.listening.get(row.id, (versions[row.id], stored[row.id]))
            for row in everything.all(t.Reader)
            if row.status == "enrolled"
        }
        for entry in sorted(everything.all(t.Outbox), key=lambda row: row.version):
            version, plan = self.listening[entry.reader_id]
            if entry.version > version:
                assert entry.version == version + 1
                plan = apply(cbor.decode_as(entry.delta, Delta, limit=2**20), plan)
                assert SetDigest.of(plan.values()).value == entry.digest
                self.listening[entry.reader_id] = entry.version, plan

    def check_changes(self, everything: Everything, stored: dict[str, Plan]) -> None:
        """A version for each edit that changes a plan, no other; whom it tells must confirm it."""
        counters = {
            row.reader_id: (row.version, row.deny_counter) for row in everything.all(t.ReaderPlan)
        }
        new = {row.id for row in everything.all(t.Change) if row.id > self.change_before}
        targets = everything.all(t.ChangeTarget)
        if len(new) == 1:  # more than one between two looks: they cannot be told apart
            moved = {
                (reader, *now)
                for reader, now in counters.items()
                if now != self.counters_before.get(reader, (0, 0))
            }
            told = {
                (row.reader_id, row.version, row.deny_counter)
                for row in targets
                if row.change_id in new
            }
            listeners = self.enrolled_before & set(self.listening)
            assert told == {row for row in moved if row[0] in listeners}
            for reader, (version, _) in counters.items():
                before = self.counters_before.get(reader, (0, 0))[0]
                assert version == before + (stored[reader] != self.before.get(reader, {}))
        waiting = {row.change_id for row in targets}
        assert {row.reader_id for row in targets} <= set(self.listening)
        for row in everything.all(t.Change):
            assert (row.processed_at is None) == (row.id in waiting)
        self.counters_before, self.enrolled_before = counters, set(self.listening)
        self.change_before = max([self.change_before, *new])

    def check_reasons(self, everything: Everything, said: Said) -> None:
        """No key is refused for nothing; whose credential was removed stays out."""
        causes = everything.causes()
        self.ever_held |= causes.keys()
        gone, removed = self.ever_held - causes.keys(), everything.removed()
        anywhere = {key for site in everything.all(t.Site) for key in everything.refused(site.id)}
        for (reader, key), cause in said.items():
            assert cause is None or key in gone or causes.get(key) or key in anywhere
            if cause is None and self.said_before.get((reader, key)) is not None:
                assert key in causes or key_hash(key) not in removed

    def check_denials(self, everything: Everything) -> None:
        causes, takers = everything.causes(), everything.takers()
        said = {(row.reader_id, row.key): row.cause for row in everything.all(t.Denial)}
        refused = {
            (reader, key): cause
            for reader, site in takers.items()
            for key, cause in everything.refused(site).items()
        }
        self.check_reasons(everything, said)
        for place, cause in said.items():
            if cause not in {None, self.said_before.get(place)}:
                assert place[1] in keys_of(self.before[place[0]]) or place[0] in takers
        for reader, key in product(takers, filter(is_point, causes)):
            if (cause := causes[key]) is not None:
                assert said.get((reader, key)) == cause
        for (reader, key), cause in refused.items():
            assert said[reader, key] is not None
            if key not in self.ever_held - causes.keys():
                assert said[reader, key] == (causes.get(key) or cause)
        for reader, rows in self.before.items():
            if reader not in self.listening:
                continue
            for key in keys_of(rows):
                now, then = causes.get(key, "revoked"), self.causes_before.get(key, "revoked")
                if now != then:
                    assert said.get((reader, key)) == (now or refused.get((reader, key)))
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
