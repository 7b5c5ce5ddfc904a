"""Whether the buffers of a foreign record batch hold what its columns say, so that nothing is read beyond them.

Arrow trusts its metadata: an offset, view, code or bit that is wrong is followed. This is the check that
`RecordBatch.validate(full=True)` makes without the part that costs most, whether texts are UTF-8: attributes are
compared as bytes, and the texts that are printed are looked at where rows are accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint._fleet import nulls_in, offsets_fit, views_fit
from fingerprint.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

# What pyarrow raises for foreign bytes: besides its own errors those for names that are no text, for sizes that no
# memory has, and for what it does not know.
FOREIGN_ERRORS = (
    pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, NotImplementedError,
    RecursionError,
)  # fmt: skip
_NOTHING = pa.py_buffer(b"")
_REMEDY = "It is damaged or was made by a broken producer: write it anew"


def sound(batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
    """Return a batch after its buffers were checked; one with buffers at odd addresses is copied.

    Args:
        batch: of whatever producer.
        where: the file or what else holds it, for errors.

    Raises:
        InputError: a buffer is too short, or an offset, a view, a code or the number of nulls is wrong.
    """
    name = "?"
    try:
        batch.validate()
        aligned = True
        for place, column in enumerate(batch.columns):
            name = batch.schema.field(place).name
            problem = _problem(column)
            if problem:
                raise InputError(f"the column {name} is damaged: {problem}", where=where, remedy=_REMEDY)
            aligned = aligned and _is_aligned(column)
        return batch if aligned else _copied(batch)
    except FOREIGN_ERRORS as error:
        raise InputError(f"its columns are damaged ({one_line(error)})", where=where, remedy=_REMEDY) from None


def one_line(error: BaseException) -> str:
    """Return the first line of what a library says, the kind of its error where it says nothing."""
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


def _offsets(buffers: list[Any], width: int, at: int, rows: int, room: int) -> str:
    fit = not rows or offsets_fit(buffers[1], width, at, rows, room)
    return "" if fit else "an offset goes back or leaves its values"


def _texts(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    return _offsets(buffers, 4, at, rows, 0 if buffers[2] is None else buffers[2].size)


def _large_texts(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    return _offsets(buffers, 8, at, rows, 0 if buffers[2] is None else buffers[2].size)


def _views(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    # A count of 0 is what pyarrow goes by, whatever the bits are; it was compared with them.
    valid = buffers[0] if column.null_count else None
    fit = not rows or views_fit(
        buffers[1], valid, at, rows, [_NOTHING if piece is None else piece for piece in buffers[2:]]
    )
    return "" if fit else "a view leaves its values"


def _dictionary(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    # The codes are held against it by `require_codes`, which names the wrong one.
    return _problem(column.dictionary)


def _struct(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    parts = (_problem(column.field(place)) for place in range(column.type.num_fields))
    return next((problem for problem in parts if problem), "")


def _map(column: Any, buffers: list[Any], at: int, rows: int) -> str:
    pairs = column.values
    return _offsets(buffers, 4, at, rows, len(pairs)) or _problem(pairs)


_CHECKS: dict[int, Callable[[Any, list[Any], int, int], str]] = {
    pa.string().id: _texts, pa.binary().id: _texts, pa.large_string().id: _large_texts,
    pa.large_binary().id: _large_texts, pa.string_view().id: _views, pa.binary_view().id: _views,
    pa.dictionary(pa.int8(), pa.string()).id: _dictionary, pa.struct([]).id: _struct,
    pa.map_(pa.string(), pa.string()).id: _map,
}  # fmt: skip


def _is_aligned(column: Any) -> bool:
    """Return whether the numbers of an array lie where a processor wants them."""
    kind = column.type
    if pa.types.is_struct(kind):
        return all(_is_aligned(column.field(place)) for place in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        return _is_aligned(column.indices) and _is_aligned(column.dictionary)
    if pa.types.is_primitive(kind):
        width = max(1, kind.bit_width // 8)
    else:
        width = 4 if kind.id in (pa.string().id, pa.binary().id, pa.map_(pa.string(), pa.string()).id) else 8
    return all(buffer is None or buffer.address % min(width, 8) == 0 for buffer in column.buffers()[1:2])


def _copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch in memory of its own."""
    to = pa.BufferOutputStream()
    with pa.ipc.new_stream(to, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(to.getvalue()).read_next_batch()
