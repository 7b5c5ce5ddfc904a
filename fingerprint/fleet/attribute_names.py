"""Names of a fleet's attributes where each row has its own: one machine cannot use up the limit of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.attributes.ssm import CATALOGUE
from fingerprint.fleet.schema import MOST_ATTRIBUTES, SID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# These always fit below the limit.
_KNOWN = frozenset(row.name for row in CATALOGUE)
# In a fleet of 100 machines or more, an attribute of fewer than 1 % of them is not compared.
_RARE = 100


class Names:
    """The names of all rows so far, at most as many as a batch can have columns."""

    def __init__(self) -> None:
        self._seen = set(_KNOWN)

    def problem(self, names: Iterable[str]) -> str:
        """Add the names of a row. Return why the row is rejected, with none of its names added; "" if it is not."""
        new = set(names) - self._seen
        if SID in new:
            # It would replace the hardware ID of all other rows.
            return f"it has an attribute {SID!r}, which is the name of a fleet's own column"
        if len(self._seen) + len(new) > MOST_ATTRIBUTES:
            return f"its attributes make more than {MOST_ATTRIBUTES} in the fleet"
        self._seen |= new
        return ""


def common(counts: Mapping[str, int], rows: int, most: int, *, always: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the attributes that are compared between machines, in their order.

    An attribute of few machines changes the share of matching attributes of all others: a machine with invented names
    could hide clones or exceed the number of columns.

    Args:
        counts: for each attribute how many rows have it.
        rows: number of rows.
        most: largest number of attributes to return: those of the most rows.
        always: attributes that are returned in any case if the fleet has them.
    """
    first = [name for name in counts if name in set(always)]
    # A column of nulls comes from a file, not from a machine.
    rest = [name for name, count in counts.items() if name not in first and (count * _RARE >= rows or not count)]
    kept = {*first, *sorted(rest, key=lambda name: -counts[name])[: max(0, most - len(first))]}
    return tuple(name for name in counts if name in kept)
