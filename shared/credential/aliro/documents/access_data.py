"""Access Data: the element of an access document that says what its holder may do here.

    element     {0: 1, 1: id(0-16), 2: [rule...], 3: [schedule...], 4: [reader rule...],
                 5: {vendor: [[id, version, data]...]},                     not about access
                 6: {vendor: [[criticality, id, version, data]...]}}        about access
    rule        {0: capabilities, 1: schedules that allow, 2: schedules that deny}

Bit i of a rule's schedules is schedule i. What is empty may be left out. Bit 0 of a criticality is
set where the extension may be ignored. We know no extension: those that are critical refuse.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from shared.credential.aliro.documents.encoding import (
    array,
    mapping,
    member,
    octets,
    uint,
)
from shared.credential.aliro.documents.recurrence import Moment, Schedule
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed

VERSION = 1
MAX_ID = 16
MAX_SCHEDULES = 8
MAX_RULES = 64
MAX_READER_RULE = 0xFFFF

_NOT_CRITICAL = 1
_ACCESS_EXTENSION, _OTHER_EXTENSION = 4, 3


class Capability(enum.IntFlag):
    """What a rule lets its holder do. Bits that we do not know let nobody do anything."""

    SECURE = 1 << 0
    UNSECURE = 1 << 1
    TOGGLE = 1 << 2
    MOMENTARY_UNSECURE = 1 << 3
    EXTENDED_MOMENTARY_UNSECURE = 1 << 4
    PAYMENT = 1 << 5


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What it allows, and when: in any of the schedules that allow and in none that deny."""

    capabilities: int
    allow: int = 0
    deny: int = 0

    @property
    def plain(self) -> dict[int, int]:
        parts = {0: self.capabilities, 1: self.allow, 2: self.deny}
        return {key: value for key, value in parts.items() if key == 0 or value}

    @classmethod
    def read(cls, value: Any, schedules: int) -> AccessRule:
        """Raises `Malformed`, also for one that names a schedule beyond so many."""
        said = mapping(value)
        if said.keys() - {0, 1, 2}:
            raise Malformed("an access rule says what this version does not know")
        most = (1 << schedules) - 1
        capabilities = uint(said.get(0, 0), 0xFFFFFFFF)
        return cls(capabilities, uint(said.get(1, 0), most), uint(said.get(2, 0), most))

    def allows(self, action: Capability) -> bool:
        """Whether it is for `action`, and for all of it."""
        return bool(action) and self.capabilities & action == action

    def holds(self, active: int) -> bool:
        """Whether it holds while the schedules of these bits are active."""
        allowed = not self.allow or self.allow & active
        return bool(allowed) and not self.deny & active


@dataclass(frozen=True, slots=True)
class AccessData:
    """An element that has been read. It is signed, or it would not have come this far."""

    id: bytes = field(default=b"", repr=False)
    rules: tuple[AccessRule, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    reader_rules: tuple[int, ...] = ()
    critical: int = 0  # how many extensions may not be ignored

    @property
    def plain(self) -> dict[int, Any]:
        """The element's value, as an issuer signs it; without extensions."""
        parts = {
            1: self.id,
            2: [each.plain for each in self.rules],
            3: [each.plain for each in self.schedules],
            4: list(self.reader_rules),
        }
        return {0: VERSION} | {key: value for key, value in parts.items() if value}

    @classmethod
    def read(cls, value: Any) -> AccessData:
        """Raises `RuleBroken` with bad_data_element."""
        try:
            return cls._read(mapping(value))
        except Malformed as malformed:
            raise RuleBroken(Reason.BAD_DATA_ELEMENT, f"Access Data: {malformed}") from None

    @classmethod
    def _read(cls, said: dict[Any, Any]) -> AccessData:
        if uint(member(said, 0)) != VERSION:
            raise Malformed(f"another version than {VERSION}")
        if said.keys() - set(range(7)):
            raise Malformed("a member that this version does not know")
        schedules = tuple(Schedule.read(each) for each in _upto(said.get(3, []), MAX_SCHEDULES))
        rules = _upto(said.get(2, []), MAX_RULES)
        _extensions(said.get(5, {}), _OTHER_EXTENSION)
        found = _extensions(said.get(6, {}), _ACCESS_EXTENSION)
        return cls(
            octets(said.get(1, b""), range(MAX_ID + 1)),
            tuple(AccessRule.read(each, len(schedules)) for each in rules),
            schedules,
            tuple(uint(each, MAX_READER_RULE) for each in array(said.get(4, []))),
            sum(1 for each in found if not uint(each[0]) & _NOT_CRITICAL),
        )

    def check(
        self, action: Capability, moment: Moment | None, reader_rules: Collection[int] = ()
    ) -> None:
        """Whether it lets its holder do `action` now; `moment` is None where time is not trusted.

        `reader_rules` are the ids of those that the caller applies itself. Raises `RuleBroken`:
        unknown_extension, unknown_reader_rule, no_access_rule, no_clock or outside_schedule.
        """
        if self.critical:
            raise RuleBroken(Reason.UNKNOWN_EXTENSION, "a critical extension is not known here")
        if any(each not in reader_rules for each in self.reader_rules):
            raise RuleBroken(Reason.UNKNOWN_READER_RULE, "a reader rule is not known here")
        if not self.rules:
            return
        rules = [rule for rule in self.rules if rule.allows(action)]
        if not rules:
            raise RuleBroken(Reason.NO_ACCESS_RULE, "no rule allows what the door would do")
        if any(not rule.allow and not rule.deny for rule in rules):
            return
        if moment is None:
            raise RuleBroken(Reason.NO_CLOCK, "the rules have schedules, the time is unknown")
        active = sum(1 << i for i, each in enumerate(self.schedules) if each.is_active(moment))
        if not any(rule.holds(active) for rule in rules):
            raise RuleBroken(Reason.OUTSIDE_SCHEDULE, "no rule holds at this time")


def _upto(value: Any, most: int) -> list[Any]:
    found = array(value)
    if len(found) > most:
        raise Malformed(f"{len(found)} where there are {most} at most")
    return found


def _extensions(value: Any, size: int) -> list[list[Any]]:
    """All extensions, each an array of `size`, whosever they are."""
    found = []
    for vendor, row in mapping(value).items():
        if uint(vendor) == 0:
            raise Malformed("an extension of no vendor")
        for each in array(row):
            if len(array(each)) != size:
                raise Malformed(f"an extension has {size} members")
            found.append(each)
    return found
