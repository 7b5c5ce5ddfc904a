"""Clones by scheme `stable`: node IDs of one machine, and one identity on several machines, with three outcomes.

The core of `check_stable` decides pairs of rows by their stable values. Rows that are the same, also through others,
are one machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint.fleet.grouping import (
    COPY,
    DAY,
    IMAGE,
    MOVED,
    TWICE,
    UNDECIDED,
    UNKNOWN,
    FoundGroups,
    Group,
    Groups,
    bits_in_common,
    distinct,
    numbered,
    numbers_of_groups,
    overlapping,
    reading_number,
    runs_of,
    times_of,
)
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import usual_threads
from fingerprint.fleet.schema import NODE, OBSERVED
from fingerprint.fleet.stable_candidates import Decided, decided, most_pairs
from fingerprint.fleet.stable_checking import TURNING, VOID, with_stable
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES, is_of_stable
from fingerprint.fleet.stable_rows import IDENTITY, StableRows, side_of, stable_rows
from fingerprint.rules.ssm import MACHINE_ID
from fingerprint.rules.stable import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.fleet.rejects import Rejects
    from fingerprint.fleet.stable_rows import Numbers

HARDWARE, SUSPECT = "hardware", "hardware-value"
# Identities of a registration: a copy of a machine's disk has them, too.
IDENTITY_KEYS = (NODE, "fingerprint", "vault", MACHINE_ID)
# The outcome that a reading stands for.
OUTCOME_OF = {
    COPY: Outcome.DIFFERENT, IMAGE: Outcome.DIFFERENT, MOVED: Outcome.DIFFERENT, UNKNOWN: Outcome.DIFFERENT,
    TWICE: Outcome.SAME, UNDECIDED: Outcome.CANNOT_TELL,
}  # fmt: skip
# Why a row would not even be the same as an equal one.
IN_CONTAINER, UNREADABLE_VALUES, NO_VALUES, FEW_VALUES = "container", "unreadable", "no-values", "few-values"
UNDECIDABLE = {
    IN_CONTAINER: "in a container, which has the hardware of its host",
    UNREADABLE_VALUES: "unreadable values of identity-bearing hardware",
    NO_VALUES: "no values of identity-bearing hardware",
    FEW_VALUES: "too few values of identity-bearing hardware",
}


@dataclass(frozen=True)
class Crowd:
    """A value that so many rows share that not every pair of them was decided.

    Attributes:
        attribute: the name of the attribute.
        rows: number of rows with the value.
        machines: number of machines that these were found to be; fewer if pairs that were not decided are the same.
        row: the first one.
    """

    attribute: str
    rows: int
    machines: int
    row: int


@dataclass
class StableClones(FoundGroups):
    """The clones of a fleet by scheme `stable`.

    Attributes:
        rows: number of rows.
        side: the columns that were compared, one of `STABLE_SIDES`.
        shared: groups of one identity on several machines, for each of `IDENTITY_KEYS` that the fleet has; of several
            node IDs on one machine; and of rows that share a value of hardware and may be one machine.
        outcomes: number of pairs of rows of each outcome, among those that share a value.
        undecidable: reason of `UNDECIDABLE` -> number of rows.
        crowds: values of which not every pair was decided, largest first.
        nodes: the column of node IDs.
    """

    rows: int
    side: str = STABLE_SIDES[1]
    shared: list[Groups] = field(default_factory=list)
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    undecidable: dict[str, int] = field(default_factory=dict)
    crowds: list[Crowd] = field(default_factory=list)
    nodes: Any = None

    def outcome_of(self, group: Group) -> Outcome:
        """Return the outcome of scheme `stable` that a group stands for: whether its rows are one machine."""
        return OUTCOME_OF[group.reading]

    @property
    def is_certain(self) -> bool:
        """Whether each row could be decided, and each group was."""
        return (
            bool(self.rows) and not self.crowds and not any(self.undecidable.values())
            and not any(one.counts().get(UNDECIDED) for one in self.groups)
        )  # fmt: skip


def clones_stable(
    batches: Any,
    *,
    threads: int | None = None,
    window: float = DAY,
    pairs: int | None = None,
    done: Callable[[str], object] = lambda _: None,
    rejects: Rejects | None = None,
) -> StableClones:
    """Return the clones of a fleet by scheme `stable`. The fleet's stable values are held in memory.

    Every pair of rows that `rules.stable.decide` calls the same is found, but for pairs of `StableClones.crowds`.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`. The current values of each row are
            compared; in a fleet without current values the saved ones.
        threads: number of threads; None for as many as this process can run.
        window: seconds between two observations that count as simultaneous: no machine moves that fast.
        pairs: number of pairs to decide before the values that most rows share; None for a million and 8 for each row.
        done: called with the name of each completed step.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        InputError: not a fleet, or no batch has values of scheme `stable`.
    """
    given = [
        # Other columns are not kept in memory.
        _selected(batch, lambda name: name in _PLAIN or is_of_stable(name))
        for batch in with_stable(batches_of(batches, rejects))
        if batch.num_rows
    ]
    if not given:
        return StableClones(0)
    side = side_of(given)
    parts = [pa.Table.from_batches([_selected(batch, lambda name: name in _PLAIN)]) for batch in given]
    table = pa.concat_tables(parts, promote_options="permissive")
    given = [_selected(batch, lambda name: name.partition(".")[0] == side) for batch in given]
    done("read")
    rows = stable_rows(given, usual_threads() if threads is None else threads)
    done("encode")
    keys = {key: numbered(table[key]) for key in IDENTITY_KEYS if key in table.schema.names}
    keys[MACHINE_ID] = _machine_ids(rows)
    answer = decided(rows, keys, most_pairs(len(rows)) if pairs is None else pairs)
    done("decide")
    found = StableClones(len(rows), side, outcomes=answer.counts(), nodes=table[NODE])
    found.undecidable = _undecidable(rows)
    found.crowds = _crowds(answer)
    making = _Making(rows, answer, keys[NODE], times_of(table), window)
    found.shared = [
        *(making.of_identity(number, key, keys[key]) for number, key in enumerate(keys, 1)),
        making.of_hardware(),
        making.of_suspects(),
    ]
    done("groups")
    return found


_PLAIN = (OBSERVED, *IDENTITY_KEYS[:-1])


def _selected(batch: pa.RecordBatch, wanted: Callable[[str], bool]) -> pa.RecordBatch:
    names = [name for name in batch.schema.names if wanted(name)]
    # Without a column it would have no rows.
    return batch.select(names or [NODE])


def _machine_ids(rows: StableRows) -> Numbers:
    place = STABLE_NAMES.index(MACHINE_ID)
    numbers = np.full(len(rows), -1, np.int64)
    some = np.flatnonzero(rows.known(place) & rows.repeated[place])
    numbers[some] = np.unique(rows.codes[some, place], return_inverse=True)[1].reshape(-1)
    return numbers


def _undecidable(rows: StableRows) -> dict[str, int]:
    """Return how many rows would not be the same as an equal row, by reason."""
    notes, every = np.empty(len(rows), np.uint8), np.arange(len(rows))
    at = np.flatnonzero(rows.decide(every, every, notes) != 0)
    codes = rows.codes[at][:, IDENTITY]
    unread = (codes == rows.unread[list(IDENTITY)]).any(axis=1)
    reasons = np.select(
        [(notes[at] & VOID) != 0, unread | ((notes[at] & TURNING) != 0), (codes == 0).all(axis=1)], [0, 1, 2], 3
    )
    counts = np.bincount(reasons, minlength=len(UNDECIDABLE)).tolist()
    return {word: count for word, count in zip(UNDECIDABLE, counts, strict=True) if count}


def _crowds(answer: Decided) -> list[Crowd]:
    """Return the blocks of hardware of which not every pair was decided, unless all are one machine."""
    blocks, found, size = answer.blocks, [], np.bincount(answer.classes, minlength=1)
    first = np.zeros(len(size), np.int64)
    first[answer.classes[::-1]] = answer.rows[::-1]
    for number in np.flatnonzero(~blocks.complete & (blocks.of >= 0)).tolist():
        classes = blocks.members[blocks.starts[number] : blocks.starts[number] + blocks.sizes[number]]
        rows = first[classes]
        machines = len(np.unique(answer.machines[rows]))
        if machines > 1:
            name = STABLE_NAMES[int(blocks.of[number])]
            found.append(Crowd(name, int(size[classes].sum()), machines, int(rows.min())))
    return sorted(found, key=lambda one: (-one.rows, one.attribute, one.row))


class _Making:
    """Makes the groups of a fleet."""

    def __init__(self, rows: StableRows, answer: Decided, nodes: Numbers, times: Any, window: float) -> None:
        self._answer, self._nodes, self._times, self._window = answer, nodes, times, window
        self._rows = rows
        self._class = np.full(len(rows), -1, np.int64)
        self._class[answer.rows] = answer.classes

    def of_identity(self, number: int, key: str, values: Numbers) -> Groups:
        """Return the groups of an identity that several machines have."""
        rows, starts = runs_of(values)
        group = numbers_of_groups(starts, len(rows))
        machines = self._answer.machines[rows]
        differ = self._differ(number, values, rows, starts)
        several = distinct(group, machines, len(starts)) > 1
        # Through others they are one machine, and yet two of them are different.
        machines = np.where(several[group], machines, self._class[rows])
        keep = several | differ
        if key == MACHINE_ID:
            # One node on two machines is reported under its node ID.
            keep &= distinct(group, self._nodes[rows], len(starts)) > 1
        at, starts = _kept(keep, group)
        rows, machines, differ = rows[at], machines[at], differ[keep]
        if key == MACHINE_ID:
            readings = np.full(len(starts), reading_number(IMAGE))
        elif self._times is None:
            readings = np.full(len(starts), reading_number(UNKNOWN))
        else:
            group = numbers_of_groups(starts, len(rows))
            at_once = overlapping(group, machines, self._times[rows], len(starts), self._window)
            readings = np.where(at_once, reading_number(COPY), reading_number(MOVED))
        return self._groups(key, rows, starts, np.where(differ, readings, reading_number(UNDECIDED)))

    def _differ(self, number: int, values: Numbers, rows: Numbers, starts: Numbers) -> Any:
        """Return for each group of a key whether two of its rows are different."""
        blocks = self._answer.blocks
        different = np.zeros(int(values.max(initial=-1)) + 2, bool)
        own = np.flatnonzero((blocks.of == -number) & self._answer.block_has)
        different[blocks.values[own]] = True
        return different[values[rows[starts]]]

    def of_hardware(self) -> Groups:
        """Return the groups of node IDs on one machine."""
        rows, starts = self._several_nodes(self._answer.machines)
        return self._groups(HARDWARE, rows, starts, np.full(len(starts), reading_number(TWICE)))

    def of_suspects(self) -> Groups:
        """Return the groups of node IDs that may be on one machine."""
        rows, starts = self._several_nodes(self._answer.suspects)
        group = numbers_of_groups(starts, len(rows))
        at, starts = _kept(distinct(group, self._answer.machines[rows], len(starts)) > 1, group)
        return self._groups(SUSPECT, rows[at], starts, np.full(len(starts), reading_number(UNDECIDED)))

    def _several_nodes(self, clusters: Numbers) -> tuple[Numbers, Numbers]:
        rows, starts = runs_of(clusters)
        group = numbers_of_groups(starts, len(rows))
        at, starts = _kept(distinct(group, self._nodes[rows], len(starts)) > 1, group)
        return rows[at], starts

    def _groups(self, kind: str, rows: Numbers, starts: Numbers, readings: Any) -> Groups:
        # An unreadable value is nothing that rows have in common.
        codes = np.where(self._rows.codes[rows] == self._rows.unread, 0, self._rows.codes[rows])
        ties, empty = bits_in_common(list(codes.T), [-1] * codes.shape[1], np.arange(len(rows)), starts)
        return Groups(kind, STABLE_NAMES, rows, starts, ties, empty, readings)


def _kept(keep: Any, group: Numbers) -> tuple[Any, Numbers]:
    """Return which rows are in the groups to keep, and where each of these begins then."""
    sizes = np.bincount(group, minlength=len(keep))[keep]
    return keep[group], np.cumsum(sizes) - sizes
