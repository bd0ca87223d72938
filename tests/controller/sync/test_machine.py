"""Controller and reader over a line that drops, repeats and reorders, with restarts of both.

The law: once the line is quiet, the reader has exactly the plan and the deny set it should have,
and a lease; its version never goes back; a receipt is only ever counted for a plan that was really
applied; and no key is let in again before the plan that says how far it may go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.sync.core import Forked, From, Held, Record, Wanted, Whole, route
from controller.sync.link import Link, Receipt
from controller.sync.pages import cut, delta_pages, deny_updates, deny_upto, merge, snapshot_page
from shared import cbor
from shared.access.decide import DenyCause
from shared.access.digest import SetDigest
from shared.access.plan import Delta, diff
from shared.access.rows import Grant, encode_row, grant_key
from shared.wire.messages import Ack, DenyEntry, Hello, Lease, Message, PlanState
from tests.controller.keys import point
from tests.controller.sync.model_reader import ModelReader

pytestmark = pytest.mark.slow  # every test builds a whole installation

READER = "reader0001"
EMPTY, NOTHING = PlanState(1, 0, SetDigest().value, 0), Held()
KEYS = range(1, 6)


@dataclass(slots=True)
class Office:
    """What the database holds for one reader."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    plan: PlanState = EMPTY
    outbox: dict[int, tuple[Record, Delta]] = field(default_factory=dict)
    denials: dict[bytes, DenyEntry] = field(default_factory=dict)
    deny_counter: int = 0
    acked: Held = NOTHING
    session: bytes | None = None
    # For every counter at which a key was let in again: the version of the plan that went with it.
    lifted_with: dict[int, int] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.plan, self.deny_counter)

    def edit(self, rows: dict[bytes, bytes]) -> None:
        """Make `rows` the plan, as one version."""
        delta = diff(self.rows, rows)
        if not delta:
            return
        digest, version = SetDigest.of(rows.values()), self.plan.version + 1
        self.rows, self.plan = rows, PlanState(1, version, digest.value, digest.count)
        size = len(cbor.encode(delta))
        self.outbox[version] = (Record(version, digest.value, digest.count, size), delta)

    def deny(self, key: int, cause: DenyCause | None) -> None:
        """Change the deny set."""
        self.deny_counter += 1
        self.denials[point(key)] = DenyEntry(self.deny_counter, point(key), cause)
        if cause is None:
            self.lifted_with[self.deny_counter] = self.plan.version

    def prune(self) -> None:
        """Forget what the reader has confirmed."""
        if self.acked.plan is not None:
            for version in [one for one in self.outbox if one < self.acked.plan.version]:
                del self.outbox[version]


