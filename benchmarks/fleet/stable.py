"""Scheme `stable` on columns in memory, against the rules of the agent on the same machines."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pyarrow as pa
from measuring import THREADS, Results, made, medians, shown

from fingerprint.attributes.stable import PHYSICAL
from fingerprint.fleet import check, check_stable
from fingerprint.fleet.parallel import question_of
from fingerprint.fleet.stable_checking import stable_question_of
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES, STABLE_SIDES
from fingerprint.rules.stable import decide

# Share of the machines that have an attribute, physical and virtual; 1 for the others.
_HAVE = {
    "cloud-instance": (0.0, 0.3), "board-serial": (0.8, 0.0), "chassis-serial": (0.5, 0.0), "system-serial": (0.9, 1.0),
    "disk-serials": (1.0, 0.1), "memory-serials": (1.0, 0.0), "vm-generation-id": (0.0, 0.3),
}  # fmt: skip
_CHANGED = {"ip-address": 0.1, "firmware": 0.02, "memory": 0.01}
_WANTED = 2.0


def stable(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (100_000, 3) if options.short else (1_000_000, 9)
    by_rules = made(rows, options)
    by_values = with_values(by_rules)
    few = by_values.slice(0, 2000)
    wanted = [_slow(one) for one in few.to_pylist()]
    assert [o for part in check_stable(few) for o in part.rows["outcome"].to_pylist()] == wanted
    found, _ = medians(
        {
            "rules": lambda: list(check(by_rules.to_batches(), threads=THREADS)),
            "stable": lambda: list(check_stable(by_values.to_batches(), threads=THREADS)),
        },
        rounds,
    )
    batches = [(table.to_batches(), ask) for table, ask in ((by_rules, _rules), (by_values, _stable))]
    native, _ = medians(
        {name: lambda b=each, a=ask: a(b) for name, (each, ask) in zip(("rules", "stable"), batches, strict=True)},
        rounds,
    )
    lines = []
    parts = (("`check`, with counts and drift", found, _WANTED), ("the kernel alone, one thread", native, None))
    for what, times, bound in parts:
        ratio = times["stable"] / times["rules"]
        missed = " MISSED" if bound and ratio > bound and not options.short else ""
        target = f"at most {bound}{missed}" if bound else "-"
        lines.append([what, shown(times["rules"]), shown(times["stable"]), f"{ratio:.2f}", target])
        name = f"scheme stable on {rows:,} rows, {what}, against the rules"
        results.keep(name, times["stable"], times["rules"], at_most=bound)
    sizes = [sum(t[n].nbytes for n in t.column_names if "." in n) / rows for t in (by_rules, by_values)]
    lines.append(["bytes of a row", f"{sizes[0]:.0f}", f"{sizes[1]:.0f}", f"{sizes[1] / sizes[0]:.2f}", "-"])
    results.table(
        f"Scheme stable on {rows:,} rows of strings in memory",
        ["what", "rules of the agent", "scheme stable", "ratio", "wanted"],
        lines,
    )


def with_values(table: pa.Table) -> pa.Table:
    """Return a table with made values of scheme `stable` in place of hardware hashes: 40 % virtual machines."""
    rows, random = table.num_rows, np.random.default_rng(1)
    virtual = random.random(rows) < 0.4
    columns: dict[str, Any] = {"node_id": table["node_id"], "saved.machine-id": table["saved.machine-id"]}
    for name in STABLE_NAMES:
        if name == "hypervisor":
            columns.update({f"{side}.{name}": pa.array(np.where(virtual, "kvm", PHYSICAL)) for side in STABLE_SIDES})
            continue
        physical_share, virtual_share = _HAVE.get(name, (1.0, 1.0))
        absent = random.random(rows) > np.where(virtual, virtual_share, physical_share)
        both = random.random(rows) < 0.5
        changed = random.random(rows) < _CHANGED.get(name, 0.005)
        saved = random.integers(0, 256, (rows, 16), np.uint8)
        current = np.where(changed[:, None], random.integers(0, 256, (rows, 16), np.uint8), saved)
        for side, octets in zip(STABLE_SIDES, (saved, current), strict=True):
            columns[f"{side}.{name}"] = _column(octets, absent, both if name in SETS else None)
    return pa.table(columns)


def _column(octets: Any, absent: Any, both: Any) -> pa.Array:
    halves = np.stack([octets >> 4, octets & 15], axis=2).reshape(len(octets), -1)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[halves]
    lengths = np.full(len(octets), digits.shape[1])
    if both is not None:
        digits = np.hstack([digits[:, :16], np.full((len(octets), 1), ord(" "), np.uint8), digits[:, 16:]])
        lengths = np.where(both, 33, 16)
    lengths = np.where(absent, 0, lengths)
    offsets = np.zeros(len(octets) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    text = np.ascontiguousarray(digits[np.arange(digits.shape[1])[None, :] < lengths[:, None]])
    valid = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
    return pa.StringArray.from_buffers(len(octets), pa.py_buffer(offsets), pa.py_buffer(text), valid)


def _slow(row: dict[str, Any]) -> str:
    saved, current = ({n: row[f"{side}.{n}"] for n in STABLE_NAMES if row[f"{side}.{n}"]} for side in STABLE_SIDES)
    return str(decide(saved, current).outcome)


def _rules(batches: list[pa.RecordBatch]) -> None:
    for batch in batches:
        question, layout = question_of(batch)
        reasons, matched, totals = (np.empty(batch.num_rows, np.uint8) for _ in range(3))
        question.decide(0, batch.num_rows, reasons, matched, totals, np.zeros(len(layout.attributes), np.longlong))


def _stable(batches: list[pa.RecordBatch]) -> None:
    for batch in batches:
        changed, unread = (np.zeros(len(STABLE_NAMES), np.longlong) for _ in range(2))
        outcomes = np.empty(batch.num_rows, np.uint8)
        stable_question_of(batch).outcomes(0, batch.num_rows, outcomes, changed=changed, unread=unread)
