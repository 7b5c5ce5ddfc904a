"""Every type and layout that Arrow has for codes, thresholds and values is decided as the textbook decides it.

The rows are drawn once for each number of values; each layout holds the same rows.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest

import textbook
from fingerprint.types import Reason
from fleets import everything

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint._fleet import Stream  # noqa: E402
from fingerprint.errors import InputError  # noqa: E402
from fingerprint.fleet import Rejects, Summary, check, clones, join, pack, plan  # noqa: E402

NAMES = ("machine-id", "ipaddress-info", "hostname-info", "disk-info", "memory-hash")
CODES = {pa.int8(): 127, pa.uint8(): 255, pa.int16(): 32_767, pa.uint16(): 65_535, pa.int32(): 70_000,
         pa.uint32(): 70_000, pa.int64(): 70_000, pa.uint64(): 70_000}  # fmt: skip
INTEGERS = tuple(CODES)
WORDS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
ROWS = 400
USUAL = 40
# Rows before the first: none, within a byte of the bits of validity, a byte, more.
OFFSETS = (0, 3, 8, 13)
REASONS = [str(reason) for reason in Reason.members()]


def size(name: str, values: int) -> int:
    """Return how many values an attribute has: one has as many as the codes can count, so that all go quickly."""
    return values if name == "hostname-info" else min(values, 300)


@functools.cache
def rows_of(values: int) -> tuple[tuple[dict[str, int | None], dict[str, int | None], int | None], ...]:
    """Return rows of numbers of values, those from the end of their range as often as others. 0 is "", None null."""
    chance = random.Random(values)

    def value(name: str) -> int | None:
        kind, most = chance.random(), size(name, values)
        if kind < 0.15:
            return None if kind < 0.08 else 0
        return chance.randrange(most) if kind < 0.6 else most - 1 - chance.randrange(4)

    def changed(name: str, old: int | None) -> int | None:
        # What a code cut to 8 or 16 bits would take for the same.
        if old is not None and chance.random() < 0.4:
            return (old + chance.choice((256, 65_536))) % size(name, values)
        return value(name)

    made = []
    for _ in range(ROWS + max(OFFSETS)):
        saved = {name: value(name) for name in NAMES}
        current = {name: old if chance.random() < 0.6 else changed(name, old) for name, old in saved.items()}
        if chance.random() < 0.8:
            current["machine-id"] = saved["machine-id"]
        made.append((saved, current, chance.choice((0, 20, 40, 60, 80, 100, chance.randrange(101), None))))
    return tuple(made)


def word(number: int | None) -> str | None:
    """Return a value that views have within them, or one that they have elsewhere."""
    if not number:
        return None if number is None else ""
    return f"value-{number}" if number % 2 else f"the longer value number {number}"


@functools.cache
def wanted_of(values: int, skipped: int) -> tuple[str, ...]:
    found = []
    for saved, current, threshold in rows_of(values)[skipped:]:
        old, new = ({k: word(v) for k, v in side.items() if v is not None} for side in (saved, current))
        found.append(textbook.decide(old, new, USUAL if threshold is None else threshold)[1])  # type: ignore[arg-type]
    return tuple(found)


@functools.cache
def shuffled(values: int, seed: int, kind: Any, with_null: bool) -> tuple[Any, dict[int | None, int]]:
    """Return a dictionary in an order of its own, and the place of each value in it."""
    numbers: list[int | None] = [*range(values), *((None,) if with_null else ())]  # one more than CODES has
    random.Random(seed).shuffle(numbers)
    words = pa.array([word(number) for number in numbers], pa.string()).cast(kind)
    return words, {number: place for place, number in enumerate(numbers)}


def dictionary(numbers: list[int | None], codes: Any, values: int, seed: int, kind: Any, with_null: bool) -> Any:
    words, indexes = shuffled(values, seed, kind, with_null)
    indices = [None if n is None and not (with_null and i % 2) else indexes[n] for i, n in enumerate(numbers)]
    return pa.DictionaryArray.from_arrays(pa.array(indices, codes), words)


def layouts(column: Any, offset: int) -> Any:
    """Return the rows of a column behind `offset` rows that are no rows of it."""
    return column if not offset else pa.concat_arrays([column.slice(0, offset), column]).slice(offset)


def table_of(
    values: int, codes: Any, threshold: Any, *, kind: Any = None, with_null: bool = False, offset: int = 0
) -> Any:
    """Return the rows as dictionary columns, each cut out of a longer one at an offset of its own."""
    kind = pa.string() if kind is None else kind
    rows, columns = rows_of(values), {}
    for side, which in (("saved", 0), ("current", 1)):
        for place, name in enumerate(NAMES):
            numbers = [row[which][name] for row in rows]
            column = dictionary(numbers, codes, size(name, values), 2 * place + which, kind, with_null)
            columns[f"{side}.{name}"] = layouts(column, (offset + 5 * place + which) % 17 if offset else 0)
    columns["threshold"] = layouts(pa.array([row[2] for row in rows], threshold), offset)
    columns["node_id"] = pa.array([f"node-{i}" for i in range(len(rows))])
    return pa.table(columns)


def reasons_of(table: Any, *, counts: bool = False) -> list[str]:
    """Ask the kernel itself, without what makes the columns plain before."""
    stream, found = Stream(table), []
    indexes = {name: place for place, name in enumerate(stream.names)}
    sides = [[indexes[f"{side}.{name}"] for name in NAMES] for side in ("saved", "current")]
    for batch in stream:
        rows = len(batch)
        question = batch.question(*sides, USUAL, indexes.get("threshold"), 0, 1)
        reasons = bytearray(rows)
        question.decide(0, rows, reasons, *((bytearray(rows), bytearray(rows)) if counts else ()))
        found += [REASONS[reason] for reason in reasons]
    return found


def checked(table: Any) -> list[str]:
    return [reason for part in check(table) for reason in part.rows["reason"].to_pylist()]


@pytest.mark.parametrize("threshold", INTEGERS, ids=str)
@pytest.mark.parametrize("codes", INTEGERS, ids=str)
def test_every_type_of_codes_matches_the_reference(codes: Any, threshold: Any) -> None:
    values = CODES[codes]
    # Both offsets with every type, all of them with every type of codes.
    offset = OFFSETS[1 + INTEGERS.index(threshold) % (len(OFFSETS) - 1)]
    assert reasons_of(table_of(values, codes, threshold)) == list(wanted_of(values, 0))
    table = table_of(values, codes, threshold, offset=offset).slice(offset)
    wanted = list(wanted_of(values, offset))
    assert reasons_of(table) == wanted
    assert reasons_of(table, counts=True) == wanted
    assert checked(table) == wanted
    assert {"SIMILAR", "NOT_SIMILAR", "SID_DIFFERS", "SAME_IP"} <= set(wanted)


@pytest.mark.parametrize("kind", WORDS, ids=str)
@pytest.mark.parametrize("with_null", [False, True], ids=["", "null among the values"])
@pytest.mark.parametrize("codes", [pa.uint8(), pa.uint16(), pa.int64()], ids=str)
def test_a_null_is_one_by_its_code_and_by_its_value(codes: Any, with_null: bool, kind: Any) -> None:
    values = CODES[codes]
    table = table_of(values, codes, pa.uint8(), kind=kind, with_null=with_null, offset=3)
    assert any(column.chunk(0).dictionary.null_count for column in table.columns[:10]) == with_null
    assert reasons_of(table) == list(wanted_of(values, 0))
    assert checked(table) == list(wanted_of(values, 0))


@functools.cache
def plain_rows() -> tuple[tuple[dict[str, str | None], dict[str, str | None], int | None], ...]:
    """Return the rows as words: copies, similar machines and machines with empty values only."""
    made = [tuple({k: word(v) for k, v in side.items()} for side in row[:2]) + row[2:] for row in rows_of(100)]
    for number in range(12):
        like = {
            "machine-id": f"m-{number}", "ipaddress-info": f"10.0.0.{number}",
            **dict.fromkeys(NAMES[2:], f"the same {number // 4}" if number < 8 else ""),
        }  # fmt: skip
        made.append(({**like, "ipaddress-info": ""}, like, 60))
    return tuple(made)


def plain_table(kind: Any = None) -> Any:
    rows = plain_rows()
    columns = {
        f"{side}.{name}": pa.array([row[which][name] for row in rows], pa.string()).cast(kind or pa.string())
        for which, side in enumerate(("saved", "current"))
        for name in NAMES
    }
    return pa.table({
        "node_id": [f"node-{i % (len(rows) - 50)}" for i in range(len(rows))],
        "threshold": pa.array([row[2] for row in rows], pa.int32()),
        "group": [("red", "blue", None)[i % 3] for i in range(len(rows))],
        "mac": [f"mac-{i % 300}" if i % 4 else "" for i in range(len(rows))], **columns,
    })  # fmt: skip


def recoded(table: Any, codes: Any, kind: Any, *, only: str = "", chunk: int = 10_000) -> Any:
    """Return the rows with dictionaries in place of values, another one in each chunk."""
    batches = []
    for batch in table.to_batches(max_chunksize=chunk):
        columns = []
        for name in table.column_names:
            column = batch[name]
            if name.partition(".")[0] in ("saved", "current") and name.startswith(only):
                encoded = column.dictionary_encode()
                column = pa.DictionaryArray.from_arrays(encoded.indices.cast(codes), encoded.dictionary.cast(kind))
            columns.append(column)
        batches.append(pa.record_batch(columns, names=table.column_names))
    return pa.Table.from_batches(batches)


@functools.cache
def expected() -> Any:
    found = everything(plain_table)
    sides = [({k: v for k, v in side.items() if v is not None} for side in row[:2]) for row in plain_rows()]
    thresholds = [USUAL if row[2] is None else row[2] for row in plain_rows()]
    wanted = [textbook.decide(*side, threshold)[1] for side, threshold in zip(sides, thresholds, strict=True)]
    assert found["reasons"] == wanted
    assert checked(pa.Table.from_batches(pack(plain_table()))) == wanted
    assert found["near"]
    assert {one.reading for one in found["groups"]} >= {"absent-values", "image-not-reset", "no-times"}
    return found


@pytest.mark.parametrize("chunk", [10_000, 61], ids=["one batch", "a dictionary in each batch"])
@pytest.mark.parametrize("kind", WORDS, ids=str)
@pytest.mark.parametrize("codes", [None, pa.int8(), pa.uint16(), pa.uint64()], ids=str)
@pytest.mark.parametrize("only", ["", "saved"], ids=["both sides", "one side"])
def test_all_answers_are_the_same_in_every_layout(codes: Any, kind: Any, chunk: int, only: str) -> None:
    if codes is None:
        table = pa.Table.from_batches(plain_table(kind).to_batches(max_chunksize=chunk))
    else:
        table = recoded(plain_table(), codes, kind, only=only, chunk=chunk)
    found = everything(lambda: table)
    for part, wanted in expected().items():
        assert found[part] == wanted, part


def test_batches_of_different_layouts_are_one_fleet() -> None:
    table = plain_table()
    cut = [table.slice(at, 70) for at in range(0, table.num_rows, 70)]
    mixed = [
        cut[0], recoded(cut[1], pa.uint16(), pa.string_view()), recoded(cut[2], pa.int8(), pa.large_string()),
        plain_table(pa.string_view()).slice(210, 70), plain_table(pa.large_string()).slice(280, 70), *cut[5:],
    ]  # fmt: skip
    assert sum(part.num_rows for part in mixed) == table.num_rows
    found, wanted = clones(mixed, percent=60), clones(table, percent=60)
    assert found.pairs == wanted.pairs
    assert [list(one) for one in found.groups] == [list(one) for one in wanted.groups]
    assert [reason for part in check(mixed) for reason in part.rows["reason"].to_pylist()] == checked(table)


def test_codes_of_16_bits_are_no_codes_of_8() -> None:
    """Of 2,000 machines with a host name each, all but the first are rejected."""
    rows = 2000
    columns: dict[str, Any] = {
        "node_id": [f"n{i}" for i in range(rows)], "threshold": pa.array([60] * rows, pa.uint16()),
        "saved.machine-id": ["a"] * rows, "current.machine-id": ["a"] * rows,
        "saved.ipaddress-info": ["1"] * rows, "current.ipaddress-info": ["2"] * rows,
    }  # fmt: skip
    for side in ("saved", "current"):
        names = pa.array([f"{side}-{i % 1000}" if i else "first" for i in range(rows)]).dictionary_encode()
        columns[f"{side}.hostname-info"] = pa.DictionaryArray.from_arrays(
            names.indices.cast(pa.uint16()), names.dictionary
        )
    summary = Summary()
    for part in check(pa.table(columns)):
        summary.add(part)
    assert summary.refused == rows - 1


@pytest.mark.parametrize("codes", INTEGERS, ids=str)
def test_empty_batches_and_columns_of_nulls_have_answers(codes: Any) -> None:
    table = recoded(plain_table(), codes, pa.string())
    assert reasons_of(table.slice(0, 0)) == []
    assert checked(table.slice(0, 0)) == []
    assert checked(pa.Table.from_batches([], table.schema)) == []
    assert clones(table.slice(0, 0)).rows == 0
    nothing = pa.DictionaryArray.from_arrays(pa.array([None] * 5, codes), pa.array([], pa.string()))
    blank = pa.DictionaryArray.from_arrays(pa.array([0] * 5, codes), pa.array([""]))
    for name, column, wanted in (
        ("nulls", nothing, "NOTHING_TO_COMPARE"), ("blank", blank, "SAME_IP"),
        ("no type", pa.nulls(5), "NOTHING_TO_COMPARE"), ("blank strings", pa.array([""] * 5), "SAME_IP"),
        ("nulls of strings", pa.nulls(5, pa.string()), "NOTHING_TO_COMPARE"),
        ("nulls of views", pa.nulls(5, pa.string_view()), "NOTHING_TO_COMPARE"),
    ):  # fmt: skip
        columns = {f"{side}.{key}": column for side in ("saved", "current") for key in NAMES}
        given = pa.table({"node_id": list("abcde"), "threshold": pa.array([None] * 5, codes), **columns})
        assert reasons_of(given) == [wanted] * 5, name
        assert checked(given) == [wanted] * 5, name
        assert [batch.num_rows for batch in pack(given)] == [5], name
        assert clones(given).rows == 5, name


@pytest.mark.parametrize("codes", INTEGERS, ids=str)
def test_a_code_that_is_not_in_the_dictionary_is_named(codes: Any) -> None:
    for code in (2, 2 ** (codes.bit_width - 1) - 1, *((-1,) if pa.types.is_signed_integer(codes) else ())):
        column = pa.DictionaryArray.from_arrays(pa.array([0, code], codes), pa.array(["x", "y"]), safe=False)
        columns = {f"{side}.{name}": column for side in ("saved", "current") for name in NAMES}
        table = pa.table({"node_id": ["a", "b"], **columns})
        with pytest.raises(TypeError, match=r"saved\.machine-id has a code that is not in its dictionary"):
            reasons_of(table)
        for ask in (checked, plan, clones, lambda fleet: list(pack(fleet)), lambda fleet: join(fleet, fleet)):
            with pytest.raises(InputError, match=rf"column saved\.machine-id has the code {code}, and .* 2 values"):
                ask(table)


@pytest.mark.parametrize("threshold", INTEGERS, ids=str)
def test_a_threshold_out_of_range_is_no_other_threshold(threshold: Any) -> None:
    """2**64 - 1 is not -1, which would accept every machine, and 256 + 40 is not 40."""
    limit = 2 ** (threshold.bit_width - pa.types.is_signed_integer(threshold)) - 1
    numbers = {101, limit} | ({296} if limit > 255 else set())
    for number in numbers | ({-2} if pa.types.is_signed_integer(threshold) else set()):
        columns = {f"{side}.machine-id": ["a", "b"] for side in ("saved", "current")}
        table = pa.table({"node_id": ["x", "y"], "threshold": pa.array([40, number], threshold), **columns})
        with pytest.raises(InputError, match=r"bad row 2: its threshold is not -1 to 100"):
            checked(table)
        rejects = Rejects()
        assert [part.rows.num_rows for part in check(table, rejects=rejects)] == [1]
        assert [(one["row"], one["nodeId"]) for one in rejects.first] == [(2, "y")]
