"""The Arrow types of the columns of a fleet, and their plain forms.

The native core reads string views and dictionaries of them; pyarrow's functions (`filter`, `equal`, `coalesce`) do not.
So attributes keep their types, and columns for pyarrow get a plain form.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError
from fingerprint.fleet.stable_columns import SETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.fleet.schema import Layout

_STRINGS = (pa.string(), pa.large_string(), pa.string_view())
_BINARIES = (pa.binary(), pa.large_binary(), pa.binary_view())
_IDS = (pa.int32(), pa.uint32())
_PLAIN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
_UTC = pa.timestamp("us", tz="UTC")
# The range of Python's calendar.
_FIRST_TIME = pa.scalar(datetime(1, 1, 1, tzinfo=timezone.utc), _UTC)
_LAST_TIME = pa.scalar(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc), _UTC)


def family_of(kind: pa.DataType) -> str | None:
    """Return the family of a type: values of types of one family can be compared.

    Returns:
        "text" for strings and binaries of any size, the type itself for IDs and binaries of one size, "null" for a
        column without values, None for a type that cannot be compared. A dictionary has the family of its values.
    """
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if value in _STRINGS or value in _BINARIES:
        return "text"
    if value in _IDS or pa.types.is_fixed_size_binary(value) or pa.types.is_null(value):
        return str(value)
    return None


def without_views(column: Any) -> Any:
    """Return a column with strings or binaries in place of views, also in a dictionary."""
    if pa.types.is_dictionary(column.type) and column.type.value_type in _PLAIN:
        return pa.DictionaryArray.from_arrays(column.indices, without_views(column.dictionary))
    return column.cast(_PLAIN[column.type]) if column.type in _PLAIN else column


def for_core(column: Any) -> Any:
    """Return an attribute for the native core; a dictionary with nulls or mostly unused values becomes its values.

    Views that hold only short values are converted: pyarrow before 25 crashes when it exports them.
    """
    if not pa.types.is_dictionary(column.type):
        return without_views(column) if column.type in _PLAIN and len(column.buffers()) < 3 else column
    values = column.dictionary
    return values_of(column) if values.null_count or len(values) > len(column) else column


def values_of(column: Any) -> Any:
    """Return the values of a column without dictionary and views."""
    column = without_views(column)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of `values_of` for a column of a type; a column without values gives strings."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_null(value) else _PLAIN.get(value, value)


def require_comparable(schema: pa.Schema, layout: Layout, where: str) -> None:
    """Raise InputError, which names the columns and their types, unless all attributes can be compared."""
    for saved, current in zip(layout.saved, layout.current, strict=True):
        fields = [schema.field(position) for position in (saved, current) if position >= 0]
        for field in fields:
            if family_of(field.type) is None:
                raise InputError(
                    f"the column {field.name} is of type {field.type}, which cannot be compared",
                    where=where,
                    remedy="An attribute is a text, a binary, a dictionary of these, int32 or uint32",
                )
        if len({family_of(field.type) for field in fields} - {"null"}) > 1:
            one, other = fields
            raise InputError(
                f"the columns {one.name} and {other.name} cannot be compared: they are of types {one.type} and "
                f"{other.type}",
                where=where,
                remedy="Cast one of them: both sides of an attribute have one type",
            )


def require_codes(column: Any, name: str, where: str) -> None:
    """Raise InputError unless each code of a dictionary column is the index of a value; pyarrow does not check."""
    ends, most = pc.min_max(column.indices), len(column.dictionary)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is not None and not 0 <= low <= high < most:
        raise InputError(
            f"the column {name} has the code {low if low < 0 else high}, and its dictionary {most} values",
            where=where,
            remedy="Codes are indexes of values, from 0: write the file again",
        )


def require_one_family(name: str, kinds: Iterable[pa.DataType]) -> None:
    """Raise InputError, which names the column, unless its types in all batches are of one family."""
    names = sorted({str(kind) for kind in kinds if not pa.types.is_null(kind)})
    if len({family_of(kind) or str(kind) for kind in kinds if not pa.types.is_null(kind)}) > 1:
        raise InputError(
            f"the column {name} is of types {' and '.join(names)} in different batches",
            remedy="Cast it: a column has one type in all batches",
        )


def strings(column: Any, name: str, where: str) -> Any:
    """Return a column of strings as string or large string. Raises InputError: it has another type."""
    value = values_of(column)
    if pa.types.is_null(value.type):
        return value.cast(pa.string())
    if value.type not in _STRINGS:
        raise InputError(
            f"the column {name} is of type {column.type}, not a string", where=where, remedy="Cast it to a string type"
        )
    return value


def stable_values(column: Any, name: str, where: str) -> Any:
    """Return values of scheme `stable` for the native core, sets of values without a dictionary.

    Raises:
        InputError: they are not strings or binaries.
    """
    if family_of(column.type) not in ("text", "null"):
        raise InputError(
            f"the column {name} is of type {column.type}, not a string",
            where=where,
            remedy="Cast it to a string type: a value of scheme stable is a string",
        )
    return values_of(column) if name.partition(".")[2] in SETS else for_core(column)


def thresholds(column: Any, name: str, where: str) -> Any:
    """Return thresholds as integers of any width. Raises InputError: they are of another type."""
    value = values_of(column)
    if pa.types.is_null(value.type):
        return value.cast(pa.int32())
    if not pa.types.is_integer(value.type):
        raise InputError(
            f"the column {name} is of type {column.type}, not an integer",
            where=where,
            remedy="Cast it to int32; null stands for the default",
        )
    return value


def not_utf8(column: Any) -> list[int]:
    """Return the rows of a string column whose value is not UTF-8; Arrow does not check that."""
    kind = pa.large_binary() if column.type == pa.large_string() else pa.binary()
    values = column.cast(kind)
    try:
        values.cast(column.type)
        return []
    except pa.ArrowInvalid:
        return [position for position, value in enumerate(values.to_pylist()) if value and not _is_utf8(value)]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def times(column: Any, name: str, where: str) -> tuple[Any, list[int]]:
    """Return times in microseconds, UTC, and the rows of invalid times, which are null.

    Raises:
        InputError: the column has no times, or numbers of an unknown unit.
    """
    value = values_of(column)
    if not (value.type in _STRINGS or pa.types.is_temporal(value.type) or pa.types.is_null(value.type)) or (
        pa.types.is_time(value.type) or pa.types.is_duration(value.type) or pa.types.is_interval(value.type)
    ):
        raise InputError(
            f"the column {name} is of type {column.type}, not a time",
            where=where,
            remedy="Give times in UTC, as a timestamp or such as 2026-01-31T12:00:00Z",
        )
    made = _times_of(value)
    outside = pc.or_(pc.less(made, _FIRST_TIME), pc.greater(made, _LAST_TIME))
    wrong = pc.or_(pc.and_(made.is_null(), value.is_valid()), pc.fill_null(outside, False))
    if not pc.any(wrong).as_py():
        return made, []
    return pc.if_else(wrong, pa.scalar(None, _UTC), made), pc.indices_nonzero(wrong).to_pylist()


def _times_of(value: Any) -> Any:
    """Return what pyarrow makes of values, null for those that it makes nothing of."""
    try:
        if not pa.types.is_timestamp(value.type):
            return value.cast(_UTC)
        # Whatever the zone is called: the numbers are of UTC, and without a zone that is what they are taken for.
        value = value.cast(pa.timestamp(value.type.unit, "UTC"))
        return (pc.floor_temporal(value, unit="microsecond") if value.type.unit == "ns" else value).cast(_UTC)
    except pa.ArrowException:
        if len(value) == 1:
            return pa.nulls(1, _UTC)
        half = len(value) // 2
        return pa.concat_arrays([_times_of(value.slice(0, half)), _times_of(value.slice(half))])
