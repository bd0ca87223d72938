"""The sample site, made as an operator would make it: doors, readers, groups, plans, people."""

from __future__ import annotations

from dataclasses import dataclass, field

from hw.sim.demo.office import Office

FRONT, WORKSHOP, STORE = "Front door", "Workshop", "Store room"
DOORS = (FRONT, WORKSHOP, STORE)
STAFF, MEMBERS = "Staff", "Members"
ALWAYS, OFFICE_HOURS = "Around the clock", "Office hours"
ADA, BEN, CLEO, DORA, EMIL = "Ada", "Ben", "Cleo", "Dora", "Emil"

_PEOPLE = {
    ADA: ("Park", STAFF),
    BEN: ("Ortiz", MEMBERS),
    CLEO: ("Marsh", STAFF),
    DORA: ("Lind", None),  # known, and not let in anywhere yet
    EMIL: ("Roth", STAFF),
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@dataclass(frozen=True, slots=True)
class Doors:
    """The numbers of doors and readers by the door's name; `tokens` let each reader enrol once."""

    doors: dict[str, int]
    readers: dict[str, str]
    tokens: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Site:
    """The numbers of everything, by name."""

    doors: dict[str, int]
    readers: dict[str, str]
    groups: dict[str, int]
    people: dict[str, int]
    plans: dict[str, int]


async def make_doors(office: Office) -> Doors:
    """Make doors with a reader each on a controller that has nothing yet. `OfficeError`."""
    made = Doors({}, {}, {})
    for name in DOORS:
        made.doors[name] = (await office.post("/doors", {"name": name})).body["id"]
        body = {"door_id": made.doors[name], "name": f"{name} reader"}
        reader = (await office.post("/readers", body)).body
        made.readers[name], made.tokens[name] = reader["id"], reader["enrolment"]["token"]
    return made


async def make_people(office: Office, made: Doors) -> Site:
    """Make groups, people, and access plans that lead them to the doors. `OfficeError`."""
    groups = {
        name: (await office.post("/groups", {"name": name})).body["id"] for name in (STAFF, MEMBERS)
    }
    people = {name: await _person(office, name, groups) for name in _PEOPLE}
    plans = await _plans(office, made.doors, groups)
    return Site(made.doors, made.readers, groups, people, plans)


async def _person(office: Office, name: str, groups: dict[str, int]) -> int:
    last_name, group = _PEOPLE[name]
    body = {
        "first_name": name,
        "last_name": last_name,
        "group_ids": [] if group is None else [groups[group]],
    }
    return int((await office.post("/people", body)).body["id"])


async def _plans(office: Office, doors: dict[str, int], groups: dict[str, int]) -> dict[str, int]:
    times = [{"day": day, "start_time": "09:00", "end_time": "17:00"} for day in _WEEKDAYS]
    hours = await office.post("/schedules", {"name": OFFICE_HOURS, "times": times})
    drafts = (
        {
            "name": ALWAYS,
            "schedule_id": None,
            "group_ids": [groups[STAFF]],
            "door_ids": [doors[FRONT], doors[WORKSHOP]],
        },
        {
            "name": OFFICE_HOURS,
            "schedule_id": hours.body["id"],
            "group_ids": [groups[MEMBERS]],
            "door_ids": [doors[FRONT]],
        },
    )
    return {
        str(draft["name"]): (await office.post("/access_plans", draft)).body["id"]
        for draft in drafts
    }
