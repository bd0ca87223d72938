"""A plan as a set of rows, and the difference between two plans.

A plan maps row keys to row bytes. The laws, held by property tests: `apply(diff(a, b), a) == b`,
a delta applied twice is applied once, and neither depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shared.access.rows import Row, decode_row, encode_row, row_key

Plan = Mapping[bytes, bytes]


class Delta(msgspec.Struct, frozen=True):
    """Rows that are new or different (`put`, as bytes) and the keys of rows that are gone."""

    put: tuple[bytes, ...] = ()
    delete: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.delete)


def plan_of(rows: Iterable[Row]) -> dict[bytes, bytes]:
    """Return the plan that consists of `rows`; of two rows with one key the later stays."""
    return {row_key(row): encode_row(row) for row in rows}


def diff(old: Plan, new: Plan) -> Delta:
    """Return the smallest delta that turns `old` into `new`, in order of row key."""
    return Delta(
        put=tuple(new[key] for key in sorted(new) if old.get(key) != new[key]),
        delete=tuple(key for key in sorted(old) if key not in new),
    )


def apply(delta: Delta, plan: Plan) -> dict[bytes, bytes]:
    """Return `plan` after `delta`. Raises `shared.cbor.Malformed` for a row that is none."""
    result = dict(plan)
    for key in delta.delete:
        result.pop(key, None)
    for body in delta.put:
        result[row_key(decode_row(body))] = body
    return result
