"""What a fleet may come in: whatever speaks Arrow, with one answer; and what is said of what is no fleet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fleets import everything, row

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.errors import InputError  # noqa: E402
from fingerprint.fleet import Rejects, check, clones, drift, join, open_fleet, pack, plan  # noqa: E402
from fingerprint.fleet.io.arrow import batches_of  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SAVED = ("machine-id", "ipaddress-info", "hostname-info", "disk-info")


class OnlyStream:
    """What another library might have: nothing but the method."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__()


class OnlyArray:
    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._batch.__arrow_c_array__()


@functools.cache
def table() -> Any:
    """Return machines of which some were copied, changed, have empty values, no value or a threshold of their own."""
    columns: dict[str, list[Any]] = {"node_id": [], "threshold": [], "group": [], "observed_at": []}
    columns |= {f"{side}.{name}": [] for name in SAVED for side in ("saved", "current")}
    for number in range(120):
        columns["node_id"].append(f"node-{number}")
        columns["threshold"].append((None, 25, 60, -1)[number % 4])
        columns["group"].append(("red", None, "blue")[number % 3])
        columns["observed_at"].append("2026-01-31T12:00:00Z")
        for place, name in enumerate(SAVED):
            value = "" if number % 7 == place else f"{name} {number // (3 if place > 1 else 1)}"
            columns[f"saved.{name}"].append(None if number % 11 == place else value)
            columns[f"current.{name}"].append(f"new {number}" if (number >> place) % 3 == 2 else value)
    return pa.table(columns).set_column(1, "threshold", pa.array(columns["threshold"], pa.int32()))


def structs() -> Any:
    return pa.chunked_array([batch.to_struct_array() for batch in table().to_batches(max_chunksize=50)])


def nested() -> Any:
    columns = {name: table()[name] for name in ("node_id", "threshold", "group", "observed_at")}
    for side in ("saved", "current"):
        parts = [table()[f"{side}.{name}"].combine_chunks() for name in SAVED]
        columns[side] = pa.StructArray.from_arrays(parts, list(SAVED))
    return pa.table(columns)


def polars_frame(**casts: str) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.from_arrow(table())
    for prefix, kind in casts.items():
        frame = frame.with_columns(
            polars.col(name).cast(getattr(polars, kind)) for name in frame.columns if name.startswith(prefix)
        )
    return frame


def pandas_frame(kind: str = "object") -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = table().to_pandas()
    frame["threshold"] = pandas.array(table()["threshold"].to_pylist(), dtype="Int32")
    for name in frame.columns:
        if name.partition(".")[0] in ("saved", "current"):
            frame[name] = frame[name].astype(kind)
    return frame


def indexed_frame() -> Any:
    return pandas_frame().set_index("node_id")


def duckdb_relation() -> Any:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    connection = duckdb.connect()
    connection.register("given", table())
    connection.execute("create table fleet as select * from given")
    return connection.sql("select * from fleet")


SOURCES: dict[str, Callable[[], Any]] = {
    "table": table,
    "table in chunks": lambda: pa.Table.from_batches(table().to_batches(max_chunksize=31)),
    "record batch": lambda: table().to_batches()[0],
    "reader": lambda: table().to_reader(max_chunksize=17),
    "chunked array of structs": structs,
    "array of structs": lambda: table().to_batches()[0].to_struct_array(),
    "columns of structs": nested,
    "list of batches": lambda: table().to_batches(max_chunksize=40),
    "generator of batches": lambda: iter(table().to_batches(max_chunksize=40)),
    "list of tables": lambda: [table().slice(0, 50), table().slice(50)],
    "empty batches between": lambda: [table()[:0], table()[:50], table()[:0], table()[50:]],
    "only __arrow_c_stream__": lambda: OnlyStream(table()),
    "only __arrow_c_array__": lambda: OnlyArray(table().to_batches()[0]),
    "list of only __arrow_c_array__": lambda: [OnlyArray(batch) for batch in table().to_batches(max_chunksize=40)],
    "polars frame": polars_frame,
    "polars frame as a table": lambda: polars_frame().to_arrow(),
    "polars slices": lambda: polars_frame().iter_slices(33),
    "polars series of structs": lambda: polars_frame().to_struct("row"),
    "polars categories": lambda: polars_frame(saved="Categorical", current="Categorical"),
    "polars categories on one side": lambda: polars_frame(current="Categorical"),
    "polars binaries": lambda: polars_frame(saved="Binary", current="Binary"),
    "polars thresholds of 8 bits": lambda: polars_frame(threshold="Int8"),
    "pandas frame": pandas_frame,
    "pandas frame with the node as index": indexed_frame,
    "pandas categories": lambda: pandas_frame("category"),
    "pandas strings": lambda: pandas_frame("string"),
    "duckdb relation": duckdb_relation,
    "duckdb reader": lambda: duckdb_relation().to_arrow_reader(20),
}  # fmt: skip


