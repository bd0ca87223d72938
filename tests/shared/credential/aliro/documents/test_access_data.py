"""Access Data: rules, schedules, reader rules, extensions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.documents.access_data import (
    MAX_RULES,
    AccessData,
    AccessRule,
    Capability,
)
from shared.credential.aliro.documents.encoding import decode, encode
from shared.credential.aliro.documents.recurrence import Moment, Schedule
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from tests.shared.credential.aliro.documents.ends import MOMENT, NOW
from tests.shared.credential.aliro.documents.test_encoding import VALUES
from tests.shared.credential.keys import LONG

UNSECURE = Capability.UNSECURE
ACTIVE = Schedule(NOW - 60, NOW + 60, is_utc=True)
PAST = Schedule(NOW - 120, NOW - 60, is_utc=True)


def refusal(
    data: AccessData,
    action: Capability = UNSECURE,
    moment: Moment | None = MOMENT,
    reader_rules: tuple[int, ...] = (),
) -> Reason | None:
    try:
        data.check(action, moment, reader_rules)
    except RuleBroken as broken:
        return broken.reason
    return None


def with_rules(*rules: AccessRule) -> AccessData:
    return AccessData(b"badge", rules, (ACTIVE, PAST))


def unreadable(said: Any) -> Reason | None:
    try:
        AccessData.read(said)
    except RuleBroken as broken:
        return broken.reason
    return None


class TestRules:
    def test_without_rules_everything_is_allowed(self) -> None:
        assert refusal(AccessData(), moment=None) is None

    @pytest.mark.parametrize("action", Capability)
    def test_the_capability_has_to_be_that_of_the_action(self, action: Capability) -> None:
        assert refusal(with_rules(AccessRule(action)), action) is None
        others = with_rules(AccessRule(0x3F & ~action))
        assert refusal(others, action) is Reason.NO_ACCESS_RULE

    def test_an_action_of_two_takes_a_rule_for_both(self) -> None:
        both = Capability.SECURE | UNSECURE
        assert refusal(with_rules(AccessRule(UNSECURE)), both) is Reason.NO_ACCESS_RULE
        assert refusal(with_rules(AccessRule(both)), both) is None
        assert refusal(with_rules(AccessRule(both)), Capability(0)) is Reason.NO_ACCESS_RULE

    def test_bits_that_nobody_knows_allow_nothing(self) -> None:
        assert refusal(with_rules(AccessRule(0xFFC0))) is Reason.NO_ACCESS_RULE

    def test_one_rule_is_enough(self) -> None:
        rules = AccessRule(Capability.SECURE), AccessRule(UNSECURE, 2), AccessRule(UNSECURE)
        assert refusal(with_rules(*rules)) is None

    @pytest.mark.parametrize(
        ("allow", "deny", "holds"),
        [
            (0, 0, True),
            (1, 0, True),
            (2, 0, False),
            (3, 0, True),  # any of them
            (0, 1, False),
            (0, 2, True),
            (1, 2, True),
            (1, 1, False),
            (3, 3, False),
            (0, 3, False),
        ],
    )
    def test_schedules(self, allow: int, deny: int, holds: bool) -> None:
        """Of two schedules, the first is active."""
        found = refusal(with_rules(AccessRule(UNSECURE, allow, deny)))
        assert found is (None if holds else Reason.OUTSIDE_SCHEDULE)

    def test_schedules_take_a_clock(self) -> None:
        for rule in (AccessRule(UNSECURE, 1), AccessRule(UNSECURE, 0, 2)):
            assert refusal(with_rules(rule), moment=None) is Reason.NO_CLOCK
        both = with_rules(AccessRule(UNSECURE, 1), AccessRule(UNSECURE))
        assert refusal(both, moment=None) is None

    def test_reader_rules(self) -> None:
        data = AccessData(reader_rules=(1, 0x1234))
        assert refusal(data) is Reason.UNKNOWN_READER_RULE
        assert refusal(data, reader_rules=(1,)) is Reason.UNKNOWN_READER_RULE
        assert refusal(data, reader_rules=(1, 0x1234, 3)) is None


class TestExtensions:
    def test_those_that_are_not_about_access_are_ignored(self) -> None:
        data = AccessData.read({0: 1, 5: {0xFA1466: [[1, 1, {"any": [1.5, None]}]]}})
        assert refusal(data) is None

    @pytest.mark.parametrize(
        ("criticality", "ignored"), [(0, False), (1, True), (2, False), (3, True)]
    )
    def test_those_about_access(self, criticality: int, ignored: bool) -> None:
        said = {0: 1, 6: {0xFA1466: [[1, 1, 1, b""], [criticality, 1, 1, {0: "x"}]]}}
        data = AccessData.read(decode(encode(said)))
        assert refusal(data) is (None if ignored else Reason.UNKNOWN_EXTENSION)


class TestReading:
    FULL = AccessData(
        b"badge-01", (AccessRule(3, 1, 2), AccessRule(4)), (ACTIVE, PAST), (1, 0xFFFF)
    )

    @pytest.mark.parametrize("data", [FULL, AccessData(), AccessData(b"1")])
    def test_round_trip(self, data: AccessData) -> None:
        assert AccessData.read(decode(encode(data.plain))) == data

    def test_as_much_as_there_may_be(self) -> None:
        data = AccessData(bytes(16), (AccessRule(2, 0xFF),) * MAX_RULES, (ACTIVE,) * 8)
        assert AccessData.read(data.plain) == data

    def test_empty_is_as_absent(self) -> None:
        assert AccessData.read({0: 1, 1: b"", 2: [], 3: [], 4: [], 5: {}, 6: {}}) == AccessData()

    @pytest.mark.parametrize(
        "wrong",
        [
            None,
            [],
            {},
            {0: 0},
            {0: 2},
            {0: True},
            {0: "1"},
            {0: 1, 7: 0},
            {0: 1, "1": b""},
            {0: 1, 1: bytes(17)},
            {0: 1, 1: "badge"},
            {0: 1, 2: {}},
            {0: 1, 2: [5]},
            {0: 1, 2: [{0: -1}]},
            {0: 1, 2: [{0: 2, 3: 1}]},
            {0: 1, 2: [{0: 2, 1: 1}]},  # a schedule that there is not
            {0: 1, 2: [{0: 2, 2: 2}], 3: [{0: 5}]},
            {0: 1, 2: [{0: 2}] * (MAX_RULES + 1)},
            {0: 1, 3: [{0: 5}] * 9},
            {0: 1, 3: [{}]},
            {0: 1, 4: [0x10000]},
            {0: 1, 4: [-1]},
            {0: 1, 4: 5},
            {0: 1, 5: []},
            {0: 1, 5: {0: []}},
            {0: 1, 5: {"vendor": []}},
            {0: 1, 5: {1: [[1, 1]]}},
            {0: 1, 5: {1: [5]}},
            {0: 1, 6: {0: []}},
            {0: 1, 6: {1: [[1, 1, 1]]}},
            {0: 1, 6: {1: [["1", 1, 1, b""]]}},
            {0: 1, 6: {1: [[True, 1, 1, b""]]}},
            {0: 1, 6: {1: {}}},
        ],
    )
    def test_wrong(self, wrong: Any) -> None:
        with pytest.raises(RuleBroken) as broken:
            AccessData.read(wrong)
        assert broken.value.reason is Reason.BAD_DATA_ELEMENT

    @LONG
    @given(VALUES)
    def test_anything(self, value: Any) -> None:
        for each in (value, {0: 1, 2: [value]}, {0: 1, 3: [value]}, {0: 1, 3: [{0: 0, 2: value}]}):
            assert unreadable(each) in (None, Reason.BAD_DATA_ELEMENT)

    @LONG
    @given(st.integers(0, 7), VALUES)
    def test_any_member(self, key: int, value: Any) -> None:
        said = {0: 1, key: value}
        if unreadable(said) is None:
            refusal(AccessData.read(said))

    def test_the_holder_does_not_show(self) -> None:
        assert "badge" not in repr(self.FULL)
