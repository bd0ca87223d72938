"""The cost of a transaction is measured, in plain numbers; the benchmark holds it to its budget."""

from __future__ import annotations

from tests.bench import aliro


def test_the_measurement_makes_sense() -> None:
    for cost in aliro.measure(turns=2, remembered=3):
        assert min(cost.bare_us, cost.transaction_us) > 0
        assert cost.ratio == cost.transaction_us / cost.bare_us
        assert cost.over_us == cost.transaction_us - cost.bare_us
