"""A few thousand of the ten million decisions that `scripts/bench` compares."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

from shared.access.decide import DenyCause, Granted, Reason, decide
from tests.bench import decisions
from tests.bench.worlds import situations
from tests.shared.access.wallclock import ERAS

COUNT = 6_000


def test_no_decision_differs_from_the_model() -> None:
    assert list(decisions.differences(COUNT, seed=1)) == []


def test_run_counts_differences() -> None:
    assert decisions.run(400, seed=2) == 0


def test_the_same_seed_gives_the_same_situations() -> None:
    first, second = (list(islice(situations(7), 100)) for _ in range(2))
    assert first == second
    assert first != list(islice(situations(8), 100))


def test_the_situations_reach_every_reason_everywhere() -> None:
    found: Counter[Reason] = Counter()
    zones = set()
    for situation in islice(situations(3), COUNT):
        zones.add(situation.era)
        answer = decide(situation.attempt, situation.known, situation.clock)
        found[Reason.GRANTED if isinstance(answer, Granted) else answer.reason] += 1
    assert zones == set(ERAS)
    assert set(found) == set(Reason)
    assert found[Reason.GRANTED] > COUNT // 10
    assert min(found.values()) > 5


def test_a_wrong_decision_would_be_found() -> None:
    situation = next(
        situation for situation in situations(4) if not decisions.expected(situation).reasons
    )
    denied = situation._replace(known=replace(situation.known, denied=DenyCause.LOST))
    assert decisions.decided(situation) == decisions.expected(situation)
    assert decisions.decided(denied) != decisions.expected(situation)
