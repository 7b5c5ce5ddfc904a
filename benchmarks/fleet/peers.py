"""The same answers by polars, duckdb, pandas and a Python loop, each written as well as it allows."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from fingerprint.testing.fleet import ATTRIBUTES

SID, IP = "machine-id", "ipaddress-info"
OTHERS = tuple(name for name in ATTRIBUTES if name != SID)


def polars_reasons(frame: pl.DataFrame | pl.LazyFrame) -> Any:
    """Return the reason of each row as its number, by the rule in single precision."""
    same = {name: pl.col(f"saved.{name}") == pl.col(f"current.{name}") for name in ATTRIBUTES}
    matched = pl.sum_horizontal([same[name].fill_null(False).cast(pl.UInt8) for name in ATTRIBUTES])
    one = pl.lit(1.0, dtype=pl.Float32)
    percent = matched.cast(pl.Float32) / (one * len(ATTRIBUTES)) * (one * 100)
    reason = (
        pl.when(pl.col("threshold") == -1).then(0)
        .when(~same[SID]).then(2)
        .when(same[IP]).then(3)
        .when(percent >= pl.col("threshold").cast(pl.Float32)).then(4)
        .otherwise(5).cast(pl.UInt8).alias("reason")
    )  # fmt: skip
    chosen = frame.lazy().select(reason).collect()
    return chosen["reason"].to_numpy()


def duckdb_query(source: str) -> str:
    """Return the query for the reason of each row of a table or file."""
    matched = " + ".join(f'cast("saved.{name}" = "current.{name}" as utinyint)' for name in ATTRIBUTES)
    return (
        f'select cast(case when threshold = -1 then 0 when "saved.{SID}" <> "current.{SID}" then 2 '
        f'when "saved.{IP}" = "current.{IP}" then 3 '
        f"when cast({matched} as float) / {len(ATTRIBUTES)}::float * 100::float >= threshold::float then 4 "
        f"else 5 end as utinyint) as reason from {source}"
    )


def pandas_reasons(frame: Any) -> Any:
    """Return the same by pandas."""
    same = {name: (frame[f"saved.{name}"] == frame[f"current.{name}"]).to_numpy(bool) for name in ATTRIBUTES}
    percent = sum(same[name].astype(np.float32) for name in ATTRIBUTES) / np.float32(9) * np.float32(100)
    threshold = frame["threshold"].to_numpy()
    passed = np.where(percent >= threshold.astype(np.float32), 4, 5)
    return np.where(threshold == -1, 0, np.where(~same[SID], 2, np.where(same[IP], 3, passed))).astype(np.uint8)


def loop_reasons(rows: list[dict[str, Any]]) -> list[int]:
    """Return the same by a loop over dictionaries."""
    reasons = []
    single = np.float32
    for row in rows:
        if row["threshold"] == -1:
            reasons.append(0)
        elif row[f"saved.{SID}"] != row[f"current.{SID}"]:
            reasons.append(2)
        elif row[f"saved.{IP}"] == row[f"current.{IP}"]:
            reasons.append(3)
        else:
            matched = sum(row[f"saved.{name}"] == row[f"current.{name}"] for name in ATTRIBUTES)
            reasons.append(4 if single(matched) / single(9) * single(100) >= row["threshold"] else 5)
    return reasons


def blocking(table: pa.Table, at_least: int) -> list[str]:
    """Return the columns that make the fewest pairs: one that is alike in t of 8 shares at least one of any 9 - t."""
    pairs = {}
    for name in OTHERS:
        counts = np.array(table[name].combine_chunks().value_counts().field(1), dtype=np.int64)
        pairs[name] = int((counts * (counts - 1) // 2).sum())
    return sorted(pairs, key=pairs.__getitem__)[: 9 - at_least]


def duckdb_pairs(
    connection: duckdb.DuckDBPyConnection, table: str, at_least: int, columns: list[str]
) -> dict[int, int]:
    """Count near-clones: a join for each blocking column, then the pairs each once."""
    equal = " + ".join(f'cast(a."{name}" = b."{name}" as utinyint)' for name in OTHERS)
    joins = " union ".join(
        f'select a.row as a, b.row as b, {equal} as equal from {table} a join {table} b on a."{name}" = b."{name}" '
        f'where a.row < b.row and a."{SID}" <> b."{SID}" and {equal} >= {at_least}'
        for name in columns
    )
    found = connection.execute(f"select equal, count(*) from ({joins}) group by equal").fetchall()
    return {int(equal): int(count) for equal, count in found}


def polars_pairs(frame: pl.DataFrame, at_least: int, columns: list[str]) -> dict[int, int]:
    """Count near-clones the same way by polars."""
    parts = []
    lazy = frame.lazy()
    for name in columns:
        joined = lazy.join(lazy, on=name, suffix=".b").filter(pl.col("row") < pl.col("row.b"))
        equal = pl.sum_horizontal([
            pl.lit(1, dtype=pl.UInt8) if one == name else (pl.col(one) == pl.col(f"{one}.b")).cast(pl.UInt8)
            for one in OTHERS
        ])  # fmt: skip
        parts.append(
            joined.filter(pl.col(SID) != pl.col(f"{SID}.b"))
            .select(pl.col("row"), pl.col("row.b"), equal.alias("equal"))
            .filter(pl.col("equal") >= at_least)
        )
    found = pl.concat(parts).unique().group_by("equal").len().collect()
    return {int(equal): int(count) for equal, count in found.iter_rows()}


def datasketch_pairs(table: pa.Table, at_least: int) -> tuple[int, int]:
    """Find near-clones by MinHash and locality-sensitive hashing.

    Returns how many true pairs it found, among how many rows. Both rows have 8 attributes, so t equal ones are a
    Jaccard index of t / (16 - t).
    """
    from datasketch import MinHash, MinHashLSH

    columns = [table[name].to_pylist() for name in OTHERS]
    sids = table[SID].to_pylist()
    index = MinHashLSH(threshold=at_least / (16 - at_least), num_perm=64)
    sketches = []
    for row in range(table.num_rows):
        sketch = MinHash(num_perm=64, seed=1)
        sketch.update_batch([f"{place}:{column[row]}".encode() for place, column in enumerate(columns)])
        sketches.append(sketch)
    found = set()
    for row, sketch in enumerate(sketches):
        for other in index.query(sketch):
            equal = sum(column[row] == column[other] for column in columns)
            if equal >= at_least and sids[row] != sids[other]:
                found.add((other, row))
        index.insert(row, sketch)
    return len(found), len(sketches)
