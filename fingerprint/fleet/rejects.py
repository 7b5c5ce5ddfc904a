"""Bad rows of a fleet: counted, reported, and written to a file of the caller."""

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
    stable_values,
    strings,
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
from fingerprint.fleet.stable_columns import is_of_stable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fingerprint.fleet.attribute_names import Names

# Larger batches are sliced without a copy.
MOST_ROWS = 262_144
_FIRST = 5


class Rejects:
    """The rejected rows, each with its file, row number from 1, and reason.

    Args:
        file: gets a line of JSON for each; None to count only.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def add(self, where: str, row: int, reason: str, node_id: str | None = None) -> None:
        """Note a row. Raises InputError: the file cannot be written."""
        node = None if node_id is None else writable(node_id)
        reject = {"file": writable(where), "row": row, "reason": writable(reason), "nodeId": node}
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(reject)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(reject) + "\n")
        except OSError as error:
            raise InputError(f"cannot write the rejected rows: {error.strerror}", where=where) from None


class Accepted:
    """Batches from `accepted`, which no function checks again.

    Args:
        batches: the batches; read once.
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
    """Yield the rows of a foreign batch in the form of this package, in parts of limited size.

    Args:
        batch: any columns, after `sound`.
        where: the file or other source, for errors and rejects.
        first_row: number of its first row in the source, from 1.
        rejects: gets the bad rows.
        names: of the fleet.

    Raises:
        InputError: there are no columns of a fleet, or one has a wrong type.
    """
    reasons: dict[int, str] = {}
    columns = normalized(batch, where, keys_of(batch, names, reasons))
    layout_of(columns.schema.names, where)
    if NODE in columns.schema.names and columns.num_rows and pa.types.is_null(columns[NODE].type):
        # Such a column takes no space in a file, whatever number of rows the file claims.
        raise InputError(f"the column {NODE} has no values", where=where, remedy="Each row has a node ID")
    for begin in range(0, max(1, columns.num_rows), MOST_ROWS):
        piece = columns.slice(begin, MOST_ROWS)
        own = {position - begin: why for position, why in reasons.items() if begin <= position < begin + MOST_ROWS}
        yield accepted(piece, where, first_row + begin, rejects, own)


def accepted(
    batch: pa.RecordBatch, where: str, first_row: int, rejects: Rejects, reasons: dict[int, str]
) -> pa.RecordBatch:
    """Return a batch without its bad rows, with thresholds as int32 and times as UTC.

    Args:
        batch: as `normalized` gives it.
        where: the file or other source, for the rejects.
        first_row: number of its first row in the source, from 1.
        rejects: gets the bad rows.
        reasons: row -> reason, for rows that are already known to be bad.

    Raises:
        InputError: there is no column of node IDs, or a column has a wrong type.
    """
    names = batch.schema.names
    if NODE not in names:
        raise InputError("no column node_id", where=where, remedy="The columns of a fleet are in docs/fleet.md")
    require_comparable(batch.schema, layout_of(names, where), where)
    columns: dict[str, Any] = {}
    for name, column in zip(names, batch.columns, strict=True):
        if name in (NODE, *EXTRAS):
            columns[name] = strings(column, name, where)
            for position in not_utf8(columns[name]):
                reasons.setdefault(position, f"its {name} is not UTF-8")
        elif name == THRESHOLD:
            columns[name] = thresholds(column, name, where)
        elif name == OBSERVED:
            columns[name], wrong = times(column, name, where)
            for position in wrong:
                reasons.setdefault(position, f"its {name} is not a time of the years 1 to 9999")
        elif name.partition(".")[0] in SIDES:
            columns[name] = for_core(column)
        elif is_of_stable(name):
            columns[name] = stable_values(column, name, where)
        else:
            columns[name] = without_views(column)
    keep = _kept(columns, where, first_row, rejects, reasons)
    if keep is not None:
        columns = {name: without_views(column).filter(keep) for name, column in columns.items()}
    if THRESHOLD in columns:
        columns[THRESHOLD] = columns[THRESHOLD].cast(pa.int32())
    return pa.record_batch(list(columns.values()), names=list(columns))


def _kept(columns: dict[str, Any], where: str, first_row: int, rejects: Rejects, reasons: dict[int, str]) -> Any:
    """Return a mask of the rows to keep, None for all; the others go to `rejects`."""
    nodes = columns[NODE]
    wrong = [(pc.fill_null(pc.equal(nodes, ""), True), "it has no node ID")]
    if THRESHOLD in columns:
        outside = _outside(columns[THRESHOLD])
        wrong.append((pc.fill_null(outside, False), f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"))
    for mask, reason in wrong:
        for position in pc.indices_nonzero(mask).to_pylist() if pc.any(mask).as_py() else ():
            reasons.setdefault(position, reason)
    for position in sorted(reasons):
        rejects.add(where, first_row + position, reasons[position], _node(nodes[position]))
    if not reasons:
        return None
    keep = np.ones(len(nodes), bool)
    keep[list(reasons)] = False
    return pa.array(keep)


def _node(value: Any) -> str | None:
    """Return a printable node ID, None if there is none; it may not be UTF-8."""
    kind = pa.large_binary() if value.type == pa.large_string() else pa.binary()
    node = value.cast(kind).as_py()
    return node.decode("utf-8", "backslashreplace") if node else None


def _outside(thresholds: Any) -> Any:
    if thresholds.type == pa.uint64():
        thresholds = pc.min_element_wise(thresholds, pa.scalar(1 << 62, pa.uint64()), skip_nulls=False)
    wide = thresholds.cast(pa.int64())
    return pc.or_(pc.less(wide, LOWEST_THRESHOLD), pc.greater(wide, HIGHEST_THRESHOLD))
