"""The columns of scheme `stable` in a fleet: `saved_stable.<attribute>` and `current_stable.<attribute>`.

A value is a string. Null, "" and a missing column are an attribute that the machine does not have; `UNREADABLE` is one
whose source could not be read, so that its value is unknown. Requires no extra: `fingerprint fleet row` prints them.
"""

from __future__ import annotations

from fingerprint.attributes.stable import STRENGTHS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.types import Collection

STABLE_SIDES = ("saved_stable", "current_stable")
STABLE_NAMES = tuple(strength.name for strength in STRENGTHS)
SETS = frozenset(strength.name for strength in STRENGTHS if strength.several)
# No attribute has this value: values are digits, or the name of a hypervisor.
UNREADABLE = "?"
# The attributes of SSM Inventory are in one list: these prefixes distinguish those of scheme `stable`.
INVENTORY_PREFIX = "stable."


def is_of_stable(column: str) -> bool:
    """Return whether a column, or the map or struct with this name, has values of scheme `stable`."""
    return column.partition(".")[0] in STABLE_SIDES


def stable_cells(collection: Collection) -> dict[str, str]:
    """Return attribute -> value for the columns of one side, without the attributes that the machine does not have."""
    cells = {a.name: UNREADABLE if a.unreadable else a.value for a in collection.attributes}
    return {name: value for name, value in cells.items() if value}


def values_of_cells(
    saved: Mapping[str, str | None], current: Mapping[str, str | None]
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Return the arguments of `rules.stable.decide` for the cells of a row: saved, current, and unreadable names."""
    before, now = (
        {name: value for name, value in side.items() if value and value != UNREADABLE} for side in (saved, current)
    )
    return before, now, tuple(name for name, value in current.items() if value == UNREADABLE)
