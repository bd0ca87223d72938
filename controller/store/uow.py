"""One edit of what operators want, in one transaction with everything that follows from it.

A use case changes rows through `session` and says with the `touch_` methods what it touched. On
leaving `Database.write` the compiler turns that into new rows for the readers concerned, and the
whole is committed or none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from controller.reader_issuer import ReaderIssuer


@dataclass(frozen=True, slots=True)
class PlanTouch:
    """Grants of access plan `plan`: of these people (None: all) at these doors (None: all)."""

    plan: int
    people: frozenset[int] | None = None
    doors: frozenset[int] | None = None


@dataclass(slots=True)
class Touched:
    """What an edit may have an effect on. The numbers are those of the intent tables."""

    people: set[int] = field(default_factory=set)
    credentials: set[int] = field(default_factory=set)
    plans: list[PlanTouch] = field(default_factory=list)
    schedules: set[int] = field(default_factory=set)
    doors: set[int] = field(default_factory=set)
    sites: set[int] = field(default_factory=set)
    readers: set[str] = field(default_factory=set)
    refused_keys: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class UnitOfWork:
    """The transaction of one edit. `now` is milliseconds since 1970, UTC, and stands still.

    `issuer` certifies readers as their plans are compiled.
    """

    session: AsyncSession
    now: int
    actor: str
    action: str
    subject: str
    random_bytes: Callable[[int], bytes]
    issuer: ReaderIssuer
    detail: str | None = None
    touched: Touched = field(default_factory=Touched)
    _change_id: int | None = None

    def touch_people(self, ids: Iterable[int]) -> None:
        """Rights, validity, flags or groups of these people may be different."""
        self.touched.people.update(ids)

    def touch_credentials(self, ids: Iterable[int]) -> None:
        """The key, state or validity of these credentials (by number) may be different."""
        self.touched.credentials.update(ids)

    def touch_plan(
        self,
        plan: int,
        *,
        people: Iterable[int] | None = None,
        doors: Iterable[int] | None = None,
    ) -> None:
        """Plan `plan` may give something else to these people (None: all) at these doors.

        Doors that the plan no longer opens count too; name them or pass None.
        """
        self.touched.plans.append(
            PlanTouch(
                plan,
                None if people is None else frozenset(people),
                None if doors is None else frozenset(doors),
            )
        )

    def touch_schedules(self, ids: Iterable[int]) -> None:
        """The times of these schedules may be different."""
        self.touched.schedules.update(ids)

    def touch_doors(self, ids: Iterable[int]) -> None:
        """Settings, modes or the set of schedules of these doors may be different."""
        self.touched.doors.update(ids)

    def touch_sites(self, ids: Iterable[int]) -> None:
        """The time zone or the holidays of these sites may be different."""
        self.touched.sites.update(ids)

    def touch_refused_keys(self, keys: Iterable[str]) -> None:
        """These device keys (in hex) are refused at a site now, or are no longer."""
        self.touched.refused_keys.update(map(bytes.fromhex, keys))

    def touch_readers(self, ids: Iterable[str]) -> None:
        """Anything in the plans of these readers may be different: all of it is compiled."""
        self.touched.readers.update(ids)

    @property
    def change_id(self) -> int:
        """The number of the change; known once `Database.write` is left."""
        if self._change_id is None:
            raise RuntimeError("the change has no number before Database.write is left")
        return self._change_id

    @change_id.setter
    def change_id(self, value: int) -> None:
        self._change_id = value
