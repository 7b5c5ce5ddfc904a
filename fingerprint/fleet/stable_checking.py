"""The verdict of scheme `stable` on each machine of a fleet: that of `rules.stable.decide`, row for row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint._fleet import Stream
from fingerprint.attributes.stable import CIRCUMSTANCE_LIMIT, CONTAINERS, DECIDING_POINTS, PHYSICAL, STRENGTHS, Group
from fingerprint.errors import InputError
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import BatchStream, in_order, usual_threads
from fingerprint.fleet.schema import NODE, OBSERVED
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES, is_of_stable
from fingerprint.rules.stable import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fingerprint._fleet import StableQuestion
    from fingerprint.fleet.rejects import Rejects

OUTCOMES: tuple[Outcome, ...] = (Outcome.SAME, Outcome.DIFFERENT, Outcome.CANNOT_TELL)
_OUTCOME_WORDS = pa.array([str(outcome) for outcome in OUTCOMES])
_POINTS = tuple((s.group == Group.IDENTITY, s.several, s.physical, s.virtual) for s in STRENGTHS)
_NAMES = (PHYSICAL, *CONTAINERS)
# As in the rule, the last one counts if there are several.
_GENERATION = max((place for place, s in enumerate(STRENGTHS) if s.group == Group.GENERATION), default=-1)
# The bits of the notes on a row, as the native core writes them.
VIRTUAL, VOID, TURNING = 1, 2 | 4, 8


@dataclass
class StableChecked:
    """The verdicts on some rows by scheme `stable`.

    Attributes:
        rows: node_id, observed_at and group as far as the fleet has them, outcome; the points `identity` and
            `circumstance`, `void` (identity-bearing hardware is no evidence) and `turning` (unreadable attributes could
            change the outcome).
        outcomes: number of rows of each outcome, in the order of `OUTCOMES`.
        changed, unread: attribute -> number of rows where it differs, and where it is unreadable.
    """

    rows: pa.RecordBatch
    outcomes: tuple[int, ...]
    changed: dict[str, int]
    unread: dict[str, int]


@dataclass
class StableSummary:
    """Sums over all rows.

    Attributes:
        rows: number of machines.
        outcomes: number of machines of each outcome.
        changed, unread: attribute -> number of machines where it differs, and where it is unreadable.
    """

    rows: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    changed: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)

    def add(self, checked: StableChecked) -> None:
        """Add some rows."""
        self.rows += checked.rows.num_rows
        for outcome, count in zip(OUTCOMES, checked.outcomes, strict=True):
            self.outcomes[outcome] += count
        for sums, counts in ((self.changed, checked.changed), (self.unread, checked.unread)):
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count


def check_stable(
    batches: Any, *, threads: int | None = None, rejects: Rejects | None = None
) -> Iterator[StableChecked]:
    """Yield the verdicts on a fleet by scheme `stable`, a batch at a time and in its order.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`.
        threads: number of threads; None for as many as this process can run.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        InputError: not a fleet, or no batch has values of scheme `stable`; raised while it is read.
    """
    threads = usual_threads() if threads is None else threads
    yield from in_order(_decided, with_stable(batches_of(batches, rejects)), threads)


def with_stable(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches. Raise InputError at the end if none of them has a column of scheme `stable`, but rows."""
    known, rows = False, 0
    for batch in batches:
        known = known or has_stable(batch.schema.names)
        rows += batch.num_rows
        yield batch
    if rows and not known:
        raise InputError(
            f"no values of scheme stable: no column {STABLE_SIDES[0]}.<attribute> or {STABLE_SIDES[1]}.<attribute>",
            remedy="Print the row of each host again with: fingerprint fleet row",
        )


def has_stable(columns: Sequence[str]) -> bool:
    """Return whether one of the columns has values of scheme `stable`."""
    return any(map(is_of_stable, columns))


def stable_question_of(batch: pa.RecordBatch) -> StableQuestion:
    """Return the native comparison of a batch by scheme `stable`. Raises InputError: a column cannot be compared."""
    positions = {name: position for position, name in enumerate(batch.schema.names)}
    saved, current = ([positions.get(f"{side}.{name}", -1) for name in STABLE_NAMES] for side in STABLE_SIDES)
    read = next(Stream(BatchStream(batch)))
    try:
        return read.stable_question(
            saved, current, _POINTS, STABLE_NAMES.index("hypervisor"), STABLE_NAMES.index("platform"), _GENERATION,
            _NAMES, DECIDING_POINTS, CIRCUMSTANCE_LIMIT,
        )  # fmt: skip
    except TypeError as error:
        raise InputError(str(error), remedy="Values of scheme stable are strings, the same on both sides") from None


def _decided(batch: pa.RecordBatch) -> StableChecked:
    rows = batch.num_rows
    outcomes, notes = (np.empty(rows, np.uint8) for _ in range(2))
    identity, circumstance = (np.empty(rows, np.int8) for _ in range(2))
    changed, unread = (np.zeros(len(STABLE_NAMES), np.longlong) for _ in range(2))
    stable_question_of(batch).outcomes(
        0, rows, outcomes, notes=notes, identity=identity, circumstance=circumstance, changed=changed, unread=unread
    )
    columns: dict[str, Any] = {name: batch[name] for name in (NODE, OBSERVED, "group") if name in batch.schema.names}
    columns["outcome"] = pa.DictionaryArray.from_arrays(pa.array(outcomes.view(np.int8)), _OUTCOME_WORDS)
    columns.update({"identity": pa.array(identity), "circumstance": pa.array(circumstance)})
    columns.update({name: _bits(notes, bits) for name, bits in (("void", VOID), ("turning", TURNING))})
    found = tuple(int(np.count_nonzero(outcomes == number)) for number in range(len(OUTCOMES)))
    return StableChecked(
        pa.record_batch(list(columns.values()), names=list(columns)),
        found,
        dict(zip(STABLE_NAMES, changed.tolist(), strict=True)),
        dict(zip(STABLE_NAMES, unread.tolist(), strict=True)),
    )


def _bits(notes: Any, wanted: int) -> pa.BooleanArray:
    packed = np.packbits((notes & np.uint8(wanted)) != 0, bitorder="little")
    return pa.BooleanArray.from_buffers(pa.bool_(), len(notes), [None, pa.py_buffer(packed)])
