"""The stable values of a fleet as codes, so that the native core decides any two of its rows."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint._fleet import Near, StablePairs, Stream, elements_of
from fingerprint.attributes.stable import CIRCUMSTANCE_LIMIT, CONTAINERS, DECIDING_POINTS, PHYSICAL, STRENGTHS, Group
from fingerprint.errors import InputError
from fingerprint.fleet.column_types import require_one_family
from fingerprint.fleet.parallel import BatchStream
from fingerprint.fleet.stable_checking import stable_question_of
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES, STABLE_SIDES, UNREADABLE

if TYPE_CHECKING:
    Codes = np.ndarray[Any, np.dtype[np.uint32]]
    Numbers = np.ndarray[Any, np.dtype[np.int64]]
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]
    Run = tuple[Any, int]

_SAVED, _CURRENT = STABLE_SIDES
# These come before the rows of the fleet, so that their codes are known.
_KNOWN = ("", UNREADABLE, PHYSICAL, *CONTAINERS)
_HYPERVISOR = STABLE_NAMES.index("hypervisor")
IDENTITY = tuple(position for position, s in enumerate(STRENGTHS) if s.group == Group.IDENTITY)
# So many pairs are one task of a thread.
_TASK = 1 << 16


@dataclass
class SetCodes:
    """The elements of a set: those of row `i` are `codes[begins[i]:begins[i + 1]]`; `repeated`: others have it, too."""

    begins: Numbers
    codes: Codes
    repeated: Any


@dataclass
class StableRows:
    """The rows of a fleet.

    Attributes:
        side: the one of `STABLE_SIDES` that is compared.
        codes: [rows, attributes] equal exactly where the values are; 0 for no value.
        unread: for each attribute the code of an unreadable value.
        repeated: for each attribute whether other rows have the value of a row, too.
        sets: position of an attribute -> its elements.
        names: the codes of the hypervisors of `_KNOWN`: physical hardware, then containers.
        pairs: decides pairs of rows.
        threads: number of threads.
    """

    side: str
    codes: Codes
    unread: Codes
    repeated: list[Any]
    sets: dict[int, SetCodes]
    names: Codes
    pairs: StablePairs
    threads: int

    def __len__(self) -> int:
        return len(self.codes)

    def known(self, position: int) -> Any:
        """Return for each row whether it has a readable value of an attribute."""
        return (self.codes[:, position] != 0) & (self.codes[:, position] != self.unread[position])

    def could_decide(self, position: int) -> Any:
        """Return for each row whether another one can be the same by sharing its value of an attribute."""
        kind = self.codes[:, _HYPERVISOR]
        unknown = ~self.known(_HYPERVISOR)
        virtual = ~unknown & ~np.isin(kind, self.names)
        # Two rows of different kinds are never the same, nor are containers; an unknown kind counts as both.
        by_kind = (unknown | (kind == self.names[0]), unknown | virtual)
        wanted = [rows for rows, positions in zip(by_kind, DECIDING, strict=True) if position in positions]
        return self.known(position) & np.logical_or.reduce([*wanted, np.zeros(len(self), bool)])

    def decide(self, one: Any, other: Any, notes: Bytes | None = None) -> Bytes:
        """Return the outcome of each pair of rows, in the order of `OUTCOMES`; also write the notes of the core."""
        outcomes = np.empty(len(one), np.uint8)

        def task(begin: int) -> None:
            part = slice(begin, begin + _TASK)
            own = None if notes is None else notes[part]
            left, right = (np.ascontiguousarray(side[part], np.uint32) for side in (one, other))
            self.pairs.outcomes(left, right, outcomes[part], notes=own)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(task, range(0, len(one), _TASK)))
        return outcomes


def _deciding(kind: int) -> tuple[int, ...]:
    """Return the identity-bearing attributes of which one agrees in each pair that is the same.

    Args:
        kind: of the hardware, 0 physical, 1 virtual.
    """
    points = sorted(((s.physical, s.virtual)[kind][0], i) for i, s in enumerate(STRENGTHS) if i in IDENTITY)
    # Those of few points, even all of them together, leave a pair undecided.
    rest, least = 0, DECIDING_POINTS - CIRCUMSTANCE_LIMIT
    while points and rest + points[0][0] < least:
        rest += points.pop(0)[0]
    return tuple(sorted(position for _, position in points))


# On physical and on virtual hardware.
DECIDING = (_deciding(0), _deciding(1))


def side_of(batches: list[pa.RecordBatch]) -> str:
    """Return the side of a fleet that is searched: the current one, and where no batch has it the saved one."""
    names = {name.partition(".")[0] for batch in batches for name in batch.schema.names}
    return _CURRENT if _CURRENT in names else _SAVED


def stable_rows(batches: list[pa.RecordBatch], threads: int) -> StableRows:
    """Return the rows of batches as codes. Raises InputError: a column cannot be compared."""
    side = side_of(batches)
    rows = sum(batch.num_rows for batch in batches)
    known = pa.record_batch({"value": pa.array(_KNOWN)})
    seed = int.from_bytes(os.urandom(8), "little")
    for name in STABLE_NAMES:
        own = f"{side}.{name}"
        require_one_family(own, {batch.schema.field(own).type for batch in batches if own in batch.schema.names})
    first = next(Stream(BatchStream(known)))
    read = [(next(Stream(BatchStream(batch))), batch.schema.names) for batch in batches]
    codes = np.empty((rows, len(STABLE_NAMES)), np.uint32)
    unread, names = np.empty(len(STABLE_NAMES), np.uint32), np.empty(len(_KNOWN) - 2, np.uint32)
    repeated: list[Any] = [None] * len(STABLE_NAMES)
    sets: dict[int, SetCodes] = {}

    def column(position: int) -> None:
        name = f"{side}.{STABLE_NAMES[position]}"
        runs = [(batch, of.index(name) if name in of else -1) for batch, of in read]
        found, repeated_ = _encoded([(first, 0), *runs], seed)
        codes[:, position] = np.where(found[len(_KNOWN) :] == found[0], 0, found[len(_KNOWN) :])
        unread[position] = found[1]
        repeated[position] = repeated_[len(_KNOWN) :]
        if position == _HYPERVISOR:
            names[:] = found[2 : len(_KNOWN)]
        if STABLE_NAMES[position] in SETS:
            sets[position] = _elements(runs, seed)

    with ThreadPoolExecutor(threads) as pool:
        try:
            list(pool.map(column, range(len(STABLE_NAMES))))
        except TypeError as error:
            raise InputError(str(error), remedy="Values of scheme stable are strings") from None
    # The core sorts the elements of each row: a copy, as `repeated` has their order.
    of_sets = [(sets[i].begins, sets[i].codes.copy()) if i in sets else None for i in range(len(STABLE_NAMES))]
    pairs = StablePairs(stable_question_of(known.slice(0, 0)), codes.reshape(-1), unread, names, of_sets)
    return StableRows(side, codes, unread, repeated, sets, names, pairs, threads)


def _encoded(runs: list[Run], seed: int) -> tuple[Codes, Any]:
    """Return the codes of a column, and whether other rows have the value of a row, too."""
    near = Near(sum(len(batch) for batch, _ in runs), 1, 1, False)
    near.encode(0, runs, seed)
    codes = np.frombuffer(near.codes_of(0), np.uint32)
    return codes, np.frombuffer(near.frequencies_of(0), np.uint8) > 1


def _elements(runs: list[Run], seed: int) -> SetCodes:
    counts, parts = [], []
    for batch, at in runs:
        if at < 0:
            counts.append(np.zeros(len(batch), np.int64))
            continue
        each, offsets, text = elements_of(batch, at)
        counts.append(np.frombuffer(each, np.int32).astype(np.int64))
        kept = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        made = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) // 8 - 1, kept)
        parts.append((next(Stream(BatchStream(pa.record_batch({"element": made})))), 0))
    begins = np.concatenate([np.zeros(1, np.int64), *counts]).cumsum().astype(np.longlong)
    return SetCodes(begins, *_encoded(parts, seed))
