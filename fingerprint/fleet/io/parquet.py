"""Fleets in Parquet files, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from fingerprint.errors import InputError
from fingerprint.fleet.io.buffers import FOREIGN_ERRORS, one_line, sound
from fingerprint.fleet.schema import SIDES
from fingerprint.fleet.stable_columns import is_of_stable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from fingerprint.fleet.attribute_names import Names
    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 32_768
_BUFFER = 256 * 1024


def rows_of(path: str) -> int:
    """Return how many rows a file has. Raises InputError: it cannot be read."""
    return int(_opened(path).metadata.num_rows)


def batches(path: str, rejects: Rejects, names: Names, *, stable: bool = True) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows of a file, each batch with the number of its first row from 1. Raises InputError.

    Args:
        path: the file.
        rejects, names: as for every reader; a file without maps has neither.
        stable: also read the columns of scheme `stable`.
    """
    file = _opened(path)
    at = 1
    try:
        for batch in file.iter_batches(
            BATCH_ROWS, columns=[name for name in file.schema_arrow.names if _is_wanted(name, stable)]
        ):
            yield at, sound(batch, path)
            at += batch.num_rows
        if at - 1 != file.metadata.num_rows:
            raise ValueError(f"it has {at - 1} rows of the {file.metadata.num_rows} that its footer counts")
    except FOREIGN_ERRORS as error:
        raise unreadable(path, "Parquet", error) from None


def _is_wanted(name: str, stable: bool) -> bool:
    return stable if is_of_stable(name) else "." not in name or name.partition(".")[0] in SIDES


def _opened(path: str) -> Any:
    try:
        # Column by column as needed: complete row groups would take half a gigabyte.
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
    except FOREIGN_ERRORS as error:
        raise unreadable(path, "Parquet", error) from None


def unreadable(path: str, what: str, error: Exception) -> InputError:
    """Return the error for a file that is not what its format wants."""
    return InputError(
        f"cannot read it as {what} ({one_line(error)})",
        where=path,
        remedy="It may be cut off: compare its size with the original, or write it again",
    )
