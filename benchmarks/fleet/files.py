"""Verdicts on files, each engine in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
from claims import Seconds
from measuring import HERE, THREADS, Results, made, shown

from fingerprint.fleet import pack

FILE_JOBS = {
    "ours": "from fingerprint.fleet import check, open_fleet, Summary\n"
            "s = Summary()\n"
            "for c in check(open_fleet(path).batches(), threads=2, counts=False): s.add(c)\n"
            "answer = {str(r): n for r, n in s.reasons.items() if n}",
    "duckdb": "import duckdb, peers\n"
              "con = duckdb.connect(config={'threads': 2})\n"
              "if path.endswith('.arrow'):\n"
              "    import pyarrow as pa\n"
              "    fleet = pa.ipc.open_file(pa.memory_map(path)).read_all()\n"
              "    source = 'fleet'\n"
              "else:\n"
              "    source = f\"read_parquet('{path}')\"\n"
              "q = peers.duckdb_query(source)\n"
              "answer = dict(con.execute(f'select reason, count(*) from ({q}) group by reason').fetchall())",
    "polars": "import numpy as np, polars as pl, peers\n"
              "scan = pl.scan_ipc(path) if path.endswith('.arrow') else pl.scan_parquet(path)\n"
              "answer = dict(enumerate(np.bincount(peers.polars_reasons(scan), minlength=6).tolist()))",
}  # fmt: skip  # fmt: skip
_JOB = """
import json, os, sys, time
os.environ["POLARS_MAX_THREADS"] = "2"
sys.path.insert(0, {here!r})
path, rounds = {path!r}, {rounds}
import pyarrow as pa
pa.set_cpu_count(2)
times = []
for _ in range(rounds):
    begin = time.perf_counter()
    {job}
    times.append(time.perf_counter() - begin)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"): peak = int(line.split()[1])
    if line.startswith("RssFile:"): files = int(line.split()[1])
print(json.dumps([times, peak / 1024, files / 1024, sum(answer.values())]))
"""


def files(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (100_000, 3) if options.short else (2_000_000, 5)
    with tempfile.TemporaryDirectory() as directory:
        table = made(rows, options)
        paths = {
            name: f"{directory}/{name}"
            for name in ("strings.parquet", "strings.arrow", "packed.arrow", "packed.parquet")
        }
        pq.write_table(table, paths["strings.parquet"], row_group_size=122_880)
        packed = pa.Table.from_batches(pack(table.to_batches(), threads=THREADS))
        pq.write_table(
            packed, paths["packed.parquet"], row_group_size=122_880, use_dictionary=False, compression="none"
        )
        for name, each in (("strings.arrow", table), ("packed.arrow", packed)):
            with pa.ipc.new_file(paths[name], each.schema) as file:
                file.write_table(each)
        del table, packed
        found = {(name, job): _job(paths[name], job, rounds) for name in paths for job in FILE_JOBS}
    strings = found["strings.parquet", "duckdb"][0]
    lines = []
    for name in paths:
        seconds, peak, mapped, _ = found[name, "ours"]
        results.keep(f"verdicts on {rows:,} rows from {name}", seconds, found[name, "duckdb"][0])
        line = [name, shown(seconds), f"{peak:.0f} MB ({peak - mapped:.0f})"]
        for job in ("duckdb", "polars"):
            line += [shown(found[name, job][0]), f"{found[name, job][1]:.0f} MB"]
        line += [f"{found[name, 'duckdb'][0] / seconds:.2f}", f"{found[name, 'polars'][0] / seconds:.2f}",
                f"{strings / seconds:.2f}"]  # fmt: skip
        lines.append(line)
    results.table(
        f"Verdicts on {rows:,} rows from files, each in a process of its own",
        ["file", "ours", "peak (without mapped files)", "duckdb", "peak", "polars", "peak", "times duckdb",
         "times polars", "times duckdb on the Parquet strings"],
        lines,
    )  # fmt: skip
    results.text(
        "Wanted: strings.parquet at least 1 times duckdb; strings.arrow 2 times duckdb and 3 times polars; packed 10 "
        "times duckdb on the Parquet strings; 300 MB beside mapped files."
    )


def _job(path: str, job: str, rounds: int) -> tuple[Seconds, float, float, int]:
    code = _JOB.format(here=str(HERE), path=path, rounds=rounds, job=FILE_JOBS[job].replace("\n", "\n    "))
    # In this directory, so that what is installed is imported and not the sources.
    words = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=HERE)
    times, peak, mapped, rows = json.loads(done.stdout)
    return Seconds(times), peak, mapped, rows