@functools.cache
def wanted() -> Any:
    found = everything(table)
    assert len(set(found["reasons"])) == 5
    assert found["groups"]
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_arrow_columns_has_the_same_answers(source: str) -> None:
    # A relation is read repeatedly; a reader is a new one each time.
    fleet = SOURCES[source]
    found = everything(fleet)
    for part, answer in wanted().items():
        assert found[part] == answer, part


def test_a_relation_of_duckdb_and_a_frame_can_be_asked_again() -> None:
    for fleet in (duckdb_relation(), polars_frame(), pandas_frame(), table()):
        assert plan(fleet).curve() == plan(fleet).curve()


def one(**columns: Any) -> Any:
    """Return a machine; None leaves out a column. Two underscores stand for the dot."""
    known: dict[str, Any] = {"node_id": ["x"], "saved.a": ["x"], "current.a": ["x"]}
    known |= {name.replace("__", "."): column for name, column in columns.items()}
    return pa.table({name: column for name, column in known.items() if column is not None})


def repeated() -> Any:
    return pa.table([pa.array(["x"])] * 3, names=["node_id", "saved.a", "saved.a"])


NO_TEXT, NO_NUMBER, NO_VALUE = ", not a string", ", not an integer", ", which cannot be compared"
IDS = pa.array([1], pa.int32())
WORD = pa.array(["x"]).dictionary_encode()
COLUMNS: list[tuple[str, Callable[[], Any], str]] = [
    ("no node", lambda: one(node_id=None), "no column node_id"),
    ("node of a number", lambda: one(node_id=[1]), f"column node_id is of type int64{NO_TEXT}"),
    ("node of a binary", lambda: one(node_id=[b"x"]), f"column node_id is of type binary{NO_TEXT}"),
    ("group of a number", lambda: one(group=[7]), f"column group is of type int64{NO_TEXT}"),
    ("mac of a list", lambda: one(mac=[["a"]]), f"column mac is of type list<.*>{NO_TEXT}"),
    ("vault of a day", lambda: one(vault=pa.array([1], pa.date32())), "column vault is of type date32"),
    ("threshold of a float", lambda: one(threshold=[40.0]), f"column threshold is of type double{NO_NUMBER}"),
    ("threshold of a bool", lambda: one(threshold=[True]), f"column threshold is of type bool{NO_NUMBER}"),
    ("threshold of a text", lambda: one(threshold=["40"]), f"column threshold is of type string{NO_NUMBER}"),
    ("threshold of a decimal", lambda: one(threshold=[Decimal(40)]), "column threshold is of type decimal128"),
    ("threshold of words", lambda: one(threshold=WORD), "column threshold is of type dictionary<values=string"),
    ("a float", lambda: one(saved__a=[1.5], current__a=[1.5]), f"column saved.a is of type double{NO_VALUE}"),
    ("a number of 64 bits", lambda: one(current__a=[1]), f"column current.a is of type int64{NO_VALUE}"),
    ("a bool", lambda: one(current__a=[True]), f"column current.a is of type bool{NO_VALUE}"),
    ("a list", lambda: one(current__a=[["x"]]), f"column current.a is of type list<.*>{NO_VALUE}"),
    ("a dictionary of floats", lambda: one(current__a=pa.array([1.5]).dictionary_encode()),
     "column current.a is of type dictionary<values=double"),
    ("text and id", lambda: one(saved__a=IDS), "saved.a and current.a cannot be compared: .* int32 and string"),
    ("two kinds of ids", lambda: one(saved__a=IDS, current__a=pa.array([1], pa.uint32())), "types int32 and uint32"),
    ("two sizes", lambda: one(saved__a=pa.array([b"12"], pa.binary(2)), current__a=pa.array([b"123"], pa.binary(3))),
     r"of types fixed_size_binary\[2\] and fixed_size_binary\[3\]"),
    ("dictionary and id", lambda: one(saved__a=WORD, current__a=IDS), "saved.a and current.a cannot be compared"),
    ("a time that is a number", lambda: one(observed_at=[1_700_000_000]), "observed_at is of type int64, not a time"),
    ("nodes without values", lambda: one(node_id=pa.nulls(1)), "the column node_id has no values"),
    ("a time that is a time of day", lambda: one(observed_at=pa.array([1], pa.time32("s"))), "time32.*, not a time"),
    ("a time that is a span", lambda: one(observed_at=pa.array([1], pa.duration("s"))), "duration.*, not a time"),
    ("a list of attributes", lambda: one(saved=[["x"]]), "column saved is of type list<.*>, which has no attributes"),
    ("a map of numbers", lambda: one(saved__a=None, saved=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))),
     f"column saved.a is of type int64{NO_VALUE}"),
    ("a map by numbers", lambda: one(saved=pa.array([[(1, "a")]], pa.map_(pa.int64(), pa.string()))),
     "column saved is of type map<int64, string>, which has no attributes"),
    ("a name twice", repeated, "column saved.a occurs twice"),
    ("a name twice by a struct", lambda: one(saved=[{"a": "x"}]), "column saved.a occurs twice"),
    ("hardware IDs of two types", lambda: one(**{"saved.machine-id": ["x"], "saved.uuid": IDS}),
     "columns saved.machine-id and saved.uuid have types string and int32"),
    ("no hash", lambda: one(saved__a=None, current__a=None), "no hardware hash"),
    ("another name", lambda: one(saved__a=None, current__a=None, saved_a=["x"]), "and saved_a is not one"),
    ("too many", lambda: one(**{f"saved.a{i}": ["x"] for i in range(121)}), "122 attributes; at most 120"),
]  # fmt: skip


