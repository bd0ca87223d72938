"""Hypothesis strategies for everything a plan and a decision are made of.

Numbers are drawn from small ranges around shared landmarks, so that bounds are hit and rows meet.
"""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from shared.access.calendar import Holiday, OffsetFrom
from shared.access.decide import Attempt, DenyCause, Factor, Knowledge, Reason, Reservation
from shared.access.mode import Clock, Trust
from shared.access.rows import (
    ALL_FLAGS,
    AliroCertificate,
    Calendar,
    CardIssuers,
    Documents,
    Door,
    Flag,
    Grant,
    Method,
    Modes,
    PkocCertificate,
    ReaderCertificates,
    Row,
    Supplier,
)
from shared.access.schedule import MAX_ID, HolidayRule, Interval, Schedule, Span

NOW = 1_750_000_000  # Sunday, 2025-06-15 15:06:40 UTC, minute 906
TODAY = NOW // 86_400

instants = st.integers(NOW - 3, NOW + 3) | st.integers(0, 2**40)
ids = st.integers(1, 4) | st.integers(1, MAX_ID)
KEYS = [b"\x04" + bytes([n]) * 64 for n in range(3)]
keys = st.sampled_from(KEYS) | st.binary(min_size=4, max_size=65)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(st.integers(0, 1439) | st.sampled_from([0, 905, 906, 907, 1439]))
    length = draw(st.integers(1, 1440) | st.sampled_from([1, 1439, 1440]))
    return Span(start, start + length)


holiday_kinds = st.integers(1, 3) | st.integers(1, 16)
intervals = st.builds(Interval, st.integers(0, 6), spans())
holiday_rules = st.builds(
    HolidayRule, holiday_kinds, st.booleans(), st.lists(spans(), max_size=3).map(tuple)
)
schedules = st.builds(
    Schedule,
    id=ids,
    weekly=st.lists(intervals, max_size=6).map(tuple),
    holidays=st.lists(holiday_rules, max_size=3).map(tuple),
)


@st.composite
def holidays(draw: st.DrawFn) -> Holiday:
    first = draw(st.integers(TODAY - 2, TODAY + 2) | st.integers(0, 2**24 - 30))
    return Holiday(first, first + draw(st.integers(0, 3)), draw(holiday_kinds))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    starts = draw(st.lists(instants, min_size=1, max_size=4, unique=True))
    shown = st.sampled_from([0, 3600, 7200, -10_800, 19_800, 45_900]) | st.integers(-64_800, 64_800)
    return Calendar(
        until=draw(instants | st.just(NOW + 10**8)),
        offsets=tuple(OffsetFrom(since, draw(shown)) for since in sorted(starts)),
        holidays=draw(st.lists(holidays(), max_size=3).map(tuple)),
    )


modes = st.builds(
    Modes, st.booleans(), st.booleans(), st.none() | instants, st.none() | instants
) | st.just(Modes())
doors = st.builds(
    Door,
    id=ids,
    methods=st.lists(st.sampled_from(Method), max_size=3, unique=True).map(tuple),
    release=st.integers(1, 120),
    release_extended=st.integers(1, 600),
    held_after=st.integers(5, 3600),
    lease=st.integers(3600, 30 * 86_400),
    fail_safe=st.booleans(),
    unlock_schedule=st.integers(0, 4),
    first_person_in=st.booleans(),
    modes=modes,
)
flags = st.sampled_from([0, *Flag]).map(int) | st.integers(0, ALL_FLAGS)
grants = st.builds(
    Grant,
    key=keys,
    plan=ids,
    credential=ids,
    person=ids,
    schedule=st.sampled_from([0, 1, 2, 3, 99]) | st.integers(0, MAX_ID),
    flags=flags,
    not_before=st.none() | instants,
    not_after=st.none() | instants,
    uses=st.none() | st.integers(1, 2) | st.integers(1, 1_000_000),
)
suppliers = st.builds(
    Supplier,
    reference=st.from_regex(r"[A-Z0-9]{16}", fullmatch=True),
    key=st.binary(min_size=65, max_size=100),
)
ders = st.lists(st.binary(min_size=1, max_size=300), max_size=3).map(tuple)
points = st.binary(min_size=65, max_size=65)
some_points = st.lists(points, max_size=2).map(tuple)
elements = st.lists(st.text(min_size=1, max_size=64), max_size=2).map(tuple)
documents = st.builds(Documents, some_points, some_points, elements, elements)
card_issuers = st.builds(
    CardIssuers,
    suppliers=st.lists(suppliers, max_size=3).map(tuple),
    authorities=ders,
    intermediates=ders,
    revocations=ders,
    documents=documents,
    revocations_required=st.booleans(),
)
certificates = st.builds(
    ReaderCertificates,
    aliro=st.none()
    | st.builds(
        AliroCertificate,
        group=st.binary(min_size=16, max_size=16),
        issuer=points,
        certificate=st.binary(min_size=1, max_size=512),
    ),
    pkoc=st.none()
    | st.builds(PkocCertificate, issuer=points, certificate=st.binary(min_size=138, max_size=138)),
)
rows: st.SearchStrategy[Row] = (
    doors | calendars() | schedules | card_issuers | certificates | grants
)


