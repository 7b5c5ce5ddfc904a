"""Reading fleets: Parquet, Arrow IPC, JSON Lines, directories and tar files of vaults and snapshots, SSM Inventory."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.errors import InputError, UsageError
from fingerprint.fleet.attribute_names import Names
from fingerprint.fleet.io import jsonl, parquet, tar, vaults
from fingerprint.fleet.io.buffers import FOREIGN_ERRORS, sound
from fingerprint.fleet.io.files import files_below, problem_of
from fingerprint.fleet.io.parquet import unreadable
from fingerprint.fleet.rejects import Accepted, Rejects, fleet_rows
from fingerprint.fleet.schema import SIDES
from fingerprint.fleet.stable_columns import is_of_stable
from fingerprint.rules.ssm import MACHINE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    # The file, the number of the first row in it from 1, and rows.
    _Part = tuple[str, int, pa.RecordBatch]

PARQUET, ARROW, JSON_LINES, MACHINES, TAR, INVENTORY = "parquet", "arrow", "jsonl", "machines", "tar", "inventory"
FORMATS = (PARQUET, ARROW, JSON_LINES, MACHINES, TAR, INVENTORY)
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"
# Batches that wait for one that has a hash.
_MOST_HELD = 16
_ENDINGS = {
    ".parquet": PARQUET, ".arrow": ARROW, ".arrows": ARROW, ".feather": ARROW, ".ipc": ARROW, ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES, ".jsonl.gz": JSON_LINES, ".ndjson.gz": JSON_LINES, ".tar": TAR, ".tar.gz": TAR, ".tgz": TAR,
    ".tar.bz2": TAR, ".tar.xz": TAR, ".tar.zst": TAR,
}  # fmt: skip


@dataclass
class Fleet:
    """A fleet that can be read repeatedly, each time from its beginning, a batch at a time.

    Attributes:
        path: the file or directory.
        format: one of `FORMATS`.
        rows: number of rows; None if it is unknown before they are read.
    """

    path: str
    format: str
    rows: int | None
    _open: Callable[[Rejects, Names], Iterator[pa.RecordBatch]]

    def batches(self, rejects: Rejects | None = None) -> Accepted:
        """Yield its rows, with one column for each attribute; bad rows go to `rejects`.

        Raises:
            InputError: a file cannot be read, or does not have its format.
        """
        return Accepted(self._open(Rejects() if rejects is None else rejects, Names()))


def open_fleet(
    path: str | os.PathLike[str], *, format: str | None = None, unpack_limit: int = tar.USUAL_LIMIT, stable: bool = True
) -> Fleet:
    """Return the fleet of a file or directory.

    Args:
        path: a file, or a directory of files of one format, of vaults and snapshots, or of SSM Inventory.
        format: one of `FORMATS`; None to detect it from the name and the first bytes.
        unpack_limit: largest unpacked size of a compressed tar file in bytes.
        stable: also read the columns of scheme `stable` of Parquet and Arrow, which most functions do not need.

    Raises:
        UsageError: the format is unknown, or the limit is not positive.
        InputError: the path is missing, its format is unknown, or the format is not read from such a path.
    """
    name = os.fspath(path)
    if format is not None and format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", remedy=f"Use one of {', '.join(FORMATS)}")
    if unpack_limit < 1:
        raise UsageError(f"invalid limit {unpack_limit}: must be 1 or more bytes")
    try:
        is_directory = stat.S_ISDIR(os.stat(name).st_mode)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open it ({getattr(error, 'strerror', error)})", where=name) from None
    kind = format or _format_of(name)
    if kind in (MACHINES, INVENTORY):
        if not is_directory:
            raise InputError(f"not a directory, which the format {kind} requires", where=name)
        read = vaults.batches_of_directory if kind == MACHINES else vaults.batches_of_inventory
        return _rows_of(name, kind, lambda rejects, names: _numbered(name, read(name, rejects, names)))
    if not is_directory and kind != JSON_LINES and (why := problem_of(name)):
        raise InputError(f"cannot read the format {kind}: {why}", where=name)
    if kind == TAR:
        read_tar = vaults.batches_of_tar
        return _rows_of(
            name, kind, lambda rejects, names: _numbered(name, read_tar(name, rejects, names, unpack_limit))
        )
    if kind == JSON_LINES:
        return _rows_of(name, kind, lambda rejects, names: _of_files(name, kind, jsonl.batches, rejects, names))
    reader = partial(parquet.batches if kind == PARQUET else _arrow, stable=stable)
    rows = sum(parquet.rows_of(one) for one in _files_of(name, kind, Rejects())) if kind == PARQUET else None
    return Fleet(
        name, kind, rows,
        lambda rejects, names: _checked(_of_files(name, kind, reader, rejects, names), rejects, names),
    )  # fmt: skip


def _rows_of(path: str, kind: str, parts: Callable[[Rejects, Names], Iterator[_Part]]) -> Fleet:
    """Return a fleet whose rows have their own columns."""
    return Fleet(path, kind, None, lambda rejects, names: _checked(_with_hashes(parts(rejects, names)), rejects, names))


def _numbered(path: str, batches: Iterable[pa.RecordBatch]) -> Iterator[_Part]:
    at = 1
    for batch in batches:
        yield path, at, batch
        at += batch.num_rows


def _format_of(path: str) -> str:
    if os.path.isdir(path):
        return _format_of_directory(path)
    for ending, kind in sorted(_ENDINGS.items(), key=lambda pair: -len(pair[0])):
        if path.endswith(ending):
            return kind
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            # The beginning of a pipe can be read only once.
            raise InputError(
                "unknown format of a pipe",
                where=path,
                remedy=f"Set --format to one of {', '.join(FORMATS)}",
            )
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"cannot read it ({error.strerror})", where=path) from None
    if head[:4] == b"PAR1":
        return PARQUET
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return ARROW
    if head[:1] == b"{":
        return JSON_LINES
    raise InputError(
        "unknown format, by the name and the first bytes",
        where=path,
        remedy=f"Set --format to one of {', '.join(FORMATS)}",
    )


def _format_of_directory(path: str) -> str:
    if "resourcetype=" in path:
        return INVENTORY

    def is_known(below: str) -> bool:
        name = below.rpartition("/")[2]
        return name == "Manifest" or name.endswith((".json", *_ENDINGS))

    for file in files_below(path, is_known, lambda below, why: None):
        kind = next((kind for ending, kind in _ENDINGS.items() if file.endswith(ending)), None)
        if kind in (PARQUET, ARROW, JSON_LINES):
            return kind
        if kind is None:
            return INVENTORY if "resourcetype=" in file else MACHINES
    raise InputError("there is no fleet in the directory", where=path, remedy="The formats are in docs/fleet.md")


def _files_of(path: str, kind: str, rejects: Rejects) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    endings = tuple(ending for ending, one in _ENDINGS.items() if one == kind)
    return sorted(files_below(
        path, lambda below: below.endswith(endings),
        lambda below, why: rejects.add(os.path.join(path, below), 1, why),
    ))  # fmt: skip


def _of_files(
    path: str,
    kind: str,
    reader: Callable[[str, Rejects, Names], Iterator[tuple[int, pa.RecordBatch]]],
    rejects: Rejects,
    names: Names,
) -> Iterator[_Part]:
    for file in _files_of(path, kind, rejects):
        for first_row, batch in reader(file, rejects, names):
            yield file, first_row, batch


def _checked(parts: Iterable[_Part], rejects: Rejects, names: Names) -> Iterator[pa.RecordBatch]:
    for where, first_row, batch in parts:
        yield from fleet_rows(batch, where, first_row, rejects, names)


def _with_hashes(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Yield parts, those without a hash with a column of nulls if others have hashes: they are machines like others."""
    held: list[_Part] = []
    known = False
    for part in parts:
        known = known or _has_hash(part[2])
        held.append(part)
        if known or len(held) > _MOST_HELD:
            yield from (_with_hash(one) if known else one for one in held)
            held = []
    yield from held


