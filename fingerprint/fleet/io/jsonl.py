"""Fleets as JSON Lines: a row on a line.

    {"node_id": "mi-0...", "threshold": 40, "observed_at": "2026-01-31T12:00:00Z",
     "saved": {"machine-id": "..."}, "current": {"machine-id": "..."}}

`saved` or `current` may be null or missing, and there may be members such as `saved.machine-id` in their place; other
members of the schema are texts.
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.fleet.attribute_names import Names
    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 32_768
_LONGEST_LINE = 16 * 1024 * 1024
# Lines of so many bytes are a batch, too: a small file may unpack to long ones.
_BATCH_BYTES = 64 * 1024 * 1024


def batches(path: str, rejects: Rejects, names: Names) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows of a file, plain or gzip. Lines that hold no row go to `rejects`; empty ones are left out.

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
        raise InputError(f"it could not be read ({getattr(error, 'strerror', None) or error})", where=path) from None
    if rows:
        yield first, batch_of(rows)


def row_of(line: bytes, names: Names) -> dict[str, Any] | str:
    """Return the row of a line, or why it is none."""
    try:
        told = json.loads(line)
    except ValueError as error:
        return f"it is no JSON ({error})"
    except RecursionError:
        return "it is nested too deep"
    if not isinstance(told, dict):
        return "it is no JSON object"
    # Bytes that are no ASCII may be half of a surrogate pair as well as an escape may.
    return checked(told, names, unicode=line.isascii() and b"\\u" not in line)


def checked(told: dict[str, Any], names: Names, *, unicode: bool = False) -> dict[str, Any] | str:
    """Return a row that a machine tells of itself as `batch_of` takes it, or why it is none.

    Args:
        told: its members, of any types; `observed_at` a text.
        names: of the fleet.
        unicode: whether all texts are known to be Unicode.
    """
    node = told.get(NODE)
    if not isinstance(node, str) or not node:
        return "it has no node_id that is a text"
    threshold = told.get(THRESHOLD)
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int)):
        return "its threshold is no whole number"
    if threshold is not None and not LOWEST_THRESHOLD <= threshold <= HIGHEST_THRESHOLD:
        return f"its threshold is not {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}"
    row: dict[str, Any] = {NODE: node, THRESHOLD: threshold, OBSERVED: None}
    if told.get(OBSERVED) is not None:
        row[OBSERVED] = time_of(told[OBSERVED])
        if row[OBSERVED] is None:
            return "its observed_at is no time in the form 2026-01-31T12:00:00Z"
    for side in SIDES:
        hardware = told.get(side)
        if hardware is None:
            prefix = f"{side}."
            hardware = {name[len(prefix) :]: value for name, value in told.items() if name.startswith(prefix)} or None
        if hardware is not None and not isinstance(hardware, dict):
            return f"its {side} is no object"
        if hardware and len(hardware) > MOST_ATTRIBUTES:
            return f"its {side} has {len(hardware)} attributes, of at most {MOST_ATTRIBUTES}"
        if hardware and not all(value is None or isinstance(value, str) for value in hardware.values()):
            return f"its {side} has a value that is no text"
        # A null is a key that the hash does not have, and makes no column.
        row[side] = hardware and {name: value for name, value in hardware.items() if value is not None}
    for name in EXTRAS:
        row[name] = told.get(name)
        if row[name] is not None and not isinstance(row[name], str):
            return f"its {name} is no text"
    if not unicode and not _is_unicode(row):
        return "it has half of a surrogate pair, which is no text"
    return names.problem({*(row["saved"] or ()), *(row["current"] or ())}) or row


def _is_unicode(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows, as `row_of` gives them, as columns."""
    columns: dict[str, Any] = {
        NODE: pa.array([row[NODE] for row in rows], pa.string()),
        THRESHOLD: pa.array([row[THRESHOLD] for row in rows], pa.int32()),
        OBSERVED: pa.array([row[OBSERVED] for row in rows], pa.timestamp("us", tz="UTC")),
    }
    for name in EXTRAS:
        if any(row[name] is not None for row in rows):
            columns[name] = pa.array([row[name] for row in rows], pa.string())
    for side in SIDES:
        for name in dict.fromkeys(name for row in rows for name in row[side] or ()):
            values = [(row[side] or {}).get(name) for row in rows]
            columns[f"{side}.{name}"] = pa.array(values, pa.string())
    return pa.record_batch(list(columns.values()), names=list(columns))


def time_of(text: Any) -> datetime | None:
    """Return the time that a text tells, in UTC, None if it is none that this calendar has."""
    return moment(text) if isinstance(text, str) else None
