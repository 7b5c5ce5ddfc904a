"""`fingerprint fleet clones --scheme stable`: text, JSON, files, exit codes and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from commandline import run
from event_machines import before_and_after
from fingerprint import collect
from fingerprint.machine.recorded import RecordedMachine
from fleets import row, validated, write_lines

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

import pyarrow.parquet as pq

from fingerprint.fleet.stable_columns import UNREADABLE, stable_cells

if TYPE_CHECKING:
    from pathlib import Path

# A machine, and the copy of its disk on other hardware.
MACHINE, COPY = (stable_cells(collect(RecordedMachine(taken), scheme="stable")) for taken in before_and_after("clone"))


def seen(node: str, cells: dict[str, str], **more: Any) -> dict[str, Any]:
    return row(node, current_stable=cells, **more)


def clones_of(path: Path, *words: str) -> Any:
    return run("fleet", "clones", str(path), "--scheme", "stable", *words)


def test_machine_registered_twice_and_copy_are_reported(tmp_path: Path) -> None:
    rows = [seen("one", MACHINE), seen("again", {**MACHINE, "hostname": "other"}), seen("one", COPY)]
    file, to = write_lines(tmp_path / "fleet.jsonl", rows), tmp_path / "to.parquet"
    done = clones_of(file, "--to", str(to))
    assert (done.returncode, done.stderr) == (1, "")
    for text in (
        "3 groups of clones among 3 rows by scheme stable",
        "hardware               1  one machine with several node IDs",
        "node_id                1  a copy: both were observed",
        "  same                   1", "  different              2", "hardware: one, again", f"All groups are in {to}.",
    ):  # fmt: skip
        assert text in done.stdout
    written = pq.read_table(to).to_pylist()
    assert [(one["kind"], one["reading"], one["outcome"], one["row"], one["node_id"]) for one in written] == [
        ("node_id", "copy", "different", 0, "one"), ("node_id", "copy", "different", 2, "one"),
        ("machine-id", "image-not-reset", "different", 0, "one"),
        ("machine-id", "image-not-reset", "different", 1, "again"),
        ("machine-id", "image-not-reset", "different", 2, "one"),
        ("hardware", "registered-twice", "same", 0, "one"), ("hardware", "registered-twice", "same", 1, "again"),
    ]  # fmt: skip
    answer = validated(clones_of(file, "--output", "json"))
    assert (answer["scheme"], answer["side"], answer["findings"]) == ("stable", "current_stable", 3)
    assert [one["pairs"] for one in answer["outcomes"]] == [1, 2, 0]
    assert (answer["undecidable"], answer["crowdedValues"]) == ([], {"count": 0, "first": []})
    assert answer["groups"][-1]["nodes"] == ["one", "again"]
    assert [one["outcome"] for one in answer["groups"]] == ["different", "different", "same"]
    assert len(validated(clones_of(file, "--output", "json", "--limit", "1"))["groups"]) == 1


def test_exit_code_is_0_only_if_every_row_was_decided(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [seen("one", MACHINE), seen("one", MACHINE)])
    done = clones_of(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 groups of clones among 2 rows" in done.stdout
    hidden = {name: UNREADABLE if name in ("system-uuid", "system-serial") else value for name, value in COPY.items()}
    for more, text, reason in (
        ([seen("two", {})], "1  no values of identity-bearing hardware", "no-values"),
        ([row("two")], "1  no values of identity-bearing hardware", "no-values"),
        ([seen("two", {**COPY, "hypervisor": "docker"})], "1  in a container", "container"),
        ([seen("two", hidden)], "1  unreadable values of", "unreadable"),
    ):
        write_lines(file, [seen("one", {**MACHINE, "machine-id": "own"}), *more])
        done = clones_of(file)
        assert (done.returncode, done.stderr) == (3, "")
        assert text in done.stdout
        assert validated(clones_of(file, "--output", "json"))["undecidable"] == [{"reason": reason, "rows": 1}]
    write_lines(file, [seen("one", MACHINE), {"node_id": "bad", "threshold": 1000}])
    assert clones_of(file).returncode == 3
    write_lines(file, [])
    assert (clones_of(file).returncode, "holds no machine" in clones_of(file).stdout) == (3, True)


def test_groups_that_cannot_be_decided_are_shown(tmp_path: Path) -> None:
    cells = {"hypervisor": "kvm", "system-uuid": "copied", "mac-addresses": "a"}
    rows = [seen("one", {**cells, "ip-address": "x"}), seen("two", {**cells, "mac-addresses": "b"})]
    done = clones_of(write_lines(tmp_path / "fleet.jsonl", rows))
    assert done.returncode == 3
    assert "hardware-value         1  scheme stable cannot tell" in done.stdout
    assert "  hardware-value: one, two\n    equal: system-uuid, hypervisor\n" in done.stdout


def test_values_of_too_many_rows_are_shown(tmp_path: Path) -> None:
    def cells(number: int) -> dict[str, str]:
        return {"hypervisor": "none", "system-uuid": f"uuid{number}", "system-serial": "placeholder"}

    rows = [seen(f"n{number}", cells(number)) for number in range(1500)]
    file = write_lines(tmp_path / "fleet.jsonl", rows)
    done = clones_of(file)
    assert done.returncode == 3
    assert "system-serial       1500  at most 1500 machines, first n0" in done.stdout
    assert validated(clones_of(file, "--output", "json"))["crowdedValues"] == {
        "count": 1, "first": [{"attribute": "system-serial", "rows": 1500, "machines": 1500, "node": "n0"}],
    }  # fmt: skip


def test_wrong_options_and_fleets_are_errors(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [row("a")])
    done = clones_of(file)
    assert done.returncode == 3
    assert "no values of scheme stable" in done.stderr
    assert "fingerprint fleet row" in done.stderr
    done = clones_of(file, "--percent", "60")
    assert done.returncode == 2
    assert "--percent requires --scheme ssm" in done.stderr
    assert validated(run("fleet", "clones", str(file), "--output", "json"))["scheme"] == "ssm"


@pytest.mark.parametrize("name", ["to.arrow", "to.jsonl"])
def test_files_of_other_formats_have_the_outcome(tmp_path: Path, name: str) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [seen("one", MACHINE), seen("two", MACHINE)])
    assert clones_of(file, "--to", str(tmp_path / name)).returncode == 1
    if name.endswith("jsonl"):
        written = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    else:
        import pyarrow as pa

        written = pa.ipc.open_file(tmp_path / name).read_all().to_pylist()
    assert [one["outcome"] for one in written] == ["same", "same"]
