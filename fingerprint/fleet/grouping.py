"""Groups of rows of a fleet: what their rows have in common, and the reading of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.fleet.schema import NODE, OBSERVED, SID
from fingerprint.rules.ssm import MACHINE_ID, UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint._fleet import Near

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

# The readings of a group.
COPY, IMAGE, MOVED, LOOK_ALIKE, ABSENT, UNKNOWN, TWICE, UNDECIDED = (
    "copy", "image-not-reset", "moved", "look-alike", "absent-values", "no-times", "registered-twice", "cannot-tell",
)  # fmt: skip
READINGS = {
    COPY: "a copy: both were observed at the same time",
    IMAGE: "one image: its hardware ID was not reset before it was copied",
    MOVED: "one machine that moved, was restored or replaced: one was last observed before the other was first",
    LOOK_ALIKE: "similar machines: the same model and setup, no unique value in common",
    ABSENT: "similar machines: the attributes in common are mostly empty",
    UNKNOWN: "two machines, or one that moved: the rows have no times",
    TWICE: "one machine with several node IDs, or a copy with all IDs of its hardware",
    UNDECIDED: "scheme stable cannot tell whether it is one machine",
}
# Readings that are findings.
FINDINGS = (COPY, IMAGE, UNKNOWN, TWICE)
SHARED_KEYS = (NODE, "fingerprint", "vault", "hardware-id", "system_uuid", "mac")
DAY = 86_400.0
_WORDS = tuple(READINGS)
SIDS = (SID, MACHINE_ID, UUID)
# Attributes that distinguish machines of one model.
_UNIQUE = ("system-hash", "macaddr-info", "disk-info", "hostname-info", "ipaddress-info")


@dataclass(frozen=True)
class Group:
    """Rows with something in common.

    Attributes:
        kind: one of `SHARED_KEYS`, or "near".
        rows: row numbers in the fleet, from 0, in order.
        ties: attributes that are equal in all of them and not empty.
        empty: attributes that are empty in all of them.
        reading: one of `READINGS`.
    """

    kind: str
    rows: tuple[int, ...]
    ties: tuple[str, ...]
    empty: tuple[str, ...]
    reading: str


@dataclass(frozen=True)
class Groups:
    """Groups of one kind, created on access: there may be millions of them.

    Attributes:
        kind: one of `SHARED_KEYS`, or "near".
        names: the attributes whose bits are in `ties` and `empty`.
        rows: the rows of all groups, one group after the other.
        starts: index in `rows` of the first row of each group.
        ties, empty: bits of the attributes that are equal in all rows of a group; with a value, and empty.
        readings: for each group its index in `READINGS`.
    """

    kind: str
    names: tuple[str, ...]
    rows: Any
    starts: Any
    ties: Any
    empty: Any
    readings: Any

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: int) -> Group:
        if not 0 <= number < len(self):
            raise IndexError(number)
        end = self.starts[number + 1] if number + 1 < len(self) else len(self.rows)
        return Group(
            self.kind,
            tuple(self.rows[self.starts[number] : end].tolist()),
            self._named(self.ties[number]),
            self._named(self.empty[number]),
            _WORDS[self.readings[number]],
        )

    def reading(self, number: int) -> str:
        """Return the reading of a group without creating the group."""
        return _WORDS[int(self.readings[number])]

    def _named(self, bits: Any) -> tuple[str, ...]:
        return tuple(name for position, name in enumerate(self.names) if int(bits) >> position & 1)

    def counts(self) -> dict[str, int]:
        """Return reading -> number of groups."""
        counts = np.bincount(self.readings, minlength=len(_WORDS)).tolist()
        return {word: count for word, count in zip(_WORDS, counts, strict=True) if count}


class FoundGroups:
    """What every result of a search for clones has: groups of several kinds, and the column of node IDs."""

    shared: list[Groups]
    near: Groups | None = None
    nodes: Any

    @property
    def groups(self) -> list[Groups]:
        """All groups, those of near-clones last."""
        return [*self.shared, *((self.near,) if self.near is not None else ())]

    @property
    def findings(self) -> int:
        """Number of groups that are neither similar machines nor a machine that moved."""
        return sum(count for one in self.groups for word, count in one.counts().items() if word in FINDINGS)

    def every_group(self) -> Iterator[Group]:
        """Yield all groups one by one, those of near-clones last."""
        for groups in self.groups:
            yield from (groups[number] for number in range(len(groups)))

    def nodes_of(self, group: Group, most: int) -> list[str]:
        """Return the node IDs of the first rows of a group, each once."""
        return list(dict.fromkeys(self.nodes[row].as_py() for row in group.rows[:most]))


class Rows:
    """The rows of a fleet as numbers, and their groups.

    Args:
        table: node IDs, times and the keys of `SHARED_KEYS` that the fleet has.
        names: the attributes, in the order of their columns in `near`.
        near: their codes.
        empty: for each the code of "", 0 if no row has it.
        window: seconds between two observations that count as simultaneous.
    """

    def __init__(
        self, table: pa.Table, names: tuple[str, ...], near: Near, empty: tuple[int, ...], window: float
    ) -> None:
        self.table = table
        self.names = names
        self.window = window
        self.codes = [np.frombuffer(near.codes_of(position), np.uint32) for position in range(len(names))]
        # A row without an attribute is distinguished from one with an empty attribute.
        self.empty = [code or -1 for code in empty]
        self.sid = next((codes for name, codes in zip(names, self.codes, strict=True) if name in SIDS), None)
        self.times = times_of(table)
        self.nodes = numbered(table[NODE])

    def numbers_of(self, key: str) -> Numbers | None:
        """Return a number for each value of a key, -1 for none; None if the fleet does not have the key."""
        if key == "hardware-id":
            if self.sid is None:
                return None
            position = next(i for i, name in enumerate(self.names) if name in SIDS)
            numbers = _ranked(self.sid)
            return np.where((self.sid == 0) | (self.sid == self.empty[position]), -1, numbers)
        if key == NODE:
            return self.nodes
        return numbered(self.table[key]) if key in self.table.schema.names else None

    def groups(self, kind: str, rows: Numbers, starts: Numbers) -> Groups:
        """Return the groups of rows that begin at `starts`; of a shared key only those of several machines."""
        numbers = numbers_of_groups(starts, len(rows))
        machines = self._machines(kind, rows)
        if kind != "near":
            several = distinct(numbers, machines, len(starts)) > 1
            if kind == "hardware-id":
                # One node on two machines is reported under its node ID.
                several &= distinct(numbers, self.nodes[rows], len(starts)) > 1
            keep = several[numbers]
            rows, machines = rows[keep], machines[keep]
            starts = np.concatenate(([0], np.cumsum(np.diff(np.append(starts, len(keep)))[several])))[:-1]
            numbers = numbers_of_groups(starts, len(rows))
        ties, empty = bits_in_common(self.codes, self.empty, rows, starts)
        unique = sum(1 << position for position, name in enumerate(self.names) if name in _UNIQUE)
        readings = self._readings(kind, rows, numbers, machines, len(starts))
        if kind == "near":
            readings[ties & unique == 0] = _WORDS.index(LOOK_ALIKE)
            readings[_bits(empty) > _bits(ties)] = _WORDS.index(ABSENT)
        return Groups(kind, self.names, rows, starts, ties, empty, readings)

    def _machines(self, kind: str, rows: Numbers) -> Numbers:
        """Return a number for each row, equal for rows of one machine, by its unique values."""
        if kind == "near":
            return rows if self.sid is None else _ranked(np.where(self.sid[rows] == 0, -rows - 1, self.sid[rows]))
        known = [
            codes[rows].astype(np.int64)
            for name, codes, empty in zip(self.names, self.codes, self.empty, strict=True)
            if name in ("system-hash", "macaddr-info") and (codes[rows] != empty).any()
        ]
        for key in ("system_uuid", "mac"):
            if key != kind and key in self.table.schema.names:
                known.append(numbered(self.table[key])[rows])
        if not known:
            return self.nodes[rows]
        return np.unique(np.stack(known, axis=1), axis=0, return_inverse=True)[1].reshape(-1)

    def _readings(self, kind: str, rows: Numbers, numbers: Numbers, machines: Numbers, count: int) -> Any:
        if self.times is None:
            readings = np.full(count, _WORDS.index(UNKNOWN))
        else:
            overlap = overlapping(numbers, machines, self.times[rows], count, self.window)
            readings = np.where(overlap, _WORDS.index(COPY), _WORDS.index(MOVED))
        if kind == "hardware-id":
            readings[:] = _WORDS.index(IMAGE)
        return readings


def reading_number(reading: str) -> int:
    """Return the number of a reading in `Groups.readings`."""
    return _WORDS.index(reading)


def times_of(table: pa.Table) -> Any | None:
    """Return when each row was observed, in seconds; None unless all rows have a time."""
    if OBSERVED not in table.schema.names or table[OBSERVED].null_count:
        return None
    return table[OBSERVED].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6


def numbered(column: Any) -> Numbers:
    """Return a number for each value of a column of strings, -1 for null and ""."""
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0)
    encoded = combined if pa.types.is_dictionary(combined.type) else combined.dictionary_encode()
    numbers = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    empty = pc.index(encoded.dictionary, pa.scalar("", encoded.dictionary.type)).as_py()
    return np.where(numbers == empty, -1, numbers) if empty >= 0 else numbers


def _ranked(values: Any) -> Numbers:
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def runs_of(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return the indexes of each number >= 0 that occurs several times, and where each run begins.

    Runs are in the order of their first indexes.
    """
    some = numbers >= 0
    counts = np.bincount(numbers[some], minlength=1)
    positions = np.flatnonzero(some & (counts[np.maximum(numbers, 0)] > 1))
    first = np.full(len(counts), len(numbers), np.int64)
    np.minimum.at(first, numbers[positions], positions)
    ordered = positions[np.lexsort((positions, first[numbers[positions]]))]
    starts = np.flatnonzero(np.diff(numbers[ordered], prepend=-1)) if len(ordered) else np.zeros(0, np.int64)
    return ordered, starts


