"""The verdicts on a fleet and its thresholds' cost, in every format, against the rule for each machine alone."""

from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import textbook
from commandline import environment, run
from fingerprint import match
from fingerprint.rules.whatif import simulate
from fleets import NAMES, row, write_lines

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
import pyarrow.parquet as pq  # noqa: E402

from fingerprint.attributes.events import event_of  # noqa: E402
from fingerprint.errors import InputError, UsageError  # noqa: E402
from fingerprint.fleet import Rejects, Summary, check, open_fleet, plan  # noqa: E402
from fingerprint.fleet.checking import decide  # noqa: E402
from fingerprint.fleet.planning import NOW  # noqa: E402
from fingerprint.rules.whatif import of_event  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

VALUE = st.sampled_from(["", "a", "b", "c" * 40])
UNIX = st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=7)
WINDOWS = st.dictionaries(st.sampled_from(("uuid", *NAMES[1:])), VALUE, min_size=1, max_size=7)
HASHES = st.one_of(st.tuples(UNIX, UNIX), st.tuples(WINDOWS, WINDOWS))
FLEETS = st.lists(st.tuples(HASHES, st.sampled_from([None, -1, 0, 1, 39, 40, 67, 100])), min_size=1, max_size=8)


def sid_key(saved: dict[str, str], current: dict[str, str]) -> str:
    return "uuid" if "uuid" in {*saved, *current} else "machine-id"


@given(FLEETS, st.integers(1, 2))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fleet_verdict_is_that_of_the_single_machine(
    tmp_path_factory: pytest.TempPathFactory, fleet: Any, threads: int
) -> None:
    file = tmp_path_factory.mktemp("fleet") / "fleet.jsonl"
    rows = [
        {"node_id": f"mi-{i}", "threshold": threshold, "saved": saved, "current": current}
        for i, ((saved, current), threshold) in enumerate(fleet)
    ]
    write_lines(file, rows)
    if not any(saved or current for (saved, current), _ in fleet):
        with pytest.raises(InputError, match="no hardware hash"):
            list(open_fleet(file).batches())
        return
    summary, found = Summary(), []
    for checked in check(open_fleet(file).batches(), threads=threads):
        summary.add(checked)
        found += checked.rows.to_pylist()
    assert [one["node_id"] for one in found] == [one["node_id"] for one in rows]
    changed: dict[str, int] = {}
    for one, ((saved, current), threshold) in zip(found, fleet, strict=True):
        expected = match(saved, current, 40 if threshold is None else threshold, sid_key=sid_key(saved, current))
        assert (one["match"], one["reason"]) == (expected.match, str(expected.reason))
        assert one["threshold"] == (40 if threshold is None else threshold)
        assert (one["matched"], one["total"]) == (sum(current[n] == saved.get(n) for n in current), len(current))
        for name in {*saved, *current}:
            changed[name] = changed.get(name, 0) + (saved.get(name) != current.get(name))
    for name, count in summary.changed.items():
        both = name == "machine-id or uuid"
        assert count == (changed.get("machine-id", 0) + changed.get("uuid", 0) if both else changed[name])
    assert summary.rows == len(rows)
    assert summary.refused == sum(not one["match"] for one in found)
    words = [one["reason"] for one in found]
    quick = [c.rows["reason"].to_pylist() for c in check(open_fleet(file).batches(), threads=threads, counts=False)]
    assert list(itertools.chain(*quick)) == words
    assert [code for batch in open_fleet(file).batches() for code in decide(batch).tolist()] == [
        [str(reason) for reason in summary.reasons].index(word) for word in words
    ]


