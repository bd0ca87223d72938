"""What the controller says against what the reader has: tables, and laws no sequence may break."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reader.inbound import (
    PULSE_LIFE_MS,
    DenyState,
    Fits,
    Floor,
    Gap,
    Known,
    Wrong,
    judge_denials,
    judge_lease,
    judge_page,
    judge_pulse,
)
from shared.wire.messages import DenyUpdate, Lease, Message, PlanPage, PlanState, Pulse
from tests.shared.wire.samples import NONCE, READER, SESSION, STRATEGIES

MS = 1_750_000_000_000


def digest(letter: str) -> bytes:
    return letter.encode() * 32


def plan(version: int, letter: str = "a", epoch: int = 1) -> PlanState:
    return PlanState(epoch, version, digest(letter), 3)


def page(base: int | None, after: PlanState) -> PlanPage:
    return PlanPage(reader=READER, base=base, after=after, issued_at=0, page=0, pages=1)


def denials(base: int, counter: int, epoch: int = 1) -> DenyUpdate:
    return DenyUpdate(
        reader=READER, epoch=epoch, base=base, counter=counter, issued_at=0, entries=()
    )


IN_FORCE, FLOOR = plan(5), Floor(epoch=1, version=5)


@pytest.mark.parametrize(
    ("offered", "judgement"),
    [
        (page(5, plan(6)), Fits()),
        (page(5, plan(9)), Fits()),  # versions only grow, not always by one
        (page(None, plan(6)), Fits()),
        (page(None, plan(1, epoch=2)), Fits()),
        (page(None, plan(5)), Known()),
        (page(4, plan(5)), Known()),
        (page(6, plan(7)), Gap()),
        (page(4, plan(6)), Gap()),
        (page(5, plan(6, epoch=2)), Gap()),  # a new epoch begins with a snapshot
        (page(None, plan(4)), Wrong("plan version 4 again, version 5 is in force")),
        (page(3, plan(4)), Wrong("plan version 4 again, version 5 is in force")),
        (page(None, plan(5, "b")), Wrong("two different plans of version 5")),
        (page(5, plan(5, "b")), Wrong("two different plans of version 5")),
        (page(None, plan(9, epoch=0)), Wrong("plan of epoch 0, epoch 1 is in force")),
    ],
)
def test_a_page_against_the_plan_in_force(offered: PlanPage, judgement: object) -> None:
    assert judge_page(offered, IN_FORCE, FLOOR) == judgement


@pytest.mark.parametrize(
    ("offered", "judgement"),
    [
        (page(None, plan(5)), Fits()),
        (page(None, plan(6)), Fits()),
        (page(None, plan(1, epoch=2)), Fits()),
        (page(5, plan(6)), Gap()),
        (page(None, plan(4)), Wrong("plan version 4 again, version 5 is in force")),
        (page(None, plan(9, epoch=0)), Wrong("plan of epoch 0, epoch 1 is in force")),
    ],
)
def test_a_page_after_the_cache_was_lost(offered: PlanPage, judgement: object) -> None:
    assert judge_page(offered, None, FLOOR) == judgement


def test_a_plan_whose_floor_was_not_written_down_is_its_own_floor() -> None:
    # Power cut between applying version 6 and remembering it.
    assert judge_page(page(None, plan(5)), plan(6), FLOOR) == Wrong(
        "plan version 5 again, version 6 is in force"
    )


def test_a_plan_of_an_epoch_before_that_of_the_deny_set_is_refused() -> None:
    floor = Floor(epoch=1, version=5, deny_counter=2, deny_epoch=2)
    assert isinstance(judge_page(page(5, plan(6)), IN_FORCE, floor), Wrong)


@pytest.mark.parametrize(
    ("offered", "judgement"),
    [
        (denials(7, 8), Fits()),
        (denials(0, 8), Fits()),
        (denials(7, 7), Known()),
        (denials(0, 7), Known()),
        (denials(8, 9), Gap()),
        (denials(5, 6), Wrong("deny set 6 again, 7 is in force")),
        (denials(9, 8), Wrong("deny set from 9 back to 8")),
        (denials(7, 8, epoch=0), Wrong("deny set of epoch 0, epoch 1 is in force")),
        (denials(7, 8, epoch=2), Fits()),
        (denials(0, 7, epoch=2), Fits()),
        (denials(0, 6, epoch=2), Wrong("deny set 6 again, 7 is in force")),
    ],
)
def test_a_deny_set_against_the_one_in_force(offered: DenyUpdate, judgement: object) -> None:
    floor = Floor(epoch=1, version=5, deny_counter=7, deny_epoch=1)
    assert judge_denials(offered, DenyState(1, 7), floor) == judgement


def test_a_deny_set_of_an_epoch_before_that_of_the_plan_is_refused() -> None:
    offered = denials(7, 8, epoch=1)
    assert isinstance(judge_denials(offered, DenyState(1, 7), Floor(epoch=2)), Wrong)
    assert isinstance(judge_denials(offered, DenyState(2, 7), Floor(epoch=1)), Wrong)


def test_a_deny_set_may_come_back_in_pieces() -> None:
    floor = Floor(epoch=1, version=5, deny_counter=2_000, deny_epoch=1)
    assert judge_denials(denials(0, 1_000), DenyState(), floor) == Fits()
    assert not floor.reached(IN_FORCE, DenyState(1, 1_000))
    assert judge_denials(denials(1_000, 2_000), DenyState(1, 1_000), floor) == Fits()
    assert floor.reached(IN_FORCE, DenyState(1, 2_000))


LEASE = Lease(reader=READER, plan=IN_FORCE, deny_counter=7, nonce=NONCE, issued_at=MS)


@pytest.mark.parametrize(
    ("state", "counter", "nonce", "judgement"),
    [
        (IN_FORCE, 7, NONCE, Fits()),
        (IN_FORCE, 7, b"x" * 16, Known()),
        (IN_FORCE, 7, None, Known()),
        (IN_FORCE, 8, NONCE, Gap()),
        (IN_FORCE, 6, NONCE, Gap()),
        (plan(5, "b"), 7, NONCE, Gap()),
        (plan(6), 7, NONCE, Gap()),
        (plan(5, epoch=2), 7, NONCE, Gap()),
        (replace(IN_FORCE, count=4), 7, NONCE, Gap()),
        (None, 7, NONCE, Gap()),
    ],
)
def test_a_lease_counts_only_if_all_of_it_matches(
    state: PlanState | None, counter: int, nonce: bytes | None, judgement: object
) -> None:
    assert judge_lease(LEASE, state, counter, nonce) == judgement


PULSE = Pulse(reader=READER, id=b"i" * 16, session=SESSION, operator=1, issued_at=MS)


@pytest.mark.parametrize("late", [0, PULSE_LIFE_MS, -PULSE_LIFE_MS])
def test_a_fresh_pulse_fits(late: int) -> None:
    assert judge_pulse(PULSE, SESSION, MS + late, set()) == Fits()


@pytest.mark.parametrize(
    ("session", "now", "used", "why"),
    [
        (b"x" * 16, MS, set(), "another session"),
        (SESSION, MS, {PULSE.id}, "repeated"),
        (SESSION, None, set(), "the clock is not set"),
        (SESSION, MS + PULSE_LIFE_MS + 1, set(), "too late"),
        (SESSION, MS - PULSE_LIFE_MS - 1, set(), "too late"),
    ],
)
def test_any_other_pulse_is_wrong(
    session: bytes, now: int | None, used: set[bytes], why: str
) -> None:
    judgement = judge_pulse(PULSE, session, now, used)
    assert isinstance(judgement, Wrong)
    assert why in judgement.why


# Laws. Small numbers, so that what is offered often nearly fits.

small = st.integers(0, 4)
plans = st.builds(
    PlanState, st.integers(0, 2), small, st.sampled_from([digest("a"), digest("b")]), st.just(3)
)
floors = st.builds(Floor, st.integers(0, 2), small, small, st.integers(0, 2))
pages = st.builds(page, st.none() | small, plans)
updates = st.builds(denials, small, small, st.integers(0, 2))


@given(pages, st.none() | plans, floors)
def test_no_page_that_fits_is_a_replay_a_rollback_a_fork_or_a_gap(
    offered: PlanPage, held: PlanState | None, floor: Floor
) -> None:
    if not isinstance(judge_page(offered, held, floor), Fits):
        return
    after = offered.after
    assert (after.epoch, after.version) >= (floor.epoch, floor.version)
    assert after.epoch >= floor.deny_epoch
    if held is not None:
        assert (after.epoch, after.version) > (held.epoch, held.version)
    if offered.base is not None:
        assert held is not None
        assert (after.epoch, offered.base) == (held.epoch, held.version)


@given(updates, st.builds(DenyState, st.integers(0, 2), small), floors)
def test_no_deny_set_that_fits_is_a_replay_or_a_gap(
    offered: DenyUpdate, held: DenyState, floor: Floor
) -> None:
    if not isinstance(judge_denials(offered, held, floor), Fits):
        return
    assert (offered.epoch, offered.counter) > (held.epoch, held.counter)
    assert offered.counter >= held.counter >= offered.base
    assert offered.epoch >= max(floor.epoch, floor.deny_epoch)


@dataclass
class Reader:
    """The bookkeeping that `reader.memory` does, without a database."""

    plan: PlanState | None = None
    denials: DenyState = field(default_factory=DenyState)
    floor: Floor = field(default_factory=Floor)


@given(st.lists(pages | updates | st.sampled_from(["floor", "loss"]), max_size=40))
def test_what_was_once_in_force_is_never_undercut(
    steps: list[PlanPage | DenyUpdate | str],
) -> None:
    reader = Reader()
    seen = (0, 0)
    for step in steps:
        match step:
            case PlanPage() if judge_page(step, reader.plan, reader.floor) == Fits():
                reader.plan = step.after
            case DenyUpdate() if judge_denials(step, reader.denials, reader.floor) == Fits():
                reader.denials = DenyState(step.epoch, step.counter)
            case "floor":
                reader.floor = reader.floor.raised(reader.plan, reader.denials)
            case "loss":
                reader.floor = reader.floor.raised(reader.plan, reader.denials)
                reader.plan, reader.denials = None, DenyState()
            case _:
                pass
        if reader.plan is not None and reader.floor.reached(reader.plan, reader.denials):
            assert (reader.plan.epoch, reader.plan.version) >= seen
            seen = (reader.plan.epoch, reader.plan.version)


@given(floors, st.none() | plans, st.builds(DenyState, st.integers(0, 2), small))
def test_a_floor_only_rises(floor: Floor, held: PlanState | None, denials: DenyState) -> None:
    raised = floor.raised(held, denials)
    assert (raised.epoch, raised.version) >= (floor.epoch, floor.version)
    assert raised.deny_counter >= floor.deny_counter
    assert raised.deny_epoch >= floor.deny_epoch
    assert raised.raised(held, denials) == raised
    if held is not None and floor.reached(held, denials):
        assert raised.reached(held, denials)


def judged(message: Message) -> object:
    """Hand any message to the judge of its kind."""
    match message:
        case PlanPage():
            return judge_page(message, IN_FORCE, FLOOR)
        case DenyUpdate():
            return judge_denials(message, DenyState(1, 7), FLOOR)
        case Lease():
            return judge_lease(message, IN_FORCE, 7, NONCE)
        case Pulse():
            return judge_pulse(message, SESSION, MS, set())
        case _:
            raise TypeError(message)


@given(st.one_of(*(STRATEGIES[kind] for kind in (PlanPage, DenyUpdate, Lease, Pulse))))
def test_every_message_gets_a_judgement(message: Message) -> None:
    assert isinstance(judged(message), Fits | Known | Gap | Wrong)
