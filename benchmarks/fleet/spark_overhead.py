"""Verdicts by Spark, against a job that only passes the batches."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from claims import Seconds
from measuring import HERE, THREADS, Results, made, median, shown


def spark(results: Results, options: argparse.Namespace) -> None:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        results.text("## Spark\n\nNot measured: pyspark is not installed.")
        return
    from fingerprint.fleet import spark as adapter

    rows, rounds = (50_000, 1) if options.short else (2_000_000, 7)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Its workers import from the directory that it is started in.
    os.chdir(HERE)
    builder = SparkSession.builder.master(f"local[{THREADS}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "4g")
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    with tempfile.TemporaryDirectory() as directory:
        pq.write_table(made(rows, options), f"{directory}/fleet.parquet", row_group_size=122_880)
        frame = session.read.parquet(f"{directory}/fleet.parquet")
        safe = adapter._undotted(frame)

        def empty(batches: Any) -> Any:
            for batch in batches:
                yield pa.record_batch([batch["node_id"]], names=["node_id"])

        def run_empty() -> Any:
            safe.mapInArrow(empty, "node_id string").write.format("noop").mode("overwrite").save()

        def run_check() -> Any:
            adapter.check(frame, counts=False).select("node_id").write.format("noop").mode("overwrite").save()

        run_empty(), run_check()
        pairs = [(median(run_empty, 1)[0], median(run_check, 1)[0]) for _ in range(rounds)]
    session.stop()
    base, full = (Seconds(column) for column in zip(*pairs, strict=True))
    results.keep(f"Spark, {rows:,} rows of strings, with verdicts", full, base, at_most=1.1)
    results.table(
        f"Spark, {rows:,} rows of strings, two cores",
        ["empty mapInArrow", "with verdicts", "added", "wanted"],
        [[shown(base), shown(full), f"{100 * (full / base - 1):.0f} %", "at most 10 %"]],
    )
