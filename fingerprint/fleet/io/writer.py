"""Atomic output of columns to a new file: Parquet, Arrow IPC or JSON Lines."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint._io.atomic import AtomicFile
from fingerprint.errors import InputError, Refused, UsageError

if TYPE_CHECKING:
    from types import TracebackType

_ENDINGS = (".parquet", ".arrow", ".jsonl")


class TableWriter:
    """A new file of columns, mode 0600. It gets its name when it is complete; a failed write leaves no file.

    Args:
        path: the file; its ending sets the format: .parquet, .arrow or .jsonl.

    Raises:
        UsageError: the ending is unknown.
        Refused: the file exists.
    """

    def __init__(self, path: str) -> None:
        self.ending = os.path.splitext(path)[1]
        if self.ending not in _ENDINGS:
            raise UsageError(f"{path} does not end with {', '.join(_ENDINGS)}", remedy="The ending sets the format")
        self.path = path
        if os.path.lexists(path):
            # Checked before the fleet is read, which may take long.
            raise self._exists()
        self.rows = 0
        self._atomic = AtomicFile(path)
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> TableWriter:
        try:
            self._file = self._atomic.__enter__()
            return self
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            raise self._failed(error) from None
        except KeyboardInterrupt:
            self._abandon()
            raise

    def write(self, batch: pa.RecordBatch) -> None:
        """Write some rows. Raises InputError: they cannot be written."""
        try:
            if self.ending == ".jsonl":
                lines = (json.dumps(_plain(row)) + "\n" for row in batch.to_pylist())
                self._file.write("".join(lines).encode())
            else:
                if self._writer is None:
                    self._writer = self._opened(batch.schema)
                self._writer.write_batch(batch)
        except OSError as error:
            raise self._failed(error) from None
        self.rows += batch.num_rows

    def _opened(self, schema: pa.Schema) -> Any:
        if self.ending == ".parquet":
            # Digests cannot be compressed, and uncompressed they are read four times as fast.
            if any(pa.types.is_fixed_size_binary(kind) for kind in schema.types):
                return pq.ParquetWriter(self._file, schema, use_dictionary=False, compression="none")
            return pq.ParquetWriter(self._file, schema)
        return pa.ipc.new_file(self._file, schema)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._writer is not None:
                    writer, self._writer = self._writer, None
                    writer.close()
                self._atomic.__exit__(None, None, None)
        except FileExistsError:
            raise self._exists() from None
        except OSError as failure:
            raise self._failed(failure) from None
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Close the writer, ignore its errors, and remove the unnamed file."""
        try:
            if self._writer is not None:
                self._writer.close()
        except (OSError, ValueError):
            # ArrowException is a ValueError; a failed writer repeats its error when it is closed.
            pass
        finally:
            self._atomic.discard()

    def _exists(self) -> Refused:
        return Refused("the file exists; nothing was written", where=self.path, remedy="Name a new file, or remove it")

    def _failed(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write the answer: {error.strerror or error}",
            where=self.path,
            remedy="No file is left. Free disk space, or name a file elsewhere",
        )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