clocks = st.builds(Clock, instants, st.sampled_from([*Trust, Trust.TRUSTED, Trust.TRUSTED]))
attempts = st.builds(
    Attempt,
    key=st.none() | st.sampled_from(KEYS) | st.sampled_from(KEYS),
    method=st.sampled_from(Method),
    proven=st.sampled_from([True, True, False]),
    factor=st.sampled_from(Factor),
    reservation=st.sampled_from(Reservation),
    document=st.none() | st.sampled_from(Reason),
)

# The same rows as above, in what bears on a decision only, and made faster.
deciding_doors = st.builds(
    Door,
    id=st.just(1),
    methods=st.sampled_from([(), (Method.PKOC_NFC,), tuple(Method), tuple(Method)]),
    modes=st.sampled_from([Modes(), Modes(), Modes(lockdown=True), Modes(maintenance=True)]),
)
deciding_grants = st.builds(
    Grant,
    key=st.sampled_from(KEYS),
    plan=st.integers(1, 4),
    credential=st.just(1),
    person=st.just(1),
    schedule=st.sampled_from([0, 0, 1, 2, 3]),
    flags=flags,
    not_before=st.sampled_from([None, None, NOW - 1, NOW, NOW + 1]),
    not_after=st.sampled_from([None, None, NOW - 1, NOW, NOW + 1]),
    uses=st.sampled_from([None, None, 1, 2]),
)
office = Schedule(1, tuple(Interval(day, Span(906, 907)) for day in range(7)))
deciding_calendars = st.builds(
    Calendar,
    until=st.sampled_from([NOW, NOW + 1, NOW + 10**8, NOW + 10**8]),
    offsets=st.sampled_from([-60, 0, 0, 60]).map(lambda shown: (OffsetFrom(0, shown),)),
    holidays=st.sampled_from([(), (), (Holiday(TODAY, TODAY, 1),)]),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Attempt, Knowledge, Clock]:
    """An attempt, what is known, and the time: arbitrary, with keys that often agree."""
    held = draw(st.lists(deciding_grants, max_size=5, unique_by=lambda grant: grant.id))
    known = Knowledge(
        door=draw(st.none() | deciding_doors | deciding_doors),
        calendar=draw(st.none() | deciding_calendars | deciding_calendars),
        schedules={1: office, 2: draw(schedules)},
        grants=tuple(held),
        denied=draw(st.sampled_from([None, None, None, *DenyCause])),
        uses_spent=dict.fromkeys((grant.id for grant in held), draw(st.integers(0, 2))),
        fault=draw(st.booleans()),
        lease_live=draw(st.booleans()),
    )
    return draw(attempts), known, draw(clocks)


@st.composite
def promising(draw: st.DrawFn) -> tuple[Attempt, Knowledge, Clock]:
    """A situation in which little stands in the way, so that many are granted."""
    attempt, known, clock = draw(situations())
    key = attempt.key or KEYS[0]
    harmless = st.sampled_from([0, Flag.OVERRIDE, Flag.RESPONDER, Flag.OWNED_USES, Flag.EXTENDED])
    own = Grant(key, draw(st.integers(1, 4)), 1, 1, flags=int(draw(harmless)))
    others = tuple(grant for grant in known.grants if grant.id != own.id)
    quiet = Modes(lockdown=draw(st.booleans()) and own.has(Flag.OVERRIDE))
    known = dataclasses.replace(
        known,
        door=Door(1, (attempt.method,), modes=quiet),
        calendar=draw(deciding_calendars),
        grants=(*others, own),
        denied=None,
        fault=False,
        lease_live=draw(st.sampled_from([True, True, False])),
    )
    attempt = dataclasses.replace(attempt, key=key, proven=True)
    if attempt.method is Method.ALIRO_NFC_DOCUMENT:
        known = dataclasses.replace(known, grants=others, lease_live=True)
        attempt = dataclasses.replace(attempt, document=Reason.GRANTED)
    return attempt, known, clock
