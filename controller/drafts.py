"""What somebody wants to create or change: the fields given, and what is wrong with them.

The shape is checked where the request is read, the sense in the use case; both add to one list, so
that all that is wrong is said at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from controller.problems import Invalid


@dataclass(slots=True)
class Draft:
    """`fields` are well-formed and were given; a field in `errors` was given and is not."""

    fields: dict[str, Any]
    errors: dict[str, list[str]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def get(self, name: str, default: Any = None) -> Any:
        """Return the field `name`, or `default` where it was not given (or is not well-formed)."""
        return self.fields.get(name, default)

    def add(self, name: str, text: str) -> None:
        """Say that the field `name` cannot be accepted."""
        self.errors.setdefault(name, []).append(text)

    def require(self, *names: str) -> None:
        """Say which of `names` are missing."""
        for name in names:
            if name not in self.fields and name not in self.errors:
                self.add(name, "is required")

    def check(self) -> None:
        """Raise `Invalid` if anything was said."""
        if self.errors:
            raise Invalid(self.errors)

    def copy_to(self, row: object, names: Iterable[str]) -> set[str]:
        """Set those of the attributes `names` that were given; return those that are different."""
        different = {
            name
            for name in names
            if name in self.fields and getattr(row, name) != self.fields[name]
        }
        for name in different:
            setattr(row, name, self.fields[name])
        return different

    def only(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of the fields `names` that were given."""
        return {name: self.fields[name] for name in names if name in self.fields}
