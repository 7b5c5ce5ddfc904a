"""How often an explanation names what really changed, on real machines before and after.

    python benchmarks/explain.py CORPUS [--json FILE] [--limit N] [--list-wrong N]

CORPUS is a directory with `drift/pairs_text.jsonl.gz`, as its README describes it. `explain_truth` names the changes
of each pair from the output alone; `explain_machines` makes a recording of both sides, with an equal address and with a
new one; `CLAIMS` translates what the explanation says. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explain_claims import NEW_ADDRESS, OTHER_TEXT, REBOOT, SAME_ADDRESS, asserted, causes_of
from explain_machines import pair, unmasked
from explain_truth import (
    ADDED,
    CHANGES,
    FIRMWARE,
    MODULES,
    MOVED,
    NOISE,
    NOTHING,
    REMOVED,
    REPLACED,
    SYSTEM,
    TOOL,
    Truth,
    true_changes,
)

from fingerprint.explanation import explain_snapshots
from fingerprint.machine.recorded import RecordedMachine

ADDRESSES = {"same address": ("10.0.0.5", "10.0.0.5"), "new address": ("10.0.0.5", "10.0.0.9")}
SEVERAL, WITH_TOOL = "several", " + tool version"
_OF_MACHINE = (*CHANGES[: CHANGES.index(TOOL)], SEVERAL)
_ROWS = (*(row + other for other in ("", WITH_TOOL) for row in _OF_MACHINE), TOOL, NOISE, NOTHING)


class Result:
    """The result for one pair with one choice of addresses.

    Attributes:
        truth: what changed.
        facts: the claims that are true of it.
        first: the first cause that the explanation gives for a change of the pair; "" without one.
        right: whether that is a true change.
        complete: whether each true change has a cause.
        contradicted: claims that a known fact contradicts, as (name in the explanation, claim).
    """

    def __init__(self, truth: Truth, new_address: bool, explanation: Any) -> None:
        self.truth = truth
        named = truth.changes | truth.also
        self.facts = named | {REBOOT, NEW_ADDRESS if new_address else SAME_ADDRESS}
        if truth.changes != {NOTHING}:
            self.facts |= {OTHER_TEXT}
        causes = causes_of(explanation)
        about = [(name, claims) for name, claims in causes if any(claim & set(CHANGES) for claim in claims)]
        self.first = next((name for name, _ in (*about, *causes)), "")
        if truth.changes == {NOTHING}:
            self.right = not about
        else:
            self.right = bool(about) and all(claim & named for claim in about[0][1])
        covered = frozenset(fact for _, claims in about for claim in claims for fact in claim & named)
        self.complete = self.right and all(self._covered(change, covered) for change in truth.changes - {NOTHING})
        self.contradicted = tuple(dict.fromkeys(
            (name, " or ".join(sorted(claim - {OTHER_TEXT})))
            for name, claims in (*causes, *asserted(explanation)) for claim in claims if not self._holds(claim)
        ))  # fmt: skip

    def _holds(self, claim: frozenset[str]) -> bool:
        return bool(claim & self.facts)

    def _covered(self, change: str, covered: frozenset[str]) -> bool:
        if change in MODULES - {MOVED}:
            return bool(covered & {ADDED, REMOVED, REPLACED})
        # Firmware writes the fields of the system, so its update explains them.
        return change in covered or (change == SYSTEM and FIRMWARE in self.truth.changes)


def row_of(truth: Truth) -> str:
    """Return the row of a pair: its change, or "several", and whether the version of the tool differs as well."""
    machine = truth.changes - {TOOL}
    if machine & MODULES and not machine - MODULES:
        change = next(kind for kind in (REPLACED, ADDED, REMOVED, MOVED) if kind in machine)
    else:
        change = next(iter(machine)) if len(machine) == 1 else SEVERAL if machine else TOOL
    return f"{change}{WITH_TOOL}" if machine and TOOL in truth.changes else change


def rows(corpus: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(corpus / "drift" / "pairs_text.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            yield {**row, "old": unmasked(row["old"]), "new": unmasked(row["new"])}


def measure(corpus: Path, limit: int | None = None) -> Iterator[tuple[dict[str, Any], str, Result, Any]]:
    """Yield (row, "same address" or "new address", result, explanation) for each pair of the corpus."""
    for row in itertools.islice(rows(corpus), limit):
        truth = true_changes(row["old"], row["new"], tuple(row["dmidecode"]), tuple(row["smbios"]))
        for title, addresses in ADDRESSES.items():
            before, now = map(RecordedMachine, pair(row, addresses))
            explanation = explain_snapshots(before, now)
            yield row, title, Result(truth, title == "new address", explanation), explanation


class Table:
    """Counts of one choice of addresses."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.contradictions: Counter[tuple[str, str]] = Counter()

    def add(self, result: Result) -> None:
        for row in (row_of(result.truth), "all"):
            count = self.counts.setdefault(row, Counter())
            count["pairs"] += 1
            count["first right"] += result.right
            count["all named"] += result.complete
            count["contradicted"] += bool(result.contradicted)
        self.contradictions.update(result.contradicted)

    def rows(self) -> Iterator[dict[str, Any]]:
        for row in (*_ROWS, "all"):
            if row in self.counts:
                count = self.counts[row]
                yield {"change": row, **{name: count[name] for name in ("pairs", "first right", "all named",
                                                                          "contradicted")}}  # fmt: skip


