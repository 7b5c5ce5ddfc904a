"""Benchmarks of fleets: every claim with its peers in the same run, with two threads each.

    python benchmarks/fleet/run.py                    writes benchmarks/fleet/RESULTS.md, about 15 minutes
    python benchmarks/fleet/run.py --short            small and quick, for CI; writes nothing
    python benchmarks/fleet/run.py --joint FILE       with the four sections drawn from a table of real machines
    python benchmarks/fleet/run.py --only kernel      one part: kernel, files, clones, scaling, spark
    python benchmarks/fleet/run.py --json FILE        keeps the figures; `benchmarks/compare.py A.json B.json` compares

Needs the group `bench-fleet`. A missed claim is printed and does not fail: machines are noisy.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
THREADS = 2
SHORT = "--short" in sys.argv
os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import peers  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from claims import Seconds, report, row, save  # noqa: E402

from fingerprint.fleet import check, pack  # noqa: E402
from fingerprint.fleet.checking import decide  # noqa: E402
from fingerprint.testing.fleet import ATTRIBUTES, fleet  # noqa: E402

pa.set_cpu_count(THREADS)
pa.set_io_thread_count(THREADS)
MIXES = {"90 % same address": 0.9, "every address changed": 0.0}


class Results:
    """Tables of Markdown, printed as they come, and the figures behind them.

    Attributes:
        benchmarks: the figures, as `claims.row` makes them.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.benchmarks: list[dict[str, Any]] = []

    def keep(self, name: str, ours: Seconds, peer: Seconds | None = None, **bound: float | None) -> None:
        """Keep the figures of a row; the short form is too small to be held to a bound."""
        self.benchmarks.append(row(name, ours, peer, **({} if SHORT else bound)))

    def table(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.text("\n".join(lines))

    def text(self, text: str) -> None:
        self.parts.append(text + "\n")
        print(text + "\n", flush=True)


def median(function: Callable[[], Any], rounds: int) -> tuple[Seconds, Any]:
    """Return the median time of some rounds, and what the last one answered."""
    times = []
    answer = None
    for _ in range(rounds):
        gc.collect()
        begin = time.perf_counter()
        answer = function()
        times.append(time.perf_counter() - begin)
    return Seconds(times), answer


def medians(sides: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, Seconds], dict[str, Any]]:
    """Return the same for several sides in turn: what disturbs the machine for a while disturbs them all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for name, function in sides.items():
            gc.collect()
            # The workers of the side before spin for a while before they sleep; then the cores sleep, and wake slowly.
            time.sleep(0.05)
            for _ in range(4):
                _read(100_000_000)
            begin = time.perf_counter()
            answers[name] = function()
            times[name].append(time.perf_counter() - begin)
    return {name: Seconds(each) for name, each in times.items()}, answers


def shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def told(ratio: float, wanted: float | None) -> list[str]:
    """Return a ratio and what is wanted of it; the short form is too small to be held to anything."""
    if SHORT:
        wanted = None
    return [f"{ratio:.2f}", "-" if wanted is None else f"at least {wanted}{'' if ratio >= wanted else ' MISSED'}"]


def made(rows: int, options: argparse.Namespace, **words: Any) -> pa.Table:
    return fleet(rows, joint=options.joint, **words).read_all()


def ours(table: pa.Table, counts: bool) -> Any:
    """Return the reasons by the whole engine, batch by batch."""
    parts = [c.rows["reason"].indices for c in check(table.to_batches(), threads=THREADS, counts=counts)]
    return np.concatenate([part.to_numpy() for part in parts]).view(np.uint8)


@cache
def _memory() -> Any:
    return np.ones(160_000_000)


def _read(size: int) -> Any:
    """Read as many bytes with as many threads, and do nothing else with them."""
    words = size // 8 // THREADS
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(np.max, [_memory()[part * words : (part + 1) * words] for part in range(THREADS)]))


def kernel(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (100_000, 3) if options.short else (1_000_000, 15)
    lines, column_lines = [], []
    for mix, same_ip in MIXES.items():
        table = made(rows, options, same_ip=same_ip)
        whole = table.combine_chunks().to_batches()[0]
        frame = pl.from_arrow(table).rechunk()
        connection = duckdb.connect(config={"threads": THREADS})
        connection.register("given", table)
        connection.execute("create table fleet as select * from given")
        query = peers.duckdb_query("fleet")
        found, answers = medians(
            {
                "ours": lambda w=whole: decide(w, threads=THREADS),
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
            lines.append([words, shown(found[name]), *peers_shown, *told(best / found[name], wanted),
                          f"{loop / found[name]:.0f}"])  # fmt: skip
        del frame, pandas_frame, few, whole, table
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
                "ours": lambda h=halves: _decide_all(h),
                "polars": lambda f=frame: peers.polars_reasons(f),
                "read": lambda s=size: _read(s),
            },
            rounds,
        )
        lines.append([f"{name}, {mix}", shown(found["ours"]), shown(found["polars"]),
                      *told(found["polars"] / found["ours"], 3.0), f"{size / 1e6:.0f} MB",
                      *told(found["read"] / found["ours"], 0.85)])  # fmt: skip
        title = f"verdicts on {table.num_rows:,} rows of {name}, {mix}"
        results.keep(title, found["ours"], found["polars"], target=3.0)
        results.keep(f"{title}, against reading them", found["ours"], found["read"], target=0.85)
    return lines


def _cut(table: pa.Table, parts: int) -> list[pa.RecordBatch]:
    whole = table.combine_chunks().to_batches()[0]
    step = -(-whole.num_rows // parts)
    return [whole.slice(at, step) for at in range(0, whole.num_rows, step)]


def _decide_all(batches: list[pa.RecordBatch]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_with_counts, batches))


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
}  # fmt: skip
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
    with tempfile.TemporaryDirectory() as folder:
        table = made(rows, options)
        paths = {
            name: f"{folder}/{name}" for name in ("strings.parquet", "strings.arrow", "packed.arrow", "packed.parquet")
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


def _side(table: pa.Table) -> pa.Table:
    """Return the saved hashes alone, as peers take them, with a number for each row."""
    columns = {"row": pa.array(np.arange(table.num_rows, dtype=np.uint32))}
    columns |= {name: table[f"saved.{name}"] for name in ATTRIBUTES}
    return pa.table(columns)


def _ours_pairs(table: pa.Table, at_least: int, **words: Any) -> Any:
    """Count near-clones; nothing but encoding and search."""
    from fingerprint.fleet.cloning import counted_pairs

    return counted_pairs(table, percent=at_least * 100 // 8, threads=THREADS, **words)


def near(results: Results, options: argparse.Namespace) -> None:
    rows, rounds = (20_000, 3) if options.short else (1_000_000, 5)
    lines = []
    plan = [(rows, 6, rounds, True), (rows, 6, rounds, False), (rows // 10, 5, rounds, True), (rows, 4, 3, True)]
    for count, at_least, times, texts in plan:
        table = made(count, options, virtual=0.0 if at_least == 4 else 0.4)
        keep = [name for name in table.schema.names if not name.startswith("current.")]
        table = table.select(keep)
        if not texts:
            table = _ids_of_side(table)
        seconds, found = median(lambda t=table, n=at_least: _ours_pairs(t, n), times)
        side = _side(table)
        frame = pl.from_arrow(side).rechunk()
        connection = duckdb.connect(config={"threads": THREADS})
        connection.register("given", side)
        connection.execute("create table machines as select * from given")
        line = [
            f"{at_least} of 8, {count:,} {'strings' if texts else 'ids'}",
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
        wanted = {(6, True): 12.0, (6, False): 6.0, (5, True): 300.0}.get((at_least, texts))
        line += told(best / seconds, wanted) if best else ["-", "completes"]
        results.keep(f"near-clones, {line[0]}", seconds, best, target=wanted)
        if count <= 200_000 or not options.short:
            brute, judged = median(lambda t=table, n=at_least: _ours_pairs(t, n, brute=True), 1)
            assert judged.pairs == found.pairs, (judged.pairs, found.pairs)
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
    seconds, found = median(lambda: _ours_pairs(table, 6), 3)
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


def scaling(results: Results, options: argparse.Namespace) -> None:
    sizes = [10_000, 100_000] if options.short else [10_000, 100_000, 1_000_000, 10_000_000]
    lines = []
    before: dict[str, float] = {}
    for rows in sizes:
        words = [sys.executable, "-W", "ignore", __file__, "--measure", str(rows)]
        if options.joint:
            words += ["--joint", options.joint]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        found |= {name: Seconds(times) for name, times in found.items() if isinstance(times, list)}
        line = [f"{rows:,}"]
        for name in ("make", "check", "near 6 of 8", "near 4 of 8", "brute"):
            if name not in found:
                line.append("-")
                continue
            results.keep(f"{rows:,} machines, {name}", found[name])
            exponent = f" (n^{np.log10(found[name] / before[name]):.2f})" if name in before else ""
            line.append(shown(found[name]) + exponent)
        line += [f"{found['pairs']:,}", f"{found['peak']:,.0f} MB"]
        before = found
        lines.append(line)
    results.table(
        "Cost by size, with the exponent from the line above",
        ["machines", "made in", "check", "near, 6 of 8", "near, 4 of 8", "brute force, 6 of 8", "pairs of 4 or more",
         "peak with all in memory"],
        lines,
    )  # fmt: skip


def measure(rows: int, options: argparse.Namespace) -> None:
    """Measure one size in this process and print it as JSON."""
    found: dict[str, float] = {}
    found["make"], table = median(lambda: made(rows, options), 1)
    found["check"], _ = median(lambda: ours(table, False), 3)
    table = table.select([name for name in table.schema.names if not name.startswith("current.")])
    found["near 6 of 8"], _ = median(lambda: _ours_pairs(table, 6), 3)
    found["near 4 of 8"], four = median(lambda: _ours_pairs(table, 4), 1)
    if rows <= 1_000_000:
        found["brute"], _ = median(lambda: _ours_pairs(table, 6, brute=True), 1)
    found["pairs"] = sum(four.pairs.values())
    # Not getrusage: the peak that it tells begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text().splitlines()
    found["peak"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    print(json.dumps({name: each.rounds if isinstance(each, Seconds) else each for name, each in found.items()}))


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
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(made(rows, options), f"{folder}/fleet.parquet", row_group_size=122_880)
        frame = session.read.parquet(f"{folder}/fleet.parquet")
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


PARTS = {"kernel": kernel, "files": files, "clones": near, "scaling": scaling, "spark": spark}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--joint", help="table of real machines")
    parser.add_argument("--only", choices=tuple(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures for benchmarks/compare.py")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure, options)
        return 0
    results = Results()
    for name, part in PARTS.items():
        if options.only in (None, name):
            part(results, options)
    if options.json:
        save(report(results.benchmarks, options.short), options.json)
    if not options.short and options.only is None:
        drawn = "a table of real machines" if options.joint else "the measured shape"
        head = _HEAD.format(
            python=platform.python_version(), system=platform.system(), machine=platform.machine(), drawn=drawn,
            cores=os.cpu_count(), polars=pl.__version__, duckdb=duckdb.__version__, pandas=pd.__version__,
            pyarrow=pa.__version__,
        )  # fmt: skip
        (HERE / "RESULTS.md").write_text(head + "\n".join(results.parts))
    return 0


_HEAD = """# Fleets: results

Made by `python benchmarks/fleet/run.py` with CPython {python}, polars {polars}, duckdb {duckdb}, pandas {pandas} and
pyarrow {pyarrow} on {system} {machine}, {cores} cores; two threads each, medians, all sides in the same run, the same
answers demanded. The fleets are made by `fingerprint.testing.fleet`, their sections from {drawn}.

"""

if __name__ == "__main__":
    sys.exit(main())
