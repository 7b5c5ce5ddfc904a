"""Near-clones: both engines find the pairs that a textbook finds by comparing everything with everything."""

from __future__ import annotations

import collections
import itertools
import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint._fleet import Answer, Near, Stream  # noqa: E402

KINDS = [pa.string(), pa.large_string(), pa.string_view(), "dictionary"]
Found = tuple[dict[int, int], set[tuple[int, int, int]], list[int]]


def textbook(rows: list[list[Any]], sids: list[Any] | None, at_least: int) -> Found:
    counts: collections.Counter[int] = collections.Counter()
    pairs, parents = set(), list(range(len(rows)))
    for i, j in itertools.combinations(range(len(rows)), 2):
        equal = [a is not None and a == b for a, b in zip(rows[i], rows[j], strict=True)]
        if sum(equal) < at_least or (sids and sids[i] is not None and sids[i] == sids[j]):
            continue
        counts[sum(equal)] += 1
        pairs.add((i, j, sum(bit << c for c, bit in enumerate(equal))))
        low, high = sorted((parents[i], parents[j]))
        parents = [low if parent == high else parent for parent in parents]
    return dict(counts), pairs, parents


def found_in(answer: Answer) -> Found:
    pairs = set(struct.iter_unpack("=III", answer.listed()))
    parents = [number for (number,) in struct.iter_unpack("=I", answer.clusters())]
    return {k: n for k, n in enumerate(answer.counts) if n}, pairs, parents


