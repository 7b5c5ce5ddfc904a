"""Both schemes and policy `evidence` on real machines: who is rejected though he is the same, or accepted as another.

    python benchmarks/calibrate.py CORPUS [--output json]

CORPUS is a directory with `drift`, `fleet`, `smbios` and `dmidecode-text`, as they stand in its README. Prints
the tables of docs/calibration.md, as Markdown or JSON. Nothing here depends on which half of the data it gets.
Requires numpy.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from calibrate_different import different_rows, different_table, identities, identities_table
from calibrate_machines import (
    ATTRIBUTE_OF_FIELD,
    COPIED_SSM,
    COPIED_STABLE,
    SECTIONS,
    SEED,
    STAYS_SSM,
    STAYS_STABLE,
    by_ssm,
    fleet_rows,
    lines_of,
    machines_with_serials,
    values_of_row,
)
from calibrate_same import same_rows, same_table

from fingerprint.rules.stable import decide, smbios_values
from fingerprint.smbios.dmidecode import parse_dmidecode

OUTCOMES = ("same", "cannot-tell", "different")
RANDOM_PAIRS = 200_000
HARD_PAIRS_A_GROUP = 40
TEXT_PAIRS = 50_000


class Table:
    """Counts of one row of the report."""

    def __init__(self) -> None:
        self.ssm: Counter[str] = Counter()
        self.stable: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()

    def row(self, title: str) -> dict[str, Any]:
        return {
            "title": title, "pairs": sum(self.stable.values()), "ssm": _shares(self.ssm),
            "stable": _shares(self.stable), "stableByDmiAlone": _shares(self.alone),
        }  # fmt: skip


def _shares(counts: Counter[str]) -> dict[str, Any] | None:
    total = sum(counts.values())
    if not total:
        return None
    return {
        outcome: {"count": counts[outcome], "percent": round(100 * counts[outcome] / total, 2)} for outcome in OUTCOMES
    }


def by_stable(old: dict[str, str], new: dict[str, str], both: dict[str, str], mac_differs: bool = False) -> str:
    saved, current = {**old, **both}, {**new, **both}
    if mac_differs:
        saved["mac-addresses"], current["mac-addresses"] = "a", "b"
    return str(decide(saved, current).outcome)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def same_by_text(corpus: Path) -> dict[str, Any]:
    table = Table()
    for pair in lines_of(corpus / "drift" / "pairs_text.jsonl.gz"):
        tool_same = len(set(pair["dmidecode"])) == 1 and len(set(pair["smbios"])) == 1
        old, new = ({name: side.get(name, "") for name in SECTIONS} for side in (pair["old"], pair["new"]))
        table.ssm[by_ssm([n for n in SECTIONS if tool_same and old[n] == new[n]], STAYS_SSM)] += 1
        values = [smbios_values(parse_dmidecode("\n\n".join(side.values()))) for side in (old, new)]
        table.stable[by_stable(values[0], values[1], STAYS_STABLE)] += 1
        table.alone[by_stable(values[0], values[1], {})] += 1
    return table.row("same machine, text of both times, after a reboot and a new lease")


def same_by_fields(corpus: Path) -> dict[str, Any]:
    table = Table()
    for pair in lines_of(corpus / "drift" / "pairs.jsonl.gz"):
        tool_same = len(set(pair["dmidecode"])) == 1 and len(set(pair["smbios"])) == 1
        table.ssm[by_ssm([n for n in SECTIONS if tool_same and n not in pair["changed"]], STAYS_SSM)] += 1
        fields = {field for names in pair["fields"].values() for field in names}
        changed = {attribute for field, attribute in ATTRIBUTE_OF_FIELD.items() if field in fields}
        old = dict.fromkeys(("platform", "processor", "memory", "firmware"), "x") | {"hypervisor": "none"}
        new = old | dict.fromkeys(changed, "y")
        table.stable[by_stable(old, new, STAYS_STABLE)] += 1
        table.alone[by_stable(old, new, {})] += 1
    return table.row("same machine, changed fields of both times, after a reboot and a new lease")


def different_in_fleet(corpus: Path) -> list[dict[str, Any]]:
    rows = fleet_rows(corpus)
    values = [values_of_row(row) for row in rows]
    chance = random.Random(SEED)
    tables = {"random": Table(), "hard": Table()}
    say(f"{len(rows)} machines of the fleet")
    pairs = {tuple(sorted(chance.sample(range(len(rows)), 2))) for _ in range(RANDOM_PAIRS)}
    for one, other in sorted(pairs):
        _different(tables["random"], rows[one], rows[other], values[one], values[other])
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(rows):
        for without in SECTIONS:
            key = (without, *(row[f"{name}_id"] for name in SECTIONS if name != without))
            groups.setdefault(key, []).append(number)
    hard = set()
    for members in groups.values():
        every = list(itertools.islice(itertools.combinations(members, 2), 10_000)) if len(members) > 1 else []
        hard |= set(chance.sample(every, min(len(every), HARD_PAIRS_A_GROUP)))
    for one, other in sorted(hard):
        _different(tables["hard"], rows[one], rows[other], values[one], values[other])
    return [
        tables["random"].row("different machines at random, as a copied disk"),
        tables["hard"].row("different machines alike in 3 or 4 of the 4 sections, as a copied disk"),
    ]


def _different(
    table: Table, one: dict[str, str], other: dict[str, str], old: dict[str, str], new: dict[str, str]
) -> None:
    tool_same = one["dmidecode"] == other["dmidecode"]
    equal = [n for n in SECTIONS if tool_same and one[f"{n}_id"] == other[f"{n}_id"]]
    table.ssm[by_ssm(equal, COPIED_SSM)] += 1
    table.stable[by_stable(old, new, COPIED_STABLE, mac_differs=True)] += 1
    table.alone[by_stable(old, new, {})] += 1


def with_serials(corpus: Path) -> list[dict[str, Any]]:
    """Machines whose serial numbers are not masked."""
    same, different, without = Table(), Table(), Table()
    identity = ("system-uuid", "system-serial", "board-serial", "chassis-serial")
    for one, other in itertools.combinations(machines_with_serials(corpus), 2):
        old, new = one.values, other.values
        shared = any(old.get(name) and old.get(name) == new.get(name) for name in identity[:2])
        known = any(old.get(name) and new.get(name) for name in identity)
        table = same if shared else different if known else without
        equal = [n for n in SECTIONS if n in one.printed and one.printed[n] == other.printed.get(n)]
        copied = not shared
        table.ssm[by_ssm(equal, COPIED_SSM if copied else STAYS_SSM)] += 1
        table.stable[by_stable(old, new, COPIED_STABLE if copied else STAYS_STABLE, mac_differs=copied)] += 1
        table.alone[by_stable(old, new, {})] += 1
    rows = [
        same.row("same machine (equal serial number or UUID), serial numbers present"),
        different.row("different machines, a serial number or UUID on both sides, as a copied disk"),
        without.row("different machines, none on one side, as a copied disk"),
    ]
    return [row for row in rows if row["pairs"]]


def different_by_text(corpus: Path) -> dict[str, Any]:
    """Different machines of the fleet whose text is there, with all that the parser makes of it."""
    table = Table()
    sample = list(lines_of(corpus / "fleet" / "text_sample.jsonl.gz"))
    values = [smbios_values(parse_dmidecode("\n\n".join(row.get(n, "") for n in SECTIONS))) for row in sample]
    chance = random.Random(SEED)
    numbers = range(len(sample))
    pairs = {tuple(sorted(chance.sample(numbers, 2))) for _ in range(TEXT_PAIRS)} if len(sample) > 1 else set()
    for one, other in sorted(pairs):
        tool_same = sample[one]["dmidecode"] == sample[other]["dmidecode"]
        equal = [n for n in SECTIONS if tool_same and sample[one].get(n) == sample[other].get(n)]
        table.ssm[by_ssm(equal, COPIED_SSM)] += 1
        table.stable[by_stable(values[one], values[other], COPIED_STABLE, mac_differs=True)] += 1
        table.alone[by_stable(values[one], values[other], {})] += 1
    return table.row("different machines with their text, at random, as a copied disk")


def measure_schemes(corpus: Path) -> list[dict[str, Any]]:
    """Return the rows of both schemes."""
    rows = []
    for what in (same_by_text, same_by_fields):
        say(what.__name__.replace("_", " "))
        rows.append(what(corpus))
    rows += different_in_fleet(corpus)
    say("different by text")
    rows.append(different_by_text(corpus))
    say("with serial numbers")
    return rows + with_serials(corpus)


def measure(corpus: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables."""
    rows = {"schemes": measure_schemes(corpus)}
    say("identities")
    rows["identities"] = identities(corpus)
    say("policy evidence, different machines")
    rows["differentMachines"] = different_rows(corpus)
    say("policy evidence, the same machine")
    rows["sameMachine"] = same_rows(corpus)
    return rows


def schemes_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| pairs | number | `ssm` at 40: accepted / rejected | `stable`: same / cannot-tell / different | "
        "`stable`, DMI alone |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ssm = " / ".join(f"{row['ssm'][outcome]['percent']:.2f} %" for outcome in ("same", "different"))
        shares = [
            " / ".join(f"{row[name][outcome]['percent']:.2f} %" for outcome in OUTCOMES)
            for name in ("stable", "stableByDmiAlone")
        ]
        lines.append(f"| {row['title']} | {row['pairs']:,} | {ssm} | {shares[0]} | {shares[1]} |")
    return "\n".join(lines)


def markdown(rows: dict[str, list[dict[str, Any]]]) -> str:
    tables = [
        schemes_table(rows["schemes"]), identities_table(rows["identities"]),
        different_table(rows["differentMachines"]), same_table(rows["sameMachine"]),
    ]  # fmt: skip
    return "\n\n".join(tables)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--output", choices=("markdown", "json"), default="markdown")
    arguments = parser.parse_args()
    if not (arguments.corpus / "drift").is_dir():
        parser.error(f"{arguments.corpus} holds no directory drift")
    rows = measure(arguments.corpus)
    print(json.dumps(rows, indent=1) if arguments.output == "json" else markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
