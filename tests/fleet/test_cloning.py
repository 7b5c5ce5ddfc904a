"""Clones: groups that share what one machine should have alone, near-clones, and how each is read."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleets import NAMES, row, write_lines

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.errors import InputError, UsageError
from fingerprint.fleet import clones, open_fleet
from fingerprint.testing.fleet import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from fingerprint.fleet import Clones

DAYS = [f"2026-01-{day:02d}T12:00:00Z" for day in range(1, 31)]
VALUE = st.sampled_from(["", "a", "b"])
MACHINES = st.lists(
    st.tuples(
        st.sampled_from(["n1", "n2", "n3", "n4", "n5"]),
        st.dictionaries(st.sampled_from(NAMES), VALUE, min_size=1, max_size=7),
        st.integers(0, 6),
    ),
    min_size=1, max_size=9,
)  # fmt: skip


def found_in(path: Path, **words: Any) -> Clones:
    return clones(open_fleet(path).batches(), threads=2, **words)


def readings(found: Clones) -> dict[str, dict[tuple[int, ...], str]]:
    return {one.kind: {one[i].rows: one[i].reading for i in range(len(one))} for one in found.groups}


def textbook_near(hashes: list[dict[str, str]], names: list[str], needed: int) -> list[tuple[int, ...]]:
    parents = list(range(len(hashes)))
    for i, j in itertools.combinations(range(len(hashes)), 2):
        a, b = hashes[i], hashes[j]
        if "machine-id" in a and a.get("machine-id") == b.get("machine-id"):
            continue
        if sum(name in a and a[name] == b.get(name) for name in names) >= needed:
            low, high = sorted((parents[i], parents[j]))
            parents = [low if parent == high else parent for parent in parents]
    clusters = [tuple(i for i, p in enumerate(parents) if p == root) for root in sorted(set(parents))]
    return [rows for rows in clusters if len(rows) > 1]


@given(MACHINES, st.sampled_from([30, 50, 75, 100]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_groups_are_those_of_the_textbook(
    tmp_path_factory: pytest.TempPathFactory, machines: Any, percent: int
) -> None:
    file = write_lines(
        tmp_path_factory.mktemp("fleet") / "fleet.jsonl",
        [{"node_id": node, "current": hash_, "observed_at": DAYS[day]} for node, hash_, day in machines],
    )
    found = found_in(file, percent=percent)
    hashes = [hash_ for _, hash_, _ in machines]
    names = [name for name in NAMES if name != "machine-id" and any(name in one for one in hashes)]
    groups = readings(found)
    if names:
        needed = next(k for k in range(1, len(names) + 1) if 100 * k >= percent * len(names))
        assert found.needed == needed
        assert sorted(groups["near"]) == sorted(textbook_near(hashes, names, needed))
        brute = found_in(file, percent=percent, brute=True)
        assert (brute.pairs, readings(brute), brute.listed.tolist()) == (found.pairs, groups, found.listed.tolist())
    for number, one in enumerate(found.groups):
        assert one.kind == found.groups[number].kind
        for group in (one[i] for i in range(len(one))):
            for name in NAMES:
                values = [hashes[i].get(name) for i in group.rows]
                alike = values[0] if len(set(values)) == 1 else None
                assert (name in group.ties, name in group.empty) == (bool(alike), alike == "")
    repeated = {
        tuple(i for i, (other, _, _) in enumerate(machines) if other == node) for node in {m[0] for m in machines}
    }
    assert set(groups["node_id"]) <= repeated


def test_running_copy_is_distinguished_from_a_moved_machine(tmp_path: Path) -> None:
    def seen(node: str, day: int, *changed: str) -> Any:
        return {**row(node, *changed), "observed_at": DAYS[day]}

    moved = ("macaddr-info", "system-hash", "ipaddress-info")
    rows = [
        seen("moved", 1), seen("moved", 3), seen("moved", 9, *moved), seen("moved", 12, *moved),
        seen("copied", 1), seen("copied", 9), seen("copied", 5, *moved),
        seen("same", 1), seen("same", 20, "ipaddress-info"),
        seen("at once", 1), seen("at once", 1, *moved),
    ]  # fmt: skip
    file = write_lines(tmp_path / "fleet.jsonl", rows)
    assert readings(found_in(file))["node_id"] == {(0, 1, 2, 3): "moved", (4, 5, 6): "copy", (9, 10): "copy"}
    # What was seen within a week counts as at once, if the caller says so.
    assert readings(found_in(file, window=7 * 86_400))["node_id"][0, 1, 2, 3] == "copy"
    for one in rows:
        del one["observed_at"]
    assert set(readings(found_in(write_lines(tmp_path / "no-times.jsonl", rows)))["node_id"].values()) == {"no-times"}


def test_image_that_was_not_reset_is_reported(tmp_path: Path) -> None:
    rows = [row(f"n{i}") for i in range(4)]
    for one in rows[1:]:
        one["current"]["machine-id"] = rows[1]["current"]["machine-id"]
    found = found_in(write_lines(tmp_path / "fleet.jsonl", rows))
    assert readings(found)["hardware-id"] == {(1, 2, 3): "image-not-reset"}
    assert found.findings == 1
    assert found.nodes_of(found.groups[1][0], 2) == ["n1", "n2"]


@pytest.mark.parametrize("key", ["fingerprint", "vault", "system_uuid", "mac"])
def test_other_key_columns_are_compared_if_present(tmp_path: Path, key: str) -> None:
    rows = [row("a", **{key: "x"}), row("b", **{key: "x"}), row("c", **{key: ""}), row("d", **{key: ""}), row("e")]
    assert readings(found_in(write_lines(tmp_path / "fleet.jsonl", rows)))[key] == {(0, 1): "copy"}


def near_of(tmp_path: Path, first: dict[str, str], second: dict[str, str]) -> Any:
    rows = [{"node_id": str(i), "current": {"machine-id": str(i), **one}, "observed_at": DAYS[0]}
            for i, one in enumerate((first, second))]  # fmt: skip
    found = found_in(write_lines(tmp_path / "fleet.jsonl", rows), percent=60)
    assert found.near is not None
    return found.near[0]


def test_similar_machines_are_distinguished_from_copies(tmp_path: Path) -> None:
    model = {"processor-hash": "p", "memory-hash": "m", "bios-hash": "b"}
    copy = {**model, "system-hash": "s", "macaddr-info": "x"}
    assert near_of(tmp_path, copy, {**copy, "macaddr-info": "y"}).reading == "copy"
    alone = near_of(tmp_path, copy, {**copy, "macaddr-info": "y", "system-hash": "t"})
    assert (alone.reading, alone.ties) == ("look-alike", ("processor-hash", "memory-hash", "bios-hash"))
    board = {"processor-hash": "", "memory-hash": "", "bios-hash": "", "system-hash": "", "macaddr-info": "x"}
    absent = near_of(tmp_path, board, {**board, "macaddr-info": "y"})
    assert (absent.reading, absent.ties, len(absent.empty)) == ("absent-values", (), 4)


def test_planted_clones_of_a_large_fleet_are_all_found() -> None:
    made = fleet(30_000, clones=0.02, same_ip=1, joint=None)
    table = made.read_all()
    found = clones((batch.select([n for n in table.schema.names if not n.startswith("current")])
                    for batch in table.to_batches()), threads=2)  # fmt: skip
    ids, nodes = table["saved.machine-id"].to_pylist(), table["node_id"].to_pylist()
    others = [table[f"saved.{name}"].to_pylist() for name in NAMES[1:4]]
    planted = {
        (i, i + 1)
        for i in range(len(ids) - 1)
        if ids[i] != ids[i + 1] and nodes[i] != nodes[i + 1] and all(one[i] == one[i + 1] for one in others)
    }
    assert 250 < len(planted) < 350
    assert {(a, b) for a, b, _ in found.listed.tolist()} >= planted


def test_a_fleet_without_machines_has_no_clones(tmp_path: Path) -> None:
    assert clones([]).rows == 0
    with pytest.raises(UsageError, match="invalid percentage 0"):
        clones([], percent=0)
    many = {**row("x"), "current": {f"a{i}": "v" for i in range(40)}}
    with pytest.raises(InputError, match="at most 32"):
        found_in(write_lines(tmp_path / "fleet.jsonl", [many]))
