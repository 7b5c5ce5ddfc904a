"""The names of a fleet's attributes where each row brings its own: one machine cannot take them from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.attributes.ssm import CATALOGUE
from fingerprint.fleet.schema import MOST_ATTRIBUTES, SID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# There is always room for these, whatever names came before.
_KNOWN = frozenset(row.name for row in CATALOGUE)
# Of a fleet of a hundred machines and more, what fewer than one in a hundred has is no attribute of the fleet.
_RARE = 100


class Names:
    """The names that the rows of a fleet brought, of which a batch has as many as columns fit."""

    def __init__(self) -> None:
        self._seen = set(_KNOWN)

    def problem(self, names: Iterable[str]) -> str:
        """Take the names of a row. Returns why it is no row of the fleet, and takes none of them then; "" if it is."""
        new = set(names) - self._seen
        if SID in new:
            # It would stand for the hardware ID of all the others.
            return f"it has an attribute {SID!r}, which is the name of a fleet's own column"
        if len(self._seen) + len(new) > MOST_ATTRIBUTES:
            return f"its attributes make more than {MOST_ATTRIBUTES} in the fleet"
        self._seen |= new
        return ""


def common(counts: Mapping[str, int], rows: int, most: int, *, always: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the attributes that are compared between machines, in their order.

    An attribute of few machines changes what share of all others have in common, so that a machine with made-up names
    could hide clones, or make too many columns.

    Args:
        counts: for each attribute how many rows have it.
        rows: how many there are.
        most: how many attributes are returned at most: those of the most rows.
        always: attributes that stay, as far as they are there.
    """
    first = [name for name in counts if name in set(always)]
    # No machine brought a column of nulls: it is one of a file.
    rest = [name for name, count in counts.items() if name not in first and (count * _RARE >= rows or not count)]
    kept = {*first, *sorted(rest, key=lambda name: -counts[name])[: max(0, most - len(first))]}
    return tuple(name for name in counts if name in kept)
