"""Clones by scheme `stable`: the groups are those of a reference that compares all pairs by `rules.stable.decide`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.attributes.stable import CONTAINERS, PHYSICAL, STRENGTHS
from fingerprint.rules.stable import Outcome
from stable_fleets import FORMS, Cells, column_of, reference, values_of

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.errors import InputError  # noqa: E402
from fingerprint.fleet import StableClones, clones_stable  # noqa: E402
from fingerprint.fleet.stable_cloning import UNDECIDABLE  # noqa: E402
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES, UNREADABLE  # noqa: E402
from fingerprint.fleet.stable_rows import DECIDING  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MANY = 10**9
DAYS = [f"2026-01-{day:02d}T12:00:00Z" for day in range(1, 29)]
Machine = tuple[str, str, int, Cells]


def values_in(cells: Cells, name: str) -> set[str]:
    """Return the values by which a row could be found: those of a set are its elements."""
    value = cells.get(name) or ""
    if value in ("", UNREADABLE):
        return set()
    return set(value.split()) or {f"blank {value}"} if name in SETS else {value}


def shared_by(one: Cells, other: Cells) -> list[tuple[str, str]]:
    """Return the identity-bearing values that two rows share, and by which each could be the same as another one."""
    kinds = [cells.get("hypervisor") or UNREADABLE for cells in (one, other)]
    if any(kind in CONTAINERS for kind in kinds):
        return []
    by_kind = [(0, 1) if kind == UNREADABLE else (int(kind != PHYSICAL),) for kind in kinds]
    positions = [{position for number in each for position in DECIDING[number]} for each in by_kind]
    names = [STABLE_NAMES[position] for position in sorted(set.intersection(*positions))]
    return [(name, value) for name in names for value in values_in(one, name) & values_in(other, name)]


def clusters(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    parents = list(range(count))
    for i, j in pairs:
        low, high = sorted((parents[i], parents[j]))
        parents = [low if parent == high else parent for parent in parents]
    return parents


def of(parents: list[int], several: Callable[[list[int]], bool]) -> set[tuple[int, ...]]:
    groups = ([i for i, parent in enumerate(parents) if parent == root] for root in set(parents))
    return {tuple(group) for group in groups if len(group) > 1 and several(group)}


def table_of(rows: list[Machine], form: str = "string", side: str = "current_stable") -> Any:
    columns: dict[str, Any] = {
        "node_id": [node for node, _, _, _ in rows], "vault": [vault for _, vault, _, _ in rows],
        "observed_at": [DAYS[day] for _, _, day, _ in rows], "saved.a": ["x"] * len(rows),
    }  # fmt: skip
    for name in STABLE_NAMES:
        columns[f"{side}.{name}"] = column_of([cells.get(name) for _, _, _, cells in rows], form, name)
    return pa.table(columns)


def groups_of(found: StableClones) -> dict[str, dict[tuple[int, ...], str]]:
    return {one.kind: {one[i].rows: one[i].reading for i in range(len(one))} for one in found.groups}


@st.composite
def fleets(draw: Any) -> list[Machine]:
    """Rows that descend from a few machines, so that they share values in many ways."""
    first = [{name: draw(values_of(name)) for name in STABLE_NAMES} for _ in range(draw(st.integers(1, 3)))]
    for cells in first:
        cells["hypervisor"] = draw(
            st.sampled_from([PHYSICAL, PHYSICAL, "kvm", "kvm", "", None, "docker", cells["hypervisor"]])
        )
    rows = []
    for _ in range(draw(st.integers(2, 9))):
        cells = dict(draw(st.sampled_from(first)))
        for name in draw(st.sets(st.sampled_from(STABLE_NAMES), max_size=draw(st.sampled_from([0, 2, 9])))):
            cells[name] = draw(values_of(name))
        node, vault = draw(st.sampled_from("abcd")), draw(st.sampled_from(["", "v", "w"]))
        rows.append((node, vault, draw(st.integers(0, 20)), cells))
    return rows


def expected(rows: list[Machine]) -> dict[str, Any]:
    """Return what the reference finds: the machines, and the rows of each kind of group with their outcomes."""
    cells = [one for _, _, _, one in rows]
    verdicts = {(i, j): reference(cells[i], cells[j]).outcome for i, j in itertools.combinations(range(len(rows)), 2)}
    same = [pair for pair, outcome in verdicts.items() if outcome == Outcome.SAME]
    machines = clusters(len(rows), same)
    unknown = [p for p, o in verdicts.items() if o == Outcome.CANNOT_TELL and shared_by(cells[p[0]], cells[p[1]])]
    nodes = [node for node, _, _, _ in rows]

    def several_nodes(group: list[int]) -> bool:
        return len({nodes[i] for i in group}) > 1

    found: dict[str, Any] = {"hardware": dict.fromkeys(of(machines, several_nodes), "same")}
    found["hardware-value"] = dict.fromkeys(
        of(clusters(len(rows), same + unknown), lambda g: several_nodes(g) and len({machines[i] for i in g}) > 1),
        "cannot-tell",
    )
    ids = [(one["machine-id"] or "").replace(UNREADABLE, "") for one in cells]
    values = {"node_id": nodes, "vault": [vault for _, vault, _, _ in rows], "machine-id": ids}
    for key, each in values.items():
        found[key] = {}
        for value in set(each) - {""}:
            group = tuple(i for i, own in enumerate(each) if own == value)
            outcomes = {verdicts[pair] for pair in itertools.combinations(group, 2)}
            if key == "machine-id" and not several_nodes(list(group)):
                continue
            if Outcome.DIFFERENT in outcomes:
                found[key][group] = "different"
            elif len({machines[i] for i in group}) > 1:
                found[key][group] = "cannot-tell"
    return {"verdicts": verdicts, "machines": machines, "groups": found}


@given(fleets(), st.sampled_from(FORMS), st.sampled_from(["current_stable", "saved_stable"]))
@settings(max_examples=150, deadline=None)
def test_groups_are_those_of_a_reference_of_all_pairs(rows: list[Machine], form: str, side: str) -> None:
    found = clones_stable(table_of(rows, form, side), threads=1, pairs=MANY)
    wanted = expected(rows)
    outcomes = {
        one.kind: {group.rows: str(found.outcome_of(group)) for group in (one[i] for i in range(len(one)))}
        for one in found.groups
    }
    assert outcomes == wanted["groups"]
    assert found.crowds == []
    own = [reference(cells, cells).outcome == Outcome.SAME for _, _, _, cells in rows]
    assert sum(found.undecidable.values()) == own.count(False)
    for group in found.every_group():
        for name in STABLE_NAMES:
            values = {rows[i][3].get(name) or "" for i in group.rows}
            assert (name in group.ties) == (len(values) == 1 and not values & {"", UNREADABLE})


@given(fleets())
@settings(max_examples=100, deadline=None)
def test_same_pairs_share_a_value_that_is_searched(rows: list[Machine]) -> None:
    for (i, j), outcome in expected(rows)["verdicts"].items():
        if outcome == Outcome.SAME:
            assert shared_by(rows[i][3], rows[j][3])


@given(fleets(), st.integers(0, 12))
@settings(max_examples=100, deadline=None)
def test_what_a_limit_leaves_open_is_reported(rows: list[Machine], most: int) -> None:
    found, wanted = clones_stable(table_of(rows), threads=1, pairs=most), expected(rows)
    machines = clusters(len(rows), [(g[0], i) for g in groups_of(found)["hardware"] for i in g])
    crowds = {crowd.attribute for crowd in found.crowds}
    for (i, j), outcome in wanted["verdicts"].items():
        if outcome == Outcome.SAME and machines[i] != machines[j] and rows[i][0] != rows[j][0]:
            assert {name for name, _ in shared_by(rows[i][3], rows[j][3])} <= crowds
            assert not found.is_certain
    for crowd in found.crowds:
        assert 2 <= crowd.machines <= crowd.rows
    # A group is never more certain than with all pairs.
    for kind, groups in groups_of(found).items():
        for group, reading in groups.items():
            if reading not in ("cannot-tell", "registered-twice"):
                assert wanted["groups"][kind][group] == "different"


def machine(number: int, **changed: str) -> Cells:
    cells: Cells = {name: f"{name} {number}" for name in STABLE_NAMES}
    cells.update({name: f"{name}-{number}" for name in SETS})
    return {**cells, "hypervisor": PHYSICAL, **{name.replace("_", "-"): value for name, value in changed.items()}}


def found_in(*cells: Cells, nodes: str = "", days: Iterable[int] = (), **words: Any) -> StableClones:
    days = list(days) or [0] * len(cells)
    rows = [(node, "", day, one) for node, day, one in zip(nodes or "abcdefghij", days, cells, strict=False)]
    return clones_stable(table_of(rows), threads=2, **words)


def readings(found: StableClones) -> dict[str, dict[tuple[int, ...], str]]:
    return {kind: groups for kind, groups in groups_of(found).items() if groups}


def test_machine_with_two_node_ids_is_registered_twice() -> None:
    found = found_in(machine(1), machine(2), machine(1, hostname="renamed", ip_address="moved"))
    assert readings(found) == {"hardware": {(0, 2): "registered-twice"}}
    assert (found.findings, found.is_certain, found.nodes_of(found.shared[-2][0], 5)) == (1, True, ["a", "c"])
    assert found.outcomes == {Outcome.SAME: 1, Outcome.DIFFERENT: 0, Outcome.CANNOT_TELL: 0}
    once = found_in(machine(1), machine(2), machine(1), nodes="aba")
    assert (readings(once), once.findings, once.is_certain) == ({}, 0, True)


def test_node_id_on_two_machines_is_read_by_the_times() -> None:
    both = (machine(1), machine(2))
    assert readings(found_in(*both, nodes="aa")) == {"node_id": {(0, 1): "copy"}}
    assert readings(found_in(*both, nodes="aa", days=(0, 5))) == {"node_id": {(0, 1): "moved"}}
    assert readings(found_in(*both, nodes="aa", days=(0, 5), window=7 * 86_400.0)) == {"node_id": {(0, 1): "copy"}}
    table = table_of([("a", "", 0, one) for one in both]).drop_columns(["observed_at"])
    assert readings(clones_stable(table)) == {"node_id": {(0, 1): "no-times"}}


def test_image_with_a_machine_id_is_reported_by_hardware() -> None:
    image = {"machine_id": "image"}
    found = found_in(machine(1, **image), machine(2, **image), machine(3))
    assert readings(found) == {"machine-id": {(0, 1): "image-not-reset"}}
    assert str(found.outcome_of(found.shared[2][0])) == "different"


def test_copy_of_a_virtual_machine_with_its_uuid_is_cannot_tell() -> None:
    kvm = {"hypervisor": "kvm", "platform": "kvm", "board": "kvm"}
    copy = {**kvm, "system_uuid": "copied", "system_serial": "copied", "cloud_instance": "", "machine_id": "copied"}
    found = found_in(machine(1, **copy), machine(2, **copy), machine(3, **kvm))
    assert readings(found) == {
        "machine-id": {(0, 1): "cannot-tell"}, "hardware-value": {(0, 1): "cannot-tell"},
    }  # fmt: skip
    assert (found.findings, found.is_certain) == (0, False)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"hypervisor": "docker"}, "container"),
     ({**dict.fromkeys(("system-uuid", "system-serial", "mac-addresses"), UNREADABLE), "cloud-instance": ""},
      "unreadable"),
     ({s.name: "" for s in STRENGTHS if s.group == "identity"}, "no-values"),
     ({**{s.name: "" for s in STRENGTHS}, "chassis-serial": "x"}, "few-values")],
)  # fmt: skip
def test_rows_that_nothing_can_decide_are_counted(changed: dict[str, str], reason: str) -> None:
    found = found_in(machine(1), {**machine(2), **changed}, {**machine(2), **changed})
    assert found.undecidable == {reason: 2}
    assert set(found.undecidable) <= set(UNDECIDABLE)
    assert (found.findings, found.is_certain) == (0, False)


def test_value_of_many_machines_is_bounded_and_reported() -> None:
    count = 3000
    rows = [(f"n{i}", "", 0, machine(i, system_uuid="placeholder")) for i in range(count)]
    rows += [(f"again{i}", "", 0, {**rows[i][3], "hostname": "again"}) for i in range(0, count, 1000)]
    found = clones_stable(table_of(rows), threads=2)
    assert sum(found.outcomes.values()) < 4 * len(rows)
    assert readings(found)["hardware"] == {(i, count + i // 1000): "registered-twice" for i in range(0, count, 1000)}
    [crowd] = found.crowds
    assert (crowd.attribute, crowd.rows, crowd.machines, crowd.row) == ("system-uuid", len(rows), count, 0)
    assert not found.is_certain
    # Equal rows are one, however many there are.
    equal = clones_stable(table_of([(f"n{i}", "", 0, machine(1)) for i in range(count)]), pairs=0)
    assert (len(equal.shared[-2]), equal.crowds, equal.is_certain) == (1, [], True)
    assert equal.outcomes[Outcome.SAME] == count * (count - 1) // 2


def test_rows_of_a_crowded_value_meet_the_first_and_the_next() -> None:
    def cells(model: str, host: int) -> Cells:
        described = {"platform": model, "board": model, "hostname": str(host)}
        return {"hypervisor": PHYSICAL, "system-uuid": "placeholder", **described}

    for models, same in (("xyx", (0, 2)), ("xyy", (1, 2)), ("xxy", (0, 1))):
        found = found_in(*(cells(model, host) for host, model in enumerate(models)), pairs=0)
        assert readings(found)["hardware"] == {same: "registered-twice"}
        assert [(crowd.rows, crowd.machines) for crowd in found.crowds] == [(3, 2)]
    rows = [(f"n{i}", "", 0, cells(str(i % 7), i)) for i in range(60)]
    both = [clones_stable(table_of(rows), pairs=0) for _ in range(3)]
    assert len({(str(groups_of(one)), str(one.outcomes), str(one.crowds)) for one in both}) == 1


def test_equal_sets_of_blanks_are_searched() -> None:
    cells: Cells = {"hypervisor": PHYSICAL, "mac-addresses": " "}
    found = found_in({**cells, "hostname": "x"}, cells, {**cells, "mac-addresses": "  "})
    assert readings(found) == {"hardware": {(0, 1): "registered-twice"}}


def test_batches_of_different_columns_and_types_are_one_fleet() -> None:
    rows = [(f"n{i}", "", 0, machine(i % 40)) for i in range(100)]
    parts = [table_of(rows[i : i + 10], form) for i, form in zip(range(0, 100, 10), FORMS * 2, strict=False)]
    parts[3] = parts[3].drop_columns(["current_stable.mac-addresses", "current_stable.system-uuid"])
    found = clones_stable(parts, threads=2)
    assert readings(found)["hardware"] == {
        tuple(range(i, 100, 40)): "registered-twice" for i in range(40)
    }  # fmt: skip
    with pytest.raises(InputError, match="no values of scheme stable"):
        clones_stable(pa.table({"node_id": ["a"], "saved.a": ["x"]}))
    with pytest.raises(InputError, match="not a string"):
        clones_stable(pa.table({"node_id": ["a"], "saved.a": ["x"], "current_stable.hostname": [1]}))
    assert clones_stable([]).rows == 0
    assert not clones_stable([]).is_certain
