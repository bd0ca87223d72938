"""The cost of a transaction is measured, in plain numbers; the benchmark holds it to its budget."""

from __future__ import annotations

from tests.bench import pkoc


def test_the_measurement_makes_sense() -> None:
    cost = pkoc.measure(turns=3)
    assert min(cost.bare_us, cost.session_us) > 0
    assert cost.ratio == cost.session_us / cost.bare_us