@given(FLEETS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_plan_counts_the_verdicts_after_each_event(tmp_path_factory: pytest.TempPathFactory, fleet: Any) -> None:
    if not any(saved or current for (saved, current), _ in fleet):
        return
    file = tmp_path_factory.mktemp("fleet") / "fleet.jsonl"
    groups = ["red", "blue", None]
    rows = [
        {"node_id": f"mi-{i}", "saved": saved, "current": current, "group": groups[i % 3]}
        for i, ((saved, current), _) in enumerate(fleet)
    ]
    write_lines(file, rows)
    events = ("reboot-dhcp", "tool-upgrade", "clone-new-id")
    made = plan(open_fleet(file).batches(), events=events, threads=1)
    for group in made.groups:
        members = [one for one in rows if group in ("", one["group"])]
        for event in (NOW, *events):
            change = () if event == NOW else of_event(event_of(event), worst=False)  # type: ignore[arg-type]
            if "machine-id" in change:
                change = (*change, "uuid")
            tally = made.groups[group][event]
            assert tally.rows == len(members)
            for threshold in (1, 34, 40, 67, 100):
                refused = sum(
                    not simulate(
                        one["saved"], one["current"], threshold, change, sid_key=sid_key(one["saved"], one["current"])
                    ).match
                    for one in members
                )
                assert tally.refused_at(threshold) == refused, (group, event, threshold)


def rows_of(path: Path, **words: Any) -> list[Any]:
    return [one for checked in check(open_fleet(path, **words).batches()) for one in checked.rows.to_pylist()]


ROWS = [row("a"), row("b", "ipaddress-info", "disk-info", threshold=None), row("c", "machine-id"),
        row("d", *NAMES[1:]), row("é", "ipaddress-info", threshold=-1, fingerprint="f", group="g")]  # fmt: skip


def wide(rows: list[Any]) -> Any:
    columns = {name: [one.get(name) for one in rows] for name in ("node_id", "threshold", "fingerprint", "group")}
    columns |= {f"{s}.{n}": [one[s].get(n) for one in rows] for s in ("saved", "current") for n in NAMES}
    table = pa.table(columns)
    return table.append_column("observed_at", pa.array([one["observed_at"] for one in rows]))


def test_every_format_gives_the_same_answer(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "fleet.jsonl", ROWS)
    wanted = rows_of(lines)
    assert [one["reason"] for one in wanted] == ["SAME_IP", "SIMILAR", "SID_DIFFERS", "NOT_SIMILAR", "DISABLED"]
    (tmp_path / "fleet.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes()))
    table = wide(ROWS)
    pq.write_table(table, tmp_path / "fleet.parquet", row_group_size=2)
    pq.write_table(table, tmp_path / "large.parquet")
    with pa.ipc.new_file(tmp_path / "fleet.arrow", table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(tmp_path / "no-ending", table.schema) as stream:
        stream.write_table(table, 3)
    kind = pa.map_(pa.string(), pa.string())
    maps = pa.table({
        "node_id": [one["node_id"] for one in ROWS], "threshold": [one["threshold"] for one in ROWS],
        "observed_at": [one["observed_at"] for one in ROWS], "group": [one.get("group") for one in ROWS],
        **{side: pa.array([list(one[side].items()) for one in ROWS], kind) for side in ("saved", "current")},
    })  # fmt: skip
    pq.write_table(maps, tmp_path / "maps.parquet")
    structs = maps.drop_columns(["saved", "current"])
    for side in ("saved", "current"):
        structs = structs.append_column(side, pa.array([one[side] for one in ROWS]))
    pq.write_table(structs, tmp_path / "structs.parquet")
    for name in ("fleet.jsonl.gz", "fleet.parquet", "large.parquet", "fleet.arrow", "no-ending", "maps.parquet",
                 "structs.parquet"):  # fmt: skip
        assert rows_of(tmp_path / name) == [{**one, "observed_at": one["observed_at"]} for one in wanted], name


def test_directory_of_files_is_one_fleet(tmp_path: Path) -> None:
    for name, rows in (("b.jsonl", ROWS[2:]), ("a.jsonl", ROWS[:2])):
        write_lines(tmp_path / name, rows)
    assert [one["node_id"] for one in rows_of(tmp_path)] == ["a", "b", "c", "d", "é"]


def test_bad_lines_are_rejected_and_the_others_checked(tmp_path: Path) -> None:
    many = {**row("many"), "current": {f"a{i}": "" for i in range(100_000)}}
    bad: list[Any] = [
        "no json", "[]", {"node_id": ""}, {"node_id": 5}, row("t", threshold=101), {**row("t"), "threshold": "40"},
        {**row("t"), "threshold": True}, {**row("s"), "saved": []}, {**row("v"), "current": {"a": 1}}, many,
        {**row("o"), "observed_at": "yesterday"}, {**row("f"), "fingerprint": 1}, "[" * 100_000,
        '{"node_id": "\\ud800"}', '{"node_id": "x", "saved": {"a": "\\ud800"}}',
    ]  # fmt: skip
    file = write_lines(tmp_path / "fleet.jsonl", [row("first"), *bad, "", row("last")])
    rejects = Rejects()
    found = [n for batch in open_fleet(file).batches(rejects) for n in batch["node_id"].to_pylist()]
    assert found == ["first", "last"]
    assert rejects.count == len(bad)
    assert [one["row"] for one in rejects.first] == [2, 3, 4, 5, 6]
    assert rejects.first[4]["reason"] == "its threshold is not -1 to 100"


def test_bad_rows_of_columns_are_rejected(tmp_path: Path) -> None:
    table = pa.table({
        "node_id": ["a", None, "", "d", "e"], "threshold": pa.array([40, 40, 40, 2**40, None], pa.int64()),
        "saved.a": list("xxxxx"), "current.a": list("xxxxx"),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "fleet.parquet")
    with open(tmp_path / "rejects.jsonl", "w+") as file:
        rejects = Rejects(file)
        found = [n for batch in open_fleet(tmp_path / "fleet.parquet").batches(rejects) for n in batch["node_id"]]
    assert [one.as_py() for one in found] == ["a", "e"]
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(one["row"], one["reason"]) for one in rejects] == [
        (2, "it has no node ID"), (3, "it has no node ID"), (4, "its threshold is not -1 to 100"),
    ]  # fmt: skip


def test_a_column_without_any_threshold_is_a_column_of_defaults(tmp_path: Path) -> None:
    pq.write_table(pa.table({"node_id": ["a"], "threshold": [None], "saved.a": ["x"], "current.a": ["x"]}),
                   tmp_path / "fleet.parquet")  # fmt: skip
    assert [one["threshold"] for one in rows_of(tmp_path / "fleet.parquet")] == [40]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"saved.a": ["x"], "current.a": ["x"]}, "no column node_id"),
        ({"node_id": ["x"]}, "no hardware hash"),
        ({"node_id": [1], "saved.a": ["x"]}, "node_id is of type int64"),
        ({"node_id": ["x"], "saved.a": ["x"], "threshold": ["40"]}, "threshold is of type string"),
        ({"node_id": ["x"], "saved.a": [1.5], "current.a": [1.5]}, "cannot be compared"),
        ({"node_id": ["x"], "saved.a": ["x"], "observed_at": [7]}, "observed_at is of type int64, not a time"),
        ({"node_id": ["x"], **{f"saved.a{i}": ["x"] for i in range(121)}}, "121 attributes"),
    ],
)
def test_columns_without_a_fleet_are_an_error(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "fleet.parquet")
    with pytest.raises(InputError, match=said):
        list(check(open_fleet(tmp_path / "fleet.parquet").batches()))


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl.gz", "tar.gz"])
def test_truncated_file_is_an_error(tmp_path: Path, ending: str) -> None:
    table = wide(ROWS * 1000)
    complete = tmp_path / f"complete.{ending}"
    if ending == "parquet":
        pq.write_table(table, complete)
    elif ending == "arrow":
        with pa.ipc.new_file(complete, table.schema) as file:
            file.write_table(table)
    else:
        complete.write_bytes(gzip.compress("\n".join(json.dumps(one) for one in ROWS * 1000).encode()))
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(complete.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot read it"):
        list(open_fleet(cut).batches())


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_fleet(tmp_path / "none.parquet")
    (tmp_path / "x.bin").write_bytes(b"\0\1\2")
    with pytest.raises(InputError, match="unknown format"):
        open_fleet(tmp_path / "x.bin")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no fleet in the directory"):
        open_fleet(tmp_path / "empty")
    with pytest.raises(UsageError, match="unknown format"):
        open_fleet(tmp_path / "x.bin", format="csv")


@pytest.mark.parametrize(
    "rows",
    [[], [row("a", "machine-id"), row("b", "machine-id")], ["no row"]],
    ids=["no row", "rows that every threshold refuses", "rows that are none"],
)
@pytest.mark.parametrize("refused", [0.0, 1.0])
def test_no_threshold_is_recommended_without_valid_machines(tmp_path: Path, rows: list[Any], refused: float) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", rows)
    made = plan(open_fleet(file).batches(Rejects()))
    assert made.highest(tolerate=("reboot-dhcp",), refused=refused) is None
    env = environment(tmp_path / "state")
    done = run("fleet", "plan", str(file), env=env)
    none = not any(isinstance(one, dict) for one in rows)
    assert done.returncode == (3 if none else 1)
    assert "The highest threshold" not in done.stdout
    assert done.stdout.startswith(f"{file} holds no machine." if none else "No threshold tolerates")
    answer = json.loads(run("fleet", "plan", str(file), "--output", "json", env=env).stdout)
    assert answer["groups"][0]["highestThreshold"] is None


def test_recommended_threshold_is_the_highest_that_passes(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [row(str(i)) for i in range(99)] + [row("x", *NAMES[1:6])])
    made = plan(open_fleet(file).batches(), events=("reboot-dhcp",))
    # 5 of 7 match after the event; the last machine has 1 of 7 left and is rejected by each threshold above 14.
    assert made.highest(tolerate=("reboot-dhcp",)) == 14
    assert made.highest(tolerate=("reboot-dhcp",), refused=0.01) == 71
    assert [run[:2] for run in made.curve()] == [(1, 14), (15, 28), (29, 71), (72, 100)]
    with pytest.raises(UsageError, match="no event"):
        plan(open_fleet(file).batches(), events=("flood",))


def test_textbook_and_rule_agree_on_the_rows_used_here() -> None:
    assert [textbook.decide(r["saved"], r["current"], 40, "machine-id")[0] for r in ROWS[:4]] == [1, 1, 0, 0]
