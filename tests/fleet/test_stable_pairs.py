"""Pairs of rows by scheme `stable` in the native core: the verdicts of the function, and wrong buffers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerprint.attributes.stable import PHYSICAL
from stable_fleets import ELEMENTS, FORMS, Cells, column_of, machines, reference, table_of

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
np = pytest.importorskip("numpy", reason="the extra `fleet` is not installed")

from fingerprint._fleet import Answer, Near, StablePairs, StableQuestion, Stream, elements_of  # noqa: E402
from fingerprint.fleet.io.arrow import batches_of  # noqa: E402
from fingerprint.fleet.stable_checking import OUTCOMES, TURNING, VOID, stable_question_of  # noqa: E402
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES  # noqa: E402
from fingerprint.fleet.stable_rows import stable_rows  # noqa: E402

if TYPE_CHECKING:
    from fingerprint.fleet.stable_rows import StableRows

NUMBER = {name: position for position, name in enumerate(STABLE_NAMES)}


def rows_of(cells: list[Cells], form: str = "string") -> StableRows:
    return stable_rows(list(batches_of(table_of([({}, one) for one in cells], form))), 1)


def require_reference(cells: list[Cells], rows: StableRows) -> None:
    """Compare the verdicts on all pairs, in both directions and each row with itself, with those of the function."""
    pairs = list(itertools.product(range(len(cells)), repeat=2))
    notes = np.empty(len(pairs), np.uint8)
    outcomes = rows.decide(*(np.array(side) for side in zip(*pairs, strict=True)), notes=notes)
    for (i, j), outcome, note in zip(pairs, outcomes, notes, strict=True):
        wanted = reference(cells[i], cells[j])
        assert OUTCOMES[outcome] == wanted.outcome
        assert (bool(note & VOID), bool(note & TURNING)) == (bool(wanted.void), wanted.turning)
        assert reference(cells[j], cells[i]).outcome == wanted.outcome


@given(st.lists(machines(), min_size=1, max_size=3), st.sampled_from(FORMS))
@settings(max_examples=200, deadline=None)
def test_every_pair_has_the_verdict_of_the_rule(both: list[tuple[Cells, Cells]], form: str) -> None:
    cells = [one for machine in both for one in machine]
    require_reference(cells, rows_of(cells, form))


@given(ELEMENTS, st.integers(0, 90), st.integers(0, 90), st.integers(0, 90))
@example([], 5000, 5000, 5001)
@settings(max_examples=40, deadline=None)
def test_sets_of_any_size_overlap_as_in_the_rule(few: list[str], common: int, one: int, other: int) -> None:
    both = [*few, *(f"{i:016x}" for i in range(common))]
    sides = ([*both, *(f"a{i}" for i in range(one)), *both[:7]], [*(f"b{i}" for i in range(other)), *reversed(both)])
    cells: list[Cells] = [{"hypervisor": PHYSICAL, "mac-addresses": " ".join(side)} for side in sides]
    require_reference(cells, rows_of(cells))


def test_many_pairs_are_decided_as_few_are() -> None:
    cells: list[Cells] = [{"hypervisor": PHYSICAL, "system-uuid": str(i // 2), "board": str(i)} for i in range(5000)]
    one, other = np.arange(4999), np.arange(1, 5000)
    rows = rows_of(cells)
    rows.threads = 2
    assert [OUTCOMES[o] for o in rows.decide(np.tile(one, 40), np.tile(other, 40))] == 40 * [
        reference(cells[i], cells[i + 1]).outcome for i in range(4999)
    ]


def elements(values: list[str | None], form: str = "string") -> list[list[bytes]]:
    batch = next(Stream(pa.record_batch({"set": column_of(values, form, "set")}).slice(1)))
    counts, offsets, text = elements_of(batch, 0)
    ends = np.frombuffer(offsets, np.int64)
    parts = [text[a:b] for a, b in itertools.pairwise(ends)]
    sizes = np.frombuffer(counts, np.int32).tolist()
    assert sum(sizes) == len(parts)
    return [[parts.pop(0) for _ in range(size)] for size in sizes]


@pytest.mark.parametrize("form", ["string", "large", "binary", "dictionary"])
def test_elements_of_sets_are_distinct(form: str) -> None:
    many = " ".join(f"{i % 100:03d}" for i in range(300))
    found = elements(["before", "b a b", None, "", "?", "  ", "a ?", "\u2003c\xa0", many], form)
    assert [sorted(one) for one in found[:-1]] == [[b"a", b"b"], [], [], [], [], [b"?", b"a"], [b"c"]]
    assert sorted(found[-1]) == [f"{i:03d}".encode() for i in range(100)]


def made(rows: int, columns: int = len(STABLE_NAMES), **words: Any) -> StablePairs:
    question = stable_question_of(pa.record_batch({"value": pa.array([], pa.string())}))
    sets: list[Any] = [None] * columns
    for name, both in words.pop("sets", {}).items():
        sets[NUMBER[name]] = both
    given: dict[str, Any] = {"codes": np.zeros(rows * columns, np.uint32), "unread": np.zeros(columns, np.uint32),
                             "names": np.zeros(6, np.uint32), "sets": sets, **words}  # fmt: skip
    return StablePairs(question, *given.values())


def begins(*numbers: int) -> Any:
    return np.array(numbers, np.longlong)


def test_wrong_buffers_of_pairs_are_rejected() -> None:
    few = np.zeros(1, np.uint32)
    for words in (
        {"codes": np.zeros(3, np.uint32)}, {"unread": few}, {"names": few}, {"sets": [None]},
        {"sets": {"mac-addresses": (begins(0, 1), few)}}, {"sets": {"mac-addresses": (begins(0, 1, 2), few)}},
        {"sets": {"mac-addresses": (begins(-1, 1, 1), few)}}, {"sets": {"hostname": (begins(0, 1, 1), few)}},
    ):  # fmt: skip
        with pytest.raises((ValueError, IndexError, AttributeError)):
            made(2, **words)
    with pytest.raises(IndexError, match="end before they begin"):
        made(2, sets={"mac-addresses": (begins(0, 2, 1), np.zeros(2, np.uint32))})
    pairs = made(2, sets={name: (begins(0, 0, 1), few) for name in SETS})
    one, outcomes = np.array([1], np.uint32), np.empty(1, np.uint8)
    pairs.outcomes(one, one, outcomes, notes=outcomes.copy())
    assert OUTCOMES[outcomes[0]] == "cannot-tell"
    for wrong in (
        (one, one[:0], outcomes), (one, one, outcomes[:0]), (one + 1, one, outcomes), (one, one + 1, outcomes),
        (one, one, outcomes, outcomes[:0]),
    ):  # fmt: skip
        with pytest.raises(IndexError):
            pairs.outcomes(*wrong)
    question = stable_question_of(pa.record_batch({"value": pa.array([], pa.string())}))
    for instance, of in ((pairs, question), (StablePairs.__new__(StablePairs), StableQuestion.__new__(StableQuestion))):
        with pytest.raises(TypeError, match="made once"):
            instance.__init__(of, one, one, one, [])  # type: ignore[misc]
    with pytest.raises(TypeError, match="no rows"):
        StablePairs.__new__(StablePairs).outcomes(one, one, outcomes)


def test_wrong_rows_and_columns_of_clusters_are_rejected() -> None:
    answer, one = Answer(2, 0), np.array([0], np.uint32)
    answer.join(one, one + 1)
    assert np.frombuffer(answer.clusters(), np.uint32).tolist() == [0, 0]
    for wrong in ((one, one + 2), (one + 2, one), (one, one[:0])):
        with pytest.raises(IndexError):
            answer.join(*wrong)
    near = Near(2, 1, 1, False)
    assert near.frequencies_of(0) == bytes(2)
    for column in (-1, 1):
        with pytest.raises(IndexError):
            near.frequencies_of(column)
    with pytest.raises(IndexError):
        elements_of(next(Stream(pa.record_batch({"a": ["x"]}))), 1)
    with pytest.raises(TypeError):
        elements_of(next(Stream(pa.record_batch({"a": [1.0]}))), 0)
