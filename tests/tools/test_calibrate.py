"""benchmarks/calibrate.py: counts of policy `evidence`, their bounds, and the tables of docs/calibration.md."""

from __future__ import annotations

import importlib
import itertools
import math
import os
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from paths import DOCS, ROOT
from shared import CORPUS, needs_corpus

BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not here")
pytest.importorskip("numpy")

only_full = pytest.mark.skipif(
    os.environ.get("FINGERPRINT_DURABILITY") != "full", reason="half a minute, in the full form"
)
KINDS = ("Example Inc. / Model 7 / 1.0", "Example Inc. / Model 9 / 1.0", " / ")
SERIALS = (
    {"system_uuid": "u1", "system_serial": "s1"}, {"system_uuid": "u2", "system_serial": "s2", "board_serial": "b"},
    {"system_uuid": "u1", "board_serial": "b"}, {},
)  # fmt: skip


@pytest.fixture
def modules_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


def fleet_row(number: int) -> dict[str, str]:
    """Return a row of a fleet in which models, processors, memory and sections repeat."""
    names = enumerate(("processor", "memory", "bios", "system"), 2)
    return {
        **{f"{name}_id": str(number % turn) for turn, name in names},
        "machine": f"{number:012X}",
        "dmidecode": "3.3",
        "system": KINDS[number % 3],
        "bios": f"Maker / {number % 4} / 1",
        "cpu": f"Example CPU {number % 2}",
        "sockets": "1",
        "dimms": "1x8 GB:EX8G" if number % 5 else "",
    }


def captured(modules_of: Any, name: str, **values: str) -> Any:
    values = {key.replace("_", "-"): value for key, value in values.items()}
    return modules_of("calibrate_machines").Captured(name, {"hypervisor": "none", **values}, {}, values)


@pytest.mark.parametrize(
    ("count", "total", "bound"),
    # Clopper-Pearson, one-sided: the 95 % quantile of Beta(count + 1, total - count).
    [(0, 100, 0.03), (0, 10**7, 3e-7), (1, 100, 0.046559816), (5, 100, 0.102253478), (3, 3, 1.0), (1, 2, 0.974679434)],
)
def test_the_bound_of_a_share(modules_of: Any, count: int, total: int, bound: float) -> None:
    assert modules_of("calibrate_evidence").upper_bound(count, total) == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize(("count", "total"), [(1, 10), (7, 40), (34, 5523), (3501, 5523)])
def test_the_bound_leaves_one_in_twenty(modules_of: Any, count: int, total: int) -> None:
    share = modules_of("calibrate_evidence").upper_bound(count, total)
    logs = (
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(share) + (total - k) * math.log(1 - share)
        for k in range(count + 1)
    )  # fmt: skip
    assert sum(map(math.exp, logs)) == pytest.approx(0.05, rel=1e-6)
    assert share > count / total


@pytest.mark.parametrize("pairs", ["random_pairs", "alike_pairs"])
def test_counts_are_those_of_each_pair(modules_of: Any, monkeypatch: pytest.MonkeyPatch, pairs: str) -> None:
    """All pairs are compared by their values, one by one."""
    different, evidence = modules_of("calibrate_different"), modules_of("calibrate_evidence")
    monkeypatch.setattr(different, "BATCH", 7)
    machines = [captured(modules_of, f"m{number}", **values) for number, values in enumerate(SERIALS)]
    rows = [fleet_row(number) for number in range(41)]
    fleet = different.Fleet(rows, machines)
    counted = different.rows_of(fleet.count("made", getattr(fleet, pairs)()))
    expected: Counter[tuple[str, str]] = Counter()
    for one, other in itertools.combinations(range(41), 2):
        alike = fleet.values[one].get("platform", 1) == fleet.values[other].get("platform", 2)
        if fleet.chosen[one] == fleet.chosen[other] or (pairs == "alike_pairs" and not alike):
            continue
        old, new = fleet.full(one), fleet.full(other)
        known = any(old.get(name) and new.get(name) for name in evidence.IDENTITY)
        equal = frozenset(n for n in different.SECTIONS if rows[one][f"{n}_id"] == rows[other][f"{n}_id"])
        shown = (*different.CASES, *different.OPEN) if known else (different.NOTHING,)
        for case in (*shown, different.MASKED):
            ruling = evidence.ruling_of_values(old, new, case)
            accepted = evidence.rules_accept(equal, case)
            outcome = "same" if ruling.is_same else "different" if ruling.is_different else f"rules {accepted}"
            expected[case.title, outcome] += 1
    found = Counter({
        (row["title"], outcome): count
        for row in counted
        for outcome, count in (
            ("same", row["certainlySame"]["count"]), ("different", row["certainlyDifferent"]),
            ("rules True", row["notCertainAccepted"]), ("rules False", row["notCertainRejected"]),
        )
    })  # fmt: skip
    assert +found == expected
    assert {outcome for _, outcome in expected} == {"same", "different", "rules True", "rules False"}


