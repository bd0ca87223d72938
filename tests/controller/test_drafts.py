"""Drafts collect what is wrong, and pass on what is right."""

from __future__ import annotations

import pytest

from controller.api.bodies import PersonBody
from controller.api.reading import draft_of, path_of
from controller.drafts import Draft
from controller.problems import Invalid


class Row:
    a = 1
    b = 2


def test_only_what_is_given_and_different_is_copied() -> None:
    row = Row()
    assert Draft({"a": 1, "b": 3, "c": 4}).copy_to(row, ("a", "b")) == {"b"}
    assert (row.a, row.b) == (1, 3)
    assert not hasattr(row, "c")


def test_all_that_was_said_is_raised() -> None:
    draft = Draft({"a": 1}, {"b": ["must be text"]})
    draft.require("a", "b", "c")
    draft.add("a", "is odd")
    draft.add("a", "is small")
    with pytest.raises(Invalid) as caught:
        draft.check()
    assert caught.value.errors == {
        "b": ["must be text"],
        "c": ["is required"],
        "a": ["is odd", "is small"],
    }
    Draft({}).check()


def test_good_fields_survive_bad_ones() -> None:
    draft = draft_of(PersonBody, {"first_name": "A", "enabled": "x", "group_ids": [1, "y"]})
    assert draft.fields == {"first_name": "A"}
    assert list(draft.errors) == ["enabled", "group_ids[1]"]


def test_the_name_of_a_field_inside_fields() -> None:
    assert path_of(("times", 3, "start_time")) == "times[3].start_time"
    assert path_of(("times",)) == "times"
