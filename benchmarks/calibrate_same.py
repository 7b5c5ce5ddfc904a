"""Policy `evidence` on reports of one machine at two times: how often is it rejected.

The source masks serial numbers, and what of DMI changed is real. A machine keeps UUID and serial numbers, so they are
set equal; which of them a machine has is that of a real machine, in turn.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from calibrate_different import different_machines, identity_of
from calibrate_evidence import AGREES, Case, Known, bounded, known_of, rules_accept, ruling_of
from calibrate_machines import ATTRIBUTE_OF_FIELD, SECTIONS, SEED, lines_of, smbios_of_text

DESCRIPTION = ("platform", "processor", "memory", "firmware")
_STAYS = ("hostname", "disk-serials")
# The tool of the source makes its ID of a machine from a network card, so this is one fact of hardware that is real.
_CARD = ("mac-addresses",)
_INSTALLED = ("machine-id", "filesystem-uuids")
_SSM = ("machine-id", "hostname-info", "macaddr-info")
_BOARD = ("system-uuid", "board-serial", "mac-addresses")
LEASE = Case("reboot and new lease", (*_STAYS, *_CARD, *_INSTALLED), stays=_SSM)
REINSTALLED = Case("system reinstalled", (*_STAYS, *_CARD), stays=_SSM[1:])
CARD_REPLACED = Case(
    "network card replaced", (*_STAYS, *_INSTALLED), differs=_CARD, stays=_SSM[:2]
)  # fmt: skip
BOARD_WRITTEN = Case(
    "main board replaced, serial number written again", (*_STAYS, *_INSTALLED), differs=_BOARD, stays=_SSM[:2],
    changed=("system",),
)  # fmt: skip
BOARD_EMPTY = Case(
    "main board replaced, serial number not written", (*_STAYS, *_INSTALLED), differs=_BOARD,
    masked=("system-serial",), stays=_SSM[:2], changed=("system",),
)  # fmt: skip
# No memory module has a serial number.
EVERY = ("system-uuid", "system-serial", "board-serial")
CASES = (LEASE, REINSTALLED, CARD_REPLACED, BOARD_WRITTEN, BOARD_EMPTY)


class Report(NamedTuple):
    """Two reports of a machine.

    Attributes:
        known: which descriptions agree.
        equal: the sections of DMI that are equal for the agent.
    """

    known: Known
    equal: frozenset[str]


def reports_by_fields(corpus: Path) -> list[Report]:
    """Return all pairs, by the fields that changed."""
    found = []
    for pair in lines_of(corpus / "drift" / "pairs.jsonl.gz"):
        fields = {field for names in pair["fields"].values() for field in names}
        changed = {attribute for field, attribute in ATTRIBUTE_OF_FIELD.items() if field in fields}
        known = tuple((name, name not in changed) for name in DESCRIPTION)
        equal = [name for name in SECTIONS if same_tool(pair) and name not in pair["changed"]]
        found.append(Report(known, frozenset(equal)))
    return found


def reports_by_text(corpus: Path) -> list[Report]:
    """Return the pairs with their text."""
    found = []
    for pair in lines_of(corpus / "drift" / "pairs_text.jsonl.gz"):
        old, new = ({name: side.get(name, "") for name in SECTIONS} for side in (pair["old"], pair["new"]))
        equal = [name for name in SECTIONS if same_tool(pair) and old[name] == new[name]]
        known = known_of(smbios_of_text(old), smbios_of_text(new))
        found.append(Report(known, frozenset(equal)))
    return found


def same_tool(pair: dict[str, Any]) -> bool:
    return len(set(pair["dmidecode"])) == 1 and len(set(pair["smbios"])) == 1


def rows_of(title: str, reports: list[Report], owned: list[tuple[str, ...]], cases: tuple[Case, ...]) -> list[Any]:
    """Return a row for each case.

    Args:
        title: where the UUID and the serial numbers come from.
        reports: of machines.
        owned: the identity-bearing attributes that a machine has, in turn.
        cases: what happened.
    """
    return [_row(title, reports, owned, case) for case in cases]


def _row(title: str, reports: list[Report], owned: list[tuple[str, ...]], case: Case) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for report, names in zip(reports, itertools.cycle(owned), strict=False):
        hardware = tuple((name, AGREES) for name in (*names, *_CARD))
        ruling = ruling_of((*report.known, *hardware), ("none", "none"), case)
        by_rules = rules_accept(report.equal, case)
        rejected = ruling.is_different if by_rules else not ruling.is_same
        counts["rejected by the rules"] += not by_rules
        counts["rejected"] += rejected
        counts["certainly different"] += ruling.is_different
        counts["certainly the same"] += ruling.is_same
    return {
        "of": title, "title": case.title, "pairs": len(reports), "rejectedByRules": counts["rejected by the rules"],
        "certainlySame": counts["certainly the same"], "rejected": bounded(counts["rejected"], len(reports)),
        "certainlyDifferent": bounded(counts["certainly different"], len(reports)),
    }  # fmt: skip


def owned_in_turn(corpus: Path, number: int) -> list[tuple[str, ...]]:
    """Return which identity-bearing attributes real physical machines have, as many as reports, in a random order."""
    machines = [one for one in different_machines(corpus) if one.values.get("hypervisor") == "none"]
    owned = [tuple(identity_of(one)) for one in machines] or [()]
    many = list(itertools.islice(itertools.cycle(owned), number))
    random.Random(SEED).shuffle(many)
    return many


def same_rows(corpus: Path) -> list[dict[str, Any]]:
    """Return the rows of same machines."""
    rows = []
    for form, reports in (("", reports_by_fields(corpus)), (", with text", reports_by_text(corpus))):
        for title, owned in (
            ("all serial numbers masked, as in the source", [()]),
            ("those that real machines have", owned_in_turn(corpus, len(reports))),
            ("UUID, serial number and board's serial number", [EVERY]),
        ):
            rows += rows_of(f"{title}{form}", reports, owned, (LEASE,) if form else CASES)
    return rows


def same_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| UUID and serial numbers | what happened | pairs | rejected by the rules | rejected with policy `evidence` | "
        "bound, 95 % | of these certainly different | bound, 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        pairs = row["pairs"]
        kinds = [
            f"{row[name]['count']:,} ({100 * row[name]['count'] / pairs:.2f} %) | {100 * row[name]['bound']:.2f} %"
            for name in ("rejected", "certainlyDifferent")
        ]
        by_rules = f"{row['rejectedByRules']:,} ({100 * row['rejectedByRules'] / pairs:.2f} %)"
        lines.append(f"| {row['of']} | {row['title']} | {pairs:,} | {by_rules} | {kinds[0]} | {kinds[1]} |")
    return "\n".join(lines)
