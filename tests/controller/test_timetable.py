"""Times of the API and what readers are told: nothing opens a minute more or less."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.timetable import (
    DAYS,
    MAX_BLOCKS,
    Minutes,
    merge,
    merge_blocks,
    minutes_of,
    schedule_row,
)
from shared.access.calendar import LocalTime
from shared.access.rows import decode_row, encode_row
from shared.access.schedule import Opening, opening

CLOCKS = [f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in (0, 29, 30, 59)]


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.sampled_from(CLOCKS))
    end = draw(st.sampled_from([*CLOCKS, "24:00"]).filter(lambda clock: clock != start))
    return {"day": draw(st.sampled_from(list(DAYS))), "start_time": start, "end_time": end}


def is_open(times: list[dict[str, Any]], weekday: int, minute: int) -> bool:
    """Judge a minute by the blocks as an operator reads them."""
    for block in times:
        start, end = minutes_of(block["start_time"], block["end_time"])
        for day in DAYS[block["day"]]:
            since = (weekday - day) % 7 * 1440 + minute
            if start <= since < end:
                return True
    return False


@given(st.lists(blocks(), max_size=MAX_BLOCKS), st.integers(0, 6), st.integers(0, 1439))
def test_a_row_opens_when_the_blocks_say(
    times: list[dict[str, Any]], weekday: int, minute: int
) -> None:
    at = LocalTime(20_000 - (20_000 + 3) % 7 + weekday, weekday, minute)
    for said in (times, merge_blocks(times)):
        row = schedule_row(1, said, [])
        assert (opening(row, (), at) is Opening.OPEN) is is_open(times, weekday, minute)


@given(st.lists(blocks(), max_size=MAX_BLOCKS))
def test_merging_is_done_once_and_never_makes_more(times: list[dict[str, Any]]) -> None:
    merged = merge_blocks(times)
    assert merge_blocks(merged) == merged
    assert len(merged) <= len(times)
    row = schedule_row(1, merged, [])
    assert decode_row(encode_row(row)) == row


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("09:00", "17:00", (540, 1020)),
        ("22:00", "06:00", (1320, 1800)),
        ("00:00", "24:00", (0, 1440)),
        ("12:00", "00:00", (720, 1440)),
        ("00:01", "00:00", (1, 1440)),
        ("23:59", "23:58", (1439, 2878)),
    ],
)
def test_what_two_times_mean(start: str, end: str, minutes: tuple[int, int]) -> None:
    assert minutes_of(start, end) == minutes


def test_what_two_times_cannot_say_stays_apart() -> None:
    """From midnight to midnight and then until six: thirty hours are no times of day."""
    spans = [Minutes(0, 1440), Minutes(1320, 1800)]
    assert merge(spans) == spans
    assert merge([Minutes(0, 720), Minutes(720, 1440)]) == [Minutes(0, 1440)]
    assert merge([Minutes(60, 720), Minutes(600, 1500)]) == [
        Minutes(60, 720),
        Minutes(600, 1500),
    ]


def test_holiday_rules_are_in_order_of_kind() -> None:
    times = [{"start_time": "09:00", "end_time": "10:00"}]
    rules = [
        {"kind": 2, "as_usual": True, "times": []},
        {"kind": 1, "as_usual": False, "times": times},
    ]
    row = schedule_row(7, [], rules)
    assert [(rule.kind, rule.as_usual, len(rule.spans)) for rule in row.holidays] == [
        (1, False, 1),
        (2, True, 0),
    ]
