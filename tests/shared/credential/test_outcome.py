"""The vocabulary that other packages store and log."""

from __future__ import annotations

import pytest

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Proven, Reason, Refused, Standard, Strength, Transport
from shared.credential.session import Countdown, Finished, Send


def test_values_are_stable() -> None:
    """These strings are in journals and events of every installation: add, never change."""
    assert [each.value for each in Standard] == ["pkoc", "aliro", "piv", "card-number"]
    assert [each.value for each in Transport] == ["ble", "nfc", "wire"]
    assert [each.value for each in Strength] == ["mutual", "one_way", "cloneable"]
    assert [each.value for each in Reason] == [
        "malformed",
        "wrong_length",
        "off_curve",
        "own_key",
        "bad_signature",
        "decryption_failed",
        "flow_not_allowed",
        "out_of_order",
        "not_this_standard",
        "unavailable",
        "card_error",
        "mtu_too_small",
        "timeout",
        "link_lost",
        "unknown_reader",
        "turned_away",
        "no_common_version",
        "unknown_issuer",
        "bad_certificate",
        "certificate_expired",
        "certificate_revoked",
        "revocation_unknown",
        "no_clock",
        "unknown_key",
        "no_document",
        "wrong_document",
        "digest_mismatch",
        "other_holder",
        "document_expired",
        "document_not_yet_valid",
        "document_too_old",
        "document_superseded",
        "no_data_element",
        "bad_data_element",
        "unknown_extension",
        "unknown_reader_rule",
        "no_access_rule",
        "outside_schedule",
        "credential_revoked",
    ]


def test_a_proven_key_stays_out_of_the_log() -> None:
    proven = Proven(b"\x04" + b"\xab" * 64, Standard.PKOC, Transport.BLE, Strength.MUTUAL)
    assert "xab" not in repr(proven)
    assert "xab" not in repr(Finished(proven))
    assert "xab" not in repr(Send(b"\xab" * 64))


def test_refusals_are_equal_by_reason() -> None:
    assert Refused(Reason.TIMEOUT, "one text") == Refused(Reason.TIMEOUT, "another")
    assert Refused(Reason.TIMEOUT) != Refused(Reason.MALFORMED)


def test_a_broken_rule_carries_its_reason() -> None:
    broken = RuleBroken(Reason.OFF_CURVE, "the point is not on P-256")
    assert (broken.reason, str(broken)) == (Reason.OFF_CURVE, "the point is not on P-256")


class TestCountdown:
    def test_progress_buys_time_up_to_the_total(self) -> None:
        countdown = Countdown(100.0, idle=5.0, total=8.0)
        assert countdown.deadline == 105.0
        countdown.progress(102.0)
        assert countdown.deadline == 107.0
        countdown.progress(106.0)
        assert countdown.deadline == 108.0

    @pytest.mark.parametrize(("now", "passed"), [(104.9, False), (105.0, True), (200.0, True)])
    def test_it_passes_at_the_deadline(self, now: float, *, passed: bool) -> None:
        assert Countdown(100.0, idle=5.0, total=8.0).passed(now) is passed

    def test_stopped_it_never_passes(self) -> None:
        countdown = Countdown(100.0, idle=5.0, total=8.0)
        countdown.stop()
        assert not countdown.passed(1e12)
