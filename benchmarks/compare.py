"""Compare two runs of the benchmarks.

    python benchmarks/run.py --json A.json          # also benchmarks/fleet/run.py; here another commit is installed
    python benchmarks/run.py --json B.json
    python benchmarks/compare.py A.json B.json

Where both runs have a peer, its time is the unit: what slows the machine slows the peer too, so runs on different
machines compare. A row without a peer is compared in seconds, on the same machine only. A row is slower or faster if
its cost changed by more than `--factor` and by more than the noise: the interquartile ranges of both runs. Fewer than
three rounds say nothing of the noise, so such a row is shown and not compared.

Exit code: 0 no row is slower; 1 a row is slower; 2 the files cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from claims import Claim, claims, shown

FACTOR = 1.25
LEAST_ROUNDS = 3


class NotComparable(Exception):
    """What is wrong with which file."""


def read(path: Path) -> dict[str, Any]:
    """Return a run, its claims as `claims`.

    Raises:
        NotComparable: the file cannot be read or is not the JSON of a run.
    """
    try:
        made = json.loads(path.read_text("utf-8"))
        return {"claims": {claim.name: claim for claim in claims(made)}, "short": made["short"],
                "machine": _machine(made["machine_info"]), "commit": made["commit_info"]["id"],
                "date": made["datetime"]}  # fmt: skip
    except OSError as error:
        raise NotComparable(f"cannot open {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise NotComparable(f"not the figures of a run: {path}: {type(error).__name__}: {error}") from None


def _machine(info: dict[str, Any]) -> str:
    cpu = info.get("cpu", {})
    words = (info["system"], info["machine"], cpu.get("brand_raw", ""), f"{cpu.get('count', '?')} cores")
    return f"{' '.join(filter(None, words))}, Python {info['python_version']}"


def change(before: Claim, after: Claim, same_machine: bool) -> float | None:
    """Return by which factor the cost of a row changed, None if that is not known."""
    if before.peer and after.peer and not (before.is_limit or after.is_limit):
        return (after.ours / after.peer) / (before.ours / before.peer)
    return after.ours / before.ours if same_machine else None


def verdict(before: Claim, after: Claim, factor: float, same_machine: bool) -> tuple[str, str, str]:
    """Return the change, the noise and "slower", "faster", "same" or why it is not compared."""
    times = change(before, after, same_machine)
    if min(before.rounds, after.rounds) < LEAST_ROUNDS:
        return "-" if times is None else f"x {times:.2f}", "-", "too few rounds"
    noise = (before.noise**2 + after.noise**2) ** 0.5
    if times is None:
        return "-", f"{100 * noise:.0f} %", "other machine"
    limit = max(factor, 1 + noise)
    word = "slower" if times > limit else "faster" if 1 / times > limit else "same"
    return f"x {times:.2f}", f"{100 * noise:.0f} %", word


def compare(first: dict[str, Any], second: dict[str, Any], factor: float) -> list[list[str]]:
    """Return a row for each claim: name, before, after, change, noise, verdict.

    Raises:
        NotComparable: one run has the short form and the other does not, or they have no claim in common.
    """
    if first["short"] != second["short"]:
        raise NotComparable("one run has the short form and the other does not: their inputs differ")
    before, after = first["claims"], second["claims"]
    if not before.keys() & after.keys():
        raise NotComparable("the runs have no claim in common")
    same_machine = first["machine"] == second["machine"]
    rows = []
    for name in {**before, **after}:
        times = [shown(side[name].ours) if name in side else "-" for side in (before, after)]
        if name not in after:
            rows.append([name, *times, "-", "-", "missing"])
        elif name not in before:
            rows.append([name, *times, "-", "-", "new"])
        else:
            rows.append([name, *times, *verdict(before[name], after[name], factor, same_machine)])
    return rows


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--factor", type=float, default=FACTOR, help="change that counts (default: %(default)s)")
    options = parser.parse_args(words)
    if not options.factor > 1:
        parser.error(f"invalid factor {options.factor}: must be greater than 1")
    try:
        runs = [read(options.before), read(options.after)]
        rows = compare(*runs, options.factor)
    except NotComparable as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    for word, run in zip(("before", "after"), runs, strict=True):
        print(f"{word}: commit {run['commit']}, {run['date']}, {run['machine']}")
    print("\n| claim | before | after | change | noise | |\n|---|---|---|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    counts = {word: sum(row[-1] == word for row in rows) for word in dict.fromkeys(row[-1] for row in rows)}
    print("\n" + ", ".join(f"{number} {word}" for word, number in counts.items()))
    return 1 if "slower" in counts else 0


if __name__ == "__main__":
    sys.exit(main())
