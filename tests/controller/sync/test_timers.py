"""Each reader has one time; a replaced one never fires."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from controller.sync.timers import Timers

times = st.one_of(st.integers(0, 20).map(float), st.just(math.inf))


@given(steps=st.lists(st.tuples(st.sampled_from("abc"), times), max_size=40))
def test_fires_exactly_what_was_set_last(steps: list[tuple[str, float]]) -> None:
    timers, last = Timers(), dict[str, float]()
    for now, (reader, at) in enumerate(steps):
        timers.look_at(reader, at)
        last[reader] = at
        due = {name for name, time in last.items() if time <= now}
        assert timers.next <= min(last.values(), default=math.inf)
        assert timers.due(now) == due
        last.update(dict.fromkeys(due, math.inf))


def test_nothing_set_is_nothing_due() -> None:
    assert Timers().next == math.inf
    assert Timers().due(1e9) == set()
