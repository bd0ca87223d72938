"""A door over a long time: documents, revocations, fast taps and restarts, against a model."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.cache import DocumentCache
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.iterations import LAG, Iterations
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    Document,
    DocumentType,
)
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    RevocationList,
    credential_hash,
)
from shared.credential.aliro.documents.verification import SEVEN_DAYS
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.errors import RuleBroken
from tests.shared.credential.aliro.documents.ends import (
    FLOOR,
    ISSUERS,
    NOW,
    VALIDITY,
    access,
    revocation,
)
from tests.shared.credential.aliro.ends import ALICE, BOB
from tests.shared.credential.keys import key

HOLDERS = [ALICE, BOB, key("carol")]
UNSECURE = Capability.UNSECURE
ITERATIONS = st.integers(0, 20)


class DoorOverTime(RuleBasedStateMachine):
    """`kept` is what the model thinks that a fast tap is judged by: iteration, signed, allows."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(KpersistentStore())
        self.now = NOW
        self.highest = 0
        self.revocations = 0
        self.revoked: set[int] = set()
        self.kept: dict[int, tuple[int, int, bool]] = {}

    def _examiner(self) -> Examiner:
        return Examiner(ISSUERS, self.memory, access=(FLOOR,), revocation=(FLOOR,))

    def _admits(self, who: int, document: Document) -> bool:
        kind = DocumentType(document.kind)
        request = DeviceRequest(((kind, (FLOOR,)),))
        holder = HOLDERS[who].public
        try:
            self._examiner().examine(
                request, DeviceResponse((document,)), holder, UNSECURE, Moment(self.now)
            )
        except RuleBroken:
            self.memory.kpersistents.forget(holder)  # as the end of a transaction does
            return False
        self.memory.kpersistents.remember(holder, bytes(32))
        return True

    @rule(who=st.sampled_from(range(3)), iteration=ITERATIONS, allows=st.booleans(), age=ITERATIONS)
    def show_access(self, who: int, iteration: int, allows: bool, age: int) -> None:
        signed = self.now - age * 86400
        dates = replace(VALIDITY, signed=signed, valid_from=signed, iteration=iteration)
        rules = (AccessRule(UNSECURE if allows else 0),)
        document = access(AccessData(rules=rules), holder=HOLDERS[who].public, validity=dates)
        is_good = age <= 7 and self.highest - iteration < LAG and who not in self.revoked
        assert self._admits(who, document) is (is_good and allows)
        self.kept.pop(who, None)
        if is_good:
            self.highest = max(self.highest, iteration)
            behind = [each for each, it in self.kept.items() if self.highest - it[0] >= LAG]
            for each in behind:
                del self.kept[each]
        if is_good and allows:
            self.kept[who] = (iteration, signed, allows)

    @rule(
        who=st.sampled_from(range(3)),
        iteration=ITERATIONS,
        mode=st.sampled_from(Mode),
        named=st.sets(st.sampled_from(range(3))),
        removed=st.sets(st.sampled_from(range(3))),
    )
    def show_revocation(
        self, who: int, iteration: int, mode: Mode, named: set[int], removed: set[int]
    ) -> None:
        entries = [
            tuple(Entry(credential_hash(HOLDERS[each].public)) for each in sorted(row))
            for row in (named, removed if mode is Mode.CHANGE else set[int]())
        ]
        document = revocation(RevocationData(mode, *entries), iteration)
        is_good = iteration >= self.revocations
        if is_good:
            self.revocations = iteration
            base = self.revoked if mode is Mode.CHANGE else set()
            self.revoked = (base | named) - (removed if mode is Mode.CHANGE else set())
            for each in self.revoked:
                self.kept.pop(each, None)
        assert self._admits(who, document) is (is_good and who not in self.revoked)

    @rule(who=st.sampled_from(range(3)))
    def tap_fast(self, who: int) -> None:
        found = self.kept.get(who)
        is_good = (
            found is not None
            and self.now - found[1] <= SEVEN_DAYS
            and self.highest - found[0] < LAG
            and who not in self.revoked
        )
        holder = HOLDERS[who].public
        try:
            self._examiner().recall(holder, UNSECURE, Moment(self.now))
        except RuleBroken:
            assert not is_good
            self.memory.kpersistents.forget(holder)
        else:
            assert is_good

    @rule(days=st.integers(1, 3))
    def wait(self, days: int) -> None:
        self.now += days * 86400

    @rule()
    def restart(self) -> None:
        memory = self.memory
        self.memory = Memory(
            KpersistentStore.decode(memory.kpersistents.encode()),
            Iterations.decode(memory.iterations.encode()),
            RevocationList.decode(memory.revocations.encode()),
            DocumentCache.decode(memory.documents.encode()),
        )

    @invariant()
    def the_revoked_are_forgotten(self) -> None:
        known = [each for each, _ in self.memory.kpersistents]
        known += [each for each, _ in self.memory.documents]
        for who in self.revoked:
            assert HOLDERS[who].public not in known


DoorOverTime.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True
)
TestDoorOverTime = DoorOverTime.TestCase