def bits_in_common(codes: list[Any], empty: list[int], rows: Numbers, starts: Numbers) -> tuple[Numbers, Numbers]:
    """Return for each group the bits of the attributes that all of its rows have alike: with a value, and empty ones.

    Args:
        codes: for each attribute the code of each row of the fleet, 0 for no value.
        empty: for each attribute the code of "", -1 for none.
        rows: the rows of all groups.
        starts: where each group begins among them.
    """
    ties, blanks = (np.zeros(len(starts), np.int64) for _ in range(2))
    for position, (of, blank) in enumerate(zip(codes, empty, strict=True)):
        if not len(starts):
            break
        low, high = (each.reduceat(of[rows], starts) for each in (np.minimum, np.maximum))
        alike = (low == high) & (low != 0)
        ties |= (alike & (low != blank)).astype(np.int64) << position
        blanks |= (alike & (low == blank)).astype(np.int64) << position
    return ties, blanks


def numbers_of_groups(starts: Numbers, rows: int) -> Numbers:
    """Return for each of the rows of all groups the number of its group."""
    begins = np.zeros(rows, np.int64)
    begins[starts] = 1
    return np.cumsum(begins) - 1


def distinct(numbers: Numbers, values: Numbers, count: int) -> Numbers:
    """Return for each group the number of different values of its rows."""
    order = np.lexsort((values, numbers))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(numbers[order]) != 0) | (np.diff(values[order]) != 0)
    return np.bincount(numbers[order][new], minlength=count)


def overlapping(numbers: Numbers, machines: Numbers, times: Any, count: int, window: float) -> Any:
    """Return for each group whether two of its machines were observed at once or in turn, within `window` seconds."""
    if not len(numbers):
        return np.zeros(0, bool)
    order = np.lexsort((times, machines, numbers))
    group, machine, time = numbers[order], machines[order], times[order]
    begins = np.flatnonzero(np.append(True, (np.diff(group) != 0) | (np.diff(machine) != 0)))
    first, last = time[begins], np.append(time[begins[1:] - 1], time[-1])
    spans = np.lexsort((first, group[begins]))
    of = group[begins][spans]
    meets = (of[1:] == of[:-1]) & (first[spans][1:] <= last[spans][:-1] + window)
    return np.bincount(of[1:][meets], minlength=count) > 0


def _bits(words: Numbers) -> Numbers:
    counts = np.zeros(len(words), np.int64)
    for position in range(64):
        counts += words >> position & 1
    return counts
