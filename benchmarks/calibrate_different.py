"""Policy `evidence` on different machines: how often is another one certainly the same.

Nothing is made to differ: what differs here differs in the data, and what could bring two machines together (a copied
disk, parts that moved along, a placeholder that nobody knows) is set equal.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from calibrate_evidence import (
    IDENTITY,
    Case,
    Kinds,
    Known,
    bounded,
    kinds_of,
    known_of,
    rules_accept,
    ruling_of,
    ruling_of_values,
    upper_bound,
)
from calibrate_machines import (
    SECTIONS,
    SEED,
    Captured,
    fleet_rows,
    lines_of,
    machines_with_serials,
    report_values,
    values_of_row,
)

# Random pairs are those of each machine with this many others.
ROUNDS = 170
BATCH = 200_000
Numbers = npt.NDArray[np.int64]
RANDOM = "at random"
ALIKE = "of one maker and model"
# Attributes whose text is known as the firmware has it.
WRITTEN = ("system-uuid", "system-serial", "board-serial", "chassis-serial")
Combination = tuple[Known, Kinds, frozenset[str]]
DESCRIPTION = ("platform", "processor", "memory", "firmware")
# Captures of one machine at two times, by the README of the corpus. All others are different machines, whatever is
# equal between them.
SECOND_STATES = ("smbios/dell_PE1750_A07", "smbios/nima_ProLiant-DL585-G1.2", "smbios/dell_PE2600")

DISK = ("machine-id", "hostname", "filesystem-uuids")
CARDS = ("mac-addresses", "disk-serials")
_SSM_DISK, _SSM_CARDS = ("machine-id", "hostname-info"), ("machine-id", "hostname-info", "macaddr-info")
COPIED = Case("copied disk", DISK, stays=_SSM_DISK)
MOVED = Case("disks and network cards moved along", (*DISK, *CARDS), stays=_SSM_CARDS)
CASES = (
    Case("system installed there anew", ("hostname",), stays=("hostname-info",)),
    COPIED,
    MOVED,
    Case("disks, network cards and memory modules moved along", (*DISK, *CARDS, "memory-serials"), stays=_SSM_CARDS),
    Case("copied disk, and the UUID is a placeholder that nobody knows", (*DISK, "system-uuid"), stays=_SSM_DISK),
    Case("copied disk, and the serial number is one", (*DISK, "system-serial"), stays=_SSM_DISK),
)
MASKED = Case(
    "all serial numbers masked, disks and network cards moved along", (*DISK, *CARDS), masked=IDENTITY,
    stays=_SSM_CARDS,
)  # fmt: skip
NOTHING = MOVED._replace(title="no serial number or UUID on both sides, disks and network cards moved along")
# More than one coincidence, or no truth: these have no bound.
OPEN = (
    Case(
        "main board of the other machine, with its network cards", (*DISK, *CARDS, "system-uuid", "board-serial"),
        stays=_SSM_CARDS,
    ),
    Case(
        "an unknown placeholder as UUID, and disks and network cards moved along", (*DISK, *CARDS, "system-uuid"),
        stays=_SSM_CARDS,
    ),
)  # fmt: skip


class Pairs(NamedTuple):
    """Pairs of different machines by what is equal, as far as the data say.

    Attributes:
        title: for the table.
        counts: pairs of each combination: of stable, of what they run on, of sections of DMI.
        identities: distinct pairs of real identities behind them: with an attribute on both sides, and without.
    """

    title: str
    counts: Counter[Combination]
    identities: tuple[int, int]


def different_machines(corpus: Path) -> list[Captured]:
    """Return the machines whose serial numbers are not masked, each one once."""
    return [one for one in machines_with_serials(corpus) if one.name not in SECOND_STATES]


def identity_of(machine: Captured) -> dict[str, str]:
    return {name: value for name, value in machine.values.items() if name in IDENTITY}


class Fleet:
    """The machines of the fleet, each with the identity of a real physical machine, as its own is masked.

    Args:
        rows: of the fleet.
        machines: with serial numbers, each another one.
    """

    def __init__(self, rows: list[dict[str, str]], machines: list[Captured]) -> None:
        self.values = [values_of_row(row) for row in rows]
        if any(name in IDENTITY for values in self.values for name in values):
            raise ValueError("the fleet has serial numbers of its own")
        self.identities = [identity_of(one) for one in machines if one.values.get("hypervisor") == "none"]
        self._chance = np.random.default_rng(SEED)
        size = len(self.identities)
        self.chosen = self._chance.integers(size, size=len(rows))
        # By [a, b] the number of what is known of the identities a and b; -1 where a is b.
        self._patterns: list[Known] = []
        self._pattern = np.array(
            [[-1 if a is b else self._number(known_of(a, b)) for b in self.identities] for a in self.identities]
        )
        # What a machine runs on, and which descriptions it has.
        self._about, self._about_of = _numbered(
            [(values.get("hypervisor", ""), *(name in values for name in DESCRIPTION)) for values in self.values]
        )
        self._described = [_numbered([each.get(name) for each in self.values])[1] for name in DESCRIPTION]
        # The first line of each section has the version of dmidecode.
        self._sections = [_numbered([(row["dmidecode"], row[f"{name}_id"]) for row in rows])[1] for name in SECTIONS]

    def _number(self, known: Known) -> int:
        if known not in self._patterns:
            self._patterns.append(known)
        return self._patterns.index(known)

    def full(self, number: int) -> dict[str, str]:
        """Return the attributes of a machine with its identity."""
        return {**self.values[number], **self.identities[self.chosen[number]]}

    def random_pairs(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Return pairs at random, each once, in batches of two arrays."""
        order = self._chance.permutation(len(self.values))
        # Up to half of the way around, no pair comes twice.
        steps = np.arange(1, (len(order) + 1) // 2)
        for step in self._chance.permutation(steps)[:ROUNDS]:
            yield order, np.roll(order, step)

    def alike_pairs(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Return all pairs of one maker and model, in batches of two arrays."""
        models: dict[str, list[int]] = {}
        for number, values in enumerate(self.values):
            if "platform" in values:
                models.setdefault(values["platform"], []).append(number)
        pairs = itertools.chain.from_iterable(itertools.combinations(members, 2) for members in models.values())
        while batch := list(itertools.islice(pairs, BATCH)):
            one, other = np.array(batch).T
            yield one, other

    def count(self, title: str, batches: Iterable[tuple[Numbers, Numbers]]) -> Pairs:
        """Count pairs by what is equal; those that were given the same identity are left out.

        Raises:
            ArithmeticError: a ruling by agreement differs from that of the values, for one pair of a combination.
        """
        found: Counter[Combination] = Counter()
        checked: dict[int, Combination] = {}
        distinct: set[int] = set()
        for one, other in batches:
            ours, theirs = self.chosen[one], self.chosen[other]
            key = self._pattern[ours, theirs]
            key = (key * len(self._about) + self._about_of[one]) * len(self._about) + self._about_of[other]
            for column in (*self._described, *self._sections):
                key = 2 * key + (column[one] == column[other])
            keys, first, counts = np.unique(key[ours != theirs], return_index=True, return_counts=True)
            example = np.flatnonzero(ours != theirs)[first]
            for number, at, count in zip(keys.tolist(), example.tolist(), counts.tolist(), strict=True):
                if number not in checked:
                    checked[number] = self._checked(number, one[at], other[at])
                found[checked[number]] += count
            both = np.minimum(ours, theirs) * len(self.identities) + np.maximum(ours, theirs)
            distinct.update(np.unique(both[ours != theirs]).tolist())
        known = [self._patterns[self._pattern[divmod(each, len(self.identities))]] for each in distinct]
        with_it = sum(map(has_identity, known))
        return Pairs(title, found, (with_it, len(known) - with_it))

    def _checked(self, number: int, one: int, other: int) -> Combination:
        combination = self._combination(number)
        known, kinds = check(self.full(one), self.full(other))
        if (sorted(known), kinds) != (sorted(combination[0]), combination[1]):
            raise ArithmeticError(f"{combination} was counted for {known}, {kinds}")
        return combination

    def _combination(self, key: int) -> Combination:
        """Return what the key of a pair says."""
        equal = []
        for _ in range(len(self._described) + len(self._sections)):
            key, bit = divmod(key, 2)
            equal.insert(0, bool(bit))
        key, about_b = divmod(key, len(self._about))
        number, about = divmod(key, len(self._about))
        (kind, *has), (kind_b, *has_b) = self._about[about], self._about[about_b]
        known = tuple(
            (name, same)
            for name, same, on_one, on_other in zip(DESCRIPTION, equal[:4], has, has_b, strict=True)
            if on_one and on_other
        )
        sections = frozenset(name for name, same in zip(SECTIONS, equal[4:], strict=True) if same)
        return (*self._patterns[number], *known), (kind, kind_b), sections


def _numbered(values: list[Any]) -> tuple[list[Any], Numbers]:
    """Return the distinct values, and the number of each."""
    numbers: dict[Any, int] = {}
    column = np.array([numbers.setdefault(value, len(numbers)) for value in values])
    return list(numbers), column


def check(old: dict[str, str], new: dict[str, str]) -> tuple[Known, Kinds]:
    """Return what agrees; raise ArithmeticError unless the ruling by that is the one of the values, in each case."""
    known, kinds = known_of(old, new), kinds_of(old, new)
    for case in (*CASES, MASKED, *OPEN):
        by_agreement, by_values = ruling_of(known, kinds, case), ruling_of_values(old, new, case)
        if (by_agreement.outcome, by_agreement.failed) != (by_values.outcome, by_values.failed):
            raise ArithmeticError(
                f"{case.title}: {by_agreement} by agreement, {by_values} by the values of {old}, {new}"
            )
    return known, kinds


def real_pairs(title: str, machines: list[Captured]) -> Pairs:
    """Count all pairs of machines whose serial numbers are not masked; nothing of them is made."""
    counts: Counter[Combination] = Counter()
    for one, other in itertools.combinations(machines, 2):
        equal = frozenset(n for n in SECTIONS if n in one.printed and one.printed[n] == other.printed.get(n))
        counts[(*check(one.values, other.values), equal)] += 1
    with_it = sum(count for (known, _, _), count in counts.items() if has_identity(known))
    return Pairs(title, counts, (with_it, counts.total() - with_it))


def shared_card_pairs(corpus: Path) -> Pairs:
    """Count machines of unlike models that the source has under one ID, which it makes from a network card."""
    counts: Counter[Combination] = Counter()
    for line in lines_of(corpus / "drift" / "same_hwid_other_model.jsonl.gz"):
        for one, other in itertools.combinations(line["reports"], 2):
            old, new = ({**report_values(each), "mac-addresses": "one"} for each in (one, other))
            equal = frozenset(n for n in SECTIONS if one["section_hash"][n] == other["section_hash"].get(n))
            counts[(*check(old, new), equal)] += 1
    return Pairs("unlike models that share a network card", counts, (counts.total(), 0))


def has_identity(known: Known) -> bool:
    return any(name in IDENTITY for name, _ in known)


def rows_of(pairs: Pairs) -> list[dict[str, Any]]:
    """Return the rows of some pairs: each case where both sides have identity-bearing attributes, then without."""
    with_it = {key: count for key, count in pairs.counts.items() if has_identity(key[0])}
    without = {key: count for key, count in pairs.counts.items() if not has_identity(key[0])}
    rows = [_row(pairs, case, with_it, pairs.identities[0], bound=True) for case in CASES]
    rows.append(_row(pairs, NOTHING, without, pairs.identities[1], bound=True))
    rows.append(_row(pairs, MASKED, pairs.counts, 0, bound=True))
    rows += [_row(pairs, case, with_it, pairs.identities[0], bound=False) for case in OPEN]
    return [row for row in rows if row["pairs"]]


def shared_card_row(corpus: Path) -> list[dict[str, Any]]:
    """Return the row of unlike models under one ID, [] without any."""
    pairs = shared_card_pairs(corpus)
    return [_row(pairs, COPIED, pairs.counts, pairs.identities[0], bound=True)] if pairs.counts else []


def control_rows(rows: list[dict[str, str]], machines: list[Captured]) -> list[dict[str, Any]]:
    """Return rows where placeholders are values; they show that a false accept would be counted."""
    raw = [one._replace(values={**one.values, **one.written}) for one in machines]
    fleet = Fleet(rows, raw)
    found = (
        fleet.count(f"{ALIKE}, placeholders taken as values", fleet.alike_pairs()),
        real_pairs("real identities, placeholders taken as values", raw),
    )
    return [_row(pairs, COPIED, pairs.counts, pairs.identities[0], bound=False) for pairs in found]


def _row(pairs: Pairs, case: Case, counts: dict[Combination, int], identities: int, *, bound: bool) -> dict[str, Any]:
    same = different = by_rules = rejected = 0
    for (known, kinds, equal), count in counts.items():
        ruling = ruling_of(known, kinds, case)
        if ruling.is_same:
            same += count
        elif ruling.is_different:
            different += count
        elif rules_accept(equal, case):
            by_rules += count
        else:
            rejected += count
    total = same + different + by_rules + rejected
    return {
        "of": pairs.title, "title": case.title, "pairs": total, "identityPairs": identities,
        "certainlySame": bounded(same, total) if bound else {"count": same, "bound": None},
        # Each pair of identities counts once here.
        "boundByIdentities": upper_bound(0, identities) if bound and identities and not same else None,
        "certainlyDifferent": different, "notCertainAccepted": by_rules, "notCertainRejected": rejected,
    }  # fmt: skip


def different_rows(corpus: Path) -> list[dict[str, Any]]:
    """Return the rows of different machines."""
    machines, masked = different_machines(corpus), fleet_rows(corpus)
    fleet = Fleet(masked, machines)
    rows = rows_of(fleet.count(RANDOM, fleet.random_pairs()))
    rows += rows_of(fleet.count(ALIKE, fleet.alike_pairs()))
    rows += rows_of(real_pairs("real identities", machines))
    return rows + shared_card_row(corpus) + control_rows(masked, machines)


def different_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| different machines | what is equal beside the data | pairs | certainly the same (false accepts) | 95 % "
        "bound of their share | pairs of identities, and the bound by these | certainly different | "
        "not certain, accepted by the rules | not certain, rejected |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        same, by_identities = row["certainlySame"], row["boundByIdentities"]
        bound = f"{same['bound']:.1e}" if same["bound"] is not None else "-"
        identities = f"{row['identityPairs']:,}" if row["identityPairs"] else "-"
        identities += f": {by_identities:.1e}" if by_identities is not None else ""
        lines.append(
            f"| {row['of']} | {row['title']} | {row['pairs']:,} | {same['count']:,} | {bound} | {identities} "
            f"| {row['certainlyDifferent']:,} | {row['notCertainAccepted']:,} | {row['notCertainRejected']:,} |"
        )
    return "\n".join(lines)


def identities(corpus: Path) -> list[dict[str, Any]]:
    """Return for UUID and each serial number how many machines have one, and how many pairs have an equal one."""
    machines = different_machines(corpus)
    rows = []
    for name in IDENTITY:
        written = Counter(one.written[name] for one in machines if name in one.written)
        values = Counter(part for one in machines for part in one.values.get(name, "").split())
        rows.append({
            "name": name, "written": written.total(), "usable": sum(bool(one.values.get(name)) for one in machines),
            "pairsEqualText": sum(math.comb(count, 2) for count in written.values()),
            "pairsEqualValue": sum(math.comb(count, 2) for count in values.values()),
        })  # fmt: skip
    return rows


def identities_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| attribute | machines that have a text | without placeholders | pairs with one text | pairs with one value |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        known = (row["written"], row["pairsEqualText"]) if row["name"] in WRITTEN else ("-", "-")
        lines.append(f"| `{row['name']}` | {known[0]} | {row['usable']} | {known[1]} | {row['pairsEqualValue']} |")
    return "\n".join(lines)
