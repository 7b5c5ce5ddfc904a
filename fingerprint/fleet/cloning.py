"""Clones in a fleet: machines that share what one machine alone should have, and machines that are nearly alike.

Two kinds of groups. *Shared*: rows with the same node id, fingerprint, vault, hardware ID, system UUID or hardware
address, seen on more than one machine. *Near*: machines with different hardware IDs of which at least a share of the
other attributes is equal; they are found exactly, none is missed and none is guessed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint._compare import passes
from fingerprint._fleet import Answer, Near, Stream
from fingerprint.errors import InputError, UsageError
from fingerprint.fleet.columns import NODE, OBSERVED, SID, layout_of
from fingerprint.fleet.work import usual_threads
from fingerprint.match import MACHINE_ID, UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

# What the readings of a group are.
COPY, IMAGE, MOVED, LOOK_ALIKE, ABSENT, UNKNOWN = (
    "copy", "image-not-reset", "moved", "look-alike", "absent-values", "no-times",
)  # fmt: skip
READINGS = {
    COPY: "a copy: both were seen at the same time",
    IMAGE: "one image: its hardware ID was not reset before it was copied",
    MOVED: "one machine that moved, was restored or replaced: one was last seen before the other was first",
    LOOK_ALIKE: "look-alikes: the same model and setup, nothing that one machine alone has",
    ABSENT: "look-alikes by absent values: what they have in common is mostly empty",
    UNKNOWN: "two machines, or one that moved: the rows tell no times",
}
# A fleet that has these owes an answer.
FINDINGS = (COPY, IMAGE, UNKNOWN)
SHARED_KEYS = (NODE, "fingerprint", "vault", "hardware-id", "system_uuid", "mac")
DAY = 86_400.0
_WORDS = tuple(READINGS)
_SIDS = (SID, MACHINE_ID, UUID)
# What tells one machine from others of its model.
_OWN = ("system-hash", "macaddr-info", "disk-info", "hostname-info", "ipaddress-info")
_BRUTE_STEP = 8192
_LISTED = 100_000
MOST_NEAR = 32


@dataclass(frozen=True)
class Group:
    """Rows that belong together.

    Attributes:
        kind: one of `SHARED_KEYS`, or "near".
        rows: their numbers in the fleet, from 0, in order.
        ties: attributes that are equal in all of them, the empty ones apart.
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
    """Groups of one kind, each made when it is asked for: there may be millions of them.

    Attributes:
        kind: one of `SHARED_KEYS`, or "near".
        names: the attributes whose bits are in `ties` and `empty`.
        rows: the rows of all groups, one group behind the other.
        starts: where each group begins in them.
        ties, empty: bits of the attributes that are equal in all rows of a group; with a value, and empty.
        readings: for each group its place in `READINGS`.
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
        """Return the reading of a group, without making it."""
        return _WORDS[int(self.readings[number])]

    def _named(self, bits: Any) -> tuple[str, ...]:
        return tuple(name for place, name in enumerate(self.names) if int(bits) >> place & 1)

    def counts(self) -> dict[str, int]:
        """Return how many groups have which reading."""
        counts = np.bincount(self.readings, minlength=len(_WORDS)).tolist()
        return {word: count for word, count in zip(_WORDS, counts, strict=True) if count}


@dataclass
class Clones:
    """What was found.

    Attributes:
        rows: how many machines were looked at.
        attributes: which were compared for near-clones: all but the hardware ID.
        needed: how many of them a near-clone has in common.
        shared: for each of `SHARED_KEYS` that the fleet has, the groups that share what one machine should have alone.
        near: clusters of near-clones; two members may be alike through a third.
        pairs: how many pairs have so many attributes in common.
        listed: [n, 3] pairs of rows with the bits of the attributes that they have in common, up to the limit.
        compared: how many pairs were looked at.
        nodes: the column of node ids.
    """

    rows: int
    attributes: tuple[str, ...]
    needed: int
    shared: list[Groups] = field(default_factory=list)
    near: Groups | None = None
    pairs: dict[int, int] = field(default_factory=dict)
    listed: Any = None
    compared: int = 0
    nodes: Any = None

    @property
    def groups(self) -> list[Groups]:
        """All groups, those of near-clones last."""
        return [*self.shared, *((self.near,) if self.near is not None else ())]

    @property
    def findings(self) -> int:
        """How many groups are more than look-alikes or a machine that moved."""
        return sum(count for one in self.groups for word, count in one.counts().items() if word in FINDINGS)

    def nodes_of(self, group: Group, most: int) -> list[str]:
        """Return the node ids of a group, each once, of its first rows."""
        return list(dict.fromkeys(self.nodes[row].as_py() for row in group.rows[:most]))


def clones(
    batches: Iterable[pa.RecordBatch],
    *,
    percent: int = 75,
    threads: int | None = None,
    limit: int = 100_000,
    window: float = DAY,
    brute: bool = False,
    done: Callable[[str], object] = lambda _: None,
) -> Clones:
    """Find the clones of a fleet, which is held in memory: about 0.5 GB for each million machines.

    Args:
        batches: as `Fleet.batches` yields them. Of each row its current hash is looked at, of a fleet without
            current hashes the saved ones.
        percent: near-clones have at least this share of their attributes in common, the hardware ID apart.
        threads: how many work at once; None for as many as this process can run.
        limit: how many pairs are kept; all are counted, and all make clusters.
        window: seconds between two observations that count as at once: no machine moves as fast.
        brute: compare every machine with every other instead of those with rare values in common; for checking.
        done: is called with the name of each step when it is done.

    Raises:
        UsageError: the percentage is not 1 to 100.
        InputError: a batch is no fleet's, or has more than 32 attributes.
    """
    if not 1 <= percent <= 100:
        raise UsageError(f"{percent} is no percentage of attributes", remedy="Give 1 to 100")
    tables = [pa.Table.from_batches([batch]) for batch in batches if batch.num_rows]
    if not tables:
        return Clones(0, (), 0)
    table = pa.concat_tables(tables, promote_options="default")
    side, names = compared(table.schema.names)
    threads = usual_threads() if threads is None else threads
    done("read")
    others = tuple(name for name in names if name not in _SIDS)
    sid = next((name for name in names if name not in others), None)
    if len(others) > MOST_NEAR:
        raise InputError(
            f"it has {len(others)} attributes beside the hardware ID; near-clones are found among at most {MOST_NEAR}",
            remedy="Leave out the columns that are no attributes",
        )
    needed = next((k for k in range(1, len(others) + 1) if passes(k, len(others), percent)), len(others))
    found = Clones(table.num_rows, others, needed, nodes=table[NODE])
    near = _encoded(table, side, others, sid, needed, threads)
    done("encode")
    seen = _Seen(table, side, (*others, *((sid,) if sid else ())), near, window)
    for key in SHARED_KEYS:
        numbers = seen.numbers_of(key)
        if numbers is not None:
            found.shared.append(seen.groups(key, *_runs(numbers)))
            done(f"shared {key}")
    if others:
        answer = _searched(near, table.num_rows, threads, limit, brute)
        done("search")
        found.pairs = {count: pairs for count, pairs in enumerate(answer.counts) if pairs}
        found.compared = answer.compared
        found.listed = _sorted(np.frombuffer(answer.listed(), np.uint32).reshape(-1, 3))
        found.near = seen.groups("near", *_runs(np.frombuffer(answer.clusters(), np.uint32).astype(np.int64)))
        done("clusters")
    return found


def counted_pairs(table: pa.Table, *, percent: int, threads: int, brute: bool = False, limit: int = 0) -> Clones:
    """Return the counts of the near-clones of a table, and pairs up to a limit; no groups are made."""
    side, names = compared(table.schema.names)
    others = tuple(name for name in names if name not in _SIDS)
    sid = next((name for name in names if name not in others), None)
    needed = next((k for k in range(1, len(others) + 1) if passes(k, len(others), percent)), len(others))
    near = _encoded(table, side, others, sid, needed, threads)
    answer = _searched(near, table.num_rows, threads, limit, brute)
    found = Clones(table.num_rows, others, needed, compared=answer.compared)
    found.pairs = {count: pairs for count, pairs in enumerate(answer.counts) if pairs}
    return found


def all_pairs(table: pa.Table, *, percent: int, threads: int) -> Iterable[Any]:
    """Yield the pairs of near-clones of a table, [n, 3] of them at a time: two rows, the smaller first, and bits."""
    side, names = compared(table.schema.names)
    others = tuple(name for name in names if name not in _SIDS)
    sid = next((name for name in names if name not in others), None)
    needed = next((k for k in range(1, len(others) + 1) if passes(k, len(others), percent)), len(others))
    near = _encoded(table, side, others, sid, needed, threads)
    for task in near.collect(threads * 16):
        limit = _LISTED
        while True:
            answer = Answer(table.num_rows, limit)
            near.pairs(*task, answer)
            if sum(answer.counts) <= limit:
                break
            # The same task again, with room for all that it has.
            limit = sum(answer.counts)
        yield np.frombuffer(answer.listed(), np.uint32).reshape(-1, 3)


def compared(columns: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return which side of a fleet is looked at for clones, and its attributes. Raises InputError: it has none."""
    layout = layout_of(columns)
    side = "current" if any(place >= 0 for place in layout.current) else "saved"
    places = layout.current if side == "current" else layout.saved
    return side, tuple(name for name, place in zip(layout.attributes, places, strict=True) if place >= 0)


