"""Rows that are no rows of a fleet: counted, told, and written where the caller wants them."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError, writable
from fingerprint.fleet.column_types import (
    for_core,
    not_utf8,
    require_comparable,
    texts,
    thresholds,
    times,
    without_views,
)
from fingerprint.fleet.io.maps import keys_of
from fingerprint.fleet.schema import (
    EXTRAS,
    HIGHEST_THRESHOLD,
    LOWEST_THRESHOLD,
    NODE,
    OBSERVED,
    SIDES,
    THRESHOLD,
    layout_of,
    normalized,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fingerprint.fleet.attribute_names import Names

# Larger batches than are wanted are cut without a copy.
MOST_ROWS = 262_144
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
        node = None if node_id is None else writable(node_id)
        told = {"file": writable(where), "row": row, "reason": writable(reason), "nodeId": node}
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


def fleet_rows(
    batch: pa.RecordBatch, where: str, first_row: int, rejects: Rejects, names: Names
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a foreign batch as the rest of the package takes them, in parts that are not too large.

    Args:
        batch: any columns, after `sound`.
        where: the file or what else holds it, for errors and rejects.
        first_row: number of its first row there, from 1.
        rejects: gets the rows that are none.
        names: of the fleet.

    Raises:
        InputError: it has no columns of a fleet, or one is of a type that it cannot be.
    """
    reasons: dict[int, str] = {}
    columns = normalized(batch, where, keys_of(batch, names, reasons))
    layout_of(columns.schema.names, where)
    if NODE in columns.schema.names and columns.num_rows and pa.types.is_null(columns[NODE].type):
        # Such a column takes no room in a file, which may tell of any number of rows.
        raise InputError(f"the column {NODE} has no values", where=where, remedy="Each row has a node ID")
    for begin in range(0, max(1, columns.num_rows), MOST_ROWS):
        piece = columns.slice(begin, MOST_ROWS)
        own = {place - begin: why for place, why in reasons.items() if begin <= place < begin + MOST_ROWS}
        yield accepted(piece, where, first_row + begin, rejects, own)


def accepted(
    batch: pa.RecordBatch, where: str, first_row: int, rejects: Rejects, reasons: dict[int, str]
) -> pa.RecordBatch:
    """Return a batch without the rows that are no rows of a fleet, with thresholds as int32 and times as UTC.

    Args:
        batch: as `normalized` gives it.
        where: the file or what else holds it, for the rejects.
        first_row: number of its first row there, from 1.
        rejects: gets those rows.
        reasons: why some rows are known to be none, by their places.

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
            for place in not_utf8(columns[name]):
                reasons.setdefault(place, f"its {name} is no UTF-8")
        elif name == THRESHOLD:
            columns[name] = thresholds(column, name, where)
        elif name == OBSERVED:
            columns[name], wrong = times(column, name, where)
            for place in wrong:
                reasons.setdefault(place, f"its {name} is no time of the years 1 to 9999")
        elif name.partition(".")[0] in SIDES:
            columns[name] = for_core(column)
        else:
            columns[name] = without_views(column)
    keep = _kept(columns, where, first_row, rejects, reasons)
    if keep is not None:
        columns = {name: without_views(column).filter(keep) for name, column in columns.items()}
    if THRESHOLD in columns:
        columns[THRESHOLD] = columns[THRESHOLD].cast(pa.int32())
    return pa.record_batch(list(columns.values()), names=list(columns))


def _kept(columns: dict[str, Any], where: str, first_row: int, rejects: Rejects, reasons: dict[int, str]) -> Any:
    """Return which rows are kept, None if all are; the others go to `rejects`."""
    nodes = columns[NODE]
    wrong = [(pc.fill_null(pc.equal(nodes, ""), True), "it has no node id")]
    if THRESHOLD in columns:
        outside = _outside(columns[THRESHOLD])
        wrong.append((pc.fill_null(outside, False), f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"))
    for mask, reason in wrong:
        for place in pc.indices_nonzero(mask).to_pylist() if pc.any(mask).as_py() else ():
            reasons.setdefault(place, reason)
    for place in sorted(reasons):
        rejects.add(where, first_row + place, reasons[place], _node(nodes[place]))
    if not reasons:
        return None
    keep = np.ones(len(nodes), bool)
    keep[list(reasons)] = False
    return pa.array(keep)


def _node(value: Any) -> str | None:
    """Return a node id for people, None if there is none; it may be no UTF-8."""
    kind = pa.large_binary() if value.type == pa.large_string() else pa.binary()
    told = value.cast(kind).as_py()
    return told.decode("utf-8", "backslashreplace") if told else None


def _outside(thresholds: Any) -> Any:
    if thresholds.type == pa.uint64():
        thresholds = pc.min_element_wise(thresholds, pa.scalar(1 << 62, pa.uint64()), skip_nulls=False)
    wide = thresholds.cast(pa.int64())
    return pc.or_(pc.less(wide, LOWEST_THRESHOLD), pc.greater(wide, HIGHEST_THRESHOLD))
