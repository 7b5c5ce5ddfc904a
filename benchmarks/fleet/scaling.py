"""Cost by the number of machines; each size in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from claims import Seconds
from kernel import ours
from measuring import HERE, Results, made, median, shown
from near import ours_pairs


def scaling(results: Results, options: argparse.Namespace) -> None:
    sizes = [10_000, 100_000] if options.short else [10_000, 100_000, 1_000_000, 10_000_000]
    lines = []
    before: dict[str, float] = {}
    for rows in sizes:
        words = [sys.executable, "-W", "ignore", str(HERE / "run.py"), "--measure", str(rows)]
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
    found["near 6 of 8"], _ = median(lambda: ours_pairs(table, 6), 3)
    found["near 4 of 8"], four = median(lambda: ours_pairs(table, 4), 1)
    if rows <= 1_000_000:
        found["brute"], _ = median(lambda: ours_pairs(table, 6, brute=True), 1)
    found["pairs"] = sum(four.pairs.values())
    # Not getrusage: its peak includes that of the parent process.
    status = Path("/proc/self/status").read_text().splitlines()
    found["peak"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    print(json.dumps({name: each.rounds if isinstance(each, Seconds) else each for name, each in found.items()}))
