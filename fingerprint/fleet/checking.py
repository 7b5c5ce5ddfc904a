"""The verdict on each machine of a fleet, and what drifted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import in_order, question_of, usual_threads
from fingerprint.fleet.schema import NODE, OBSERVED, threshold_or_default
from fingerprint.rules.ssm import MATCHES
from fingerprint.types import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.fleet.rejects import Rejects

REASONS: tuple[Reason, ...] = tuple(Reason.members())
_REASON_WORDS = pa.array([str(reason) for reason in REASONS])
# A bit for each reason.
_IS_MATCH = np.uint8(sum(1 << place for place, reason in enumerate(REASONS) if reason in MATCHES))


@dataclass
class Checked:
    """The verdicts on some rows.

    Attributes:
        rows: node_id, observed_at and group as far as the fleet has them, threshold, match, reason; and with counts
            matched and total.
        reasons: number of rows that each reason decided, in the order of `Reason`.
        changed: attribute -> number of rows where it differs or only one side has it; empty without counts.
    """

    rows: pa.RecordBatch
    reasons: tuple[int, ...]
    changed: dict[str, int]


@dataclass
class Summary:
    """Sums over all checked rows.

    Attributes:
        rows: number of machines.
        reasons: number of machines that each reason decided.
        changed: attribute -> number of rows where it differs or only one side has it.
    """

    rows: int = 0
    reasons: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    changed: dict[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Number of machines that do not match."""
        return sum(count for reason, count in self.reasons.items() if reason not in MATCHES)

    def add(self, checked: Checked) -> None:
        """Add some rows."""
        self.rows += checked.rows.num_rows
        for reason, count in zip(REASONS, checked.reasons, strict=True):
            self.reasons[reason] += count
        for name, count in checked.changed.items():
            self.changed[name] = self.changed.get(name, 0) + count


def check(
    batches: Any, *, threads: int | None = None, counts: bool = True, rejects: Rejects | None = None
) -> Iterator[Checked]:
    """Yield the verdicts on a fleet, a batch at a time and in its order, as `match` gives them for each row.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`.
        threads: number of threads; None for as many as this process can run.
        counts: also count the matching attributes of every row; without counts a row is decided by as few attributes
            as necessary, which reads less than half as much.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        InputError: not a fleet; raised while it is read.
    """
    threads = usual_threads() if threads is None else threads
    yield from in_order(_counted if counts else _decided, batches_of(batches, rejects), threads)


def decide(batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the reason of each row of a batch as its number in the order of `Reason`.

    Args:
        batch: the rows, as `batches_of` yields them.

    Raises:
        InputError: the columns are not those of a fleet.
    """
    question, _ = question_of(batch)
    reasons = np.empty(batch.num_rows, np.uint8)
    question.decide(0, batch.num_rows, reasons)
    return reasons


def _decided(batch: pa.RecordBatch) -> Checked:
    return _checked(batch, decide(batch), {}, {})


def _counted(batch: pa.RecordBatch) -> Checked:
    question, layout = question_of(batch)
    reasons, matched, totals = (np.empty(batch.num_rows, np.uint8) for _ in range(3))
    changed = np.zeros(len(layout.attributes), np.longlong)
    question.decide(0, batch.num_rows, reasons, matched, totals, changed)
    return _checked(
        batch,
        reasons,
        {"matched": matched, "total": totals},
        dict(zip(layout.attributes, changed.tolist(), strict=True)),
    )


def _checked(
    batch: pa.RecordBatch, reasons: np.ndarray[Any, Any], counts: dict[str, Any], changed: dict[str, int]
) -> Checked:
    names = batch.schema.names
    columns: dict[str, Any] = {name: batch[name] for name in (NODE, OBSERVED, "group") if name in names}
    columns["threshold"] = threshold_or_default(batch["threshold"] if "threshold" in names else None, batch.num_rows)
    match = np.packbits((_IS_MATCH >> reasons) & np.uint8(1), bitorder="little")
    columns["match"] = pa.BooleanArray.from_buffers(pa.bool_(), batch.num_rows, [None, pa.py_buffer(match)])
    columns["reason"] = pa.DictionaryArray.from_arrays(pa.array(reasons.view(np.int8)), _REASON_WORDS)
    columns.update({name: pa.array(count) for name, count in counts.items()})
    found = tuple(int(np.count_nonzero(reasons == number)) for number in range(len(REASONS)))
    return Checked(pa.record_batch(list(columns.values()), names=list(columns)), found, changed)
