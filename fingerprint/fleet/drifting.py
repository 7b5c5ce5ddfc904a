"""Drift: what changed between two observations of a fleet, and where or when it is common."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import InputError, UsageError
from fingerprint.fleet.attribute_names import common
from fingerprint.fleet.column_types import family_of, plain_type, require_one_family, values_of
from fingerprint.fleet.grouping import SIDS
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import in_order, question_of, usual_threads
from fingerprint.fleet.rejects import Accepted, Rejects
from fingerprint.fleet.schema import MOST_ATTRIBUTES, NODE, OBSERVED, THRESHOLD, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_ROWS = 65_536
WEEK, GROUP = "week", "group"
_MOST_SETS = 1000


@dataclass
class Drift:
    """Number of changes of each attribute.

    Attributes:
        rows: number of machines.
        machines: week or group -> number of machines, in order; "" for machines without one.
        changed: attribute -> week or group -> number of machines where it differs or only one side has it.
        together: set of changed attributes -> number of machines; beyond 1,000 sets the rare ones count as ("...",).
    """

    rows: int = 0
    machines: Counter[str] = field(default_factory=Counter)
    changed: dict[str, Counter[str]] = field(default_factory=dict)
    together: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, other: Drift) -> None:
        """Add the machines of another part."""
        self.rows += other.rows
        self.machines += other.machines
        for name, counts in other.changed.items():
            self.changed.setdefault(name, Counter()).update(counts)
        self.together.update(other.together)
        if len(self.together) > _MOST_SETS:
            kept = Counter(dict(self.together.most_common(_MOST_SETS // 2)))
            kept[("...",)] += sum(self.together.values()) - sum(kept.values())
            self.together = kept


def drift(batches: Any, *, by: str = WEEK, threads: int | None = None, rejects: Rejects | None = None) -> Drift:
    """Count what changed, by the week of observation or by group.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`.
        by: "week" or "group".
        threads: number of threads; None for as many as this process can run.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        UsageError: `by` is another word.
        InputError: not a fleet.
    """
    if by not in (WEEK, GROUP):
        raise UsageError(f"no drift by {by!r}", remedy="Use 'week' or 'group'")
    total = Drift()
    threads = usual_threads() if threads is None else threads
    for part in in_order(lambda batch: _drift(batch, by), batches_of(batches, rejects), threads):
        total.add(part)
    return total


def _drift(batch: pa.RecordBatch, by: str) -> Drift:
    question, layout = question_of(batch)
    rows = batch.num_rows
    words, place = _columns_of(batch, by)
    found = Drift(rows, Counter(dict(zip(words, np.bincount(place, minlength=len(words)).tolist(), strict=True))))
    sets = np.zeros((len(layout.attributes), rows), bool)
    same, has = np.empty(rows, np.uint8), np.empty(rows, np.uint8)
    for number, name in enumerate(layout.attributes):
        question.compare(number, 0, rows, same, has)
        differs = (same == 0) & ((has != 0) | _has(batch, layout.saved[number]))
        sets[number] = differs
        counts = np.bincount(place[differs], minlength=len(words)).tolist()
        found.changed[name] = Counter({word: count for word, count in zip(words, counts, strict=True) if count})
    # All bits of a row are one item, so that one comparison distinguishes two rows.
    packed = np.ascontiguousarray(np.packbits(sets, axis=0).T)
    kinds, counts = np.unique(packed.view(f"V{packed.shape[1]}").reshape(-1), return_counts=True)
    bits = np.unpackbits(kinds.view(np.uint8).reshape(len(kinds), packed.shape[1]), axis=1)
    for kind, count in zip(bits, counts.tolist(), strict=True):
        found.together[tuple(name for name, bit in zip(layout.attributes, kind, strict=False) if bit)] += count
    return found


def _has(batch: pa.RecordBatch, place: int) -> Any:
    if place < 0:
        return np.zeros(batch.num_rows, bool)
    return batch.column(place).is_valid().to_numpy(zero_copy_only=False)


def _columns_of(batch: pa.RecordBatch, by: str) -> tuple[list[str], Any]:
    """Return the weeks or groups, and for each row the index of its own."""
    if by == WEEK and OBSERVED in batch.schema.names:
        return _weeks(batch[OBSERVED])
    if by != GROUP or GROUP not in batch.schema.names:
        return [""], np.zeros(batch.num_rows, np.int64)
    column = batch[GROUP] if pa.types.is_dictionary(batch[GROUP].type) else batch[GROUP].dictionary_encode()
    words = [*column.dictionary.to_pylist(), ""]
    place = pc.fill_null(column.indices.cast(pa.int64()), len(words) - 1).to_numpy(zero_copy_only=False)
    return words, place


def _weeks(times: Any) -> tuple[list[str], Any]:
    known = times.is_valid().to_numpy(zero_copy_only=False)
    seconds = pc.fill_null(times.cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64()), 0).to_numpy()
    # The first of January 1970 was a Thursday, and weeks begin on Monday.
    weeks, place = np.unique(np.where(known, (seconds // 86_400 + 3) // 7, -1), return_inverse=True)
    words = []
    for week in weeks.tolist():
        year, number, _ = (date(1970, 1, 1) + timedelta(days=7 * week)).isocalendar()
        words.append(f"{year}-W{number:02d}" if week >= 0 else "")
    return words, place.reshape(-1)


@dataclass
class Joined:
    """Two observations of a fleet, side by side.

    Attributes:
        both: number of nodes in both.
        only_before, only_after: number of nodes in one of them only.
        repeated_before, repeated_after: rows that were left out because the node has a later one.
        left_out: attributes of few rows that are not compared, because there were more than the limit.
    """

    both: int
    only_before: int
    only_after: int
    repeated_before: int
    repeated_after: int
    left_out: tuple[str, ...]
    _connection: Any
    _query: str
    _names: tuple[str, ...]
    _directory: Any

    def __enter__(self) -> Joined:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the memory and the files of duckdb."""
        self._connection.close()
        self._directory.cleanup()

    def batches(self) -> Accepted:
        """Return the nodes in both: saved is the hash of the first observation, current that of the second."""
        reader = self._connection.sql(self._query).to_arrow_reader(BATCH_ROWS)
        return Accepted(batch.rename_columns(list(self._names)) for batch in reader)


def join(before: Any, after: Any, *, threads: int | None = None, rejects: Rejects | None = None) -> Joined:
    """Join two observations by node ID; a context manager.

    duckdb holds them, on disk if they are larger than memory.

    Args:
        before, after: as `Fleet.batches` yields them, or an argument of `batches_of`; of each node the row that was
            observed last counts.
        threads: number of threads; None for as many as this process can run.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        InputError: one of them is not a fleet, or has no rows or no current hashes.
    """
    sides = batches_of(before, rejects), batches_of(after, rejects)
    directory = tempfile.TemporaryDirectory(prefix="fingerprint-fleet-")
    connection = duckdb.connect(config={"temp_directory": directory.name})
    try:
        return _joined(connection, directory, *sides, usual_threads() if threads is None else threads)
    except BaseException:
        connection.close()
        directory.cleanup()
        raise


def _joined(connection: Any, directory: Any, before: Accepted, after: Accepted, threads: int) -> Joined:
    connection.execute(f"set threads={threads}")
    sides = {name: _loaded(connection, name, given) for name, given in (("before", before), ("after", after))}
    count = {name: _one(connection, f"select count(*) from {name}") for name in sides}
    both = _one(connection, "select count(*) from after join before using (node)")
    held = Counter(sides["before"].held)
    held.update(sides["after"].held)
    # Each side is within the limit, but both together may exceed it.
    attributes = common(held, 0, MOST_ATTRIBUTES, always=SIDS)
    columns = {"node": NODE, "observed": OBSERVED, "threshold": THRESHOLD, '"group"': GROUP}
    parts = [(f"after.{name}", own) for name, own in columns.items()]
    for attribute in attributes:
        for name, side in (("before", "saved"), ("after", "current")):
            if attribute in sides[name].columns:
                parts.append((f"{name}.{sides[name].columns[attribute]}", f"{side}.{attribute}"))
    words = ", ".join(f"{name} as c{number}" for number, (name, _) in enumerate(parts))
    return Joined(
        both=both,
        only_before=count["before"] - both,
        only_after=count["after"] - both,
        repeated_before=sides["before"].repeated,
        repeated_after=sides["after"].repeated,
        left_out=tuple(name for name in held if name not in attributes),
        _connection=connection,
        _query=f"select {words} from after join before using (node) order by after.row_number",
        _names=tuple(name for _, name in parts),
        _directory=directory,
    )


def _one(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


@dataclass
class _Side:
    """One observation in a table.

    Attributes:
        columns: attribute -> name of its column. Names of attributes cannot name columns: duckdb does not
            distinguish "A" and "a".
        kinds: attribute -> type of its column.
        held: attribute -> number of rows that have it.
        repeated: rows that were left out because the node has a later one.
    """

    columns: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, pa.DataType] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    repeated: int = 0


def _loaded(connection: Any, name: str, batches: Accepted) -> _Side:
    """Load one observation into a table. Later batches may add attributes."""
    side = _Side()
    connection.execute(
        f'create table read_{name} (node varchar, observed timestamptz, threshold integer, "group" varchar, '
        "row_number bigint)"
    )
    rows = 0
    for attributes, given in groupby((batch for batch in batches if batch.num_rows), _current_attributes):
        rows += _appended(connection, name, side, attributes, given, rows)
    if not rows:
        raise InputError(f"the observation {name} has no rows", remedy="Compare two observations of one fleet")
    if not side.columns:
        raise InputError(f"the observation {name} has no current hashes", remedy="Observe the machines themselves")
    connection.execute(
        f"create table {name} as select * from read_{name} qualify row_number() over "
        f"(partition by node order by observed desc nulls last, row_number desc) = 1"
    )
    side.repeated = rows - _one(connection, f"select count(*) from {name}")
    connection.execute(f"drop table read_{name}")
    return side


def _current_attributes(batch: pa.RecordBatch) -> tuple[str, ...]:
    layout = layout_of(batch.schema.names)
    return tuple(name for name, place in zip(layout.attributes, layout.current, strict=True) if place >= 0)


def _appended(
    connection: Any, name: str, side: _Side, attributes: tuple[str, ...], given: Iterator[pa.RecordBatch], known: int
) -> int:
    """Append batches of the same attributes to the table of a side. Returns how many rows they have."""
    first = next(given)
    for attribute in attributes:
        if attribute not in side.columns:
            column = f"a{len(side.columns)}"
            kind = plain_type(first.schema.field(f"current.{attribute}").type)
            # As bytes, which is how strings are compared: duckdb rejects strings that are not UTF-8.
            kind = pa.large_binary() if family_of(kind) == "text" else kind
            side.columns[attribute], side.kinds[attribute] = column, kind
            connection.register("typed", pa.table({column: pa.nulls(0, kind)}))
            [(duckdb_type,)] = connection.execute("select column_type from (describe select * from typed)").fetchall()
            connection.unregister("typed")
            connection.execute(f"alter table read_{name} add column {column} {duckdb_type}")
    schema = pa.schema([
        ("node", pa.large_string()), ("observed", pa.timestamp("us", tz="UTC")), ("threshold", pa.int32()),
        ("group", pa.large_string()), ("row_number", pa.int64()),
        *((side.columns[attribute], side.kinds[attribute]) for attribute in attributes),
    ])  # fmt: skip
    failed: list[BaseException] = []
    read = 0

    def rows() -> Iterator[pa.RecordBatch]:
        nonlocal read
        try:
            for batch in chain((first,), given):
                for attribute in attributes:
                    column = batch[f"current.{attribute}"]
                    side.held[attribute] += len(column) - column.null_count
                numbers = pa.array(np.arange(known + read, known + read + batch.num_rows, dtype=np.int64))
                read += batch.num_rows
                yield _shaped(batch, schema, attributes, numbers)
        except BaseException as error:
            failed.append(error)
            raise

    connection.register("given", pa.RecordBatchReader.from_batches(schema, rows()))
    try:
        connection.execute(f"insert into read_{name} by name select * from given")
    except duckdb.Error:
        # duckdb raises its own error for an exception while it reads, with the original one in its message.
        if failed:
            raise failed[0] from None
        raise
    finally:
        connection.unregister("given")
    return read


def _shaped(batch: pa.RecordBatch, schema: pa.Schema, attributes: tuple[str, ...], numbers: Any) -> pa.RecordBatch:
    """Return a batch in the columns of a table. Raises InputError: one is of a type that does not go into it."""
    names = batch.schema.names
    own = [batch[name] if name in names else pa.nulls(batch.num_rows) for name in (NODE, OBSERVED, THRESHOLD, GROUP)]
    columns = [values_of(column).cast(kind) for column, kind in zip(own, schema.types, strict=False)]
    columns.append(numbers)
    for attribute, kind in zip(attributes, schema.types[len(columns) :], strict=True):
        column = batch[f"current.{attribute}"]
        require_one_family(f"current.{attribute}", {kind, column.type})
        columns.append(values_of(column).cast(kind))
    return pa.record_batch(columns, schema=schema)
