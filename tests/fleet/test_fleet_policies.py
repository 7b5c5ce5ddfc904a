"""What policy `evidence` decides on a fleet, against the rules and the ruling for each machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commandline import run
from event_machines import CHANGES, before_and_after
from fingerprint import collect, match
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.certainty import rule_on
from fingerprint.rules.stable import Outcome, decide
from fleets import row, validated, write_lines

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.fleet import open_fleet, plan
from fingerprint.fleet.planning import NOW
from fingerprint.fleet.stable_columns import STABLE_SIDES, stable_cells, values_of_cells

if TYPE_CHECKING:
    from pathlib import Path

# Of machines with `machine-id`: one hardware ID for all.
NAMES = [name for name in CHANGES if before_and_after(name)[0]["platform"] == "linux"]


def machine(name: str, threshold: int | None = 40, *, reverse: bool = False) -> dict[str, Any]:
    """Return the row of a machine before and after an event."""
    recordings = [RecordedMachine(taken) for taken in before_and_after(name)][:: -1 if reverse else 1]
    saved, current = (dict(collect(one).hardware_hash.items()) for one in recordings)
    cells = (stable_cells(collect(one, scheme="stable")) for one in recordings)
    return {"node_id": name, "threshold": threshold, "saved": saved, "current": current,
            **dict(zip(STABLE_SIDES, cells, strict=True))}  # fmt: skip


def decided(one: dict[str, Any]) -> tuple[Outcome, bool, bool]:
    """Return the outcome of scheme stable, and whether the rules and policy `evidence` accept a row: the textbook."""
    verdict = decide(*values_of_cells(one.get("saved_stable") or {}, one.get("current_stable") or {}))
    by_rules = match(one["saved"], one["current"], 40 if one["threshold"] is None else one["threshold"]).match
    ruling = rule_on(verdict)
    if by_rules:
        return verdict.outcome, True, one["saved"] == one["current"] or not ruling.is_different
    return verdict.outcome, False, ruling.is_same


def expect(rows: list[dict[str, Any]], tally: Any) -> None:
    answers = [decided(one) for one in rows]
    assert dict(tally.outcomes) == {
        outcome: count for outcome in {one[0] for one in answers}
        if (count := sum(one[0] == outcome for one in answers))
    }  # fmt: skip
    assert tally.refused == sum(not rules for _, rules, _ in answers)
    assert tally.refused_by_evidence == sum(not evidence for _, _, evidence in answers)
    copies = [one for one in answers if one[0] == Outcome.DIFFERENT]
    assert (tally.copies, tally.copies_by_evidence) == (sum(one[1] for one in copies), sum(one[2] for one in copies))


MACHINES = {(name, reverse): machine(name, reverse=reverse) for name in NAMES for reverse in (False, True)}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(MACHINES)), st.sampled_from([None, -1, 1, 40, 67, 100]),
                       st.sampled_from(["all", "all", "none", "no-current", "equal", "key-gone"])), min_size=1)
)  # fmt: skip
@example([(("reinstalled", False), -1, "all")])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_plan_counts_what_each_machine_alone_gets(tmp_path_factory: Any, chosen: list[Any]) -> None:
    rows = []
    for number, (key, threshold, what) in enumerate(chosen):
        one = {**MACHINES[key], "node_id": f"n{number}", "threshold": threshold}
        if what == "none":
            one.update(saved_stable=None, current_stable=None)
        elif what == "no-current":
            one["current_stable"] = {}
        elif what == "equal":
            one["current"] = one["saved"]
        elif what == "key-gone":
            one["current"] = {name: value for name, value in one["saved"].items() if name != "disk-info"}
        rows.append(one)
    file = write_lines(tmp_path_factory.mktemp("fleet") / "fleet.jsonl", rows)
    expect(rows, plan(open_fleet(file).batches(), events=()).policies[""][NOW])


def test_every_event_is_counted_as_the_machines_after_it(tmp_path: Path) -> None:
    """A machine that changes by an event has the decision of the machine that was recorded after it."""
    for name in ("dhcp-lease", "os-upgrade", "ram-added", "nic-swap", "clone"):
        before = {**machine(name), "group": "x"}
        before.update(current=before["saved"], current_stable=before["saved_stable"])
        file = write_lines(tmp_path / f"{name}.jsonl", [before, {**before, "node_id": "b", "group": "y"}])
        made = plan(open_fleet(file).batches(), events=(name,))
        for group, count in (("", 2), ("x", 1), ("y", 1)):
            expect([machine(name)] * count, made.policies[group][name])
            assert made.policies[group][NOW].refused_by_evidence == 0


def test_the_command_shows_policy_evidence(tmp_path: Path) -> None:
    rows = [machine("os-upgrade"), machine("clone"), machine("reinstalled"), machine("reboot"), row("x")]
    file = write_lines(tmp_path / "fleet.jsonl", rows)
    done = run("fleet", "plan", str(file), "--event", "dhcp")
    lines = [line.split() for line in done.stdout.splitlines()]
    at = lines.index("machines rejected by policy, with the threshold of each machine".split())  # noqa: SIM905
    assert lines[at + 1 : at + 3] == [["rules", "2", "2", "2"], ["evidence", "1", "1", "1"]]
    at = lines.index("copies (different by scheme stable) accepted by policy".split())  # noqa: SIM905
    assert lines[at + 1 : at + 3] == [["rules", "1", "1", "1"], ["evidence", "0", "0", "0"]]
    answer = validated(run("fleet", "plan", str(file), "--event", "dhcp", "--output", "json"))
    [group] = answer["groups"]
    assert group["policy"]["now"]["comparable"] == 4
    assert group["policy"]["now"]["outcomes"] == {"same": 3, "different": 1, "cannot-tell": 1}
    write_lines(file, [row("x")])
    assert "by policy" not in run("fleet", "plan", str(file)).stdout
