"""Fleets in Arrow columns of any library, as normalized batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from fingerprint.errors import InputError
from fingerprint.fleet.attribute_names import Names
from fingerprint.fleet.io.buffers import FOREIGN_ERRORS, sound
from fingerprint.fleet.rejects import Accepted, Rejects, fleet_rows

_REMEDY = (
    "Pass a table, data frame, relation or reader of Arrow columns, an iterable of record batches, or "
    "open_fleet(path).batches()"
)


class _Strict(Rejects):
    """Raises an error at the first bad row."""

    def add(self, where: str, row: int, reason: str, node_id: str | None = None) -> None:
        raise InputError(
            f"bad row {row}: {reason}",
            where=where,
            remedy="Fix it, or pass rejects=Rejects() to skip and count bad rows",
        )


def batches_of(fleet: Any, rejects: Rejects | None = None) -> Accepted:
    """Return the rows of a fleet, with one column for each attribute.

    Args:
        fleet: has `__arrow_c_stream__` or `__arrow_c_array__` (tables, record batches, readers and arrays of structs of
            pyarrow, data frames of polars and pandas, relations of duckdb), or is an iterable of such. Batches
            of `Fleet.batches` are returned unchanged.
        rejects: gets the bad rows, counted from 1; None to raise an error at the first one.

    Raises:
        InputError: while the rows are read: there are no columns of a fleet, one has a wrong type, or a row is bad and
            there are no `rejects`.
    """
    if isinstance(fleet, Accepted):
        return fleet
    return Accepted(_rows(fleet, _Strict() if rejects is None else rejects))


def _rows(fleet: Any, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    where, at, names = _kind(fleet), 1, Names()
    for batch in _batches(fleet, where):
        yield from fleet_rows(sound(batch, where), where, at, rejects, names)
        at += batch.num_rows


def _batches(fleet: Any, where: str) -> Iterator[pa.RecordBatch]:
    if _has_columns(fleet):
        yield from _of_columns(fleet, where)
        return
    if not isinstance(fleet, Iterable) or isinstance(fleet, (str, bytes, dict)):
        raise InputError(f"a {where} is not a fleet in columns", remedy=_REMEDY)
    for number, part in enumerate(fleet, 1):
        if not _has_columns(part):
            raise InputError(f"item {number} is a {_kind(part)}, not a record batch", where=where, remedy=_REMEDY)
        yield from _of_columns(part, where)


def _has_columns(fleet: Any) -> bool:
    return hasattr(fleet, "__arrow_c_stream__") or hasattr(fleet, "__arrow_c_array__")


def _of_columns(fleet: Any, where: str) -> Iterator[pa.RecordBatch]:
    try:
        # Objects of pyarrow are read directly: its releases 18 to 21 crash on views that they import from themselves.
        if isinstance(fleet, pa.RecordBatch):
            yield fleet
        elif isinstance(fleet, pa.Table):
            yield from fleet.to_batches()
        elif isinstance(fleet, pa.RecordBatchReader):
            yield from fleet
        elif hasattr(fleet, "__arrow_c_stream__"):
            yield from pa.RecordBatchReader.from_stream(fleet)
        else:
            yield pa.record_batch(fleet)
    except FOREIGN_ERRORS as error:
        # pyarrow names the column of a failed conversion in a second argument.
        reason = ": ".join(str(part).partition("\n")[0] for part in reversed(error.args)) or str(error)
        raise InputError(
            f"cannot read the columns: {reason}",
            where=where,
            remedy="Each row is a struct of the columns of docs/fleet.md, each column of one type",
        ) from None


def _kind(fleet: Any) -> str:
    """Return what a value is, for messages: "polars DataFrame"."""
    package = type(fleet).__module__.partition(".")[0].lstrip("_")
    return type(fleet).__name__ if package == "builtins" else f"{package} {type(fleet).__name__}"