def joined(fleet: Any) -> None:
    join(fleet, table()).__exit__()


ASKED: dict[str, Callable[[Any], Any]] = {
    "check": lambda fleet: list(check(fleet)), "plan": plan, "clones": clones, "drift": drift, "join": joined,
    "pack": lambda fleet: list(pack(fleet)),
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("make", "said"), [case[1:] for case in COLUMNS], ids=[case[0] for case in COLUMNS])
def test_a_wrong_column_and_its_type_are_named(asked: str, make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        ASKED[asked](make())
    assert error.value.where == "pyarrow Table"
    assert error.value.remedy


@pytest.mark.parametrize(("make", "said"), [case[1:] for case in COLUMNS], ids=[case[0] for case in COLUMNS])
def test_error_is_the_same_for_a_file_and_a_batch(tmp_path: Path, make: Callable[[], Any], said: str) -> None:
    path = tmp_path / "fleet.arrow"
    with pa.ipc.new_file(path, make().schema) as file:
        file.write_table(make())
    with pytest.raises(InputError, match=said) as error:
        plan(open_fleet(path).batches())
    assert error.value.where == str(path)
    with pytest.raises(InputError, match=said):
        plan([table(), make()])


def bad_polars() -> Any:
    return pytest.importorskip("polars", reason="polars is not installed").LazyFrame({"node_id": ["x"]})


def bad_pandas() -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame({"node_id": ["x", "y"], "saved.a": pandas.Series(["x", 1], dtype="object")})


def failing() -> Any:
    def batches() -> Iterator[Any]:
        yield table().to_batches()[0]
        raise ValueError("the disk is gone")

    return OnlyStream(pa.RecordBatchReader.from_batches(table().schema, batches()))


NO_FLEETS: list[tuple[str, Callable[[], Any], str]] = [
    ("a path", lambda: "fleet.parquet", "a str is not a fleet in columns"),
    ("a number", lambda: 5, "a int is not a fleet in columns"),
    ("none", lambda: None, "a NoneType is not a fleet in columns"),
    ("columns", lambda: {"node_id": ["x"]}, "a dict is not a fleet in columns"),
    ("rows", lambda: [{"node_id": "x"}], "list: item 1 is a dict, not a record batch"),
    ("a batch and rows", lambda: [table(), row("x")], "list: item 2 is a dict, not a record batch"),
    ("an array of numbers", lambda: pa.array([1]), "pyarrow Int64Array: cannot read the columns"),
    ("a chunked array of numbers", lambda: pa.chunked_array([[1]]), "cannot read the columns.*int64"),
    ("a row that is null", lambda: pa.array([{"node_id": "x", "saved": {"a": "x"}}, None]),
     "cannot read the columns.*null"),
    ("rows that are null", lambda: pa.chunked_array([pa.array([{"node_id": "x", "saved": {"a": "x"}}, None])]),
     "cannot read the columns.*null"),
    ("a lazy frame of polars", bad_polars, "a polars LazyFrame is not a fleet in columns"),
    ("a column of pandas with strings and numbers", bad_pandas, "pandas DataFrame: .*saved.a"),
    ("a reader that fails", failing, "OnlyStream: cannot read the columns.*the disk is gone"),
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("make", "said"), [case[1:] for case in NO_FLEETS], ids=[case[0] for case in NO_FLEETS])
def test_input_that_is_no_fleet_is_an_error(asked: str, make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        ASKED[asked](make())
    assert error.value.remedy


def test_bad_rows_raise_or_are_skipped_and_counted() -> None:
    def part(nodes: list[Any], thresholds: list[Any]) -> Any:
        strings = ["x"] * len(nodes)
        return pa.table({"node_id": nodes, "threshold": thresholds, "saved.a": strings, "current.a": strings})

    fleet = [part(["a", "b"], [40, 40]), part(["c", None, ""], [140, 40, 40])]
    with pytest.raises(InputError, match="list: bad row 3: its threshold is not -1 to 100") as error:
        plan(fleet)
    assert "rejects" in error.value.remedy
    for ask, rows in (
        (lambda rejects: sum(part.rows.num_rows for part in check(fleet, rejects=rejects)), 2),
        (lambda rejects: plan(fleet, rejects=rejects).groups[""]["now"].rows, 2),
        (lambda rejects: clones(fleet, rejects=rejects).rows, 2),
        (lambda rejects: drift(fleet, rejects=rejects).rows, 2),
        (lambda rejects: sum(batch.num_rows for batch in pack(fleet, rejects=rejects)), 2),
    ):
        rejects = Rejects()
        assert ask(rejects) == rows
        assert sorted((reject["row"], reject["reason"]) for reject in rejects.first) == [
            (3, "its threshold is not -1 to 100"), (4, "it has no node ID"), (5, "it has no node ID"),
        ]  # fmt: skip
    rejects = Rejects()
    with join(fleet, fleet, rejects=rejects) as both:
        assert (both.both, rejects.count) == (2, 6)


def test_bad_rows_of_views_can_be_skipped() -> None:
    """pyarrow itself cannot filter them."""
    views = pa.array(["x", "", "z"]).cast(pa.string_view())
    columns = dict.fromkeys(("node_id", "saved.a", "current.a", "x"), views)
    rejects = Rejects()
    [found] = check(pa.table(columns), rejects=rejects)
    assert (found.rows["node_id"].to_pylist(), rejects.count) == (["x", "z"], 1)


def test_hardware_ids_are_merged_in_every_string_type() -> None:
    for one_kind in (pa.string(), pa.large_string(), pa.string_view(), "dictionary"):
        for other in (pa.string(), pa.string_view(), "dictionary"):
            columns = {"node_id": pa.array(["a", "b"])}
            for side in ("saved", "current"):
                for key, values, kind in (("machine-id", ["m", None], one_kind), ("uuid", [None, "u"], other)):
                    column = pa.array(values, pa.string())
                    columns[f"{side}.{key}"] = column.dictionary_encode() if kind == "dictionary" else column.cast(kind)
            [found] = check(pa.table(columns))
            assert (found.rows["reason"].to_pylist(), found.changed) == (["SAME_IP"] * 2, {"machine-id or uuid": 0})


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_of_every_unit_and_zone_are_times(unit: str, zone: str | None) -> None:
    time = pa.array([1_769_860_800_000_000_123], pa.timestamp("ns")).cast(pa.timestamp(unit), safe=False)
    time = time.cast(pa.timestamp(unit, tz=zone)) if zone else time
    for column in (time, time.dictionary_encode()):
        [batch] = batches_of(one(observed_at=column))
        assert batch["observed_at"].cast(pa.int64()).to_pylist() == [1_769_860_800_000_000]
    for text in ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"):
        for kind in (pa.string(), pa.large_string(), pa.string_view()):
            [batch] = batches_of(one(observed_at=pa.array([text]).cast(kind)))
            assert batch["observed_at"].cast(pa.int64()).to_pylist() == [1_769_860_800_000_000]


def test_large_tables_are_split_for_all_threads() -> None:
    words = pa.array(["x"] * 600_000)
    sizes = [batch.num_rows for batch in batches_of(pa.table({"node_id": words, "saved.a": words, "current.a": words}))]
    assert sum(sizes) == 600_000
    assert max(sizes) == 262_144


def test_a_name_with_quotes_is_a_name() -> None:
    name = 'a"b; drop table before --'
    fleet = pa.table({"node_id": ["x"], f"current.{name}": ["x"]})
    with join(fleet, fleet) as both:
        assert drift(both.batches()).changed == {name: {}}
