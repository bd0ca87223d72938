"""What a reader lacks: deltas where they fit, a snapshot where not, silence where we are behind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sync.core import (
    MERGE_LIMIT,
    Forked,
    From,
    Held,
    Record,
    Wanted,
    Whole,
    ahead,
    route,
)
from shared.wire.messages import PlanState

versions = st.integers(1, 12)


def plan(version: int, *, epoch: int = 1, salt: int = 0) -> PlanState:
    """The one plan of ours with this version; another `salt` is somebody else's."""
    return PlanState(epoch, version, bytes([salt, version]) * 16, version)


def record(version: int, size: int = 10) -> Record:
    ours = plan(version)
    return Record(version, ours.digest, ours.count, size)


def wanted(version: int = 7, deny: int = 5, epoch: int = 1) -> Wanted:
    return Wanted(plan(version, epoch=epoch), deny)


class TestAhead:
    @pytest.mark.parametrize(
        "held",
        [
            Held(),
            Held(None, 5),
            Held(plan(7), 5),
            Held(plan(6), 0),
            Held(plan(6, salt=1), 0),  # an old plan that we cannot judge here; see `route`
            Held(plan(9, epoch=0), 5),
        ],
    )
    def test_a_reader_that_is_behind_is_served(self, held: Held) -> None:
        assert ahead(wanted(), held) is None

    @pytest.mark.parametrize(
        ("held", "why"),
        [
            (Held(plan(8), 5), "has plan version 8, here it is 7"),
            (Held(plan(7, salt=1), 5), "has another plan of version 7"),
            (Held(plan(3, epoch=2), 0), "has a plan of epoch 2, here it is 1"),
            (Held(plan(7), 6), "has deny set 6, here it is 5"),
            (Held(None, 6), "has deny set 6, here it is 5"),
        ],
    )
    def test_a_reader_that_knows_more_is_not(self, held: Held, why: str) -> None:
        assert ahead(wanted(), held) == why

    @pytest.mark.parametrize("change", [{"count": 8}, {"digest": bytes(32)}])
    def test_a_plan_is_its_digest_and_its_count(self, change: dict[str, Any]) -> None:
        other = msgspec.structs.replace(plan(7), **change)
        assert ahead(wanted(), Held(other, 5)) == "has another plan of version 7"

    @given(ours=versions, theirs=versions, deny=st.integers(0, 9))
    def test_only_what_we_gave_is_not_ahead(self, ours: int, theirs: int, deny: int) -> None:
        served = ahead(wanted(ours), Held(plan(theirs), deny)) is None
        assert served == (theirs <= ours and deny <= 5)


class TestRoute:
    def test_nothing_held_takes_the_whole(self) -> None:
        assert route(plan(7), None, [record(n) for n in range(1, 8)], sure=False) == Whole()

    def test_another_epoch_takes_the_whole(self) -> None:
        records = [record(n) for n in range(3, 8)]
        assert route(plan(7), plan(3, epoch=0), records, sure=True) == Whole()

    def test_a_known_plan_takes_deltas(self) -> None:
        assert route(plan(7), plan(3), [record(n) for n in range(3, 8)], sure=False) == From(3)

    def test_a_plan_whose_record_is_gone_takes_the_whole(self) -> None:
        assert route(plan(7), plan(3), [record(n) for n in range(4, 8)], sure=False) == Whole()

    def test_unless_it_is_known_otherwise(self) -> None:
        assert route(plan(7), plan(3), [record(n) for n in range(4, 8)], sure=True) == From(3)

    @pytest.mark.parametrize("sure", [True, False])
    def test_a_plan_that_is_not_ours_takes_nothing(self, sure: bool) -> None:
        records = [record(n) for n in range(3, 8)]
        found = route(plan(7), plan(3, salt=1), records, sure=sure)
        assert found == Forked("has another plan of version 3")

    @given(have=st.integers(1, 6), lost=versions, sure=st.booleans())
    def test_a_missing_delta_takes_the_whole(self, have: int, lost: int, sure: bool) -> None:
        records = [record(n) for n in range(have, 8) if n != lost]
        found = route(plan(7), plan(have), records, sure=sure)
        needed = have < lost <= 7 or (lost == have and not sure)
        assert found == (Whole() if needed else From(have))

    def test_deltas_beyond_what_is_wanted_do_not_count(self) -> None:
        records = [record(n) for n in range(3, 10)]
        assert route(plan(7), plan(3), records, sure=False) == From(3)
        assert route(plan(12), plan(3), records, sure=False) == Whole()

    @pytest.mark.parametrize(
        ("size", "found"), [(MERGE_LIMIT // 2, From(5)), (MERGE_LIMIT, Whole())]
    )
    def test_very_long_deltas_take_the_whole(self, size: int, found: object) -> None:
        records = [record(5, MERGE_LIMIT * 9), record(6, size), record(7, size)]
        assert route(plan(7), plan(5), records, sure=False) == found
