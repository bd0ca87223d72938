"""Both ends together, over good air and bad: nobody gets in on a key that did not answer here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.outcome import Proven, Reason, Refused, Strength, Transport
from shared.credential.pkoc.channel import transcript
from tests.shared.credential.keys import LONG
from tests.shared.credential.pkoc.bad_air import BadAir, Witness

SEEDS = st.integers(0, 2**32)


def overheard() -> list[bytes]:
    """Everything said on a good day, by the same people at the same doors."""
    air = BadAir(seed=-1, rate=0.0)
    air.run()
    return air.noise.heard


PAST = overheard()


def test_good_air_lets_everybody_in() -> None:
    outcomes = BadAir(seed=1, rate=0.0).run()
    proofs = {(each.transport, each.strength) for each in outcomes if isinstance(each, Proven)}
    assert len(outcomes) == 4
    assert proofs == {
        (Transport.BLE, Strength.MUTUAL),
        (Transport.BLE, Strength.ONE_WAY),
        (Transport.NFC, Strength.ONE_WAY),
    }


@LONG
@given(SEEDS, st.sampled_from([0.1, 0.3, 0.6, 1.0]))
def test_bad_air_proves_only_who_answered(seed: int, rate: float) -> None:
    BadAir(seed, rate, PAST).run()  # judges every outcome as it comes


@LONG
@given(SEEDS, st.sampled_from([0.1, 0.4]))
def test_a_careful_phone_never_shows_its_key(seed: int, rate: float) -> None:
    """Bob's phone speaks ECDHE only: his point is never on the air, whatever happens to it."""
    air = BadAir(seed, rate, PAST)
    air.run()
    bob = air.people["bob"].public
    assert not any(bob.x in message for message in air.noise.heard)


@LONG
@given(SEEDS, st.sampled_from([0.1, 0.4]))
def test_a_careful_phone_signs_only_for_readers_that_signed_first(seed: int, rate: float) -> None:
    air = BadAir(seed, rate, PAST)
    air.run()
    doors = [door.key for door in air.doors]
    proofs = set().union(*(door.signed for door in doors if isinstance(door, Witness)))
    assert air.people["bob"].signed <= proofs


@LONG
@given(SEEDS)
def test_what_a_key_signs_tells_the_transports_apart(seed: int) -> None:
    """No signature made on one transport has the length that another one wants."""
    air = BadAir(seed, 0.4, PAST)
    air.run()
    lengths = {len(message) for who in air.people.values() for message in who.signed}
    assert lengths <= {16, 33, 96}


def test_the_air_is_bad_enough_to_matter() -> None:
    """Over many seeds the common endings all occur; otherwise the tests above prove little."""
    outcomes = [outcome for seed in range(200) for outcome in BadAir(seed, 0.3, PAST).run()]
    reasons = {each.reason for each in outcomes if isinstance(each, Refused)}
    assert sum(isinstance(each, Proven) for each in outcomes) > 200
    assert reasons >= {
        Reason.MALFORMED,
        Reason.BAD_SIGNATURE,
        Reason.DECRYPTION_FAILED,
        Reason.OFF_CURVE,
        Reason.CARD_ERROR,
    }


@pytest.mark.parametrize("reader", [0, 1, 2])
@pytest.mark.parametrize("speaker", [0, 1, 2])
def test_everything_overheard_is_worth_nothing_elsewhere(reader: int, speaker: int) -> None:
    """Replay whole sessions: all that one link said in the past, to every reader of today."""
    present = BadAir(seed=8, rate=0.0)
    target = present.links[reader].reader
    for message in PAST[speaker:] + PAST[:speaker]:
        step = target.receive(message, 0.0)
        assert not isinstance(getattr(step, "outcome", None), Proven)


def test_the_transcript_names_both_ends() -> None:
    """The one message that both ends sign changes with each of its four parts."""
    air = BadAir(seed=1, rate=0.0)
    device, reader = air.devices["alice"].public, air.devices["bob"].public
    door = air.doors[0]
    signed = transcript(door.site, door.location, device, reader)
    assert len(signed) == 96
    others = {
        transcript(air.doors[1].site, door.location, device, reader),
        transcript(door.site, air.doors[1].location, device, reader),
        transcript(door.site, door.location, reader, device),
    }
    assert signed not in others
    assert len(others) == 3