def search(table: Any, columns: int, at_least: int, *, sids: bool, brute: bool, parts: int = 3) -> Found:
    batches = list(Stream(table))
    near = Near(table.num_rows, columns, at_least, sids)
    for column in range(columns + sids):
        near.encode(column, [(batch, column) for batch in batches], 99)
    answers = [Answer(table.num_rows, 100_000) for _ in range(2)]
    rows = table.num_rows
    tasks: list[Any] = (
        [(rows * i // parts, rows * (i + 1) // parts) for i in range(parts)] if brute else near.collect(parts)
    )
    for number, task in enumerate(tasks):
        (near.brute if brute else near.pairs)(*task, answers[number % 2])
    answers[0].add(answers[1])
    return found_in(answers[0])


def table_of(rows: list[list[Any]], kinds: list[Any], chunk: int) -> Any:
    columns = []
    for place, kind in enumerate(kinds):
        values = pa.array([row[place] for row in rows], pa.string())
        columns.append(values.dictionary_encode() if kind == "dictionary" else values.cast(kind))
    names = [str(place) for place in range(len(kinds))]
    return pa.Table.from_batches(
        [pa.record_batch([c.slice(at, chunk) for c in columns], names) for at in range(0, len(rows), chunk)],
        pa.schema([(name, column.type) for name, column in zip(names, columns, strict=True)]),
    )


VALUE = st.sampled_from(["", "a", "b", "c" * 40, "c" * 41, "c" * 40 + "d", "é" * 9, None])


@st.composite
def fleets(draw: Any) -> tuple[list[list[Any]], list[Any], int, int]:
    columns = draw(st.integers(1, 9))
    rows = draw(st.lists(st.lists(VALUE, min_size=columns + 1, max_size=columns + 1), max_size=40))
    kinds = [draw(st.sampled_from(KINDS)) for _ in range(columns + 1)]
    return rows, kinds, draw(st.integers(1, columns)), draw(st.integers(1, 15))


@given(fleets(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_both_engines_find_what_the_textbook_finds(fleet: Any, sids: bool) -> None:
    rows, kinds, at_least, chunk = fleet
    columns = len(kinds) - 1
    wanted = textbook([row[:columns] for row in rows], [row[columns] for row in rows] if sids else None, at_least)
    table = table_of(rows, kinds, chunk)
    assert search(table, columns, at_least, sids=sids, brute=False) == wanted
    assert search(table, columns, at_least, sids=sids, brute=True) == wanted


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("columns", [3, 8, 11, 32])
def test_large_groups_are_found_as_small_ones_are(seed: int, columns: int) -> None:
    """Frequent values make groups for the engine of bytes, with rows behind the last full tile."""
    chance = random.Random(seed)
    rows = [
        [str(int(chance.expovariate(0.9))) for _ in range(columns)] + [str(chance.randrange(50))] for _ in range(300)
    ]
    at_least = max(1, columns * 2 // 3)
    table = table_of(rows, [pa.string()] * (columns + 1), 97)
    wanted = textbook([row[:columns] for row in rows], [row[columns] for row in rows], at_least)
    assert wanted[1]
    assert search(table, columns, at_least, sids=True, brute=False, parts=7) == wanted
    assert search(table, columns, at_least, sids=True, brute=True, parts=7) == wanted


@pytest.mark.parametrize("seed", range(40))
def test_each_pair_of_equal_rows_is_found(seed: int) -> None:
    """Few kinds of rows, each many times, with hardware IDs that are shared, missing or single."""
    chance = random.Random(seed)
    columns, at_least = chance.choice(((3, 2), (5, 3), (6, 4), (8, 6)))
    kinds = [[chance.choice(("", "a", "b", None)) for _ in range(columns)] for _ in range(chance.randint(1, 6))]
    rows = []
    for number in range(chance.choice((2, 30, 120))):
        row: list[Any] = list(chance.choice(kinds))
        for place in range(columns):
            # A value that no other row has, of which the node does not depend; or one of two rows.
            if chance.random() < 0.15:
                row[place] = f"{place} {number if chance.random() < 0.7 else number // 2}"
        rows.append([*row, chance.choice((None, "", f"id {number}", f"id {chance.randrange(4)}", "image"))])
    table = table_of(rows, [pa.string()] * (columns + 1), 17)
    for sids in (True, False):
        wanted = textbook([row[:columns] for row in rows], [row[columns] for row in rows] if sids else None, at_least)
        assert search(table, columns, at_least, sids=sids, brute=False) == wanted
        assert search(table, columns, at_least, sids=sids, brute=True) == wanted


def test_identical_machines_cost_no_more_than_one() -> None:
    """300,000 machines of three images, each with a name of its own: their 45 billion pairs are counted, not made."""
    rows = 300_000
    columns = {f"{place}": pa.array([f"image {i % 3 if place else 0}" for i in range(rows)]) for place in range(5)}
    columns["name"] = pa.array([f"host {i}" for i in range(rows)])
    columns["id"] = pa.array([f"id {i}" for i in range(rows)])
    near = Near(rows, 6, 1, True)
    batches = list(Stream(pa.table(columns)))
    for column in range(7):
        near.encode(column, [(batch, column) for batch in batches], 7)
    answer = Answer(rows, 1000)
    for task in near.collect(4):
        near.pairs(*task, answer)
    third = rows // 3
    assert answer.counts[5] == 3 * third * (third - 1) // 2
    assert answer.counts[1] == 3 * third * third
    assert sum(answer.counts) == answer.counts[5] + answer.counts[1]
    assert answer.compared < 10
    assert answer.clusters() == bytes(4 * rows)
    listed = list(struct.iter_unpack("=III", answer.listed()))
    assert len(set(listed)) == 1000
    assert all(a < b for a, b, _ in listed)


def test_both_engines_agree_on_large_fleets() -> None:
    chance = random.Random(3)
    rows = [[str(int(chance.paretovariate(0.7))) for _ in range(6)] for _ in range(6000)]
    table = table_of(rows, [pa.string()] * 6, 1000)
    few, many = (search(table, 6, 4, sids=False, brute=brute) for brute in (False, True))
    assert few[0] == many[0]
    assert few[2] == many[2]
    assert sum(few[0].values()) > 10_000


def test_values_of_one_hash_stay_apart() -> None:
    """Of 200,000 values several share 32 bits of hash; each is still the partner of its own double only."""
    values = [f"machine {i}" for i in range(200_000)]
    table = table_of([[value] for value in values * 2], [pa.string()], 150_000)
    counts, pairs, _ = search(table, 1, 1, sids=False, brute=False)
    assert counts == {1: 200_000}
    assert {(a, b - 200_000) for a, b, _ in pairs} <= {(i, i) for i in range(200_000)}


def test_integers_are_values_like_others() -> None:
    table = pa.table(
        {"a": pa.array([0, -1, 7, 0, None, None], pa.int32()), "b": pa.array([1, 2, 3, 4, 5, 6], pa.int32())}
    )
    assert search(table, 1, 1, sids=True, brute=False)[1] == {(0, 3, 1)}


def test_pairs_beyond_the_limit_are_counted_and_not_kept() -> None:
    table = pa.table({"a": ["x"] * 50})
    near = Near(50, 1, 1, False)
    near.encode(0, [(next(Stream(table)), 0)], 1)
    answer = Answer(50, 10)
    for task in near.collect(1):
        near.pairs(*task, answer)
    assert answer.counts[1] == 50 * 49 // 2
    # Equal rows are one node.
    assert answer.compared == 1
    assert len(answer.listed()) == 10 * 12
    more = Answer(50, 15)
    more.add(answer)
    more.add(answer)
    assert len(more.listed()) == 15 * 12


def test_numbers_out_of_range_are_rejected() -> None:
    for words in ((-1, 1, 1), (1, 0, 1), (1, 33, 1), (1, 2, 3), (1, 2, 0)):
        with pytest.raises(ValueError, match="1 to 32 columns"):
            Near(*words)
    batch = next(Stream(pa.table({"a": ["x", "y"]})))
    near = Near(2, 1, 1, False)
    with pytest.raises(ValueError, match="no such column"):
        near.encode(1, [(batch, 0)], 0)
    with pytest.raises(IndexError):
        near.encode(0, [(batch, 1)], 0)
    with pytest.raises(ValueError, match="4 rows, the fleet 2"):
        near.encode(0, [(batch, 0), (batch, 0)], 0)
    for call in (lambda: near.brute(0, 3, Answer(2, 0)), lambda: near.brute(0, 1, Answer(3, 0)),
                 lambda: near.pairs(0, 0, 1, Answer(2, 0)), lambda: near.pairs(1, 0, 0, Answer(2, 0))):  # fmt: skip
        with pytest.raises(IndexError):
            call()
    with pytest.raises(ValueError, match="different fleets"):
        Answer(2, 0).add(Answer(3, 0))
