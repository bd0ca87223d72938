"""One reader's link: what is due when, what is sent again, whose word counts."""

from __future__ import annotations

import math

import pytest

from controller.sync.core import Held, Wanted
from controller.sync.link import GATHER_MOST, GATHER_QUIET, PAGE_TIME, RETRY_FIRST, Link, Receipt
from shared.wire.messages import Ack, CacheHealth, Hello, PlanState

READER = "reader0001"
ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16


def plan(version: int, epoch: int = 1, salt: int = 0) -> PlanState:
    return PlanState(epoch, version, bytes([salt]) * 32, version)


def wanted(version: int, deny: int = 2, epoch: int = 1) -> Wanted:
    return Wanted(plan(version, epoch), deny)


def hello(
    version: int | None = None,
    deny: int = 0,
    session: bytes = ONE,
    health: CacheHealth = CacheHealth.GOOD,
    nonce: bytes = b"n" * 16,
) -> Hello:
    return Hello(
        reader=READER,
        session=session,
        nonce=nonce,
        plan=None if version is None else plan(version),
        health=health,
        deny_counter=deny,
        journal=b"journal1",
        next_seq=1,
        software="",
    )


def ack(version: int | None, deny: int = 0, session: bytes = ONE, salt: int = 0) -> Ack:
    state = None if version is None else plan(version, salt=salt)
    return Ack(reader=READER, session=session, plan=state, deny_counter=deny)


def new_link() -> Link:
    return Link(READER, jitter=lambda: 0.5)


def settled(version: int = 5, deny: int = 2, now: float = 0.0) -> Link:
    """A reader that has all it should, and a lease."""
    link = new_link()
    link.want(wanted(version, deny), now)
    link.hello(hello(version, deny))
    link.sent_lease()
    return link


def _lease_is_due(link: Link) -> bool:
    return link.lease_due


def _deny_is_due(link: Link) -> bool:
    return link.deny_due


class TestNothingIsKnown:
    def test_nothing_is_sent_to_a_reader_that_never_spoke(self) -> None:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        assert not link.plan_due(100.0)
        assert not link.deny_due
        assert not link.lease_due
        assert link.deadline == math.inf
        assert not link.there

    def test_nothing_is_sent_before_it_is_known_what(self) -> None:
        link = new_link()
        link.hello(hello(5, 2))
        assert not link.plan_due(100.0)
        assert not link.deny_due
        assert not link.lease_due

    def test_an_ack_before_any_hello_counts_for_nothing(self) -> None:
        link = new_link()
        link.want(wanted(5), 0.0)
        assert link.ack(ack(5)) is None
        assert not link.live


