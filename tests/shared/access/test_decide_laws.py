"""What holds of every decision, whatever is known and whoever comes."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared.access.decide import (
    DOCUMENT_SAYS,
    Attempt,
    Denied,
    DenyCause,
    Factor,
    Granted,
    Knowledge,
    Reason,
    Reservation,
    Shown,
    decide,
    shown,
)
from shared.access.mode import Clock, Trust
from shared.access.rows import Flag, Grant, Method, Modes
from shared.access.schedule import Opening, opening
from tests.shared.access import strategies

Situation = tuple[Attempt, Knowledge, Clock]
anything = strategies.situations() | strategies.promising()
some = settings(max_examples=40)
ORDER = list(Reason)
# What can be said of a document but that it lets its holder in.
WORSE = [None, *(each for each in Reason if each is not Reason.GRANTED)]


@given(anything)
@settings(max_examples=100)
def test_every_input_gives_an_answer(situation: Situation) -> None:
    answer = decide(*situation)
    match answer:
        case Granted():
            _sound(answer, *situation)
        case Denied():
            _explained(answer, *situation)


def _sound(answer: Granted, attempt: Attempt, known: Knowledge, clock: Clock) -> None:
    """Every single thing that the table asks for is there."""
    grant, door, calendar = answer.grant, known.door, known.calendar
    assert door is not None
    assert calendar is not None
    assert attempt.proven
    assert attempt.method in door.methods
    assert known.denied is None
    assert attempt.document is not Reason.REVOKED
    if grant is None:
        assert attempt.method is Method.ALIRO_NFC_DOCUMENT
        assert attempt.document is Reason.GRANTED
        assert attempt.key not in {each.key for each in known.grants}
        assert not known.fault
        assert not door.modes.maintenance
        assert not door.modes.lockdown
        assert known.lease_live
        assert clock.trust is Trust.TRUSTED
        assert calendar.local(clock.now) is not None
        assert (answer.seconds, answer.counts) == (door.release, False)
        return
    assert attempt.method is not Method.ALIRO_NFC_DOCUMENT
    assert grant in known.grants
    assert grant.key == attempt.key
    assert not grant.flags & (Flag.STOLEN | Flag.LOST | Flag.SUSPENDED)
    assert not known.fault
    assert not door.modes.maintenance
    assert not door.modes.lockdown or grant.has(Flag.OVERRIDE)
    assert known.lease_live or grant.has(Flag.RESPONDER)
    if grant.schedule or grant.not_before is not None or grant.not_after is not None:
        assert clock.trust is Trust.TRUSTED
        assert (grant.not_before or 0) <= clock.now
        assert grant.not_after is None or clock.now < grant.not_after
    if grant.schedule:
        local = calendar.local(clock.now)
        assert local is not None
        schedule = known.schedules[grant.schedule]
        assert opening(schedule, calendar.holidays, local) is Opening.OPEN
    if grant.uses is not None:
        owned = grant.has(Flag.OWNED_USES)
        assert owned or attempt.reservation is Reservation.MADE
        assert not owned or known.uses_spent.get(grant.id, 0) < grant.uses
    assert not grant.has(Flag.SECOND_FACTOR) or attempt.factor is Factor.RIGHT
    assert answer.counts is (grant.uses is not None)
    extended = grant.has(Flag.EXTENDED)
    assert answer.seconds == (door.release_extended if extended else door.release)


def _explained(answer: Denied, attempt: Attempt, known: Knowledge, clock: Clock) -> None:
    """There is a reason; reasons are in order, each once; what was meant is named."""
    assert answer.reason is answer.reasons[0]
    assert Reason.GRANTED not in answer.reasons
    assert Reason.JOURNAL not in answer.reasons or attempt.document is Reason.JOURNAL
    # The cause of a denial stands where the table has `revoked`.
    cause = known.denied and Reason(known.denied.value)
    ranks = [ORDER.index(Reason.REVOKED if r is cause else r) for r in answer.reasons]
    assert ranks == sorted(set(ranks))
    assert isinstance(shown(answer.reason), Shown)
    if answer.grant is not None:
        assert answer.grant in known.grants
        assert answer.grant.key == attempt.key
    elif known.door is not None and known.calendar is not None:
        by_document = attempt.method is Method.ALIRO_NFC_DOCUMENT
        vouched = by_document and attempt.document in DOCUMENT_SAYS - {Reason.UNKNOWN}
        assert (Reason.UNKNOWN in answer.reasons) is not vouched


@given(anything, st.integers())
@some
def test_the_order_of_grants_never_matters(situation: Situation, seed: int) -> None:
    attempt, known, clock = situation
    shuffled = tuple(random.Random(seed).sample(known.grants, len(known.grants)))
    assert decide(attempt, replace(known, grants=shuffled), clock) == decide(*situation)


@given(anything, st.lists(strategies.grants, min_size=1, max_size=4))
@some
def test_grants_to_others_never_matter(situation: Situation, others: list[Grant]) -> None:
    attempt, known, clock = situation
    strangers = tuple(grant for grant in others if grant.key != attempt.key)
    crowd = strangers + known.grants + strangers
    assert decide(attempt, replace(known, grants=crowd), clock) == decide(*situation)


@given(strategies.promising(), strategies.grants)
@some
def test_another_grant_never_takes_a_right_away(situation: Situation, more: Grant) -> None:
    attempt, known, clock = situation
    assume(attempt.key is not None)
    more = structs.replace(more, key=attempt.key)
    assume(more.id not in {grant.id for grant in known.grants})
    # But to somebody who came by a document: whoever is enrolled is judged as such.
    assume(attempt.method is not Method.ALIRO_NFC_DOCUMENT)
    if isinstance(decide(*situation), Granted):
        wider = replace(known, grants=(more, *known.grants))
        assert isinstance(decide(attempt, wider, clock), Granted)


@given(anything)
@some
def test_taking_all_grants_away_leaves_no_right_but_of_a_document(situation: Situation) -> None:
    attempt, known, clock = situation
    attempt = replace(attempt, document=None)
    rest = tuple(grant for grant in known.grants if grant.key != attempt.key)
    assert isinstance(decide(attempt, replace(known, grants=rest), clock), Denied)


@given(anything, st.sampled_from(DenyCause))
@some
def test_a_denied_key_is_always_refused(situation: Situation, cause: DenyCause) -> None:
    attempt, known, clock = situation
    answer = decide(attempt, replace(known, denied=cause), clock)
    assert isinstance(answer, Denied)
    assert Reason(cause.value) in answer.reasons


@given(anything)
@some
def test_any_one_thing_missing_refuses(situation: Situation) -> None:
    attempt, known, clock = situation
    for worse in (
        replace(known, door=None),
        replace(known, calendar=None),
        replace(known, fault=True),
        replace(known, door=known.door and structs.replace(known.door, methods=())),
        replace(
            known,
            door=known.door and structs.replace(known.door, modes=Modes(maintenance=True)),
        ),
    ):
        assert isinstance(decide(attempt, worse, clock), Denied)
    assert isinstance(decide(replace(attempt, proven=False), known, clock), Denied)
    assert isinstance(decide(replace(attempt, key=None), known, clock), Denied)


@given(anything, st.sampled_from([Flag.STOLEN, Flag.LOST, Flag.SUSPENDED]))
@some
def test_a_flag_on_every_grant_refuses(situation: Situation, flag: Flag) -> None:
    attempt, known, clock = situation
    flagged = tuple(structs.replace(g, flags=g.flags | flag) for g in known.grants)
    attempt = replace(attempt, document=None)
    assert isinstance(decide(attempt, replace(known, grants=flagged), clock), Denied)


@given(anything)
@some
def test_less_trust_lease_or_factor_never_opens_a_door(situation: Situation) -> None:
    attempt, known, clock = situation
    poorer = [
        (attempt, replace(known, lease_live=False), clock),
        (attempt, known, Clock(clock.now, Trust.FLOOR)),
        (attempt, known, Clock(clock.now, Trust.UNKNOWN)),
        (replace(attempt, factor=Factor.WRONG), known, clock),
        (replace(attempt, reservation=Reservation.NONE), known, clock),
        (replace(attempt, reservation=Reservation.NONE_LEFT), known, clock),
        *((replace(attempt, document=each), known, clock) for each in WORSE),
        (attempt, replace(known, schedules={}), clock),
        (attempt, replace(known, uses_spent=dict.fromkeys(known.uses_spent, 10**6)), clock),
    ]
    if isinstance(decide(*situation), Denied):
        for poor in poorer:
            assert isinstance(decide(*poor), Denied)


@given(anything, st.integers(-(2**70), 2**70), st.none() | st.binary(max_size=300))
@some
def test_it_never_raises_out_of_all_bounds(
    situation: Situation, now: int, key: bytes | None
) -> None:
    attempt, known, clock = situation
    answer = decide(replace(attempt, key=key), known, Clock(now, clock.trust))
    assert isinstance(answer, Granted | Denied)


@given(strategies.promising())
@some
def test_what_cannot_be_written_down_is_refused(situation: Situation) -> None:
    answer = decide(*situation)
    if isinstance(answer, Granted):
        assert answer.without_journal().reason is Reason.JOURNAL
        assert answer.without_journal().grant is answer.grant


@given(anything, st.sampled_from(Reason))
@some
def test_a_document_never_widens_what_a_grant_gives(situation: Situation, said: Reason) -> None:
    attempt, known, clock = situation
    if any(grant.key == attempt.key for grant in known.grants):
        without = decide(replace(attempt, document=None), known, clock)
        if isinstance(without, Denied):
            assert isinstance(decide(replace(attempt, document=said), known, clock), Denied)


@given(anything)
@some
def test_only_a_document_lets_in_whoever_comes_by_one(situation: Situation) -> None:
    attempt, known, clock = situation
    attempt = replace(attempt, method=Method.ALIRO_NFC_DOCUMENT)
    for said in WORSE:
        assert isinstance(decide(replace(attempt, document=said), known, clock), Denied)
