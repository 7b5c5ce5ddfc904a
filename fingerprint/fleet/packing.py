"""Packed fleets: 128-bit digests in place of values, for repeated reading at the speed of memory.

A digest is the first half of the SHA-256 of a value; 16 zero bytes stand for "". Equal values have equal digests in
every packed fleet, so two fleets can be compared. The values cannot be recovered, but a known value can be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint._fleet import Stream, digests
from fingerprint.errors import InputError
from fingerprint.fleet.column_types import plain_type, values_of
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import BatchStream, in_order, usual_threads
from fingerprint.fleet.schema import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.fleet.rejects import Rejects

DIGEST = pa.binary(16)


def pack(batches: Any, *, threads: int | None = None, rejects: Rejects | None = None) -> Iterator[pa.RecordBatch]:
    """Yield a fleet with digests in place of its values; other columns stay.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`.
        threads: number of threads; None for as many as this process can run.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        InputError: not a fleet, or an attribute holds neither strings nor binaries.
    """
    yield from in_order(_packed, batches_of(batches, rejects), usual_threads() if threads is None else threads)


def _packed(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = []
    read = next(Stream(BatchStream(batch)))
    for position, name in enumerate(batch.schema.names):
        column = batch.column(position)
        if name.partition(".")[0] not in SIDES or "." not in name or plain_type(column.type) == DIGEST:
            columns.append(values_of(column) if plain_type(column.type) == DIGEST else column)
            continue
        if pa.types.is_integer(plain_type(column.type)):
            raise InputError(
                f"the column {name} is of type {column.type}: IDs are small already",
                remedy="Pack a fleet of strings",
            )
        values = np.empty(16 * batch.num_rows, np.uint8)
        digests(read, position, values)
        valid = None if column.null_count == 0 else _validity(column)
        columns.append(pa.Array.from_buffers(DIGEST, batch.num_rows, [valid, pa.py_buffer(values)]))
    return pa.record_batch(columns, names=batch.schema.names)


def _validity(column: pa.Array) -> pa.Buffer:
    """Return a bit for each row from bit 0 on; the bits of a slice may begin within a byte."""
    return pa.py_buffer(np.packbits(column.is_valid().to_numpy(zero_copy_only=False), bitorder="little"))
