"""The columns of scheme `stable`: in the row of this host, in every format, and in rows that are rejected."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from commandline import environment, run
from event_machines import before_and_after
from fleets import row, write_lines

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
import pyarrow.parquet as pq  # noqa: E402

from fingerprint import collect  # noqa: E402
from fingerprint.errors import InputError  # noqa: E402
from fingerprint.fleet import Rejects, open_fleet  # noqa: E402
from fingerprint.fleet.io.arrow import batches_of  # noqa: E402
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES, UNREADABLE, stable_cells  # noqa: E402
from fingerprint.machine.recorded import RecordedMachine  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

BEFORE, AFTER = before_and_after("ram-added")
CELLS = tuple(stable_cells(collect(RecordedMachine(taken), scheme="stable")) for taken in (BEFORE, AFTER))


@pytest.fixture
def host(tmp_path: Path) -> tuple[str, ...]:
    """A host with a vault and evidence, whose memory was extended since; the words that name both."""
    words = ("--vault", str(tmp_path / "vault"))
    for name, taken in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(taken))
    done = run(
        *words, "--snapshot", str(tmp_path / "before.json"), "vault", "init", env=environment(tmp_path / "state")
    )
    assert done.returncode == 0, done.stderr
    return (*words, "--snapshot", str(tmp_path / "after.json"))


def cells_of(path: Path) -> list[tuple[dict[str, str], ...]]:
    """Return the cells of scheme `stable` of each row of a fleet, both sides."""
    rows = pa.Table.from_batches(list(open_fleet(path).batches(Rejects()))).to_pylist()
    return [
        tuple({n: one[f"{side}.{n}"] for n in STABLE_NAMES if one.get(f"{side}.{n}")} for side in STABLE_SIDES)
        for one in rows
    ]


def test_the_row_of_a_host_has_both_sides(host: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*host, "fleet", "row", env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert tuple(answer[side] for side in STABLE_SIDES) == CELLS
    assert CELLS[0] != CELLS[1]
    (tmp_path / "fleet.jsonl").write_text(done.stdout)
    assert cells_of(tmp_path / "fleet.jsonl") == [CELLS]


def test_without_usable_evidence_the_saved_side_is_empty(host: tuple[str, ...], tmp_path: Path) -> None:
    env = environment(tmp_path / "state")
    [kept] = (tmp_path / "state").rglob("evidence/*/*.json")
    kept.write_text("{")
    done = run(*host, "fleet", "row", env=env)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["saved_stable"], answer["current_stable"]) == (0, {}, CELLS[1])
    assert "without saved values of scheme stable" in done.stderr
    kept.unlink()
    done = run(*host, "fleet", "row", env=env)
    assert (json.loads(done.stdout)["saved_stable"], done.stderr) == ({}, "")


def test_inventory_has_an_item_for_each_stable_value(host: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*host, "fleet", "row", "--inventory", env=environment(tmp_path / "state"))
    document = json.loads(done.stdout)
    directory = tmp_path / "bucket/Custom:HardwareFingerprint/resourcetype=ManagedInstanceInventory"
    directory.mkdir(parents=True)
    lines = [{**item, "captureTime": document["CaptureTime"]} for item in document["Content"]]
    (directory / "mi-1.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cells_of(tmp_path / "bucket") == [CELLS]


def test_machines_have_values_of_snapshot_and_evidence(host: tuple[str, ...], tmp_path: Path) -> None:
    machine = tmp_path / "machines" / "web-1"
    shutil.copytree(tmp_path / "vault", machine / "vault")
    shutil.copy(tmp_path / "after.json", machine / "snapshot.json")
    assert cells_of(tmp_path / "machines") == [({}, CELLS[1])]
    shutil.copy(tmp_path / "before.json", machine / "evidence.json")
    assert cells_of(tmp_path / "machines") == [CELLS]
    (machine / "evidence.json").write_text("{")
    rejects = Rejects()
    assert list(open_fleet(tmp_path / "machines").batches(rejects)) == []
    assert rejects.first[0]["reason"].startswith("the evidence: not a snapshot")


def test_unreadable_value_has_its_own_mark() -> None:
    taken = json.loads(json.dumps(BEFORE))
    taken["files"]["/sys/firmware/dmi/tables/DMI"] = {"error": "EACCES"}
    collection = collect(RecordedMachine(taken), scheme="stable")
    cells = stable_cells(collection)
    assert "system-uuid" in collection.unreadable
    assert {name for name, value in cells.items() if value == UNREADABLE} == set(collection.unreadable)


@pytest.mark.parametrize("form", ["columns", "map", "struct", "dictionary", "views"])
def test_every_form_of_columns_has_the_same_values(form: str, tmp_path: Path) -> None:
    table = pa.table({"node_id": ["a", "b"], "saved.a": ["x", "x"], "current.a": ["x", "y"]})
    for side, cells in zip(STABLE_SIDES, CELLS, strict=True):
        known = {**cells, "attribute-of-tomorrow": "x"}
        if form == "map":
            table = table.append_column(side, pa.array([list(known.items()), None], pa.map_(pa.string(), pa.string())))
        elif form == "struct":
            table = table.append_column(side, pa.array([known, None]))
        else:
            for name, value in known.items():
                kind = pa.string_view() if form == "views" else pa.string()
                column = pa.array([value, None], kind)
                column = column.dictionary_encode() if form == "dictionary" else column
                table = table.append_column(f"{side}.{name}", column)
    if form != "views":
        pq.write_table(table, tmp_path / "fleet.parquet")
        assert cells_of(tmp_path / "fleet.parquet") == [CELLS, ({}, {})]
    found = pa.Table.from_batches(list(batches_of(table)))
    assert {name.partition(".")[2] for name in found.column_names if name.startswith(STABLE_SIDES)} <= {*STABLE_NAMES}
    for side, cells in zip(STABLE_SIDES, CELLS, strict=True):
        assert all(found[f"{side}.{name}"].to_pylist() == [value, None] for name, value in cells.items())


@pytest.mark.parametrize("kind", [pa.int32(), pa.float64(), pa.binary(16), pa.list_(pa.string())])
def test_values_of_another_type_are_rejected(kind: Any) -> None:
    table = pa.table({"node_id": ["a"], "saved.a": ["x"], "saved_stable.platform": pa.nulls(1, kind)})
    with pytest.raises(InputError, match=r"saved_stable\.platform is of type"):
        list(batches_of(table))


def test_bad_stable_values_reject_the_row(tmp_path: Path) -> None:
    rows = [
        row("ok", saved_stable=None, current_stable={"platform": None, "of-tomorrow": 1}),
        row("a", saved_stable=[]),
        row("b", current_stable={"platform": 1}),
        row("c", **{"current_stable.platform": 1}),
        row("d", current_stable={"platform": "\ud800"}),
    ]
    rejects = Rejects()
    found = pa.Table.from_batches(list(open_fleet(write_lines(tmp_path / "fleet.jsonl", rows)).batches(rejects)))
    assert found["node_id"].to_pylist() == ["ok"]
    assert [one["reason"] for one in rejects.first] == [
        "its saved_stable is not an object", "its current_stable has a value that is not a string",
        "its current_stable has a value that is not a string",
        "it has half of a surrogate pair, which is not valid Unicode",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("form", ["columns", "struct"])
def test_stable_columns_are_read_only_where_they_are_needed(kind: str, form: str, tmp_path: Path) -> None:
    table = pa.table({"node_id": ["a"], "saved.machine-id": ["x"], "current.machine-id": ["x"]})
    for side, cells in zip(STABLE_SIDES, CELLS, strict=True):
        if form == "struct":
            table = table.append_column(side, pa.array([cells]))
        for name, value in cells.items() if form == "columns" else ():
            table = table.append_column(f"{side}.{name}", pa.array([value]))
    file = tmp_path / f"fleet.{kind}"
    if kind == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    assert cells_of(file) == [CELLS]
    [without] = open_fleet(file, stable=False).batches()
    assert without.schema.names == ["node_id", "saved.machine-id", "current.machine-id"]
    assert run("fleet", "check", str(file)).returncode == 0
    assert run("fleet", "check", str(file), "--scheme", "stable").returncode == 0
    assert "evidence" in run("fleet", "plan", str(file)).stdout
    assert run("fleet", "pack", str(file), str(tmp_path / "packed.arrow")).returncode == 0
    assert cells_of(tmp_path / "packed.arrow") == [CELLS]
    assert run("fleet", "check", str(tmp_path / "packed.arrow"), "--scheme", "stable").returncode == 0
