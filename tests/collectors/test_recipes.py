"""Which hash recipe an agent takes: 24 versions of Windows that the real agent was given, and its own versions."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from fingerprint.agent.versions import ROWS
from fingerprint.collectors.recipes import (
    RECIPES,
    WQL_SINCE,
    newest_recipe_of,
    possible_recipes,
    recipe_of,
    version_of,
)
from shared import VECTORS, needs_vectors

NEWEST = version_of("3.3.5828.0")
AGENTS = {"3.3.987.0": "wmic", "3.3.1142.0": "json", "3.3.1230.0": "wmic", "3.3.1311.0": "wql"}


def recorded(name: str, key: str = "") -> list[dict[str, Any]]:
    path = VECTORS / "windows" / name
    values: Any = json.loads(path.read_text()) if path.exists() else {}
    return list((values.get(key, []) if key else values) or [])


@needs_vectors
@pytest.mark.parametrize("gate", recorded("gates_and_network.json", "versionGate"), ids=lambda g: repr(g["version"]))
def test_the_gate_of_wql_is_the_agents(gate: dict[str, Any]) -> None:
    version = gate["version"] or ""
    # Not versions but instructions to the stand-in of WMI: its class failed, had no object or lacked a member.
    reported = "" if version.startswith("!") or version == "lacks" else version
    assert recipe_of(NEWEST, reported, reported) == gate["recipe"].lower()
    assert possible_recipes(reported, reported)[0] == gate["recipe"].lower()


@needs_vectors
def test_all_gates_are_here() -> None:
    assert len(recorded("gates_and_network.json", "versionGate")) == 24
    assert len(recorded("agent_runs.json")) == 45


@needs_vectors
@pytest.mark.parametrize("run", recorded("agent_runs.json"), ids=lambda run: run["case"])
def test_the_recipe_of_each_run_is_the_agents(run: dict[str, Any]) -> None:
    agent = version_of("3.3.1142.0" if "1142" in run["agentVersion"] else run["agentVersion"].split(" ")[0])
    said = run.get("powershellVersionLine", "")
    powershell = said.strip().removeprefix("Version : ") if said else ""
    assert recipe_of(agent, run["windowsVersion"], powershell) == run["recipe"]


def test_the_table_of_agents_has_a_row_where_the_recipe_changes() -> None:
    changes = [row.since for before, row in pairwise(ROWS) if row.recipe != before.recipe]
    assert changes == ["3.3.1142.0", "3.3.1230.0", "3.3.1311.0"]
    assert f"{WQL_SINCE}.0" == changes[-1]
    kinds = [newest_recipe_of(version_of(row.since)) for row in ROWS]
    assert [row.recipe for row in ROWS] == kinds


@pytest.mark.parametrize("build", ["20348", "26039", "26040", "26099", "26100", "26200"])
@pytest.mark.parametrize(("agent", "kind"), [
    ("2.3.50.0", "wmic"), ("3.3.987.0", "wmic"), ("3.3.1141.9", "wmic"), ("3.3.1142.0", "json"), ("3.3.1229.9", "json"),
    ("3.3.1230.0", "wmic"), ("3.3.1310.0", "wmic"), ("3.3.1311.0", "wql"), ("3.3.1345.0", "wql"),
    ("3.3.4364.0", "wql"), ("3.3.5828.0", "wql"), ("3.4.0.0", "wql"), ("4.0.0.0", "wql"), ("3.3.1311", "wql"),
])  # fmt: skip
def test_the_recipe_by_agent_and_windows(agent: str, kind: str, build: str) -> None:
    version = f"10.0.{build}"
    least = {"wmic": 10**9, "json": 26040, "wql": 26100}[kind]
    assert recipe_of(version_of(agent), version, version) == (kind if int(build) >= least else "wmic")
    assert newest_recipe_of(version_of(agent)) == kind


@pytest.mark.parametrize(
    ("version", "json_form"),
    [
        ("10.0.26040", True), ("10.0.26039", False), ("10.0.26100", True), ("11.0.26040", True),
        ("9.9.99999", False), ("10.1.26040", True), ("11.0.100", False), ("6.1.7601", False), ("", False),
        ("10.0.26100.1", False), ("10.0", False), ("10.1.0", False), ("10.0.x", False), ("10.-1.26100", False),
        ("+10.0.26100", True),
    ],
)  # fmt: skip
def test_parts_of_the_version_are_compared_separately_for_json(version: str, json_form: bool) -> None:
    assert recipe_of((3, 3, 1142), version, version) == ("json" if json_form else "wmic")


@pytest.mark.parametrize("version", ["", "x", "3", "3.3", "3.3.x", "v3.3.1345", "3.3.-1", "3..1345", "3.3.1345 ",
                                     "\u0663.3.1", "3.3." + "9" * 40])  # fmt: skip
def test_what_is_no_version_of_an_agent_has_no_numbers(version: str) -> None:
    assert version_of(version) == ()


@pytest.mark.parametrize("version", ["", "10..26100", ".", "10.0.26100.", "-1", "10.0.-26100", "9" * 40, "10.0.\u0662"])
def test_what_is_no_version_of_windows_means_wmic_to_all(version: str) -> None:
    assert possible_recipes(version, version) == ("wmic",)
    assert {recipe_of(version_of(agent), version, version) for agent in AGENTS} == {"wmic"}


@pytest.mark.parametrize(
    ("windows", "possible"),
    [
        ("10.0.26100", ("wql", "wmic", "json")), ("10.0.26040", ("wmic", "json")), ("10.0.20348", ("wmic",)),
        ("10.1.0", ("wql", "wmic")), ("11.0.26100", ("wql", "wmic", "json")), ("", ("wmic",)),
    ],
)  # fmt: skip
def test_the_possible_recipes_begin_with_the_newest_agents(windows: str, possible: tuple[str, ...]) -> None:
    assert possible_recipes(windows, windows) == possible
    assert set(possible) == {recipe_of(version_of(agent), windows, windows) for agent in AGENTS}
    assert set(possible) <= set(RECIPES)
