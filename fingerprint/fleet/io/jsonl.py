"""Fleets as JSON Lines: a row on a line.

    {"node_id": "mi-0...", "threshold": 40, "observed_at": "2026-01-31T12:00:00Z",
     "saved": {"machine-id": "..."}, "current": {"machine-id": "..."}}

`saved` or `current` may be null, missing, or replaced by members such as `saved.machine-id`; the same holds for
`saved_stable` and `current_stable`. Other members of the schema are strings.
"""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint._io.pipes import open_buffered
from fingerprint._io.times import moment
from fingerprint.errors import InputError
from fingerprint.fleet.schema import (
    EXTRAS,
    HIGHEST_THRESHOLD,
    LOWEST_THRESHOLD,
    MOST_ATTRIBUTES,
    NODE,
    OBSERVED,
    SIDES,
    THRESHOLD,
)
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.fleet.attribute_names import Names
    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 32_768
_LONGEST_LINE = 16 * 1024 * 1024
# A batch ends after this number of bytes, too: a small file may unpack to long lines.
_BATCH_BYTES = 64 * 1024 * 1024


def batches(path: str, rejects: Rejects, names: Names) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows of a file, plain or gzip. Bad lines go to `rejects`; empty ones are skipped.

    Raises:
        InputError: the file cannot be read, or a line is longer than 16 MiB.
    """
    rows: list[dict[str, Any]] = []
    first = size = number = 0
    try:
        with open_buffered(path) as stored, gzip.open(stored) if path.endswith(".gz") else stored as file:
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    raise InputError(f"line {number} is longer than 16 MiB", where=path)
                if not line.strip():
                    continue
                row = row_of(line, names)
                if isinstance(row, str):
                    rejects.add(path, number, row)
                    continue
                if len(rows) == BATCH_ROWS or size > _BATCH_BYTES:
                    yield first, batch_of(rows)
                    rows, size = [], 0
                first = first if rows else number
                size += len(line)
                rows.append(row)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read it ({getattr(error, 'strerror', None) or error})", where=path) from None
    if rows:
        yield first, batch_of(rows)


def row_of(line: bytes, names: Names) -> dict[str, Any] | str:
    """Return the row of a line, or why it is bad."""
    try:
        members = json.loads(line)
    except ValueError as error:
        return f"it is not JSON ({error})"
    except RecursionError:
        return "it is nested too deeply"
    if not isinstance(members, dict):
        return "it is not a JSON object"
    # Half of a surrogate pair can come as non-ASCII bytes or as an escape.
    return checked(members, names, unicode=line.isascii() and b"\\u" not in line)


def checked(members: dict[str, Any], names: Names, *, unicode: bool = False) -> dict[str, Any] | str:
    """Return a row for `batch_of` from foreign members, or why it is bad.

    Args:
        members: of any types; `observed_at` a string.
        names: of the fleet.
        unicode: whether all strings are known to be valid Unicode.
    """
    node = members.get(NODE)
    if not isinstance(node, str) or not node:
        return "its node_id is not a string"
    threshold = members.get(THRESHOLD)
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int)):
        return "its threshold is not an integer"
    if threshold is not None and not LOWEST_THRESHOLD <= threshold <= HIGHEST_THRESHOLD:
        return f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"
    row: dict[str, Any] = {NODE: node, THRESHOLD: threshold, OBSERVED: None}
    if members.get(OBSERVED) is not None:
        row[OBSERVED] = time_of(members[OBSERVED])
        if row[OBSERVED] is None:
            return "its observed_at is not a time in the form 2026-01-31T12:00:00Z"
    for side in SIDES:
        hardware = members.get(side)
        if hardware is None:
            prefix = f"{side}."
            hardware = {
                name[len(prefix) :]: value for name, value in members.items() if name.startswith(prefix)
            } or None
        if hardware is not None and not isinstance(hardware, dict):
            return f"its {side} is not an object"
        if hardware and len(hardware) > MOST_ATTRIBUTES:
            return f"its {side} has {len(hardware)} attributes; at most {MOST_ATTRIBUTES} are supported"
        if hardware and not all(value is None or isinstance(value, str) for value in hardware.values()):
            return f"its {side} has a value that is not a string"
        # A null is a key that the hash does not have, and creates no column.
        row[side] = hardware and {name: value for name, value in hardware.items() if value is not None}
    for side in STABLE_SIDES:
        cells = _stable_cells(members, side)
        if isinstance(cells, str):
            return cells
        row[side] = cells
    for name in EXTRAS:
        row[name] = members.get(name)
        if row[name] is not None and not isinstance(row[name], str):
            return f"its {name} is not a string"
    if not unicode and not _is_unicode(row):
        return "it has half of a surrogate pair, which is not valid Unicode"
    return names.problem({*(row["saved"] or ()), *(row["current"] or ())}) or row


def _stable_cells(members: dict[str, Any], side: str) -> dict[str, str] | str:
    """Return the values of scheme `stable` of one side, or why the row is bad; unknown attributes are left out."""
    cells = members.get(side)
    if cells is None:
        cells = {name: members.get(f"{side}.{name}") for name in STABLE_NAMES}
    if not isinstance(cells, dict):
        return f"its {side} is not an object"
    kept = {name: cells[name] for name in STABLE_NAMES if cells.get(name) is not None}
    return (
        kept
        if all(isinstance(value, str) for value in kept.values())
        else f"its {side} has a value that is not a string"
    )


def _is_unicode(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows of `row_of` as columns."""
    columns: dict[str, Any] = {
        NODE: pa.array([row[NODE] for row in rows], pa.string()),
        THRESHOLD: pa.array([row[THRESHOLD] for row in rows], pa.int32()),
        OBSERVED: pa.array([row[OBSERVED] for row in rows], pa.timestamp("us", tz="UTC")),
    }
    for name in EXTRAS:
        if any(row[name] is not None for row in rows):
            columns[name] = pa.array([row[name] for row in rows], pa.string())
    for side in (*SIDES, *STABLE_SIDES):
        for name in dict.fromkeys(name for row in rows for name in row[side] or ()):
            values = [(row[side] or {}).get(name) for row in rows]
            columns[f"{side}.{name}"] = pa.array(values, pa.string())
    return pa.record_batch(list(columns.values()), names=list(columns))


def time_of(text: Any) -> datetime | None:
    """Return the time of a string in UTC; None if it is not a time of Python's calendar."""
    return moment(text) if isinstance(text, str) else None
