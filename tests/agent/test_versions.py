"""The table of behaviour by version, the row for an unknown version, and what `diagnose` shows of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine, line, of_version, ready, refused, shown, started, time_at
from agent_schedule import RELEASES, numbers
from fingerprint.agent import replaced_fingerprint
from fingerprint.agent.retry_schedule import Failure, longest_pause, longest_ping_interval, pause
from fingerprint.agent.versions import (
    FIXED_IN,
    LOG_LINES,
    NEWEST_ASSESSED,
    ROWS,
    assess,
    open_vulnerabilities,
    row_since,
)
from fingerprint.collectors.recipes import version_of

NOT_VERSIONS = (
    "3..1",
    ".",
    "3.3.x",
    "3.3.1142.0-beta",
    "v3.3.1142.0",
    "3.²",
    "3. 3",
    "-3.3",
    "3." + "9" * 5000,
    "3" + ".0" * 500,
    "\x00",
)


# The table.


def test_the_rows_are_in_order_and_each_changes_something() -> None:
    sinces = [version_of(row.since) for row in ROWS]
    assert sinces == sorted(set(sinces))
    assert sinces[-1] <= version_of(NEWEST_ASSESSED)
    described = {"since", "sure", "change"}
    for before, row in pairwise(ROWS):
        changed = {name for name in row.__slots__ if getattr(before, name) != getattr(row, name)}
        assert changed - described, row.since


@pytest.mark.parametrize(
    ("version", "members"),
    [
        ("2.3.1319.0", {"core_requests": False, "first_threshold": 0, "recipe": "wmic"}),
        ("3.0.1180.9", {"first_threshold": 0}),
        ("3.0.1181.0", {"first_threshold": 40, "core_requests": False}),
        ("3.1.501.0", {"core_requests": True, "logs_success": False, "longest_pause": None}),
        ("3.2.1297.0", {"logs_success": True, "hard_pause": (86400, 93600)}),
        ("3.3.807.0", {"longest_pause": None}),
        ("3.3.987.0", {"longest_pause": 1800, "hard_pause": (1500, 1800), "recipe": "wmic"}),
        ("3.3.1142.0", {"recipe": "json"}),
        ("3.3.1229.0", {"recipe": "json"}),
        ("3.3.1230.0", {"recipe": "wmic"}),
        ("3.3.1311.0", {"recipe": "wql", "silent_after": 23700}),
        ("3.3.1957.0", {"first_ping_interval": 600, "ping_interval_setting": ""}),
        ("3.3.2299.0", {"first_ping_interval": 300, "silent_after": None, "longest_pause_setting": ""}),
        ("3.3.3050.0", {"longest_pause_setting": "Ssm.CredentialRetryMaxSleepSeconds", "vault_mode": 0o600}),
        ("3.3.4177.0", {"vault_mode": 0o700, "owner_setting": "Agent.EnforceWorkspaceRootOwnership", "sdk": 1}),
        ("3.3.39.9", {"messages_by_ssmmessages": False}),
        ("3.3.40.0", {"messages_by_ssmmessages": True, "longest_pause": None}),
        ("3.3.3269.9", {"dual_stack_setting": ""}),
        ("3.3.3270.0", {"dual_stack_setting": "Agent.UseDualStackEndpoint", "vault_mode": 0o600}),
        ("3.3.4792.0", {"record_provider": False}),
        ("3.3.4793.0", {"record_provider": True, "checks_each_minute": False}),
        ("3.3.5068.0", {"sdk": 2, "checks_each_minute": True}),
        ("3.3.5226.0", {"sdk": 0, "recipe": "wql"}),
        ("3.3.5828.0", {"sdk": 0, "silent_after": None}),
    ],
)
def test_a_version_has_the_behaviour_of_its_row(version: str, members: dict[str, Any]) -> None:
    found = assess(version)
    assert found.known
    assert {name: getattr(found.row, name) for name in members} == members
    assert found.row.since in found.text
    assert str(found.row.sure) in found.text


@pytest.mark.parametrize("version", ["", "3.3.5829.0", "3.4.0.0", "4", "99.0", *NOT_VERSIONS])
def test_the_newest_row_is_used_for_an_unassessed_version(version: str) -> None:
    found = assess(version)
    assert found.row is ROWS[-1]
    assert not found.known
    assert f"newest known row used ({ROWS[-1].since})" in found.text
    assert found.text.isprintable()
    assert len(found.text) < 250


def test_the_oldest_row_is_used_for_an_older_version() -> None:
    found = assess("1.2.252.0")
    assert (found.row, found.known) == (ROWS[0], False)
    assert "older than 2.3.0.0, the oldest assessed: oldest known row used" in found.text


def test_numbers_are_compared_as_numbers() -> None:
    assert assess("3.3.10000.0").row is ROWS[-1]
    assert assess("3.3.987.0").row.since == "3.3.808.0"
    assert assess("3.10.0.0").row is ROWS[-1]
    assert version_of("3.3.987") == version_of("3.3.987.0") < version_of("3.3.987.1")
    assert [assess(row.since.removesuffix(".0")).row for row in ROWS] == list(ROWS)
    assert version_of("3.3") == () == version_of("3")


def test_each_release_of_the_matrix_is_a_known_one() -> None:
    assert len(RELEASES) >= 6
    assert all(assess(version).known for version in RELEASES)
    assert len({assess(version).row.since for version in RELEASES}) >= 10


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("3.3.987.0", ["CVE-2026-81849", "CVE-2026-89049"]), ("3.3.4515.0", ["CVE-2026-89049"]),
        ("3.3.4514.9", ["CVE-2026-81849", "CVE-2026-89049"]), ("3.3.4851.0", []), ("3.3.9999.0", []), ("", []),
        ("x", []),
    ],
)  # fmt: skip
def test_vulnerabilities_end_at_the_version_that_fixes_them(version: str, names: list[str]) -> None:
    assert [name for name, _ in open_vulnerabilities(version)] == names
    assert {name for name, _ in FIXED_IN} >= set(names)


def test_a_message_takes_the_version_that_it_names_from_the_rows() -> None:
    assert row_since("core_requests", True) == "3.1.501"
    with pytest.raises(LookupError):
        row_since("sdk", 3)


def test_log_lines_are_lower_case_with_valid_versions() -> None:
    for one in LOG_LINES:
        assert one.text == one.text.lower()
        assert all(not text or version_of(text) for text in (one.since, one.until))
    assert len({one.text for one in LOG_LINES}) == len(LOG_LINES)


def test_a_limit_counts_only_if_the_row_has_its_setting() -> None:
    before, since = assess("3.3.987.0").row, assess("3.3.3050.0").row
    assert (longest_pause(before, 60), longest_pause(since, 60), longest_pause(since, None)) == (1800, 60, 1800)
    assert (longest_ping_interval(before, 300), longest_ping_interval(since, 300)) == (3600, 300)
    assert pause(before, Failure.OTHER, 20, limit=60) == (1500, 1800)
    assert pause(since, Failure.OTHER, 20, limit=60) == (0, 60)


# What diagnose shows.


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


@pytest.mark.parametrize("version", RELEASES)
def test_diagnose_shows_the_row_that_it_used(machine: AgentMachine, version: str) -> None:
    of_version(machine, version).log("amazon-ssm-agent.log", started("08:00:00", version) + ready("11:30:00"))
    row = next(row for row in reversed(ROWS) if version_of(row.since) <= version_of(version))
    outcome, text, evidence = shown(machine, "version")
    assert f"behaves as agents from {row.since} on ({row.sure})" in evidence
    assert f"version {version}" in text
    assert outcome == ("pass" if numbers(version) >= (3, 3, 4851) else "warn")
    machine.log("amazon-ssm-agent.log", started("08:00:00", version) + refused("11:50:00"))
    assert f"behaves as agents from {row.since} on" in shown(machine, "waiting")[2]


@pytest.mark.parametrize("version", ["3.3.x", "dev", "3.3.1142.0-beta", "3..3"])
def test_an_invalid_version_is_shown_and_replaces_no_other(machine: AgentMachine, version: str) -> None:
    """Nor does the version in the log, which may be another program's, replace it."""
    of_version(machine, version)
    outcome, text, evidence = shown(machine, "version")
    assert (outcome, f"'{version}' is not a version of the agent" in text) == ("warn", True)
    machine.log("amazon-ssm-agent.log", ready("11:30:00"))
    evidence = shown(machine, "version")[2]
    assert f"'{version}' is not a version: newest known row used ({ROWS[-1].since})" in evidence
    assert machine("diagnose", "--only", "version").returncode == 0


