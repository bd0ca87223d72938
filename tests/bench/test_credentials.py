"""What credentials cost a reader is measured, in plain numbers; the benchmark shows and judges."""

from __future__ import annotations

import pytest

from tests.bench import aliro, piv, pkoc
from tests.bench.flow import Air, Cost, Flow, measure
from tests.bench.report import Figure
from tests.bench.show import tables


@pytest.fixture(scope="module")
def costs() -> list[Cost]:
    return measure([*pkoc.flows(), *aliro.flows(), *piv.flows()], turns=1)


def test_every_flow_is_measured(costs: list[Cost]) -> None:
    assert len({cost.flow.name for cost in costs}) == len(costs) == 17
    assert all(cost.reader_us > 0 for cost in costs)
    assert [cost.flow.name for cost in costs if not cost.bare_us] == ["Card number"]


def test_nothing_is_longer_on_the_air_than_with_others(costs: list[Cost]) -> None:
    sizes = {"round trips", "bytes out", "bytes in"}
    judged = [each for cost in costs for each in cost.figures if each.name in sizes]
    assert [f"{each.of}: {each.name}" for each in judged if each.kept is False] == []
    assert sum(each.kept is True for each in judged) == 9 * len(sizes)


def test_a_line_a_flow_and_a_verdict_for_what_has_a_budget() -> None:
    flow = Flow("One", lambda: lambda: None, lambda: None, Air(2, 10, 20), Air(2, 10, 19), 1.5)
    figures = Cost(flow, 16.0, 10.0).figures
    kept = {each.name: each.kept for each in figures if each.budget is not None}
    assert kept == {"ratio": False, "round trips": True, "bytes out": True, "bytes in": False}
    alone, grid = tables({"x": [Figure("alone", 1, "s")], "y": figures})
    assert (alone.row_count, grid.row_count) == (1, 1)
    assert len(grid.columns) == 1 + len(figures)