def _encoded(table: pa.Table, side: str, others: tuple[str, ...], sid: str | None, needed: int, threads: int) -> Near:
    columns = [f"{side}.{name}" for name in (*others, *((sid,) if sid else ()))]
    stream = Stream(table.select(columns))
    batches = list(stream)
    # A fleet of nothing but hardware IDs has no near-clones, but it has codes.
    near = Near(table.num_rows, max(1, len(others)), max(1, needed), sid is not None and bool(others))
    seed = int.from_bytes(os.urandom(8), "little")
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(near.encode, i, [(batch, i) for batch in batches], seed) for i in range(len(columns))]
        try:
            for job in jobs:
                job.result()
        except TypeError as error:
            raise InputError(str(error), remedy="Attributes are texts, dictionaries, ids or binaries") from None
    return near


def _searched(near: Near, rows: int, threads: int, limit: int, brute: bool) -> Answer:
    tasks: SimpleQueue[Any] = SimpleQueue()
    answers = [Answer(rows, limit) for _ in range(threads)]
    if brute:
        near.brute(0, 0, answers[0])
        search: Any = near.brute
        for begin in range(0, rows, _BRUTE_STEP):
            tasks.put((begin, min(begin + _BRUTE_STEP, rows)))
    else:
        search = near.pairs
        for task in near.collect(threads * 16):
            tasks.put(task)

    def work(answer: Answer) -> None:
        while True:
            try:
                task = tasks.get_nowait()
            except Empty:
                return
            search(*task, answer)

    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, answer) for answer in answers]:
            job.result()
    for other in answers[1:]:
        answers[0].add(other)
    return answers[0]


