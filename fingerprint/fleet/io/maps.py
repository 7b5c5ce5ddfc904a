"""Hardware hashes as maps: the keys of the rows of a batch, and the rows that are bad because of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.fleet.schema import SIDES

if TYPE_CHECKING:
    from fingerprint.fleet.attribute_names import Names

_BINARY = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}


def keys_of(batch: pa.RecordBatch, names: Names, reasons: dict[int, str]) -> dict[str, tuple[str, ...]]:
    """Return for each side that is a map of strings the attributes of its rows.

    Args:
        batch: any columns.
        names: of the fleet.
        reasons: gets row -> reason for bad rows: a key is not UTF-8, or there are too many.
    """
    found: dict[str, dict[bytes, None]] = {}
    rows: dict[str, tuple[Any, Any]] = {}
    for side in SIDES:
        if batch.schema.get_field_index(side) < 0:
            continue
        column = batch[side]
        if pa.types.is_map(column.type) and column.type.key_type in _BINARY and len(column):
            rows[side] = _keys_by_row(column)
            found[side] = dict.fromkeys(key for key in rows[side][1].dictionary.to_pylist() if key is not None)
        elif pa.types.is_map(column.type) and column.type.key_type in _BINARY:
            found[side] = {}
    unusable: dict[bytes, str] = {}
    for key in dict.fromkeys(key for keys in found.values() for key in keys):
        try:
            problem = names.problem([key.decode()])
        except UnicodeDecodeError:
            problem = "it has an attribute whose name is not UTF-8"
        if problem:
            unusable[key] = problem
    for numbers, keys in rows.values() if unusable else ():
        odd = pc.is_in(keys.dictionary, pa.array(list(unusable), keys.dictionary.type))
        marked = pc.fill_null(odd.take(keys.indices), False).to_numpy(zero_copy_only=False)
        words = keys.dictionary.to_pylist()
        for at in np.flatnonzero(marked).tolist():
            reasons.setdefault(int(numbers[at]), unusable[words[keys.indices[at].as_py()]])
    return {side: tuple(key.decode() for key in keys if key not in unusable) for side, keys in found.items()}


def _keys_by_row(column: Any) -> tuple[Any, Any]:
    """Return the row of each key of a map that is not null, and the keys as a dictionary of binaries."""
    # A buffer may have any size that holds them.
    offsets = np.frombuffer(column.buffers()[1], np.int32, column.offset + len(column) + 1)[column.offset :]
    lengths = np.where(column.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0)
    # Entries that null rows skip do not belong to them.
    begins = np.repeat(offsets[:-1] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    entries = begins + np.arange(lengths.sum())
    kind = _BINARY[column.type.key_type]
    keys = column.keys.cast(kind).take(pa.array(entries.astype(np.int64))).dictionary_encode()
    return np.repeat(np.arange(len(column)), lengths), keys