class Sync(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.random = Random(5)
        self.office = Office()
        self.office.edit({grant_key(point(9), 1): grant(9, 1)})
        self.link = self.new_link()
        self.model = ModelReader(READER, self.random.randbytes)
        self.down: list[Message] = []
        self.up: list[Message] = []
        self.versions: list[int] = []
        self.online = False
        self.look()
        self.connect()

    def new_link(self) -> Link:
        return Link(READER, jitter=lambda: 0.5)

    # --- The controller's edges, as its publisher has them ---------------------------------------

    def look(self) -> None:
        self.link.want(self.office.wanted, self.now)

    def serve(self) -> None:
        """Send whatever is due."""
        self.link.tick(self.now)
        if self.link.deny_due:
            self.send_denials()
        if self.link.lease_due and self.link.nonce is not None:
            wanted = self.link.wanted
            assert wanted is not None
            self.down.append(
                Lease(
                    reader=READER,
                    plan=wanted.plan,
                    deny_counter=wanted.deny_counter,
                    nonce=self.link.nonce,
                    issued_at=0,
                )
            )
            self.link.sent_lease()
        if self.link.plan_due(self.now):
            self.send_plan()

    def send_denials(self) -> None:
        self.look()
        base, wanted = self.link.sent.deny_counter, self.office.wanted
        entries = [item for item in self.office.denials.values() if item.counter > base]
        entries.sort(key=lambda item: item.counter)
        self.link.examined_deny()
        upto = deny_upto(entries, self.link.released, wanted.deny_counter)
        if upto is not None:
            part = [item for item in entries if item.counter <= upto]
            self.check_lifted(part)
            updates = list(deny_updates(READER, 1, part, 0, base=base, upto=upto))
            self.down.extend(updates)
            self.link.sent_deny(upto, self.now)

    def check_lifted(self, entries: list[DenyEntry]) -> None:
        """What is let in again must not be so under the plan of before, unless it cannot wait."""
        refused_after = max((item.counter for item in entries if item.cause), default=0)
        for item in entries:
            if item.cause is None and item.counter > refused_after and self.model.plan is not None:
                in_force = self.model.plan.version if self.model.session == self.link.session else 0
                assert in_force >= self.office.lifted_with[item.counter] or not in_force

    def send_plan(self) -> None:
        self.look()
        records = [record for _, (record, _) in sorted(self.office.outbox.items())]
        have, wanted = self.link.sent.plan, self.office.plan
        found = route(wanted, have, records, sure=self.link.sure)
        self.link.issue(wanted)
        match found:
            case Forked(why):
                raise AssertionError(why)
            case Whole():
                self.down.extend(self.snapshot())
            case From(base):
                deltas = [self.office.outbox[n][1] for n in range(base + 1, wanted.version + 1)]
                self.down.extend(delta_pages(READER, base, wanted, merge(deltas), 0))
        self.link.sent_plan(wanted, self.now)

    def snapshot(self) -> Iterator[Message]:
        bodies = [self.office.rows[key] for key in sorted(self.office.rows)]
        # Pages of two rows, whatever their size, so that there are some.
        cuts = [(n, min(n + 2, len(bodies))) for n in range(0, len(bodies), 2)] or list(cut([]))
        for page, (start, end) in enumerate(cuts):
            yield snapshot_page(
                READER, self.office.plan, bodies[start:end], 0, page=page, pages=len(cuts)
            )

    def hear(self, message: Message) -> None:
        """Take a message of the reader, as the inbox does, and write it down."""
        receipt: Receipt | None = None
        match message:
            case Hello():
                receipt = self.link.hello(message)
            case Ack():
                receipt = self.link.ack(message)
            case _:
                raise AssertionError(message)
        assert self.link.quarantine is None
        if receipt is not None:
            self.record(receipt)

    def record(self, receipt: Receipt) -> None:
        office = self.office
        plan = office.acked.plan
        if receipt.version is not None:
            plan = self.link.held.plan if receipt.version else None
            if plan is not None:
                assert (plan.version, plan.digest) in self.model.applied
        assert receipt.deny_counter <= office.deny_counter
        office.acked = Held(plan, receipt.deny_counter)
        office.session = self.link.session
        office.prune()

    # --- What happens ----------------------------------------------------------------------------

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        rows = {
            grant_key(point(key), 1): grant(key, data.draw(st.integers(1, 3)))
            for key in data.draw(st.sets(st.sampled_from(list(KEYS))))
        }
        self.office.edit(rows)

    @rule(key=st.sampled_from(list(KEYS)))
    def revoke(self, key: int) -> None:
        self.office.edit(without(self.office.rows, key))
        self.office.deny(key, DenyCause.REVOKED)

    @rule(key=st.sampled_from(list(KEYS)), person=st.integers(4, 6))
    def let_in_again(self, key: int, person: int) -> None:
        denied = self.office.denials.get(point(key))
        if denied is not None and denied.cause is not None:
            rows = without(self.office.rows, key) | {grant_key(point(key), 1): grant(key, person)}
            self.office.edit(rows)
            self.office.deny(key, None)

    @rule()
    def controller_looks(self) -> None:
        self.look()
        self.serve()

    @rule(seconds=st.integers(1, 8))
    def all_goes_well(self, seconds: int) -> None:
        self.look()
        for _ in range(seconds if self.online else 0):
            self.second_goes_well()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2, 3.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.serve()
        if self.online:
            self.up.extend(self.model.tick(self.now))

    @rule(data=st.data())
    def reader_hears(self, data: st.DataObject) -> None:
        if self.down and self.online:
            message = self.down.pop(data.draw(st.integers(0, min(3, len(self.down) - 1))))
            self.up.extend(self.model.take(message, self.now))

    @rule(data=st.data())
    def controller_hears(self, data: st.DataObject) -> None:
        if self.up:
            self.hear(self.up.pop(data.draw(st.integers(0, min(3, len(self.up) - 1)))))
            self.serve()

    @rule(data=st.data())
    def a_message_is_lost(self, data: st.DataObject) -> None:
        line = data.draw(st.sampled_from([self.down, self.up]))
        if line:
            line.pop(data.draw(st.integers(0, len(line) - 1)))

    @rule(seconds=st.sampled_from([0.0, 0.05, 3.0]))
    def a_while_is_lost(self, seconds: float) -> None:
        """Nobody is told that nothing got through."""
        self.look()
        self.now += seconds
        self.serve()
        self.down.clear()
        self.up.clear()

    @rule(data=st.data())
    def a_message_comes_twice(self, data: st.DataObject) -> None:
        line = data.draw(st.sampled_from([self.down, self.up]))
        if line:
            line.append(line[data.draw(st.integers(0, len(line) - 1))])

    @rule(keeps=st.booleans())
    def reader_connects_anew(self, keeps: bool) -> None:
        """What was on its way to it may be lost, or arrive in the new session."""
        if not keeps:
            self.down.clear()
        self.connect()

    @rule()
    def reader_loses_its_cache(self) -> None:
        self.model.lose_cache()
        self.down.clear()
        self.versions.clear()
        self.connect()

    @rule()
    def reader_goes(self) -> None:
        self.online = False
        self.link.gone(self.model.session)

    @rule()
    def line_breaks(self) -> None:
        self.down.clear()
        self.up.clear()
        self.link.lost()

    @rule()
    def controller_starts_again(self) -> None:
        """It remembers what it wrote down, and nothing else."""
        self.down.clear()
        self.up.clear()
        self.link = self.new_link()
        acked = self.office.acked
        if acked.plan is not None and acked.plan.version not in self.office.outbox:
            acked = Held(None if acked.plan != self.office.plan else acked.plan, acked.deny_counter)
        if self.office.session is not None:
            sure = acked.plan is not None
            self.link.restore(self.office.session, acked, live=True, sure=sure)
        self.look()

    def connect(self) -> None:
        self.online = True
        self.up.extend(self.model.connect(self.now))

    # --- What always holds -----------------------------------------------------------------------

    @invariant()
    def the_reader_finds_no_fault(self) -> None:
        assert self.model.wrong == []

    @invariant()
    def versions_never_go_back(self) -> None:
        if self.model.plan is not None:
            self.versions.append(self.model.plan.version)
        assert self.versions == sorted(self.versions)

    @invariant()
    def the_plan_is_one_that_was_made(self) -> None:
        if self.model.plan is not None:
            digest = SetDigest.of(self.model.rows.values())
            assert (digest.value, digest.count) == (self.model.plan.digest, self.model.plan.count)

    def teardown(self) -> None:
        """The line becomes good; nobody says more than they would anyway."""
        if not self.online:
            self.connect()
        self.look()
        # Shorter than the time after which the reader would ask of its own accord.
        for _ in range(300):
            self.second_goes_well()
        assert self.model.plan == self.office.plan
        assert self.model.rows == self.office.rows
        assert self.model.denied == {
            key: item.cause.value for key, item in self.office.denials.items() if item.cause
        }
        assert self.model.deny_counter == self.office.deny_counter
        assert self.model.nonce is None
        assert self.office.acked == Held(self.office.plan, self.office.deny_counter)
        assert self.model.wrong == []

    def second_goes_well(self) -> None:
        self.now += 1.0
        self.serve()
        for message in self.take_all(self.down):
            self.up.extend(self.model.take(message, self.now))
        for message in self.take_all(self.up):
            self.hear(message)
        self.up.extend(self.model.tick(self.now))

    @staticmethod
    def take_all(line: list[Message]) -> list[Message]:
        taken = list(line)
        line.clear()
        return taken


def grant(key: int, person: int) -> bytes:
    return encode_row(Grant(key=point(key), plan=1, credential=key, person=person))


def without(rows: dict[bytes, bytes], key: int) -> dict[bytes, bytes]:
    return {name: body for name, body in rows.items() if name != grant_key(point(key), 1)}


TestSync = Sync.TestCase
TestSync.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


class TestScenarios:
    """What chance seldom finds: a reader that is content, and one loss after which nobody asks."""

    def content(self) -> Sync:
        sync = Sync()
        sync.all_goes_well(8)
        assert sync.model.nonce is None
        return sync

    def test_a_lost_delta_is_sent_again(self) -> None:
        sync = self.content()
        sync.office.edit({grant_key(point(1), 1): grant(1, 1)})
        sync.a_while_is_lost(3.0)
        sync.teardown()

    def test_a_lost_refusal_is_sent_again(self) -> None:
        sync = self.content()
        sync.revoke(1)
        sync.a_while_is_lost(3.0)
        sync.teardown()

    def test_a_lost_receipt_is_asked_for_again(self) -> None:
        sync = self.content()
        sync.office.edit({grant_key(point(1), 1): grant(1, 1)})
        sync.look()
        sync.now += 1.0
        sync.serve()
        for message in sync.take_all(sync.down):
            sync.model.take(message, sync.now)
        assert sync.model.plan == sync.office.plan
        sync.teardown()

    def test_a_broken_line_is_made_good(self) -> None:
        sync = self.content()
        sync.office.edit({grant_key(point(1), 1): grant(1, 1)})
        sync.a_while_is_lost(3.0)
        sync.line_breaks()
        sync.serve()
        assert sync.down
        sync.teardown()

    def test_a_restart_of_the_controller_is_no_excuse(self) -> None:
        sync = self.content()
        sync.office.edit({grant_key(point(1), 1): grant(1, 1)})
        sync.a_while_is_lost(3.0)
        sync.controller_starts_again()
        sync.teardown()
