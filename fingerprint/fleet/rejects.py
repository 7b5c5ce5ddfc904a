"""Rows that are no rows of a fleet: counted, told, and written where the caller wants them."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError
from fingerprint.fleet.columns import HIGHEST_THRESHOLD, LOWEST_THRESHOLD, NODE, OBSERVED, THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def accepted(batch: pa.RecordBatch, where: str, first_row: int, rejects: Rejects) -> pa.RecordBatch:
    """Return a batch without the rows that are no rows of a fleet, with thresholds as int32 and times as UTC.

    Args:
        batch: as `normalized` gives it.
        where: the file, for the rejects.
        first_row: number of its first row in the file, from 1.
        rejects: gets those rows.

    Raises:
        InputError: there is no column of node ids, or a column is of a type that it cannot be.
    """
    names = batch.schema.names
    if NODE not in names:
        raise InputError("it has no column node_id", where=where, remedy="The columns of a fleet are in docs/fleet.md")
    nodes = _texts(batch, NODE, where)
    wrong = [(pc.fill_null(pc.equal(nodes, ""), True), "it has no node id")]
    if THRESHOLD in names:
        if pa.types.is_null(batch[THRESHOLD].type):
            batch = _replaced(batch, THRESHOLD, batch[THRESHOLD].cast(pa.int32()))
        column = batch[THRESHOLD]
        if not pa.types.is_integer(column.type):
            raise InputError(f"the column threshold is of type {column.type}, not a whole number", where=where)
        low, high = pa.scalar(LOWEST_THRESHOLD, pa.int64()), pa.scalar(HIGHEST_THRESHOLD, pa.int64())
        wide = column.cast(pa.int64(), safe=False) if column.type != pa.uint64() else pc.min_element_wise(
            column, pa.scalar(1 << 62, pa.uint64())
        ).cast(pa.int64())  # fmt: skip
        outside = pc.or_(pc.less(wide, low), pc.greater(wide, high))
        wrong.append((pc.fill_null(outside, False), f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"))
    keep = None
    for mask, reason in wrong:
        if not pc.any(mask).as_py():
            continue
        for place in pc.indices_nonzero(mask).to_pylist():
            if keep is None or keep[place].as_py():
                rejects.add(where, first_row + place, reason, nodes[place].as_py() or None)
        keep = pc.invert(mask) if keep is None else pc.and_(keep, pc.invert(mask))
    if keep is not None:
        batch = batch.filter(keep)
    if THRESHOLD in names and batch[THRESHOLD].type != pa.int32():
        batch = _replaced(batch, THRESHOLD, batch[THRESHOLD].cast(pa.int32()))
    if OBSERVED in names:
        batch = _replaced(batch, OBSERVED, _times(batch[OBSERVED], where))
    return batch


def _texts(batch: pa.RecordBatch, name: str, where: str) -> Any:
    column = batch[name]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or _is_view(column.type)):
        raise InputError(f"the column {name} is of type {column.type}, not a text", where=where)
    return column.cast(pa.string()) if _is_view(column.type) else column


def _is_view(kind: pa.DataType) -> bool:
    return bool(kind == pa.string_view())


def _times(column: Any, where: str) -> Any:
    wanted = pa.timestamp("us", tz="UTC")
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
        return column.cast(wanted)
    except pa.ArrowException:
        raise InputError(
            f"the column observed_at is of type {column.type} and holds what is no time",
            where=where,
            remedy="Give times in UTC, as a timestamp or such as 2026-01-31T12:00:00Z",
        ) from None


def _replaced(batch: pa.RecordBatch, name: str, column: Any) -> pa.RecordBatch:
    columns: Sequence[Any] = [column if one == name else batch[one] for one in batch.schema.names]
    return pa.record_batch(list(columns), names=batch.schema.names)
