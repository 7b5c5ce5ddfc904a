"""Made fleets: the same for the same seed, of the shape of real ones."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

import shared

np = pytest.importorskip("numpy", reason="the extra `fleet` is not installed")
pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.testing.fleet import ATTRIBUTES, fleet  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def test_a_row_depends_on_seed_and_number_alone() -> None:
    complete = fleet(1000, seed=7, clones=0.1).read_all()
    assert complete == fleet(1000, seed=7, clones=0.1, batch_rows=37).read_all()
    assert complete.slice(0, 500).combine_chunks() == fleet(500, seed=7, clones=0.1).read_all().combine_chunks()
    assert complete != fleet(1000, seed=8, clones=0.1).read_all()


def test_values_have_the_form_that_the_agent_stores() -> None:
    row = fleet(3, same_ip=0).read_all().to_pylist()[2]
    shapes = {
        "machine-id": r"[0-9a-f]{32}",
        "hostname-info": r"node-[0-9a-f]{8}",
        "ipaddress-info": r"10(\.(0|[1-9][0-9]{0,2})){3}",
        "macaddr-info": r"[0-9a-f]{2}(:[0-9a-f]{2}){5}",
    }
    for side in ("saved", "current"):
        for name in ATTRIBUTES:
            assert re.fullmatch(shapes.get(name, r"[A-Za-z0-9+/]{22}=="), row[f"{side}.{name}"]), name
    assert re.fullmatch(r"mi-0[0-9a-f]{16}", row["node_id"])


def changed(table: Any, name: str) -> float:
    return sum(a != b for a, b in zip(table[f"saved.{name}"], table[f"current.{name}"], strict=True)) / len(table)


def test_shares_are_kept() -> None:
    table = fleet(5000, same_ip=0.7, clones=0).read_all()
    assert abs(changed(table, "ipaddress-info") - 0.3) < 0.03
    assert abs(changed(table, "disk-info") - 0.8) < 0.03
    assert table["saved.machine-id"].combine_chunks().value_counts().field(1).to_pylist() == [1] * 5000


def test_digests_are_equal_where_strings_are() -> None:
    strings, digests = fleet(2000).read_all(), fleet(2000, form="digest").read_all()
    for name in ATTRIBUTES:
        assert digests[f"saved.{name}"].type == pa.binary(16)
        assert [a == b for a, b in zip(*(strings[f"{s}.{name}"] for s in ("saved", "current")), strict=True)] == [
            a == b for a, b in zip(*(digests[f"{s}.{name}"] for s in ("saved", "current")), strict=True)
        ]


def test_clones_are_copies_of_the_machine_before() -> None:
    table = fleet(20_000, clones=0.1, same_ip=1).read_all().to_pylist()
    complete = [(a, b) for a, b in itertools.pairwise(table) if a["node_id"] == b["node_id"]]
    assert 800 < len(complete) < 1200
    assert all(a["current.ipaddress-info"] != b["current.ipaddress-info"] for a, b in complete)
    others = ("processor-hash", "memory-hash", "bios-hash", "system-hash", "hostname-info", "disk-info")
    near = [
        (a, b)
        for a, b in itertools.pairwise(table)
        if a["node_id"] != b["node_id"] and all(a[f"saved.{n}"] == b[f"saved.{n}"] for n in others)
    ]
    assert 800 < len(near) < 1200
    assert all(a["saved.machine-id"] != b["saved.machine-id"] for a, b in near)


def entropy(table: Any, name: str) -> tuple[int, float]:
    counts = np.array(table[f"saved.{name}"].combine_chunks().value_counts().field(1))
    share = counts / counts.sum()
    return len(counts), float(-(share * np.log2(share)).sum())


@pytest.mark.parametrize(
    ("name", "distinct", "bits"),
    [
        ("processor-hash", 50_756, 14.26),
        ("memory-hash", 121_427, 16.46),
        ("bios-hash", 81_111, 15.69),
        ("system-hash", 69_052, 14.53),
    ],
)
def test_joint_distribution_is_near_the_measured_one(name: str, distinct: int, bits: float) -> None:
    found, measured = entropy(fleet(162_853, virtual=0, clones=0).read_all(), name)
    assert abs(found / distinct - 1) < 0.1
    assert abs(measured - bits) < 0.8


def test_sections_are_drawn_from_a_table_of_real_machines(tmp_path: Path) -> None:
    table = tmp_path / "machines.tsv"
    table.write_text("machine\tprocessor_id\tmemory_id\tbios_id\tsystem_id\na\t1\t2\t3\t4\nb\t1\t5\t6\t7\n")
    made = fleet(500, virtual=0, joint=table).read_all()
    assert [entropy(made, name)[0] for name in ATTRIBUTES[1:5]] == [1, 2, 2, 2]
    (tmp_path / "wrong.tsv").write_text("processor_id\n1\n")
    with pytest.raises(ValueError, match="memory_id"):
        fleet(1, joint=tmp_path / "wrong.tsv")


@shared.needs_corpus
def test_the_real_table_is_read() -> None:
    made = fleet(100_000, virtual=0, joint=shared.CORPUS / "fleet" / "fleet.tsv.gz").read_all()
    assert entropy(made, "processor-hash")[0] > 20_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"same_ip": 1.1}, "same_ip is a share"),
        ({"form": "ids"}, "form is one of"),
        ({"batch_rows": 0}, "a batch 1 or more"),
    ],
)
def test_wrong_arguments_are_rejected(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fleet(1, **words)