def test_an_agent_of_unknown_version_is_taken_for_the_newest(machine: AgentMachine) -> None:
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "", 1)
    machine.log("amazon-ssm-agent.log", ready("11:30:00"))
    assert shown(machine, "version")[:2] == (
        "skipped", f"unknown version: newest known row used ({ROWS[-1].since})",
    )  # fmt: skip
    machine.log("amazon-ssm-agent.log", ready("11:30:00") + refused("11:50:00", pause=""))
    evidence = shown(machine, "waiting")[2]
    assert "unknown version: newest known row used" in evidence
    assert "(by the schedule of the newest agents)" in evidence


def test_a_future_version_is_shown_as_newer(machine: AgentMachine) -> None:
    of_version(machine, "3.4.1.0").log("amazon-ssm-agent.log", started("08:00:00", "3.4.1.0") + ready("11:30:00"))
    outcome, text, _ = shown(machine, "version")
    assert outcome == "pass"
    assert f"version 3.4.1.0 is newer than {NEWEST_ASSESSED}, the newest assessed: newest known row used" in text


@pytest.mark.parametrize(("version", "names"), [("3.3.4364.0", 2), ("3.3.4515.0", 1), ("3.3.4851.0", 0)])
def test_a_version_with_a_known_vulnerability_is_warned_of(machine: AgentMachine, version: str, names: int) -> None:
    of_version(machine, version).log("amazon-ssm-agent.log", started("08:00:00", version) + ready("11:30:00"))
    outcome, text, _ = shown(machine, "version")
    assert outcome == ("warn" if names else "pass")
    assert text.count("CVE-") == names


def test_an_agent_replaced_without_restart_behaves_as_before(machine: AgentMachine) -> None:
    """The process still runs the earlier program, so its schedule holds."""
    entered = line("08:00:03", "INFO", "Entering SSM Agent hibernate - ThrottlingException: x", "[ssm-agent-worker] ")
    machine.log("amazon-ssm-agent.log", started("08:00:00", "3.3.1142.0") + entered)
    outcome, text, _ = shown(machine, "version")
    assert outcome == "warn"
    assert "the running agent is 3.3.1142.0: its program was replaced without a restart" in text
    evidence = shown(machine, "waiting")[2]
    assert "behaves as agents from 3.3.1142.0 on" in evidence
    assert f"next retry: {time_at(3600 * 12 + 2103)}" in evidence
    # A start that the log does not have proves nothing.
    machine.snapshot["agentProcesses"][0]["started"] = "2026-11-24T09:00:00Z"
    assert "replaced without a restart" not in shown(machine, "version")[1]


def test_the_quick_search_uses_the_line_of_the_table() -> None:
    lines = [line.text for line in LOG_LINES if line.kind == "regenerated"]
    assert lines == [replaced_fingerprint._REGENERATES.decode()]