def _sorted(pairs: Any) -> Any:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


class _Seen:
    """The rows of a fleet as numbers, and what can be said of groups of them."""

    def __init__(self, table: pa.Table, side: str, names: tuple[str, ...], near: Near, window: float) -> None:
        self.table = table
        self.names = names
        self.window = window
        self.codes = [np.frombuffer(near.codes_of(place), np.uint32) for place in range(len(names))]
        self.empty = [
            _code_of_empty(table[f"{side}.{name}"], codes) for name, codes in zip(names, self.codes, strict=True)
        ]
        self.sid = next((codes for name, codes in zip(names, self.codes, strict=True) if name in _SIDS), None)
        self.times = None
        if OBSERVED in table.schema.names and table[OBSERVED].null_count == 0:
            self.times = table[OBSERVED].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6
        self.nodes = _numbered(table[NODE])

    def numbers_of(self, key: str) -> Numbers | None:
        """Return a number for each value of a key, -1 for none; None if the fleet does not have the key."""
        if key == "hardware-id":
            if self.sid is None:
                return None
            place = next(i for i, name in enumerate(self.names) if name in _SIDS)
            numbers = _ranked(self.sid)
            return np.where((self.sid == 0) | (self.sid == self.empty[place]), -1, numbers)
        if key == NODE:
            return self.nodes
        return _numbered(self.table[key]) if key in self.table.schema.names else None

    def groups(self, kind: str, rows: Numbers, starts: Numbers) -> Groups:
        """Return the groups of rows that begin at `starts`; of a shared key only those of several machines."""
        numbers = _numbers_of_groups(starts, len(rows))
        machines = self._machines(kind, rows)
        if kind != "near":
            several = _distinct(numbers, machines, len(starts)) > 1
            if kind == "hardware-id":
                # One node on two machines is told under its node id.
                several &= _distinct(numbers, self.nodes[rows], len(starts)) > 1
            keep = several[numbers]
            rows, machines = rows[keep], machines[keep]
            starts = np.concatenate(([0], np.cumsum(np.diff(np.append(starts, len(keep)))[several])))[:-1]
            numbers = _numbers_of_groups(starts, len(rows))
        ties, empty = (np.zeros(len(starts), np.int64) for _ in range(2))
        own = np.zeros(len(starts), bool)
        for place, (name, codes) in enumerate(zip(self.names, self.codes, strict=True)):
            if not len(starts):
                break
            low, high = (each.reduceat(codes[rows], starts) for each in (np.minimum, np.maximum))
            alike = (low == high) & (low != 0)
            blank = alike & (low == self.empty[place])
            ties |= (alike & ~blank).astype(np.int64) << place
            empty |= blank.astype(np.int64) << place
            own |= alike & ~blank & (name in _OWN)
        readings = self._readings(kind, rows, numbers, machines, len(starts))
        if kind == "near":
            readings[~own] = _WORDS.index(LOOK_ALIKE)
            readings[_bits(empty) > _bits(ties)] = _WORDS.index(ABSENT)
        return Groups(kind, self.names, rows, starts, ties, empty, readings)

    def _machines(self, kind: str, rows: Numbers) -> Numbers:
        """Return a number for each row, equal for rows of one machine: by what one machine alone has."""
        if kind == "near":
            return rows if self.sid is None else _ranked(np.where(self.sid[rows] == 0, -rows - 1, self.sid[rows]))
        known = [
            codes[rows].astype(np.int64)
            for name, codes, empty in zip(self.names, self.codes, self.empty, strict=True)
            if name in ("system-hash", "macaddr-info") and (codes[rows] != empty).any()
        ]
        for key in ("system_uuid", "mac"):
            if key != kind and key in self.table.schema.names:
                known.append(_numbered(self.table[key])[rows])
        if not known:
            return self.nodes[rows]
        return np.unique(np.stack(known, axis=1), axis=0, return_inverse=True)[1].reshape(-1)

    def _readings(self, kind: str, rows: Numbers, numbers: Numbers, machines: Numbers, count: int) -> Any:
        if self.times is None:
            readings = np.full(count, _WORDS.index(UNKNOWN))
        else:
            overlap = _overlapping(numbers, machines, self.times[rows], count, self.window)
            readings = np.where(overlap, _WORDS.index(COPY), _WORDS.index(MOVED))
        if kind == "hardware-id":
            readings[:] = _WORDS.index(IMAGE)
        return readings