class TestHello:
    def test_is_answered_at_once(self) -> None:
        link = new_link()
        link.want(wanted(5, 2), 99.9)
        link.hello(hello())
        assert link.plan_due(0.0)
        assert link.deny_due
        assert not link.lease_due

    def test_of_one_who_has_everything_gets_a_lease_once(self) -> None:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        assert link.hello(hello(5, 2)) == Receipt(5, 2)
        assert _lease_is_due(link)
        link.sent_lease()
        assert not _lease_is_due(link)
        link.hello(hello(5, 2, nonce=b"m" * 16))
        assert _lease_is_due(link)

    @pytest.mark.parametrize(("version", "deny"), [(4, 2), (5, 1), (None, 2), (5, 0)])
    def test_of_one_who_lacks_anything_gets_none(self, version: int | None, deny: int) -> None:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        link.hello(hello(version, deny))
        assert not link.lease_due

    def test_a_damaged_plan_is_none(self) -> None:
        link = settled()
        damaged = hello(5, 2, health=CacheHealth.DAMAGED, nonce=b"m" * 16)
        assert link.hello(damaged) == Receipt(0, 2)
        assert link.held.plan is None
        assert link.plan_due(0.0)

    def test_a_plan_that_cannot_be_judged_is_no_receipt(self) -> None:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        assert link.hello(hello(4, 2)) == Receipt(None, 2)

    def test_that_is_repeated_takes_nothing_back(self) -> None:
        """Or a broker that repeats the first one would have a whole plan sent every time."""
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        first = hello()
        link.hello(first)
        link.sent_deny(2, 0.0)
        link.sent_plan(plan(5), 0.0)
        link.ack(ack(5, 2))
        link.sent_lease()
        assert link.hello(first) is None
        assert (link.held, link.nonce) == (Held(plan(5), 2), None)
        assert not link.plan_due(99.0)

    def test_a_plan_of_an_earlier_epoch_is_no_receipt(self) -> None:
        """Whatever its version: changes wait for versions of the epoch that there is."""
        link = settled(9)
        link.want(wanted(6, 2, epoch=2), 0.0)
        assert link.hello(hello(9, 2, nonce=b"m" * 16)) == Receipt(None, 2)
        assert link.ack(ack(9, 2)) == Receipt(None, 2)

    def test_an_old_session_stays_old(self) -> None:
        link = settled()
        link.hello(hello(5, 2, session=TWO, nonce=b"m" * 16))
        assert link.hello(hello(3, 0, session=ONE)) is None
        assert link.ack(ack(5, 2, session=ONE)) is None
        assert not link.gone(ONE)
        assert not link.alive(ONE)
        assert (link.session, link.held) == (TWO, Held(plan(5), 2))

    def test_an_old_hello_that_is_repeated_makes_nobody_deaf(self) -> None:
        """The controller has begun anew, and knows no older sessions: it is deceived, for once."""
        link = settled()
        old = hello(3, 0, session=TWO, nonce=b"o" * 16)
        assert link.hello(old) is not None
        assert link.ack(ack(5, 2)) is None
        assert link.hello(hello(5, 2, nonce=b"m" * 16)) == Receipt(5, 2)
        assert (link.session, link.held) == (ONE, Held(plan(5), 2))
        assert link.ack(ack(5, 2)) == Receipt(5, 2)
        assert link.alive(ONE)
        assert link.hello(old) is None
        assert (link.session, link.held) == (ONE, Held(plan(5), 2))

    def test_an_old_state_that_is_repeated_makes_nobody_deaf(self) -> None:
        link = settled()
        assert link.alive(TWO)
        assert not link.alive(ONE)
        assert link.hello(hello(5, 2, nonce=b"m" * 16)) == Receipt(5, 2)
        assert link.alive(ONE)
        assert not link.alive(TWO)

    def test_an_old_will_that_is_repeated_makes_nobody_deaf(self) -> None:
        """The reader sees that somebody has spoken in its place, and says that it is there."""
        link = settled()
        assert link.alive(TWO)
        assert link.gone(TWO)
        link.want(wanted(6), 1.0)
        assert not link.plan_due(2.0)
        assert link.alive(ONE)
        assert (link.session, link.there) == (ONE, True)
        assert link.plan_due(2.0)


class TestAck:
    def test_is_a_receipt_for_what_was_sent(self) -> None:
        link = settled()
        link.want(wanted(6, 3), 1.0)
        assert link.ack(ack(5, 3)) == Receipt(5, 3)
        assert link.ack(ack(6, 3)) == Receipt(6, 3)

    def test_also_if_more_is_wanted_meanwhile(self) -> None:
        link = settled()
        link.want(wanted(6), 1.0)
        link.issue(plan(6))
        link.want(wanted(7), 1.0)
        assert link.ack(ack(6)) == Receipt(6, 2)

    def test_never_takes_anything_back(self) -> None:
        link = settled(6, 3)
        link.ack(ack(4, 1))
        link.ack(ack(None, 0))
        assert link.held == Held(plan(6), 3)

    def test_of_another_plan_isolates(self) -> None:
        link = settled(6, 3)
        link.ack(ack(6, 3, salt=1))
        assert link.quarantine == "has another plan of version 6"

    def test_that_all_is_there_brings_the_lease(self) -> None:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        link.hello(hello())
        link.ack(ack(5, 0))
        assert not _lease_is_due(link)
        link.ack(ack(5, 2))
        assert _lease_is_due(link)


class TestGathering:
    def test_a_single_edit_goes_after_a_moment_of_quiet(self) -> None:
        link = settled()
        link.want(wanted(6), 10.0)
        assert not link.plan_due(10.0)
        assert link.deadline == pytest.approx(10.0 + GATHER_QUIET)
        assert link.plan_due(10.0 + GATHER_QUIET)

    def test_edits_without_end_cannot_hold_up_the_first(self) -> None:
        link = settled()
        now, version, waited = 10.0, 6, 0.0
        link.want(wanted(version), now)
        while not link.plan_due(now):
            now += GATHER_QUIET / 2
            version += 1
            link.want(wanted(version), now)
            waited = now - 10.0
        assert waited == pytest.approx(GATHER_MOST, abs=GATHER_QUIET / 2)

    def test_what_was_edited_while_sending_is_not_forgotten(self) -> None:
        link = settled()
        link.want(wanted(6), 10.0)
        link.want(wanted(7), 10.05)
        link.sent_plan(plan(6), 10.1)
        assert link.plan_due(10.1)
        link.sent_plan(plan(7), 10.1)
        assert not link.plan_due(99.0)

    def test_refusals_are_not_gathered(self) -> None:
        link = settled()
        link.want(wanted(5, 3), 10.0)
        assert link.deny_due

    @pytest.mark.parametrize("busy", ["plan_busy", "deny_busy"])
    def test_nothing_is_begun_while_something_is_under_way(self, busy: str) -> None:
        link = settled()
        link.want(wanted(6, 3), 10.0)
        setattr(link, busy, True)
        assert link.deadline == math.inf
        assert (link.plan_due(99.0), link.deny_due) == (busy != "plan_busy", busy != "deny_busy")