def printed(tables: dict[str, Table]) -> str:
    """Return the tables as Markdown."""
    lines = []
    for title, table in tables.items():
        lines += [
            f"## {title[0].upper()}{title[1:]}", "",
            "| true change | pairs | first cause right | | all changes named | "
            "| a cause contradicted |",
            "|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for row in table.rows():
            shares = [f"{row[name]} | {100 * row[name] / row['pairs']:.1f} %" for name in ("first right", "all named")]
            lines.append(f"| {row['change']} | {row['pairs']} | {' | '.join(shares)} | {row['contradicted']} |")
        lines += ["", "| contradicted cause | claims | pairs |", "|---|---|---|"]
        lines += [f"| {name} | {claim} | {count} |" for (name, claim), count in table.contradictions.most_common()]
        lines.append("")
    return "\n".join(lines)


def as_json(tables: dict[str, Table]) -> dict[str, Any]:
    """Return the tables for `--json`."""
    return {
        title: {
            "rows": list(table.rows()),
            "contradictions": [
                {"cause": name, "claim": claim, "pairs": count}
                for (name, claim), count in table.contradictions.most_common()
            ],
        }
        for title, table in tables.items()
    }


def _wrong(row: dict[str, Any], title: str, result: Result, explanation: Any) -> str:
    true = ", ".join(change for change in CHANGES if change in result.truth.changes)
    named = ", ".join(name for name, _ in causes_of(explanation))
    lines = [f"{row['machine']}, {title}: {true}; the explanation has {named or 'no cause'}"]
    lines += [f"  contradicted: {name} claims {claim}" for name, claim in result.contradicted]
    lines += [f"  {', '.join(names)}: {text}" for names, text, _ in explanation.changed]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, help="directory with drift/pairs_text.jsonl.gz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to FILE")
    parser.add_argument("--limit", type=int, metavar="N", help="use the first N pairs only")
    parser.add_argument("--list-wrong", type=int, default=0, metavar="N", help="list the first N wrong explanations")
    options = parser.parse_args()
    tables = {title: Table() for title in ADDRESSES}
    listed = 0
    for row, title, result, explanation in measure(options.corpus, options.limit):
        tables[title].add(result)
        if listed < options.list_wrong and (not result.complete or result.contradicted):
            print(_wrong(row, title, result, explanation), file=sys.stderr)
            listed += 1
    print(printed(tables))
    if options.json:
        options.json.write_text(json.dumps(as_json(tables), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
