"""The match rule over Arrow columns, against the slow textbook rule, in every layout that a column can have."""

from __future__ import annotations

import array
import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from fingerprint.types import Reason

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
Stream = pytest.importorskip("fingerprint._fleet").Stream

NAMES = ("machine-id", "ipaddress-info", "a", "b", "c")
REASONS = [Reason.DISABLED, Reason.NOTHING_TO_COMPARE, Reason.SID_DIFFERS, Reason.SAME_IP, Reason.SIMILAR,
           Reason.NOT_SIMILAR]  # fmt: skip
VALUES = st.sampled_from(["", "x", "y", "é", "1.2.3.4", "1.2.3.5", "a" * 12, "a" * 13, "b" * 24, "b" * 23 + "c",
                          "d" * 32, "d" * 33, "d" * 32 + "e", "f" * 70, "f" * 69 + "g", None])  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)),
        st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)),
        st.sampled_from([-2, -1, 0, 1, 39, 40, 60, 100, 101, 2**31 - 1, None]),
    ),
    max_size=12,
)
TEXT_KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]
THRESHOLD_KINDS = [pa.int32(), pa.int64()]
THRESHOLD_OF_NONE = 50


def answers(
    table: Any, missing: tuple[str, ...] = (), *, counts: bool = True, cut: int = 1
) -> list[tuple[Reason, int, int]]:
    """Ask the kernel, the rows of each batch in `cut` parts."""
    stream, found = Stream(table), []
    indexes = {name: place for place, name in enumerate(stream.names)}
    sides = [
        [-1 if f"{side}.{name}" in missing else indexes[f"{side}.{name}"] for name in NAMES]
        for side in ("saved", "current")
    ]
    for batch in stream:
        rows = len(batch)
        question = batch.question(*sides, THRESHOLD_OF_NONE, indexes["threshold"], 0, 1)
        reasons, matched, totals = bytearray(rows), bytearray(rows), bytearray(rows)
        edges = [rows * i // cut for i in range(cut + 1)]
        for begin, end in itertools.pairwise(edges):
            question.decide(begin, end, reasons, *((matched, totals) if counts else ()))
        found += [(REASONS[r], m, t) for r, m, t in zip(reasons, matched, totals, strict=True)]
    return found


def expected_of(saved: dict[str, Any], current: dict[str, Any], threshold: int | None) -> tuple[Reason, int, int]:
    old, new = ({k: v for k, v in side.items() if v is not None} for side in (saved, current))
    return textbook.decide(old, new, THRESHOLD_OF_NONE if threshold is None else threshold, "machine-id")[1:]


def table_of(rows: list[Any], kinds: list[Any], threshold_kind: Any, missing: tuple[str, ...] = ()) -> Any:
    columns = {}
    for place, side in enumerate(("saved", "current")):
        for kind, name in zip(kinds[place], NAMES, strict=True):
            values = [row[place][name] for row in rows]
            if f"{side}.{name}" in missing:
                continue
            column = pa.array(values, pa.string()).cast(kind) if kind != "dictionary" else dictionary(values)
            columns[f"{side}.{name}"] = column
    columns["threshold"] = pa.array([row[2] for row in rows], threshold_kind)
    return pa.table(columns)


def dictionary(values: list[str | None]) -> Any:
    return pa.array(values, pa.string()).dictionary_encode()


@st.composite
def fleets(draw: Any) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    rows = draw(ROWS)
    kinds: list[list[Any]] = [[], []]
    for _ in NAMES:
        if draw(st.booleans()):
            kinds[0].append("dictionary")
            kinds[1].append("dictionary")
        else:
            kinds[0].append(draw(st.sampled_from(TEXT_KINDS)))
            kinds[1].append(draw(st.sampled_from(TEXT_KINDS)))
    missing = draw(st.sets(st.sampled_from([f"{s}.{n}" for s in ("saved", "current") for n in NAMES[1:]]), max_size=3))
    for row in rows:
        for name in missing:
            side, _, key = name.partition(".")
            row[("saved", "current").index(side)][key] = None
    # One column of a pair is not a dictionary while the other is, when one of them is missing.
    return rows, kinds, tuple(missing)


@given(fleets(), st.sampled_from(THRESHOLD_KINDS), st.integers(0, 3), st.integers(1, 3))
@settings(max_examples=600, deadline=None)
def test_every_layout_matches_the_reference(
    fleet: tuple[list[Any], list[Any], tuple[str, ...]], threshold_kind: Any, skipped: int, cut: int
) -> None:
    rows, kinds, missing = fleet
    for side in range(2):
        for place, name in enumerate(NAMES):
            if f"{('current', 'saved')[side]}.{name}" in missing and kinds[side][place] == "dictionary":
                kinds[side][place] = pa.string()
    table = table_of(rows, kinds, threshold_kind, missing).slice(skipped)
    wanted = [expected_of(*row) for row in rows[skipped:]]
    found = answers(table, missing, cut=cut)
    # A disabled check, or nothing to compare, needs no counts; the others are counted.
    assert [row[0] for row in found] == [row[0] for row in wanted]
    assert [row[1:] for row in found] == [counted(*row) for row in rows[skipped:]]
    assert [row[0] for row in answers(table, missing, counts=False, cut=cut)] == [row[0] for row in wanted]


def counted(saved: dict[str, Any], current: dict[str, Any], threshold: int | None) -> tuple[int, int]:
    present = [name for name in NAMES if current[name] is not None]
    return sum(saved[name] == current[name] for name in present), len(present)


@pytest.mark.parametrize("kind", ["text", "steady text", "large", "view", "code", "wide"])
@pytest.mark.parametrize("thresholds", ["usual", "unusual"])
def test_many_rows_are_decided_as_few_are(kind: str, thresholds: str) -> None:
    """Blocks, lists and the last rows of a buffer take different ways; each row has one answer."""
    chance = random.Random(5)
    rows = []
    for row in range(10_000):
        saved = {n: f"{chance.getrandbits(96):024x}"[: 24 if kind != "text" else chance.randint(0, 24)] for n in NAMES}
        calm = 0.99 if row < 5000 else 0.6
        current = {
            n: v if chance.random() < calm else v[::-1] + ("x" if kind == "text" else "") for n, v in saved.items()
        }
        if row < 5000:
            current["ipaddress-info"] = saved["ipaddress-info"][::-1]
        rows.append((saved, current, chance.choice([40, 60, 80] if thresholds == "usual" else [-1, 55, 101, 1000])))
    kinds = {"large": pa.large_string(), "view": pa.string_view()}.get(kind, pa.string())
    table = table_of(rows, [[kinds] * 5] * 2, pa.int32())
    wanted = [(expected_of(*row)[0], *counted(*row)) for row in rows]
    if kind in ("code", "wide"):
        table = coded(table, kind)
    assert answers(table) == wanted
    assert [row[0] for row in answers(table, counts=False, cut=2)] == [row[0] for row in wanted]


def coded(table: Any, kind: str) -> Any:
    """Put an int32 or 16 bytes in place of each text."""
    known: dict[str, int] = {}
    for name in table.column_names:
        if name != "threshold":
            numbers = [known.setdefault(value, len(known)) for value in table[name].to_pylist()]
            column = (
                pa.array(numbers, pa.int32())
                if kind == "code"
                else pa.array([n.to_bytes(16, "big") for n in numbers], pa.binary(16))
            )
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def test_differing_attributes_need_a_value_on_one_side() -> None:
    table = pa.table({"saved.a": ["x", None, "z", None, ""], "current.a": ["x", "y", "w", None, ""]})
    question = next(Stream(table)).question([0], [1], 40, None, -1, -1)
    changed = array.array("q", [10])
    question.decide(0, 5, bytearray(5), bytearray(5), bytearray(5), changed)
    assert changed[0] == 12
    same, has = bytearray(4), bytearray(4)
    question.compare(0, 1, 5, same, has)
    assert (list(same), list(has)) == ([0, 0, 0, 1], [2, 2, 0, 1])
    with pytest.raises(IndexError):
        question.compare(1, 0, 1, same, has)
    with pytest.raises(IndexError):
        question.compare(0, 0, 5, same, has)


@pytest.mark.parametrize(
    ("saved", "current", "word"),
    [
        (pa.array([1.5]), pa.array([1.5]), "cannot be compared"),
        (pa.array([1], pa.int32()), pa.array(["x"]), "cannot be compared"),
        (pa.array(["x"]).dictionary_encode(), pa.array([1], pa.int32()), "saved.a and current.a cannot be compared"),
        (pa.array([-1], pa.int32()), pa.array([2**32 - 1], pa.uint32()), "saved.a and current.a cannot be compared"),
        (pa.array([1.5]).dictionary_encode(), pa.nulls(1), "saved.a is of type dictionary of g"),
        (pa.array([b"12"], pa.binary(2)), pa.array([b"123"], pa.binary(3)), "cannot be compared"),
    ],
)
def test_columns_that_cannot_be_compared_are_rejected(saved: Any, current: Any, word: str) -> None:
    batch = next(Stream(pa.table({"saved.a": saved, "current.a": current})))
    with pytest.raises(TypeError, match=word):
        batch.question([0], [1], 40, None, -1, -1)


def test_thresholds_of_wrong_range_or_type_are_rejected() -> None:
    for thresholds, error in (
        (pa.array([2**31]), ValueError), (pa.array([-(2**31)]), ValueError), (pa.array([-(2**63)]), ValueError),
        (pa.array([2**31], pa.uint32()), ValueError), (pa.array([2**64 - 1], pa.uint64()), ValueError),
        (pa.array([2**63], pa.uint64()), ValueError), (pa.array(["40"]), TypeError), (pa.array([True]), TypeError),
        (pa.array([40.0]), TypeError), (pa.array([40], pa.decimal128(4)), TypeError),
        (pa.array([40]).dictionary_encode(), TypeError), (pa.array([40], pa.date32()), TypeError),
    ):  # fmt: skip
        batch = next(Stream(pa.table({"saved.a": ["x"], "current.a": ["x"], "threshold": thresholds})))
        with pytest.raises(error, match="threshold"):
            batch.question([0], [1], 40, 2, -1, -1)


def test_rows_and_offsets_are_checked_before_any_read() -> None:
    batch = next(Stream(pa.table({"saved.a": ["x"], "current.a": ["x"]})))
    question = batch.question([0], [1], 40, None, -1, -1)
    for begin, end, reasons, counts in (
        (0, 2, bytearray(2), ()),
        (1, 0, bytearray(1), ()),
        (-1, 1, bytearray(1), ()),
        (0, 1, bytearray(0), ()),
        (0, 1, bytearray(1), (bytearray(1), bytearray(0))),
        (0, 1, bytearray(1), (bytearray(1), None)),
    ):
        with pytest.raises(IndexError):
            question.decide(begin, end, reasons, *counts)
    with pytest.raises(IndexError):
        question.decide(0, 1, bytearray(1), bytearray(1), bytearray(1), array.array("q"))


def test_a_stream_is_read_once_and_only_of_columns() -> None:
    with pytest.raises(TypeError, match="no Arrow stream"):
        Stream([1])
    with pytest.raises(TypeError, match="not made of columns"):
        Stream(pa.chunked_array([[1]]))
    batch = next(Stream(pa.table({"a": ["x"]})))
    with pytest.raises(ValueError, match="1 to 120 attributes"):
        batch.question([], [], 40)
    with pytest.raises(ValueError, match="among the attributes"):
        batch.question([0], [0], 40, None, 1, 0)