class TestSendingAgain:
    def sent(self) -> Link:
        link = settled()
        link.want(wanted(6, 3), 0.0)
        link.sent_deny(3, 0.0)
        link.sent_plan(plan(6), 0.0)
        return link

    def test_what_is_not_confirmed_is_sent_again(self) -> None:
        link = self.sent()
        assert link.deadline == pytest.approx(RETRY_FIRST)
        assert not link.plan_due(RETRY_FIRST)
        link.tick(RETRY_FIRST)
        assert link.plan_due(RETRY_FIRST)
        assert link.deny_due
        assert link.sent == Held(plan(5), 2)

    def test_a_long_plan_is_given_time_to_be_written(self) -> None:
        link = settled()
        link.want(wanted(6), 0.0)
        link.sent_plan(plan(6), 0.0, pages=400)
        assert link.deadline == pytest.approx(RETRY_FIRST + 399 * PAGE_TIME)

    def test_a_lost_refusal_does_not_wait_for_a_long_plan(self) -> None:
        link = settled()
        link.want(wanted(6, 3), 0.0)
        link.sent_plan(plan(6), 0.0, pages=400)
        link.sent_deny(3, 0.0)
        assert link.deadline == pytest.approx(RETRY_FIRST)
        link.tick(RETRY_FIRST)
        assert link.deny_due
        assert not link.plan_due(RETRY_FIRST)

    def test_a_refusal_that_has_arrived_sends_no_long_plan_again(self) -> None:
        link = settled()
        link.want(wanted(6, 3), 0.0)
        link.sent_plan(plan(6), 0.0, pages=400)
        link.sent_deny(3, 0.0)
        link.ack(ack(5, 3))
        assert link.deadline == pytest.approx(RETRY_FIRST + 399 * PAGE_TIME)
        link.tick(RETRY_FIRST)
        assert not link.plan_due(RETRY_FIRST)

    def test_what_is_confirmed_is_not(self) -> None:
        link = self.sent()
        link.ack(ack(6, 3))
        assert link.deadline == math.inf
        link.tick(99.0)
        assert not link.plan_due(99.0)

    def test_half_a_confirmation_is_none(self) -> None:
        link = self.sent()
        link.ack(ack(5, 3))
        assert link.deadline == pytest.approx(RETRY_FIRST)

    def test_a_confirmation_may_be_faster_than_the_broker(self) -> None:
        link = settled()
        link.want(wanted(6), 0.0)
        link.issue(plan(6))
        link.ack(ack(6, 2))
        link.sent_plan(plan(6), 0.0)
        assert link.deadline == math.inf

    def test_it_waits_longer_every_time_and_then_falls_silent(self) -> None:
        link = self.sent()
        now, waits, silent = 0.0, [], []
        for _ in range(6):
            waits.append(round(link.deadline - now, 3))
            now = link.deadline
            silent.append(link.tick(now))
            link.sent_deny(3, now)
            link.sent_plan(plan(6), now)
        assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
        assert silent == [False, False, True, False, False, False]
        assert not link.there
        link.ack(ack(5, 2))
        assert link.there

    def test_what_is_missing_of_both_kinds_is_no_reason_to_give_up_sooner(self) -> None:
        link = settled()
        link.want(wanted(6, 3), 0.0)
        now, silent_at = 0.0, []
        while now < 36.0:
            if link.deny_due:
                link.sent_deny(3, now)
            if link.plan_due(now):
                link.sent_plan(plan(6), now + 0.5)
            now = link.deadline
            if link.tick(now):
                silent_at.append(now)
        assert silent_at == [pytest.approx(35.0)]

    def test_a_lost_line_puts_everything_in_doubt(self) -> None:
        link = self.sent()
        link.plan_busy = True
        link.lost()
        assert link.plan_due(0.0)
        assert link.deny_due

    def test_a_reader_that_is_gone_is_left_in_peace(self) -> None:
        link = self.sent()
        assert link.gone(ONE)
        assert not link.gone(ONE)
        link.want(wanted(7, 4), 1.0)
        assert link.deadline == math.inf
        assert not link.plan_due(99.0)
        assert not link.deny_due
        assert link.alive(ONE)
        assert link.plan_due(99.0)


