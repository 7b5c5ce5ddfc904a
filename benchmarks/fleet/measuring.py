"""What the parts share: two threads for all sides, medians, made fleets, and the tables of the results.

Imported before any library that starts threads of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
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

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from claims import Seconds, row  # noqa: E402

from fingerprint.testing.fleet import fleet  # noqa: E402

pa.set_cpu_count(THREADS)
pa.set_io_thread_count(THREADS)


class Results:
    """Tables of Markdown, printed as they come, and the figures behind them.

    Attributes:
        benchmarks: the figures, as `claims.row` makes them.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.benchmarks: list[dict[str, Any]] = []

    def keep(self, name: str, ours: Seconds, peer: Seconds | None = None, **bound: float | None) -> None:
        """Keep the figures of a row; the short form is too small for targets."""
        self.benchmarks.append(row(name, ours, peer, **({} if SHORT else bound)))

    def table(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.text("\n".join(lines))

    def text(self, text: str) -> None:
        self.parts.append(text + "\n")
        print(text + "\n", flush=True)


def median(function: Callable[[], Any], rounds: int) -> tuple[Seconds, Any]:
    """Return the median time of some rounds, and the answer of the last one."""
    times = []
    answer = None
    for _ in range(rounds):
        gc.collect()
        begin = time.perf_counter()
        answer = function()
        times.append(time.perf_counter() - begin)
    return Seconds(times), answer


def medians(sides: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, Seconds], dict[str, Any]]:
    """Return the same for several sides in turn: a disturbance of the machine affects all of them."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for name, function in sides.items():
            gc.collect()
            # The workers of the side before spin for a while before they sleep; then the cores sleep, and wake slowly.
            time.sleep(0.05)
            for _ in range(4):
                read_bytes(100_000_000)
            begin = time.perf_counter()
            answers[name] = function()
            times[name].append(time.perf_counter() - begin)
    return {name: Seconds(each) for name, each in times.items()}, answers


def shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def compared(ratio: float, wanted: float | None) -> list[str]:
    """Return a ratio and its target; the short form is too small for targets."""
    if SHORT:
        wanted = None
    return [f"{ratio:.2f}", "-" if wanted is None else f"at least {wanted}{'' if ratio >= wanted else ' MISSED'}"]


def made(rows: int, options: argparse.Namespace, **words: Any) -> pa.Table:
    return fleet(rows, joint=options.joint, **words).read_all()


@cache
def _memory() -> Any:
    return np.ones(160_000_000)


def read_bytes(size: int) -> Any:
    """Read as many bytes with as many threads, and do nothing else with them."""
    words = size // 8 // THREADS
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(np.max, [_memory()[part * words : (part + 1) * words] for part in range(THREADS)]))
