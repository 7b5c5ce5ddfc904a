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
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.errors import InputError
from fingerprint.fleet.columns import EXTRAS, MOST_ATTRIBUTES, NODE, OBSERVED, SIDES, THRESHOLD
from fingerprint.interruptible import open_buffered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.fleet.rejects import Rejects

BATCH_ROWS = 32_768
_LONGEST_LINE = 16 * 1024 * 1024


def batches(path: str, rejects: Rejects) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows of a file, plain or gzip. Lines that hold no row go to `rejects`; empty ones are left out.

    Raises:
        InputError: the file cannot be read, or a line is longer than 16 MiB.
    """
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    try:
        with open_buffered(path) as stored, gzip.open(stored) if path.endswith(".gz") else stored as file:
            number = 0
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    raise InputError(f"line {number} is longer than 16 MiB", where=path)
                if not line.strip():
                    continue
                row = row_of(line)
                if isinstance(row, str):
                    rejects.add(path, number, row)
                    continue
                new = names.union(row["saved"] or (), row["current"] or ())
                if len(rows) == BATCH_ROWS or len(new) > MOST_ATTRIBUTES:
                    yield number - len(rows), batch_of(rows)
                    rows, new = [], set(row["saved"] or ()).union(row["current"] or ())
                names = new
                rows.append(row)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"it could not be read ({getattr(error, 'strerror', None) or error})", where=path) from None
    if rows:
        yield number - len(rows) + 1, batch_of(rows)


def row_of(line: bytes) -> dict[str, Any] | str:
    """Return the row of a line, or why it is none."""
    try:
        told = json.loads(line)
    except ValueError as error:
        return f"it is no JSON ({error})"
    except RecursionError:
        return "it is nested too deep"
    if not isinstance(told, dict):
        return "it is no JSON object"
    node = told.get(NODE)
    if not isinstance(node, str) or not node:
        return "it has no node_id that is a text"
    threshold = told.get(THRESHOLD)
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int)):
        return "its threshold is no whole number"
    if threshold is not None and not -1 <= threshold <= 100:
        return "its threshold is not -1 to 100"
    row: dict[str, Any] = {NODE: node, THRESHOLD: threshold, OBSERVED: None}
    if told.get(OBSERVED) is not None:
        row[OBSERVED] = _time(told[OBSERVED])
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
        row[side] = hardware
    if len({*(row["saved"] or ()), *(row["current"] or ())}) > MOST_ATTRIBUTES:
        return f"its hashes have more than {MOST_ATTRIBUTES} attributes"
    for name in EXTRAS:
        row[name] = told.get(name)
        if row[name] is not None and not isinstance(row[name], str):
            return f"its {name} is no text"
    if b"\\u" in line and not _is_unicode(row):
        return "it has half of a surrogate pair, which is no text"
    return row


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


def time_of_seconds(seconds: float) -> datetime:
    """Return a time given in seconds since 1970-01-01 UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        # Python 3.10 does not know the Z.
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)