class TestAlive:
    def test_a_reader_that_never_said_hello_is_not_believed(self) -> None:
        assert not new_link().alive(ONE)

    def test_a_new_session_goes_on_where_the_old_one_was(self) -> None:
        link = settled()
        link.want(wanted(6, 3), 1.0)
        assert link.alive(TWO)
        assert (link.session, link.held.plan, link.nonce) == (TWO, plan(5), None)
        assert link.plan_due(1.0)
        assert link.ack(ack(6, 3, session=TWO)) == Receipt(6, 3)
        assert link.ack(ack(6, 3, session=ONE)) is None

    def test_an_early_will_of_the_old_session_changes_nothing(self) -> None:
        link = settled()
        link.hello(hello(5, 2, session=TWO, nonce=b"m" * 16))
        assert not link.gone(ONE)
        assert link.live


class TestRestart:
    def test_goes_on_without_a_hello(self) -> None:
        link = new_link()
        link.restore(ONE, Held(plan(5), 2), live=True, sure=True)
        link.want(wanted(6, 2), 0.0)
        assert link.plan_due(0.0)
        assert link.sure
        assert link.ack(ack(6, 2)) == Receipt(6, 2)

    def test_a_reader_that_could_not_be_seen_is_believed_when_it_can(self) -> None:
        """It has said hello to an earlier run, and will not for another quarter of an hour."""
        link = new_link()
        link.restore(ONE, Held(plan(5), 2), live=False, sure=True)
        link.want(wanted(6, 2), 0.0)
        assert not link.plan_due(99.0)
        assert link.alive(ONE)
        assert link.plan_due(99.0)
        assert link.ack(ack(6, 2)) == Receipt(6, 2)

    def test_does_not_vouch_for_what_it_cannot_judge(self) -> None:
        link = new_link()
        link.restore(ONE, Held(plan(5), 2), live=True, sure=False)
        assert not link.sure


class TestReleased:
    def test_is_the_counter_that_went_with_the_plan_in_force(self) -> None:
        link = settled(5, 2)
        link.want(wanted(6, 3), 0.0)
        link.want(wanted(7, 4), 0.0)
        assert link.released == 2
        link.ack(ack(6, 3))
        assert link.released == 3
        link.ack(ack(7, 3))
        assert link.released == 4

    def test_without_a_plan_there_is_nothing_to_widen(self) -> None:
        link = new_link()
        link.want(wanted(5, 9), 0.0)
        link.hello(hello())
        assert link.released == 9

    def test_an_older_plan_of_another_epoch_releases_nothing(self) -> None:
        link = new_link()
        link.want(wanted(5, 9, epoch=2), 0.0)
        link.hello(hello(5, 2))
        assert link.released == 0

    def test_what_was_looked_at_is_looked_at_again_when_things_change(self) -> None:
        link = settled(5, 2)
        link.want(wanted(6, 3), 0.0)
        link.examined_deny()
        assert not _deny_is_due(link)
        link.ack(ack(6, 2))
        assert _deny_is_due(link)
        link.examined_deny()
        link.want(wanted(6, 4), 0.0)
        assert _deny_is_due(link)


class TestQuarantine:
    def isolated(self) -> Link:
        link = new_link()
        link.want(wanted(5, 2), 0.0)
        link.hello(hello(8, 2))
        return link

    def test_a_reader_that_knows_more_gets_nothing(self) -> None:
        link = self.isolated()
        assert link.quarantine == "has plan version 8, here it is 5"
        assert not link.plan_due(99.0)
        assert not link.lease_due

    def test_not_even_when_we_catch_up(self) -> None:
        link = self.isolated()
        link.want(wanted(9, 3), 0.0)
        link.hello(hello(8, 2))
        assert not link.plan_due(99.0)

    def test_but_refusals_it_does_get(self) -> None:
        link = self.isolated()
        link.want(wanted(5, 3), 0.0)
        assert link.deny_due

    def test_until_there_is_a_new_epoch(self) -> None:
        link = self.isolated()
        link.want(wanted(5, 2, epoch=2), 0.0)
        assert link.quarantine is None
        assert link.plan_due(99.0)

    def test_a_restart_does_not_forget_it(self) -> None:
        link = new_link()
        link.isolate("has plan version 8, here it is 5", 1)
        link.restore(ONE, Held(plan(5), 2), live=True, sure=True)
        link.want(wanted(6, 2), 0.0)
        assert not link.plan_due(99.0)
