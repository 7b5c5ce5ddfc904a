"""Scheme `stable` over columns: outcomes, points and states equal those of the Python function, row for row."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commandline import run
from event_machines import CHANGES, before_and_after
from fingerprint import collect
from fingerprint.attributes.stable import PHYSICAL, STRENGTHS
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.stable import Agreement, StableVerdict
from fingerprint.rules.stable import decide as slow
from fleets import row, validated, write_lines
from stable_fleets import ELEMENTS, FORMS, Cells, machines, table_of

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
np = pytest.importorskip("numpy", reason="the extra `fleet` is not installed")

from fingerprint._fleet import Stream  # noqa: E402
from fingerprint.fleet.io.arrow import batches_of  # noqa: E402
from fingerprint.fleet.stable_checking import OUTCOMES, check_stable, stable_question_of  # noqa: E402
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES, STABLE_SIDES, stable_cells, values_of_cells  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def expected_of(rows: list[tuple[Cells, Cells]]) -> list[StableVerdict]:
    return [slow(*values_of_cells(saved, current)) for saved, current in rows]


def found_in(table: Any) -> list[tuple[str, int, int, bool, bool]]:
    names = ("outcome", "identity", "circumstance", "void", "turning")
    parts = [part.rows for part in check_stable(table, threads=1)]
    return [tuple(one[name] for name in names) for part in parts for one in part.to_pylist()]


def shown(verdict: StableVerdict) -> tuple[str, int, int, bool, bool]:
    return str(verdict.outcome), verdict.identity, verdict.circumstance, bool(verdict.void), verdict.turning


@given(st.lists(machines(), min_size=1, max_size=6), st.sampled_from(FORMS), st.integers(0, 2))
@settings(max_examples=400, deadline=None)
def test_every_row_has_the_verdict_of_the_rule(rows: list[tuple[Cells, Cells]], form: str, skipped: int) -> None:
    found = found_in(table_of(rows, form).slice(skipped))
    assert found == [shown(verdict) for verdict in expected_of(rows)[skipped:]]


COLUMNS = [f"{side}.{name}" for side in STABLE_SIDES for name in STABLE_NAMES]


@given(st.lists(machines(), min_size=1, max_size=3), st.sampled_from(FORMS), st.frozensets(st.sampled_from(COLUMNS)))
@settings(max_examples=100, deadline=None)
def test_a_missing_column_is_an_absent_attribute(rows: Any, form: str, missing: frozenset[str]) -> None:
    for one in rows:
        for place, side in enumerate(STABLE_SIDES):
            one[place].update({name: None for name in STABLE_NAMES if f"{side}.{name}" in missing})
    assert found_in(table_of(rows, form, missing)) == [shown(verdict) for verdict in expected_of(rows)]


def cells_of_event(name: str) -> tuple[Cells, Cells]:
    before, after = (stable_cells(collect(RecordedMachine(taken), scheme="stable")) for taken in before_and_after(name))
    return {**before}, {**after}


def event_row(name: str) -> dict[str, Any]:
    return row(name, **dict(zip(STABLE_SIDES, cells_of_event(name), strict=True)))


@pytest.mark.parametrize("form", FORMS)
def test_every_event_has_the_verdict_of_the_rule(form: str) -> None:
    rows = [cells_of_event(name) for name in CHANGES]
    rows += [(after, before) for before, after in rows]
    wanted = expected_of(rows)
    assert found_in(table_of(rows, form)) == [shown(verdict) for verdict in wanted]
    assert {str(verdict.outcome) for verdict in wanted} == {str(outcome) for outcome in OUTCOMES}


# What the native core writes for an attribute, by what the rule says of it.
STATES = {Agreement.ABSENT: (0, 1, 2), Agreement.AGREES: (3, 6), Agreement.DIFFERS: (4,), Agreement.UNKNOWN: (5,),
          Agreement.VOID: (3, 4, 6)}  # fmt: skip


@given(st.lists(machines(), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_the_states_of_attributes_are_those_of_the_rule(rows: list[tuple[Cells, Cells]]) -> None:
    [batch] = batches_of(table_of(rows))
    outcomes, notes = (np.empty(len(rows), np.uint8) for _ in range(2))
    words = np.zeros(2 * len(rows), np.ulonglong)
    changed, unread = (np.zeros(len(STRENGTHS), np.longlong) for _ in range(2))
    stable_question_of(batch).outcomes(0, len(rows), outcomes, notes=notes, words=words, changed=changed, unread=unread)
    states = []
    for at, verdict in enumerate(expected_of(rows)):
        bits = int(words[2 * at]) | int(words[2 * at + 1]) << 64
        states.append([bits >> 4 * place & 15 for place in range(len(STRENGTHS))])
        for state, entry in zip(states[-1], verdict.rows, strict=True):
            assert state in STATES[entry.agreement]
            assert state not in (3, 6) or (state == 3) == (entry.saved == entry.current)
            assert state != 1 or (entry.saved and not entry.current)
            assert state != 2 or (entry.current and not entry.saved)
        assert bool(notes[at] & 1) == verdict.virtual
        assert bool(notes[at] & 2) == (verdict.void == "the hardware is that of the container's host")
    for place in range(len(STRENGTHS)):
        assert changed[place] == sum(one[place] == 4 for one in states)
        assert unread[place] == sum(one[place] == 5 for one in states)


@pytest.mark.parametrize("form", FORMS)
def test_blocks_and_slices_are_decided_as_few_rows_are(form: str) -> None:
    chance = random.Random(7)
    rows: list[tuple[Cells, Cells]] = []
    for _ in range(9000):
        saved: Cells = {name: f"{chance.getrandbits(128):032x}" for name in STABLE_NAMES if chance.random() < 0.9}
        saved.update({name: " ".join(f"{chance.getrandbits(64):016x}" for _ in range(3)) for name in SETS})
        saved["hypervisor"] = chance.choice([PHYSICAL, "kvm"])
        change = chance.choice([0.02, 0.5])
        rows.append((saved, {n: v and v[::-1] if chance.random() < change else v for n, v in saved.items()}))
    table = table_of(rows, form)
    wanted = [shown(verdict) for verdict in expected_of(rows)]
    assert found_in(table) == wanted
    assert found_in(table.slice(4097, 4500)) == wanted[4097 : 4097 + 4500]
    assert {one[0] for one in wanted} == {str(outcome) for outcome in OUTCOMES}


@given(ELEMENTS, st.integers(0, 90), st.integers(0, 90), st.integers(0, 90))
@example([], 5000, 5000, 5000)
@example([], 5000, 5000, 5001)
@settings(max_examples=60, deadline=None)
def test_sets_of_any_size_overlap_as_in_the_rule(few: list[str], common: int, one: int, other: int) -> None:
    both = [*few, *(f"{i:016x}" for i in range(common))]
    saved = [*both, *(f"a{i}" for i in range(one)), *both[:7]]
    current = [*(f"b{i}" for i in range(other)), *reversed(both)]
    kind = {"hypervisor": PHYSICAL}
    rows: list[tuple[Cells, Cells]] = [
        ({**kind, "mac-addresses": " ".join(saved)}, {**kind, "mac-addresses": " ".join(current)})
    ]
    assert found_in(table_of(rows)) == [shown(verdict) for verdict in expected_of(rows)]


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_set_of_blanks_does_not_match_another_set(name: str) -> None:
    kind = {"hypervisor": PHYSICAL}
    rows: list[tuple[Cells, Cells]] = [({**kind, name: " "}, {**kind, name: other}) for other in ("a" * 16, "  ")]
    for verdict in expected_of(rows):
        assert {entry.name: entry.agreement for entry in verdict.rows}[name] == Agreement.DIFFERS
    assert found_in(table_of(rows)) == [shown(verdict) for verdict in expected_of(rows)]


def test_wrong_tables_and_buffers_are_rejected() -> None:
    batch = pa.record_batch({"saved_stable.platform": ["a"], "current_stable.platform": ["b"], "number": [1]})
    rest: Any = (1, 0, -1, ("none",), 6, 4)
    one = (True, False, (1, 2), (3, 4))
    read = next(Stream(batch))
    question = read.stable_question([0, -1], [1, -1], [one, one], *rest)
    with pytest.raises(IndexError):
        question.outcomes(0, 2, bytearray(2))
    with pytest.raises(IndexError):
        question.outcomes(0, 1, bytearray(0))
    for wrong in (
        {"notes": bytearray(0)}, {"identity": np.empty(0, np.int8)}, {"circumstance": np.empty(0, np.int8)},
        {"words": np.empty(1, np.ulonglong)}, {"changed": np.empty(2, np.longlong)},
        {"changed": np.empty(1, np.longlong), "unread": np.empty(2, np.longlong)},
    ):  # fmt: skip
        with pytest.raises(IndexError):
            question.outcomes(0, 1, bytearray(1), **wrong)
    for saved, points, error in (
        ([0], [one, one], ValueError), ([], [], ValueError), ([0] * 33, [one] * 33, ValueError),
        ([0, -1], [one, (True, False, (127, 0), (0, 0))], ValueError),
        ([0, -1], [one, (True, False, (0, -1), (0, 0))], ValueError), ([2, -1], [one, one], TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            read.stable_question(saved, [-1] * len(saved), points, *rest)
    for *indexes, names in ((2, 0, -1, ("none",)), (0, -1, -1, ("none",)), (0, 1, 2, ("none",)), (0, 1, -1, ())):
        with pytest.raises(ValueError, match="must be among"):
            read.stable_question([0, -1], [1, -1], [one, one], *indexes, names, 6, 4)


def test_command_reports_outcomes_and_writes_rows(tmp_path: Path) -> None:
    rows = [event_row("reboot"), event_row("clone"), event_row("board-replaced")]
    file = write_lines(tmp_path / "fleet.jsonl", rows)
    done = run("fleet", "check", str(file), "--scheme", "stable", "--to", str(tmp_path / "to.jsonl"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 of 3 machines are other ones by scheme stable (33.33 %)" in done.stdout
    written = [json.loads(line) for line in (tmp_path / "to.jsonl").read_text().splitlines()]
    assert [(one["node_id"], one["outcome"]) for one in written] == [
        ("reboot", "same"), ("clone", "different"), ("board-replaced", "cannot-tell"),
    ]  # fmt: skip
    answer = validated(run("fleet", "check", str(file), "--scheme", "stable", "--output", "json"))
    assert [one["rows"] for one in answer["outcomes"]] == [1, 1, 1]
    assert {one["attribute"]: one["changed"] for one in answer["drift"]}["system-uuid"] == 2
    for names, code in ((["reboot"], 0), (["reboot", "board-replaced"], 3), (["clone", "board-replaced"], 1)):
        write_lines(file, [event_row(name) for name in names])
        assert run("fleet", "check", str(file), "--scheme", "stable").returncode == code
    # A row that was not read is no machine that is the same.
    write_lines(file, [event_row("reboot"), {**event_row("reboot"), "saved_stable": []}])
    assert run("fleet", "check", str(file), "--scheme", "stable").returncode == 3


def test_a_fleet_without_stable_values_is_an_error(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [row("a")])
    done = run("fleet", "check", str(file), "--scheme", "stable")
    assert done.returncode == 3
    assert "no values of scheme stable" in done.stderr
    assert "fingerprint fleet row" in done.stderr
    (tmp_path / "none.jsonl").write_text("")
    assert run("fleet", "check", str(tmp_path / "none.jsonl"), "--scheme", "stable").returncode == 3
