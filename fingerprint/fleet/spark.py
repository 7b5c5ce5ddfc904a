"""The same functions on Spark: the native core compares columns in `mapInArrow`, Spark SQL moves the rows.

All functions take and return DataFrames, so a fleet can be in any source of Spark: a file, HDFS, S3. Requires the
extras `fleet` and `spark`, also on the workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType, StructType

from fingerprint.errors import InputError, UsageError
from fingerprint.fleet import cloning
from fingerprint.fleet.attribute_names import Names
from fingerprint.fleet.checking import check as check_batches
from fingerprint.fleet.grouping import SHARED_KEYS, SIDS
from fingerprint.fleet.io.buffers import sound
from fingerprint.fleet.planning import USUAL_EVENTS, Plan, Tally
from fingerprint.fleet.planning import plan as plan_batches
from fingerprint.fleet.rejects import Accepted, Rejects, fleet_rows
from fingerprint.fleet.schema import NODE, OBSERVED, SIDES, layout_of, normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_TALLIES = "group string, event string, part string, total int, matched int, machines long"
_DOT = "::"
_PAIRS = "row_a long, row_b long, node_a string, node_b string, equal int"


def check(frame: DataFrame, *, counts: bool = True) -> DataFrame:
    """Return a row for each machine with its verdict, as `fingerprint.fleet.check` gives it.

    Args:
        frame: the fleet, of the columns of docs/fleet.md. Bad rows are left out; see `rejected`.
        counts: also return the number of matching attributes.
    """
    names = _names_of(frame)
    layout_of(names)
    columns = {NODE: "string", OBSERVED: "timestamp", "group": "string"}
    schema = [f"`{name}` {kind}" for name, kind in columns.items() if name in names]
    schema += ["threshold int", "match boolean", "reason string"]
    if counts:
        schema += ["matched int", "total int"]
    return _undotted(frame).mapInArrow(_checker(counts), ", ".join(schema))


def _checker(counts: bool) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for checked in check_batches(Accepted(_rows(batches, Rejects())), threads=1, counts=counts):
            rows = checked.rows
            columns = [rows[name] for name in rows.schema.names]
            for position, name in enumerate(rows.schema.names):
                if name == "reason":
                    columns[position] = rows[name].dictionary_decode()
                elif name in ("matched", "total"):
                    columns[position] = rows[name].cast(pa.int32())
            yield pa.record_batch(columns, names=rows.schema.names)

    return work


def rejected(frame: DataFrame) -> DataFrame:
    """Return the bad rows: node_id if there is one, and the reason."""

    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        names = Names()
        for batch in batches:
            rejects = _RejectedRows()
            for _ in _rows([batch], rejects, names):
                pass
            yield pa.record_batch([pa.array(rejects.nodes, pa.string()), pa.array(rejects.reasons, pa.string())],
                                  names=[NODE, "reason"])  # fmt: skip

    return _undotted(frame).mapInArrow(work, f"{NODE} string, reason string")


class _RejectedRows(Rejects):
    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[str | None] = []
        self.reasons: list[str] = []

    def add(self, where: str, row: int, reason: str, node_id: str | None = None) -> None:
        self.nodes.append(node_id)
        self.reasons.append(reason)


def plan(frame: DataFrame, *, events: Sequence[str] = USUAL_EVENTS) -> Plan:
    """Tally a fleet as `fingerprint.fleet.plan` does; the data for the driver does not grow with the fleet."""
    empty = plan_batches([], events=events, threads=1)

    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part = plan_batches(Accepted(_rows(batches, Rejects())), events=events, threads=1)
        yield pa.Table.from_pylist(list(_tally_rows(part)), schema=_TALLY_SCHEMA).combine_chunks().to_batches()[0]

    summed = _undotted(frame).mapInArrow(work, _TALLIES).groupBy("group", "event", "part", "total", "matched").agg(
        F.sum("machines").alias("machines")
    )  # fmt: skip
    for row in summed.collect():
        tallies = empty.groups.setdefault(row["group"], {event: Tally() for event in empty.events})
        tally = tallies[row["event"]]
        if row["part"] == "counts":
            tally.counts[row["total"], row["matched"]] += row["machines"]
        else:
            setattr(tally, row["part"], row["machines"])
    return empty


_TALLY_SCHEMA = pa.schema([
    ("group", pa.string()), ("event", pa.string()), ("part", pa.string()), ("total", pa.int32()),
    ("matched", pa.int32()), ("machines", pa.int64()),
])  # fmt: skip


def _tally_rows(part: Plan) -> Iterator[dict[str, Any]]:
    for group, tallies in part.groups.items():
        for event, tally in tallies.items():
            row = {"group": group, "event": event, "total": 0, "matched": 0}
            for name in ("rows", "refused", "same_ip"):
                yield {**row, "part": name, "machines": getattr(tally, name)}
            for total, matched in zip(*tally.counts.nonzero(), strict=True):
                machines = int(tally.counts[total, matched])
                yield {**row, "part": "counts", "total": int(total), "matched": int(matched), "machines": machines}


def near_clones(frame: DataFrame, *, percent: int = 75) -> DataFrame:
    """Return all pairs of machines with different hardware IDs and enough equal attributes, exactly.

    Spark SQL brings rows together that have a rare value in common (prefix filter); the native core compares them.

    Args:
        frame: the fleet.
        percent: as for `fingerprint.fleet.clones`.

    Returns:
        row_a, row_b (numbers that Spark gave the rows), node_a, node_b, equal (how many attributes are).

    Raises:
        UsageError: the percentage is not 1 to 100.
        InputError: the fleet has no attribute beside the hardware ID, or more than 32.
    """
    if not 1 <= percent <= 100:
        raise UsageError(f"invalid percentage {percent}: must be 1-100")
    flat = _flat(frame)
    side, names = cloning.compared([_dotted(name) for name in flat.columns])
    others = [name for name in names if name not in SIDS]
    if not 0 < len(others) <= cloning.MOST_NEAR:
        raise InputError(f"{len(others)} attributes beside the hardware ID; must be 1-{cloning.MOST_NEAR}")
    needed = cloning.needed_of(percent, len(others))
    rows = flat.select("row", NODE, *(_column(side, name) for name in names))
    values = [
        F.struct(F.lit(position).alias("attribute"), F.xxhash64(F.lit(position), _column(side, name)).alias("token"),
                 _column(side, name).isNotNull().alias("has"))
        for position, name in enumerate(others)
    ]  # fmt: skip
    tokens = rows.select("row", F.explode(F.array(*values)).alias("value")).where("value.has").select(
        "row", "value.attribute", "value.token"
    )  # fmt: skip
    frequency = tokens.groupBy("token").agg(F.count("*").alias("frequency"))
    ranked = (
        tokens.join(frequency, "token")
        .groupBy("row")
        .agg(F.sort_array(F.collect_list(F.struct("frequency", "attribute", "token"))).alias("ranked"))
        .where(F.size("ranked") >= needed)
        .select("row", F.explode(F.expr(f"slice(ranked, 1, size(ranked) - {needed} + 1)")).alias("first"))
        .where("first.frequency > 1")
        .select("row", F.col("first.token").alias("token"))
    )
    together = ranked.join(rows, "row").repartition("token").drop("token")
    return together.mapInArrow(_pairs(percent), _PAIRS).distinct()


def _pairs(percent: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        given = [batch for batch in batches if batch.num_rows]
        if not given:
            return
        table = pa.Table.from_batches([_renamed(batch) for batch in given])
        # A row comes once for each of its rare values.
        _, first = _first_indexes(table["row"].to_numpy())
        table = table.take(first)
        for pairs in cloning.all_pairs(table.drop_columns(["row"]), percent=percent, threads=1):
            a, b = table.take(pairs[:, 0]), table.take(pairs[:, 1])
            equal = [int(bits).bit_count() for bits in pairs[:, 2]]
            yield pa.record_batch(
                [_one(a["row"]), _one(b["row"]), _one(a[NODE]), _one(b[NODE]), pa.array(equal, pa.int32())],
                names=["row_a", "row_b", "node_a", "node_b", "equal"],
            )

    return work


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _first_indexes(numbers: Any) -> Any:
    import numpy as np

    return np.unique(numbers, return_index=True)


def shared(frame: DataFrame, key: str) -> DataFrame:
    """Return the values of a key that several rows have, with the node ids of those rows.

    Args:
        frame: the fleet.
        key: "node_id", "fingerprint", "vault", "system_uuid" or "mac", as far as the fleet has it, or "hardware-id".

    Raises:
        UsageError: there is no such key, or the fleet does not have it.
    """
    flat = _flat(frame)
    name = key
    if key == "hardware-id":
        side, names = cloning.compared([_dotted(one) for one in flat.columns])
        sid = next((one for one in names if one in SIDS), None)
        name = f"{side}{_DOT}{sid}"
    if key not in SHARED_KEYS or name not in flat.columns:
        raise UsageError(f"the fleet has no {key}", remedy=f"Name one of {', '.join(SHARED_KEYS)}")
    column = F.col(f"`{name}`")
    groups = flat.where(column.isNotNull() & (column != "")).groupBy(column.alias("value"))
    counted = groups.agg(F.count("*").alias("rows"), F.array_sort(F.collect_set(NODE)).alias("nodes"))
    return counted.where("rows > 1")


def _flat(frame: DataFrame) -> DataFrame:
    """Return the fleet with one column for each attribute, without bad rows, with a number for each row."""
    names = _names_of(frame)
    kinds = [f"`{_safe(name)}` {_spark_type(frame, name)}" for name in names]

    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _rows(batches, Rejects()):
            yield batch.select(names).rename_columns([_safe(name) for name in names])

    return _undotted(frame).mapInArrow(work, ", ".join(kinds)).withColumn("row", F.monotonically_increasing_id())


def _spark_type(frame: DataFrame, name: str) -> str:
    known = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    return "int" if name == "threshold" else known.get(name, "string")


def _names_of(frame: DataFrame) -> list[str]:
    """Return the names of the columns that the fleet has when it is normalized. Raises InputError: it has a map."""
    fields = []
    for field in frame.schema.fields:
        if field.name in SIDES and isinstance(field.dataType, MapType):
            raise InputError(
                f"the column {field.name} is a map, whose keys Spark does not know before it reads the rows",
                remedy="Use a struct, or a column for each attribute",
            )
        kind = pa.string()
        if field.name in SIDES and isinstance(field.dataType, StructType):
            kind = pa.struct([(one.name, pa.string()) for one in field.dataType.fields])
        fields.append((field.name, kind))
    names: list[str] = normalized(pa.RecordBatch.from_pylist([], schema=pa.schema(fields))).schema.names
    return names


def _safe(name: str) -> str:
    side, dot, rest = name.partition(".")
    return f"{side}{_DOT}{rest}" if dot and side in SIDES else name


def _dotted(name: str) -> str:
    side, between, rest = name.partition(_DOT)
    return f"{side}.{rest}" if between and side in SIDES else name


def _column(side: str, name: str) -> Any:
    return F.col(f"`{side}{_DOT}{name}`")


def _undotted(frame: DataFrame) -> DataFrame:
    """Return the frame with names for mapInArrow, which reads a dot as the member of a struct."""
    return frame.toDF(*(_safe(name) for name in frame.columns))


def _renamed(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.rename_columns([_dotted(name) for name in batch.schema.names])


def _rows(batches: Iterable[pa.RecordBatch], rejects: Rejects, names: Names | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a partition; its names are those of all its batches, as far as `names` has none yet."""
    names = Names() if names is None else names
    for batch in batches:
        yield from fleet_rows(sound(_renamed(batch), "a partition"), "", 1, rejects, names)
