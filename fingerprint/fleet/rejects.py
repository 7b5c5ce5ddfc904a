"""Rows that are no rows of a fleet: counted, told, and written where the caller wants them."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError
from fingerprint.fleet.columns import (
    EXTRAS,
    HIGHEST_THRESHOLD,
    LOWEST_THRESHOLD,
    NODE,
    OBSERVED,
    SIDES,
    THRESHOLD,
    layout_of,
)  # fmt: skip
from fingerprint.fleet.columntypes import for_core, require_comparable, texts, thresholds, times, without_views

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = 5


class Rejects:
    """The rows that were left out, each with its file, row number from 1, and reason.

    Args:
        file: gets a JSON object on a line for each; None to count them only.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def add(self, where: str, row: int, reason: str, node_id: str | None = None) -> None:
        """Note a row. Raises InputError: the file could not be written."""
        told = {"file": where, "row": row, "reason": reason, "nodeId": node_id}
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(told)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(told) + "\n")
        except OSError as error:
            raise InputError(f"the rejected rows could not be written ({error.strerror})", where=where) from None


class Accepted:
    """Batches that `accepted` has made, so that nothing is looked at twice.

    Args:
        batches: yields them; they are read once.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)

    def __iter__(self) -> Accepted:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._batches)


def accepted(batch: pa.RecordBatch, where: str, first_row: int, rejects: Rejects) -> pa.RecordBatch:
    """Return a batch without the rows that are no rows of a fleet, with thresholds as int32 and times as UTC.

    Args:
        batch: as `normalized` gives it.
        where: the file or what else holds it, for the rejects.
        first_row: number of its first row there, from 1.
        rejects: gets those rows.

    Raises:
        InputError: there is no column of node ids, or a column is of a type that it cannot be.
    """
    names = batch.schema.names
    if NODE not in names:
        raise InputError("it has no column node_id", where=where, remedy="The columns of a fleet are in docs/fleet.md")
    require_comparable(batch.schema, layout_of(names, where), where)
    columns: dict[str, Any] = {}
    for name, column in zip(names, batch.columns, strict=True):
        if name in (NODE, *EXTRAS):
            columns[name] = texts(column, name, where)
        elif name == THRESHOLD:
            columns[name] = thresholds(column, name, where)
        elif name == OBSERVED:
            columns[name] = times(column, name, where)
        elif name.partition(".")[0] in SIDES:
            columns[name] = for_core(column)
        else:
            columns[name] = without_views(column)
    keep = _kept(columns, where, first_row, rejects)
    if keep is not None:
        columns = {name: without_views(column).filter(keep) for name, column in columns.items()}
    if THRESHOLD in columns:
        columns[THRESHOLD] = columns[THRESHOLD].cast(pa.int32())
    return pa.record_batch(list(columns.values()), names=list(columns))


def _kept(columns: dict[str, Any], where: str, first_row: int, rejects: Rejects) -> Any:
    """Return which rows are kept, None if all are; the others go to `rejects`."""
    nodes = columns[NODE]
    wrong = [(pc.fill_null(pc.equal(nodes, ""), True), "it has no node id")]
    if THRESHOLD in columns:
        outside = _outside(columns[THRESHOLD])
        wrong.append((pc.fill_null(outside, False), f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"))
    reasons: dict[int, str] = {}
    for mask, reason in wrong:
        for place in pc.indices_nonzero(mask).to_pylist() if pc.any(mask).as_py() else ():
            reasons.setdefault(place, reason)
    for place in sorted(reasons):
        rejects.add(where, first_row + place, reasons[place], nodes[place].as_py() or None)
    if not reasons:
        return None
    return pc.invert(pc.or_(wrong[0][0], wrong[-1][0]))


def _outside(thresholds: Any) -> Any:
    if thresholds.type == pa.uint64():
        thresholds = pc.min_element_wise(thresholds, pa.scalar(1 << 62, pa.uint64()), skip_nulls=False)
    wide = thresholds.cast(pa.int64())
    return pc.or_(pc.less(wide, LOWEST_THRESHOLD), pc.greater(wide, HIGHEST_THRESHOLD))