def test_each_pair_comes_once(modules_of: Any) -> None:
    different = modules_of("calibrate_different")
    machines = [captured(modules_of, "a", system_uuid="u1"), captured(modules_of, "b", system_uuid="u2")]
    for size in (2, 3, 40, 41):
        fleet = different.Fleet([fleet_row(number) for number in range(size)], machines)
        batches = (zip(*batch, strict=True) for batch in fleet.random_pairs())
        met = Counter(frozenset((int(one), int(other))) for one, other in itertools.chain.from_iterable(batches))
        assert all(len(pair) == 2 for pair in met)
        assert set(met.values()) <= {1}


def test_a_false_accept_is_counted(modules_of: Any) -> None:
    """Two machines that have one UUID and one serial number are different machines, as nobody says otherwise."""
    different = modules_of("calibrate_different")
    machines = [captured(modules_of, name, system_uuid="u", system_serial="s") for name in "ab"]
    fleet = different.Fleet([fleet_row(number) for number in range(0, 60, 3)], machines)
    for pairs in (different.real_pairs("real", machines), fleet.count("made", fleet.random_pairs())):
        [copied] = [row for row in different.rows_of(pairs) if row["title"] == different.COPIED.title]
        assert copied["certainlySame"]["count"] == copied["pairs"] > 0
        assert copied["certainlySame"]["bound"] == 1.0
        assert copied["boundByIdentities"] is None


def test_nothing_is_certain_without_identities(modules_of: Any) -> None:
    different = modules_of("calibrate_different")
    machines = [captured(modules_of, "a", system_uuid="u"), captured(modules_of, "b", board_serial="s")]
    fleet = different.Fleet([fleet_row(number) for number in range(60)], machines)
    rows = different.rows_of(fleet.count("made", fleet.random_pairs()))
    assert {row["title"] for row in rows} == {different.NOTHING.title, different.MASKED.title}
    assert {(row["certainlySame"]["count"], row["certainlyDifferent"]) for row in rows} == {(0, 0)}


def test_a_fleet_with_serial_numbers_is_refused(modules_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    different = modules_of("calibrate_different")
    monkeypatch.setattr(different, "values_of_row", lambda _: {"system-uuid": "u"})
    with pytest.raises(ValueError, match="serial numbers of its own"):
        different.Fleet([fleet_row(1)], [captured(modules_of, "a", system_uuid="u")])


def test_the_same_machine_is_rejected_less_often(modules_of: Any) -> None:
    same = modules_of("calibrate_same")
    described = tuple((name, True) for name in same.DESCRIPTION)
    reports = [same.Report(described, frozenset(equal)) for equal in ((), ("bios", "system", "memory", "processor"))]
    rows = {
        (title, row["title"]): row
        for title, owned in (("masked", [()]), ("all", [same.EVERY]))
        for row in same.rows_of(title, reports, owned, same.CASES)
    }
    for case in (same.LEASE, same.REINSTALLED, same.CARD_REPLACED):
        masked, every = rows["masked", case.title], rows["all", case.title]
        assert masked["rejected"]["count"] == masked["rejectedByRules"] == (2 if case is same.REINSTALLED else 1)
        assert (every["rejected"]["count"], every["certainlySame"]) == (0, 2)
        assert masked["certainlyDifferent"]["count"] == every["certainlyDifferent"]["count"] == 0
    # Without its serial number a new main board is another machine.
    assert rows["all", same.BOARD_EMPTY.title]["certainlyDifferent"]["count"] == 2
    assert rows["all", same.BOARD_WRITTEN.title]["certainlyDifferent"]["count"] == 0


def table_of(lines: list[str], first: str) -> list[str]:
    """Return the table of the page whose first line has these first cells."""
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    return list(itertools.takewhile(lambda line: line.startswith("|"), lines[start:]))


@needs_corpus
@pytest.mark.parametrize(
    ("module", "rows", "table"),
    [
        # Most of the time goes into this one, half a minute of the processor.
        pytest.param("calibrate", "measure_schemes", "schemes_table", marks=only_full),
        ("calibrate_different", "identities", "identities_table"),
        ("calibrate_different", "different_rows", "different_table"), ("calibrate_same", "same_rows", "same_table"),
    ],
    ids=["schemes", "identities", "different", "same"],
)  # fmt: skip
def test_the_page_has_the_tables(modules_of: Any, module: str, rows: str, table: str) -> None:
    printed = modules_of(module)
    expected = getattr(printed, table)(getattr(printed, rows)(CORPUS)).splitlines()
    page = (DOCS / "calibration.md").read_text("utf-8").splitlines()
    assert table_of(page, expected[0][:30]) == expected


@needs_corpus
def test_false_accepts_of_ten_million_pairs(modules_of: Any) -> None:
    """The page says so; the table above is compared with it."""
    different = modules_of("calibrate_different")
    page = (DOCS / "calibration.md").read_text("utf-8").splitlines()
    for case in different.CASES:
        [row] = [line for line in page if line.startswith(f"| {different.RANDOM} | {case.title} |")]
        _, _, _, pairs, same, bound, *_ = (cell.strip() for cell in row.split("|"))
        assert int(pairs.replace(",", "")) >= 10**7
        assert same == "0"
        assert float(bound) <= 3e-7