def _code_of_empty(column: Any, codes: Any) -> int:
    """Return the code that stands for "", -1 if no row has it."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return -1
    place = pc.index(column.cast(kind), pa.scalar("", kind)).as_py()
    return -1 if place < 0 else int(codes[place])


def _numbered(column: Any) -> Numbers:
    """Return a number for each value of a column of texts, -1 for null and ""."""
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0)
    encoded = combined if pa.types.is_dictionary(combined.type) else combined.dictionary_encode()
    numbers = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    empty = pc.index(encoded.dictionary, pa.scalar("", encoded.dictionary.type)).as_py()
    return np.where(numbers == empty, -1, numbers) if empty >= 0 else numbers


def _ranked(values: Any) -> Numbers:
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _runs(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return the places of each number of 0 or more that is there several times, and where each run begins.

    Runs are in the order of their first places.
    """
    some = numbers >= 0
    counts = np.bincount(numbers[some], minlength=1)
    places = np.flatnonzero(some & (counts[np.maximum(numbers, 0)] > 1))
    first = np.full(len(counts), len(numbers), np.int64)
    np.minimum.at(first, numbers[places], places)
    ordered = places[np.lexsort((places, first[numbers[places]]))]
    starts = np.flatnonzero(np.diff(numbers[ordered], prepend=-1)) if len(ordered) else np.zeros(0, np.int64)
    return ordered, starts


def _numbers_of_groups(starts: Numbers, rows: int) -> Numbers:
    begins = np.zeros(rows, np.int64)
    begins[starts] = 1
    return np.cumsum(begins) - 1


def _distinct(numbers: Numbers, values: Numbers, count: int) -> Numbers:
    """Return for each group how many different values its rows have."""
    order = np.lexsort((values, numbers))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(numbers[order]) != 0) | (np.diff(values[order]) != 0)
    return np.bincount(numbers[order][new], minlength=count)


def _overlapping(numbers: Numbers, machines: Numbers, times: Any, count: int, window: float) -> Any:
    """Return for each group whether two of its machines were seen at once or in turn, within `window` seconds."""
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
    for place in range(64):
        counts += words >> place & 1
    return counts
