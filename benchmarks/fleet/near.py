"""Near-clones in memory, with polars, duckdb and datasketch."""

from __future__ import annotations

import argparse
from typing import Any

import duckdb
import numpy as np
import peers
import polars as pl
import pyarrow as pa
from measuring import THREADS, Results, compared, made, median, shown

from fingerprint.testing.fleet import ATTRIBUTES


def _side(table: pa.Table) -> pa.Table:
    """Return the saved hashes alone, as peers take them, with a number for each row."""
    columns = {"row": pa.array(np.arange(table.num_rows, dtype=np.uint32))}
    columns |= {name: table[f"saved.{name}"] for name in ATTRIBUTES}
    return pa.table(columns)


def ours_pairs(table: pa.Table, at_least: int, **words: Any) -> Any:
    """Count near-clones; nothing but encoding and search."""
    from fingerprint.fleet.cloning import counted_pairs

    return counted_pairs(table, percent=at_least * 100 // 8, threads=THREADS, **words)


def near(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (20_000, 3) if options.short else (1_000_000, 5)
    lines = []
    plan = [(rows, 6, rounds, True), (rows, 6, rounds, False), (rows // 10, 5, rounds, True), (rows, 4, 3, True)]
    for count, at_least, times, strings in plan:
        table = made(count, options, virtual=0.0 if at_least == 4 else 0.4)
        keep = [name for name in table.schema.names if not name.startswith("current.")]
        table = table.select(keep)
        if not strings:
            table = _ids_of_side(table)
        seconds, found = median(lambda t=table, n=at_least: ours_pairs(t, n), times)
        side = _side(table)
        frame = pl.from_arrow(side).rechunk()
        connection = duckdb.connect(config={"threads": THREADS})
        connection.register("given", side)
        connection.execute("create table machines as select * from given")
        line = [
            f"{at_least} of 8, {count:,} {'strings' if strings else 'ids'}",
            f"{sum(found.pairs.values()):,}",
            shown(seconds),
        ]
        best = None
        if at_least > 4:
            columns = peers.blocking(side, at_least)
            words = {"at_least": at_least, "columns": columns}
            by_polars, polars_found = median(lambda f=frame, w=words: peers.polars_pairs(f, **w), 3)
            by_duckdb, duckdb_found = median(lambda c=connection, w=words: peers.duckdb_pairs(c, "machines", **w), 3)
            assert polars_found == duckdb_found == found.pairs, (polars_found, duckdb_found, found.pairs)
            line += [shown(by_polars), shown(by_duckdb)]
            best = min(by_polars, by_duckdb)
        else:
            line += ["-", "-"]
        wanted = {(6, True): 12.0, (6, False): 6.0, (5, True): 300.0}.get((at_least, strings))
        line += compared(best / seconds, wanted) if best else ["-", "completes"]
        results.keep(f"near-clones, {line[0]}", seconds, best, target=wanted)
        if count <= 200_000 or not options.short:
            brute, checked = median(lambda t=table, n=at_least: ours_pairs(t, n, brute=True), 1)
            assert checked.pairs == found.pairs, (checked.pairs, found.pairs)
            pairs = count * (count - 1) / 2
            line += [shown(brute), f"{pairs / brute / 1e9 / THREADS:.1f}", "equal"]
        lines.append(line)
    results.table(
        "Near-clones, exact, from the columns to the counts",
        ["pairs with", "found", "ours", "polars", "duckdb", "times the better", "wanted", "brute force",
         "10^9 pairs a second and core", "counts of both engines"],
        lines,
    )  # fmt: skip
    count = 2000 if options.short else 20_000
    table = made(count, options, clones=0.02)
    table = table.select([name for name in table.schema.names if not name.startswith("current.")])
    seconds, found = median(lambda: ours_pairs(table, 6), 3)
    sketched, (caught, _) = median(lambda: peers.datasketch_pairs(_side(table), 6), 1)
    results.text(
        f"datasketch (MinHash of 64 permutations, LSH), 6 of 8 at {count:,}: {shown(sketched)} and {caught} of "
        f"{sum(found.pairs.values())} pairs; ours {shown(seconds)} and all of them: {sketched / seconds:.0f} times."
    )


def _ids_of_side(table: pa.Table) -> pa.Table:
    columns: dict[str, Any] = {"node_id": table["node_id"]}
    for name in ATTRIBUTES:
        columns[f"saved.{name}"] = table[f"saved.{name}"].combine_chunks().dictionary_encode().indices
    return pa.table(columns)
