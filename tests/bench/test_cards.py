"""What cards cost is measured, in plain numbers; the benchmark shows it."""

from __future__ import annotations

from tests.bench import cards


def test_the_measurement_makes_sense() -> None:
    costs = cards.measure(turns=1)
    assert len({cost.name for cost in costs}) == 4
    assert min(min(cost.bare_us, cost.transaction_us) for cost in costs) > 0
    plain, validated, ecc, rsa = costs
    assert plain.round_trips == 2
    assert validated.round_trips > plain.round_trips
    assert rsa.bytes > ecc.bytes > plain.bytes
