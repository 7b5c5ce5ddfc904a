"""Reading fleets: Parquet, Arrow IPC, JSON Lines, folders and tar files of vaults and snapshots, SSM Inventory."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.errors import InputError, UsageError
from fingerprint.fleet import jsonrows, machines, parquet
from fingerprint.fleet.columns import normalized
from fingerprint.fleet.parquet import unreadable
from fingerprint.fleet.rejects import Accepted, Rejects, accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH_ROWS = 65_536
PARQUET, ARROW, JSON_LINES, MACHINES, TAR, INVENTORY = "parquet", "arrow", "jsonl", "machines", "tar", "inventory"
FORMATS = (PARQUET, ARROW, JSON_LINES, MACHINES, TAR, INVENTORY)
_ENDINGS = {
    ".parquet": PARQUET, ".arrow": ARROW, ".arrows": ARROW, ".feather": ARROW, ".ipc": ARROW, ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES, ".jsonl.gz": JSON_LINES, ".ndjson.gz": JSON_LINES, ".tar": TAR, ".tar.gz": TAR, ".tgz": TAR,
    ".tar.xz": TAR, ".tar.zst": TAR,
}  # fmt: skip


@dataclass
class Fleet:
    """A fleet that can be read again and again, each time from its beginning, a batch at a time.

    Attributes:
        path: the file or folder.
        format: one of `FORMATS`.
        rows: how many there are, None if that is not known before they are read.
    """

    path: str
    format: str
    rows: int | None
    _open: Callable[[Rejects], Iterator[pa.RecordBatch]]

    def batches(self, rejects: Rejects | None = None) -> Accepted:
        """Yield its rows, with one column for each attribute; those that are none go to `rejects`.

        Raises:
            InputError: a file cannot be read, or is not what its format wants.
        """
        return Accepted(self._open(Rejects() if rejects is None else rejects))


def open_fleet(path: str | os.PathLike[str], *, format: str | None = None) -> Fleet:
    """Return the fleet of a file or folder.

    Args:
        path: a file, or a folder of files of one format, of vaults and snapshots, or of SSM Inventory.
        format: one of `FORMATS`; None to tell from the name and the first bytes.

    Raises:
        UsageError: there is no such format.
        InputError: it is not there, or its format cannot be told.
    """
    name = os.fspath(path)
    if format is not None and format not in FORMATS:
        raise UsageError(f"there is no format {format!r}", remedy=f"It is one of {', '.join(FORMATS)}")
    try:
        os.stat(name)
    except OSError as error:
        raise InputError(f"it could not be opened ({error.strerror})", where=name) from None
    kind = format or _format_of(name)
    if kind in (PARQUET, ARROW, JSON_LINES):
        files = _files_of(name, kind)
        readers = {PARQUET: parquet.batches, ARROW: _arrow, JSON_LINES: jsonrows.batches}
        rows = sum(parquet.rows_of(one) for one in files) if kind == PARQUET else None
        return Fleet(name, kind, rows, lambda rejects: _checked(files, readers[kind], rejects))
    if kind == MACHINES:
        return Fleet(
            name, kind, None, lambda rejects: _direct(machines.batches_of_folder(name, rejects), name, rejects)
        )
    if kind == TAR:
        return Fleet(name, kind, None, lambda rejects: _direct(machines.batches_of_tar(name, rejects), name, rejects))
    return Fleet(name, kind, None, lambda rejects: _direct(machines.batches_of_inventory(name, rejects), name, rejects))


def _format_of(path: str) -> str:
    if os.path.isdir(path):
        return _format_of_folder(path)
    for ending, kind in sorted(_ENDINGS.items(), key=lambda pair: -len(pair[0])):
        if path.endswith(ending):
            return kind
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            # Its beginning could be read only once.
            raise InputError(
                "the format of a pipe cannot be told",
                where=path,
                remedy=f"Say --format with one of {', '.join(FORMATS)}",
            )
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"it could not be read ({error.strerror})", where=path) from None
    if head[:4] == b"PAR1":
        return PARQUET
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return ARROW
    if head[:1] == b"{":
        return JSON_LINES
    raise InputError(
        "its format cannot be told from its name or first bytes",
        where=path,
        remedy=f"Say --format with one of {', '.join(FORMATS)}",
    )


def _format_of_folder(path: str) -> str:
    for folder, folders, files in os.walk(path):
        folders.sort()
        if any(part.startswith("resourcetype=") for part in folder.split(os.sep)):
            return INVENTORY
        for name in sorted(files):
            kind = next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)
            if kind in (PARQUET, ARROW, JSON_LINES):
                return kind
            if name == "Manifest" or name.endswith(".json"):
                return INVENTORY if "resourcetype=" in folder else MACHINES
    raise InputError("there is no fleet in the folder", where=path, remedy="docs/fleet.md tells what can be read")


def _files_of(path: str, kind: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    endings = tuple(ending for ending, one in _ENDINGS.items() if one == kind)
    found = [os.path.join(f, name) for f, _, names in os.walk(path) for name in names if name.endswith(endings)]
    return sorted(found)


def _checked(
    files: list[str], reader: Callable[[str, Rejects], Iterator[tuple[int, pa.RecordBatch]]], rejects: Rejects
) -> Iterator[pa.RecordBatch]:
    for file in files:
        for first_row, batch in reader(file, rejects):
            yield accepted(normalized(batch, file), file, first_row, rejects)


def _direct(batches: Iterator[pa.RecordBatch], path: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield accepted(normalized(batch, path), path, 1, rejects)


def _arrow(path: str, rejects: Rejects) -> Iterator[tuple[int, pa.RecordBatch]]:
    at = 1
    try:
        with pa.memory_map(path) as mapped:
            for batch in _arrow_batches(mapped):
                # Larger ones than are wanted are cut without a copy.
                for begin in range(0, batch.num_rows, 4 * BATCH_ROWS):
                    piece = batch.slice(begin, 4 * BATCH_ROWS)
                    yield at, piece
                    at += piece.num_rows
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, "Arrow IPC", error) from None


def _arrow_batches(mapped: Any) -> Iterator[pa.RecordBatch]:
    head = mapped.read(6)
    mapped.seek(0)
    if head == b"ARROW1":
        file = pa.ipc.open_file(mapped)
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        yield from pa.ipc.open_stream(mapped)