def _has_hash(batch: pa.RecordBatch) -> bool:
    return any(name.startswith(f"{side}.") for name in batch.schema.names for side in SIDES)


def _with_hash(part: _Part) -> _Part:
    where, first_row, batch = part
    if not _has_hash(batch):
        batch = batch.append_column(f"{SIDES[0]}.{MACHINE_ID}", pa.nulls(batch.num_rows, pa.string()))
    return where, first_row, batch


def _arrow(path: str, rejects: Rejects, names: Names, *, stable: bool) -> Iterator[tuple[int, pa.RecordBatch]]:
    at = 1
    try:
        with pa.memory_map(path) as mapped:
            for batch in _arrow_batches(mapped):
                if not stable:
                    batch = batch.select(
                        [place for place, name in enumerate(batch.schema.names) if not is_of_stable(name)]
                    )
                yield at, sound(batch, path)
                at += batch.num_rows
    except FOREIGN_ERRORS as error:
        raise unreadable(path, "Arrow IPC", error) from None


def _arrow_batches(mapped: Any) -> Iterator[pa.RecordBatch]:
    head = mapped.read(6)
    mapped.seek(0)
    if head == b"ARROW1":
        file = pa.ipc.open_file(mapped)
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
        return
    yield from pa.ipc.open_stream(mapped)
    mapped.seek(mapped.tell() - len(_STREAM_END))
    # Streams of before 2019 begin otherwise, and end with what may be the end of a column, too.
    if head.startswith(_STREAM_END[:4]) and mapped.read(len(_STREAM_END)) != _STREAM_END:
        raise ValueError("the end of the stream is missing")
