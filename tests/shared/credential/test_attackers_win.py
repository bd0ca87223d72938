"""Each attacker finds what we leave open: an attacker that misses a mutant has become too weak.

Slow, because there are many; each is up to five usual runs of the attacker, until it finds what
is wrong. What it tries in one run is another thing after every edit.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.shared.credential import mutants, test_attacker
from tests.shared.credential.aliro import test_attacker as test_aliro_attacker
from tests.shared.credential.mutants import Mutant


def attack(machine: type[RuleBasedStateMachine]) -> None:
    usual = machine.TestCase.settings
    longer = settings(
        usual, max_examples=5 * usual.max_examples, phases=[Phase.generate], print_blob=False
    )
    run_state_machine_as_test(machine, settings=longer)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants.ALIRO)
def test_of_aliro(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        attack(test_aliro_attacker.Attacker)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants.OTHERS)
def test_of_pkoc_and_piv(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        attack(test_attacker.Attacker)
