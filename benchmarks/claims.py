"""What the benchmarks measured, as JSON and as claims.

The JSON is that of pytest-benchmark (`machine_info`, `commit_info`, `datetime`, `benchmarks` with their `stats`), so
`pytest-benchmark compare` reads it too. `extra_info` of a benchmark has:

    claim       what is measured; the name of the row
    role        "ours" or "peer": a peer may be a benchmark of its own
    calls       how many calls one round has; 1 if it is missing
    peer        statistics of the peer, where it was measured within the same benchmark
    peer_seconds  a limit in place of a peer, such as 1 s
    target      least peer / ours
    at_most     greatest ours / peer

Beside them, `short` says whether the form of CI was measured: fewer rounds and smaller inputs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

# pytest-benchmark is imported where it is needed: compare.py works without it.
HERE = Path(__file__).resolve().parent


class Seconds(float):
    """The median of some rounds in seconds, with the rounds."""

    rounds: list[float]

    def __new__(cls, rounds: Iterable[float]) -> Seconds:
        # Plain numbers: some rounds are medians of others, and `statistics` makes its results of their type.
        rounds = [float(each) for each in rounds]
        self = super().__new__(cls, median(rounds))
        self.rounds = rounds
        return self

    def stats(self) -> dict[str, Any]:
        """Return the statistics as pytest-benchmark writes them."""
        from pytest_benchmark.stats import Stats

        stats = Stats()
        for each in self.rounds:
            stats.update(each)
        return {**stats.as_dict(), "iterations": 1}


@dataclass(frozen=True)
class Claim:
    """One row.

    Attributes:
        name: what is measured.
        ours: median of one call in seconds.
        peer: the peer's, or the limit; None without one.
        is_limit: the peer is a limit: it was not measured in this run.
        noise: interquartile range divided by the median, of ours and of the peer together (root of the squares).
        rounds: how many rounds of ours were measured.
        target: least peer / ours that is wanted.
        at_most: greatest ours / peer that is wanted.
    """

    name: str
    ours: float
    peer: float | None
    is_limit: bool
    noise: float
    rounds: int
    target: float | None
    at_most: float | None


def row(name: str, ours: Seconds, peer: Seconds | None = None, **bound: float | None) -> dict[str, Any]:
    """Return what was measured outside pytest as a benchmark of the JSON.

    Args:
        name: the claim.
        ours: our rounds.
        peer: the peer's rounds of the same run.
        bound: `target` or `at_most`.
    """
    info: dict[str, Any] = {"claim": name, "role": "ours"}
    if peer is not None:
        info["peer"] = peer.stats()
    info |= {key: value for key, value in bound.items() if value is not None}
    return {"group": name, "name": name, "fullname": name, "params": None, "param": None, "options": {},
            "extra_info": info, "stats": ours.stats()}  # fmt: skip


def report(benchmarks: list[dict[str, Any]], short: bool) -> dict[str, Any]:
    """Return the JSON of a run whose benchmarks were measured outside pytest."""
    from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info

    made = {"machine_info": pytest_benchmark_generate_machine_info(), "benchmarks": benchmarks,
            "datetime": datetime.now(timezone.utc).isoformat()}  # fmt: skip
    return completed(made, short)


def completed(made: dict[str, Any], short: bool) -> dict[str, Any]:
    """Return the JSON of a run with its form and the commit of this checkout, and without the name of the machine."""
    from pytest_benchmark.utils import get_commit_info

    before = Path.cwd()
    os.chdir(HERE)
    try:
        commit = get_commit_info("hardware-fingerprint")
    finally:
        os.chdir(before)
    machine = {key: value for key, value in made["machine_info"].items() if key != "node"}
    return {**made, "machine_info": machine, "commit_info": commit, "short": short}


def save(made: dict[str, Any], path: Path) -> None:
    """Write the JSON; a file that exists is replaced."""
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def claims(made: dict[str, Any]) -> list[Claim]:
    """Return the claims of a run, in its order.

    Raises:
        KeyError, TypeError: it is not the JSON of a run.
    """
    sides: dict[str, dict[str, dict[str, Any]]] = {}
    for bench in made["benchmarks"]:
        info = bench["extra_info"]
        sides.setdefault(info["claim"], {})[info["role"]] = bench
    found = []
    for name, side in sides.items():
        ours, info = side["ours"]["stats"], side["ours"]["extra_info"]
        measured = info.get("peer") or side.get("peer", {}).get("stats")
        peer = measured["median"] if measured else info.get("peer_seconds")
        spreads = [each["iqr"] / each["median"] for each in (ours, measured) if each]
        noise = sum(spread**2 for spread in spreads) ** 0.5
        found.append(Claim(name, ours["median"] / info.get("calls", 1), peer, measured is None, noise, ours["rounds"],
                           info.get("target"), info.get("at_most")))  # fmt: skip
    return found


def shown(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
