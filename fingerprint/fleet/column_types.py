"""The Arrow types that the columns of a fleet may have, and their plain forms.

pyarrow's functions take neither string views nor dictionaries of them (`filter`, `equal`, `coalesce`), the native core
does. So attributes stay as they come, and what pyarrow works on gets a plain form.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.fleet.schema import Layout

_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
_BINARIES = (pa.binary(), pa.large_binary(), pa.binary_view())
_IDS = (pa.int32(), pa.uint32())
_PLAIN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
_UTC = pa.timestamp("us", tz="UTC")
# What Python's calendar has.
_FIRST_TIME = pa.scalar(datetime(1, 1, 1, tzinfo=timezone.utc), _UTC)
_LAST_TIME = pa.scalar(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc), _UTC)


def family_of(kind: pa.DataType) -> str | None:
    """Return what values of a type are compared as: types of one family can be compared with each other.

    Returns:
        "text" for texts and binaries of any size, the type itself for ids and binaries of one size, "null" for a column
        without values, None for what cannot be compared. A dictionary is of the family of its values.
    """
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if value in _TEXTS or value in _BINARIES:
        return "text"
    if value in _IDS or pa.types.is_fixed_size_binary(value) or pa.types.is_null(value):
        return str(value)
    return None


def without_views(column: Any) -> Any:
    """Return a column of texts or binaries, or of a dictionary of them, in place of one of views."""
    if pa.types.is_dictionary(column.type) and column.type.value_type in _PLAIN:
        return pa.DictionaryArray.from_arrays(column.indices, without_views(column.dictionary))
    return column.cast(_PLAIN[column.type]) if column.type in _PLAIN else column


def for_core(column: Any) -> Any:
    """Return an attribute as the native core takes it, a dictionary with nulls or few of its values in use as these.

    Views of short values alone lose their form: pyarrow before 25 crashes when it hands them on without other buffers.
    """
    if not pa.types.is_dictionary(column.type):
        return without_views(column) if column.type in _PLAIN and len(column.buffers()) < 3 else column
    values = column.dictionary
    return values_of(column) if values.null_count or len(values) > len(column) else column


def values_of(column: Any) -> Any:
    """Return the values of a column, not as a dictionary and without views."""
    column = without_views(column)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of `values_of` a column of some type; a column without values is one of texts."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_null(value) else _PLAIN.get(value, value)


def require_comparable(schema: pa.Schema, layout: Layout, where: str) -> None:
    """Raise InputError, which names the columns and their types, unless all attributes can be compared."""
    for saved, current in zip(layout.saved, layout.current, strict=True):
        fields = [schema.field(place) for place in (saved, current) if place >= 0]
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
    """Raise InputError unless each code of a dictionary column is the place of a value, on which pyarrow relies."""
    ends, most = pc.min_max(column.indices), len(column.dictionary)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is not None and not 0 <= low <= high < most:
        raise InputError(
            f"the column {name} has the code {low if low < 0 else high}, and its dictionary {most} values",
            where=where,
            remedy="Its codes are the places of values, from 0: write it anew",
        )


def require_one_family(name: str, kinds: Iterable[pa.DataType]) -> None:
    """Raise InputError, which names the column, unless the types that it has in several batches are of one family."""
    told = sorted({str(kind) for kind in kinds if not pa.types.is_null(kind)})
    if len({family_of(kind) or str(kind) for kind in kinds if not pa.types.is_null(kind)}) > 1:
        raise InputError(
            f"the column {name} is of types {' and '.join(told)} in different batches",
            remedy="Cast it: a column has one type in all batches",
        )


def texts(column: Any, name: str, where: str) -> Any:
    """Return a column of texts as string or large string. Raises InputError: it holds something else."""
    value = values_of(column)
    if pa.types.is_null(value.type):
        return value.cast(pa.string())
    if value.type not in _TEXTS:
        raise InputError(
            f"the column {name} is of type {column.type}, not a text", where=where, remedy="Cast it to a string type"
        )
    return value


def thresholds(column: Any, name: str, where: str) -> Any:
    """Return thresholds as integers of any width. Raises InputError: they are of another type."""
    value = values_of(column)
    if pa.types.is_null(value.type):
        return value.cast(pa.int32())
    if not pa.types.is_integer(value.type):
        raise InputError(
            f"the column {name} is of type {column.type}, not a whole number",
            where=where,
            remedy="Cast it to int32; null stands for the default",
        )
    return value


def not_utf8(column: Any) -> list[int]:
    """Return the places of the values of a text column that are no UTF-8, which no type of Arrow makes sure of."""
    kind = pa.large_binary() if column.type == pa.large_string() else pa.binary()
    values = column.cast(kind)
    try:
        values.cast(column.type)
        return []
    except pa.ArrowInvalid:
        return [place for place, value in enumerate(values.to_pylist()) if value and not _is_utf8(value)]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def times(column: Any, name: str, where: str) -> tuple[Any, list[int]]:
    """Return times in microseconds, UTC, and the places of values that are none, which are null.

    Raises:
        InputError: the column has no times, or numbers of an unknown unit.
    """
    value = values_of(column)
    if not (value.type in _TEXTS or pa.types.is_temporal(value.type) or pa.types.is_null(value.type)) or (
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
