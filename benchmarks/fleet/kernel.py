"""Verdicts on columns in memory, with polars, duckdb, pandas and a Python loop."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import peers
import polars as pl
import pyarrow as pa
from measuring import THREADS, Results, compared, made, medians, read_bytes, shown

from fingerprint.fleet import check
from fingerprint.fleet.checking import decide
from fingerprint.testing.fleet import ATTRIBUTES

MIXES = {"90 % same address": 0.9, "every address changed": 0.0}


def ours(table: pa.Table, counts: bool) -> Any:
    """Return the reasons of the complete engine, batch by batch."""
    parts = [c.rows["reason"].indices for c in check(table.to_batches(), threads=THREADS, counts=counts)]
    return np.concatenate([part.to_numpy() for part in parts]).view(np.uint8)


def kernel(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (100_000, 3) if options.short else (1_000_000, 15)
    lines, column_lines = [], []
    for mix, same_ip in MIXES.items():
        table = made(rows, options, same_ip=same_ip)
        parts = _cut(table, THREADS)
        frame = pl.from_arrow(table).rechunk()
        connection = duckdb.connect(config={"threads": THREADS})
        connection.register("given", table)
        connection.execute("create table fleet as select * from given")
        query = peers.duckdb_query("fleet")
        found, answers = medians(
            {
                "ours": lambda p=parts: np.concatenate(_on_threads(decide, p)),
                "polars": lambda f=frame: peers.polars_reasons(f),
                "duckdb": lambda c=connection, q=query: c.execute(q).fetchnumpy()["reason"],
                "polars' own columns": lambda f=frame: _frame_reasons(f),
                "by `check`": lambda t=table: ours(t, False),
                "by `check`, with counts and drift": lambda t=table: ours(t, True),
            },
            rounds,
        )
        pandas_frame = frame.to_pandas()
        few = table.slice(0, rows // 10).to_pylist()
        slow, slow_answers = medians(
            {"pandas": lambda f=pandas_frame: peers.pandas_reasons(f), "loop": lambda f=few: peers.loop_reasons(f)}, 3
        )
        reasons = answers.pop("ours")
        assert all((np.asarray(answer) == reasons).all() for answer in (*answers.values(), slow_answers["pandas"]))
        assert (np.array(slow_answers["loop"]) == reasons[: rows // 10]).all()
        best, loop = min(found["polars"], found["duckdb"]), 10 * slow["loop"]
        first = [shown(found["polars"]), shown(found["duckdb"]), shown(slow["pandas"]), shown(loop)]
        for name in ("ours", "by `check`", "by `check`, with counts and drift", "polars' own columns"):
            wanted = (4.0 if same_ip else 3.5) if name == "ours" else None
            words = mix if name == "ours" else f"{mix}, {name}"
            peers_shown = first if name == "ours" else [""] * 4
            results.keep(f"verdicts on {rows:,} rows of strings, {words}", found[name], best, target=wanted)
            lines.append([words, shown(found[name]), *peers_shown, *compared(best / found[name], wanted),
                          f"{loop / found[name]:.0f}"])  # fmt: skip
        del frame, pandas_frame, few, parts, table
        # Ids are read so fast that starting two threads would be half of a million rows' time.
        column_lines += _columns(results, mix, made(4 * rows, options, same_ip=same_ip), same_ip, options, rounds)
    results.table(
        f"Verdicts on {rows:,} rows of strings in memory",
        ["mix", "ours", "polars", "duckdb", "pandas", "Python loop", "times the better", "wanted", "times the loop"],
        lines,
    )
    results.table(
        f"Verdicts on {4 * rows:,} rows of ids and digests, all columns read",
        ["columns", "ours", "polars", "ratio", "wanted", "read", "of the read bandwidth", "wanted"],
        column_lines,
    )


def _frame_reasons(frame: pl.DataFrame) -> Any:
    return decide(
        pa.record_batch(frame.to_arrow(compat_level=pl.CompatLevel.newest()).combine_chunks().to_batches()[0])
    )


def _columns(
    results: Results, mix: str, table: pa.Table, same_ip: float, options: argparse.Namespace, rounds: int
) -> list[list[str]]:
    lines = []
    digests = made(table.num_rows, options, same_ip=same_ip, form="digest")
    ids = _ids(table)
    for name, each in (("128-bit digests", digests), ("int32 ids", ids)):
        names = [f"{side}.{one}" for side in ("saved", "current") for one in ATTRIBUTES]
        size = sum(each[one].nbytes for one in names) + each["threshold"].nbytes
        halves = _cut(each, THREADS)
        frame = pl.from_arrow(each).rechunk()
        found, _ = medians(
            {
                "ours": lambda h=halves: _on_threads(_with_counts, h),
                "polars": lambda f=frame: peers.polars_reasons(f),
                "read": lambda s=size: read_bytes(s),
            },
            rounds,
        )
        lines.append([f"{name}, {mix}", shown(found["ours"]), shown(found["polars"]),
                      *compared(found["polars"] / found["ours"], 3.0), f"{size / 1e6:.0f} MB",
                      *compared(found["read"] / found["ours"], 0.85)])  # fmt: skip
        title = f"verdicts on {table.num_rows:,} rows of {name}, {mix}"
        results.keep(title, found["ours"], found["polars"], target=3.0)
        results.keep(f"{title}, against reading them", found["ours"], found["read"], target=0.85)
    return lines


def _cut(table: pa.Table, parts: int) -> list[pa.RecordBatch]:
    complete = table.combine_chunks().to_batches()[0]
    step = -(-complete.num_rows // parts)
    return [complete.slice(at, step) for at in range(0, complete.num_rows, step)]


def _on_threads(function: Any, batches: list[pa.RecordBatch]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, batches))


def _with_counts(batch: pa.RecordBatch) -> Any:
    from fingerprint.fleet.parallel import question_of

    question, _ = question_of(batch)
    reasons, matched, totals = (np.empty(batch.num_rows, np.uint8) for _ in range(3))
    question.decide(0, batch.num_rows, reasons, matched, totals)
    return reasons


def _ids(table: pa.Table) -> pa.Table:
    columns: dict[str, Any] = {name: table[name] for name in ("node_id", "threshold")}
    for name in ATTRIBUTES:
        both = pa.chunked_array([*table[f"saved.{name}"].chunks, *table[f"current.{name}"].chunks])
        codes = both.combine_chunks().dictionary_encode().indices
        columns[f"saved.{name}"] = codes.slice(0, table.num_rows)
        columns[f"current.{name}"] = codes.slice(table.num_rows)
    return pa.table(columns)
