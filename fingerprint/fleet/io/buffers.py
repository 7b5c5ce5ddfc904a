"""Checks of the buffers of a foreign record batch, so that nothing beyond them is read.

Arrow trusts its metadata: it follows a wrong offset, view, code or bit. These are the checks of
`RecordBatch.validate(full=True)` without the slowest one, that strings are UTF-8: attributes are compared as bytes,
and `rejects.accepted` checks the strings that are printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint._fleet import nulls_in, offsets_fit, views_fit
from fingerprint.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

# What pyarrow raises for foreign bytes: also for names that are not UTF-8, for impossible sizes and for unknown types.
FOREIGN_ERRORS = (
    pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, NotImplementedError,
    RecursionError,
)  # fmt: skip
_NOTHING = pa.py_buffer(b"")
_REMEDY = "Write the data again: it is damaged, or its producer is broken"


def sound(batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
    """Return a batch after a check of its buffers; one with unaligned buffers is copied.

    Args:
        batch: of any producer.
        where: the file or other source, for errors.

    Raises:
        InputError: a buffer is too short, or an offset, a view, a code or the number of nulls is wrong.
    """
    name = "?"
    try:
        batch.validate()
        aligned = True
        for position, column in enumerate(batch.columns):
            name = batch.schema.field(position).name
            problem = _problem(column)
            if problem:
                raise InputError(f"the column {name} is damaged: {problem}", where=where, remedy=_REMEDY)
            aligned = aligned and _is_aligned(column)
        return batch if aligned else _copied(batch)
    except FOREIGN_ERRORS as error:
        raise InputError(f"its columns are damaged ({one_line(error)})", where=where, remedy=_REMEDY) from None


def one_line(error: BaseException) -> str:
    """Return the first line of the message of an error; its type if there is no message."""
    return str(error).partition("\n")[0] or type(error).__name__


def _problem(column: Any) -> str:
    """Return what is wrong with an array, "" for nothing. Raises what pyarrow raises."""
    kind, at, rows = column.type, column.offset, len(column)
    buffers = column.buffers()
    if not pa.types.is_null(kind) and buffers[0] is not None and column.null_count != nulls_in(buffers[0], at, rows):
        return "its number of nulls is wrong"
    check = _CHECKS.get(kind.id)
    if check is not None:
        return check(column, buffers, at, rows)
    if not (pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_null(kind)):
        column.validate(full=True)
    return ""


def _offsets(buffers: list[Any], width: int, at: int, rows: int, size: int) -> str:
    fit = not rows or offsets_fit(buffers[1], width, at, rows, size)
    return "" if fit else "an offset goes back or leaves its values"


def _strings(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    return _offsets(buffers, 4, at, rows, 0 if buffers[2] is None else buffers[2].size)


def _large_strings(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    return _offsets(buffers, 8, at, rows, 0 if buffers[2] is None else buffers[2].size)


def _views(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    # pyarrow uses the count of nulls, not the bits; both were compared.
    valid = buffers[0] if column.null_count else None
    fit = not rows or views_fit(
        buffers[1], valid, at, rows, [_NOTHING if piece is None else piece for piece in buffers[2:]]
    )
    return "" if fit else "a view leaves its values"


def _dictionary(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    # `require_codes` checks the codes and names the wrong one.
    return _problem(column.dictionary)


def _struct(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    parts = (_problem(column.field(position)) for position in range(column.type.num_fields))
    return next((problem for problem in parts if problem), "")


def _map(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    pairs = column.values
    return _offsets(buffers, 4, at, rows, len(pairs)) or _problem(pairs)


_CHECKS: dict[int, Callable[[Any, list[Any], int, int], str]] = {
    pa.string().id: _strings, pa.binary().id: _strings, pa.large_string().id: _large_strings,
    pa.large_binary().id: _large_strings, pa.string_view().id: _views, pa.binary_view().id: _views,
    pa.dictionary(pa.int8(), pa.string()).id: _dictionary, pa.struct([]).id: _struct,
    pa.map_(pa.string(), pa.string()).id: _map,
}  # fmt: skip


def _is_aligned(column: Any) -> bool:
    """Return whether the buffers of an array are aligned."""
    kind = column.type
    if pa.types.is_struct(kind):
        return all(_is_aligned(column.field(position)) for position in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        return _is_aligned(column.indices) and _is_aligned(column.dictionary)
    if pa.types.is_primitive(kind):
        width = max(1, kind.bit_width // 8)
    else:
        width = 4 if kind.id in (pa.string().id, pa.binary().id, pa.map_(pa.string(), pa.string()).id) else 8
    return all(buffer is None or buffer.address % min(width, 8) == 0 for buffer in column.buffers()[1:2])


def _copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a copy of a batch."""
    to = pa.BufferOutputStream()
    with pa.ipc.new_stream(to, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(to.getvalue()).read_next_batch()
