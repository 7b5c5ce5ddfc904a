"""The Arrow schema of a fleet: a row for each machine at one time.

| column | type | meaning |
|---|---|---|
| `node_id` | string | the node; required |
| `threshold` | integer | similarity threshold, -1 to 100; 40 if missing |
| `observed_at` | timestamp | when the current hash was read |
| `saved.<attribute>` | string, dictionary, int32 or fixed-size binary | the hardware hash of the vault |
| `current.<attribute>` | the same type as its saved one | the hardware hash of the machine at that time |
| `saved_stable.<attribute>`, `current_stable.<attribute>` | string | of scheme `stable`, see `stable_columns` |
| `fingerprint`, `vault`, `system_uuid`, `mac`, `group` | string | optional, see `fleet clones` and `fleet plan` |

In place of one column for each attribute, `saved` and `current` may be maps or structs of strings. A null is a key
that the hash does not have; "" is a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError
from fingerprint.fleet.column_types import require_codes, values_of, without_views
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES
from fingerprint.rules.ssm import IP, MACHINE_ID, THRESHOLD_DEFAULT, UUID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NODE, THRESHOLD, OBSERVED = "node_id", "threshold", "observed_at"
SIDES = ("saved", "current")
EXTRAS = ("fingerprint", "vault", "system_uuid", "mac", "group")
# The hardware ID in fleets with both kinds of machines: each row has one of the two.
SID = "machine-id or uuid"
MOST_ATTRIBUTES = 120
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = -1, 100


@dataclass(frozen=True)
class Layout:
    """The columns of a batch.

    Attributes:
        attributes: names of the attributes, in the order of the columns.
        saved, current: for each the index of its column, -1 for none.
        sid, ip: indexes of hardware ID and address among the attributes, -1 for none.
        threshold: index of the column of thresholds, None for none.
    """

    attributes: tuple[str, ...]
    saved: tuple[int, ...]
    current: tuple[int, ...]
    sid: int
    ip: int
    threshold: int | None


def layout_of(names: Sequence[str], where: str = "") -> Layout:
    """Return the layout of columns with these names.

    Raises:
        InputError: there are no attributes, too many, or a name occurs twice.
    """
    positions = {name: position for position, name in enumerate(names)}
    if len(positions) != len(names):
        raise _twice(min(name for name in names if list(names).count(name) > 1), where)
    attributes = [name.partition(".")[2] for name in names if name.partition(".")[0] in SIDES and "." in name]
    attributes = list(dict.fromkeys(attributes))
    if not attributes:
        like = next((f", and {name} is not one" for name in names if name.lower().startswith(SIDES)), "")
        raise InputError(
            "no hardware hash: no column saved.<attribute> or current.<attribute>, no map saved or current" + like,
            where=where,
            remedy="The columns of a fleet are in docs/fleet.md",
        )
    if len(attributes) > MOST_ATTRIBUTES:
        raise InputError(
            f"{len(attributes)} attributes; at most {MOST_ATTRIBUTES} are supported",
            where=where,
            remedy="Leave out the columns that are not attributes",
        )
    sid = next((name for name in (SID, MACHINE_ID, UUID) if name in attributes), None)
    saved, current = (tuple(positions.get(f"{side}.{name}", -1) for name in attributes) for side in SIDES)
    return Layout(
        tuple(attributes),
        saved,
        current,
        sid=-1 if sid is None else attributes.index(sid),
        ip=attributes.index(IP) if IP in attributes else -1,
        threshold=positions.get(THRESHOLD),
    )


def _twice(name: str, where: str) -> InputError:
    return InputError(f"the column {name} occurs twice", where=where, remedy="Give each column its own name")


def normalized(
    batch: pa.RecordBatch, where: str = "", keys: Mapping[str, tuple[str, ...]] | None = None
) -> pa.RecordBatch:
    """Return a batch with one column for each attribute, and one hardware ID for Unix and Windows machines.

    Args:
        batch: any columns.
        where: the file or other source, for errors.
        keys: for each side that is a map its attributes, as `keys_of` returns them.

    Raises:
        InputError: a column occurs twice or has codes that are not in its dictionary, or the type of `saved` or
            `current` has no attributes.
    """
    columns: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for own, part in _parts(name, column, where, keys or {}):
            if own in columns:
                raise _twice(own, where)
            if pa.types.is_dictionary(part.type):
                require_codes(part, own, where)
                # Once for the batch, before it is sliced: a dictionary may be longer than the slices.
                part = without_views(part)
            columns[own] = part
    both = [f"{side}.{key}" for side in SIDES for key in (MACHINE_ID, UUID)]
    if any(name in columns for name in both[::2]) and any(name in columns for name in both[1::2]):
        for side in SIDES:
            ids = [columns.pop(f"{side}.{key}") for key in (MACHINE_ID, UUID) if f"{side}.{key}" in columns]
            if ids:
                columns[f"{side}.{SID}"] = _first_of(ids, side, where)
    return pa.record_batch(list(columns.values()), names=list(columns))


def _parts(name: str, column: Any, where: str, keys: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    """Yield the fleet columns of a column, with their names; of scheme `stable` only attributes that it has."""
    side, _, attribute = name.partition(".")
    if side in STABLE_SIDES:
        if not attribute:
            by_text = pa.types.is_map(column.type) and column.type.key_type in (pa.string(), pa.large_string())
            for part, of in _parts_of_side(name, column, where, {name: STABLE_NAMES} if by_text else {}):
                if part.partition(".")[2] in STABLE_NAMES:
                    yield part, of
        elif attribute in STABLE_NAMES:
            yield name, column
    elif name in SIDES:
        yield from _parts_of_side(name, column, where, keys)
    else:
        yield name, column


def _parts_of_side(
    name: str, column: Any, where: str, keys: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Any]]:
    """Yield a column for each attribute of a map or struct."""
    if pa.types.is_null(column.type):
        yield name, column
    elif pa.types.is_struct(column.type):
        for position in range(column.type.num_fields):
            yield f"{name}.{column.type.field(position).name}", pc.struct_field(column, [position])
    elif name in keys:
        for key in keys[name]:
            yield f"{name}.{key}", pc.map_lookup(column, pa.scalar(key, column.type.key_type), "first")
    else:
        raise InputError(
            f"the column {name} is of type {column.type}, which has no attributes",
            where=where,
            remedy=f"Use a map or struct of strings, or a column {name}.<attribute> for each attribute",
        )


def _first_of(ids: list[Any], side: str, where: str) -> Any:
    """Return the hardware ID of each row."""
    try:
        return pc.coalesce(*(values_of(one) for one in ids))
    except pa.ArrowException:
        kinds = " and ".join(str(one.type) for one in ids)
        raise InputError(
            f"the columns {side}.{MACHINE_ID} and {side}.{UUID} have types {kinds}, which cannot be merged",
            where=where,
            remedy="Cast both to a string type",
        ) from None


def threshold_or_default(column: Any | None, rows: int) -> Any:
    """Return thresholds as int32, with the default for missing ones."""
    if column is None:
        return pa.repeat(pa.scalar(THRESHOLD_DEFAULT, pa.int32()), rows)
    if column.null_count:
        column = pc.fill_null(column, pa.scalar(THRESHOLD_DEFAULT, column.type))
    return column if column.type == pa.int32() else column.cast(pa.int32())
