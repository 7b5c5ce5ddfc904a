"""An observation of each kind of machine: outcome, problems, exit code, next check and evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_machines import REGENERATED, AgentMachine, Present, line, mismatch, ready, refused, started
from broken_machines import other_machine
from fingerprint import FingerprintRecord, Vault, collect, observe
from fingerprint.agent.outlook import Outlook
from fingerprint.errors import VaultMissing
from fingerprint.gate import first_record
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import Observation, outcome_of, recipe_change
from windows_machines import AGENTS, windows_snapshot

REPLACED_LOG = (
    started("08:00:00") + ready("08:00:01") + started("11:00:00") + mismatch("11:00:01", "disk-info")
    + line("11:00:16", "INFO", REGENERATED, "") + refused("11:00:17")
)  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def vault_of(host: AgentMachine) -> Vault:
    host.write()
    return Vault(str(host.vault_path), state=str(host.directory / "state"))


def taken(host: AgentMachine, machine: RecordedMachine | None = None, **options: Any) -> Observation:
    return Observation.take(vault_of(host), machine or host.machine, **options)


def kinds(observation: Observation) -> list[str]:
    return [problem.kind for problem in observation.problems]


def test_an_unchanged_host_keeps_its_identity(host: AgentMachine) -> None:
    found = taken(host)
    assert (found.outcome, found.outlook, found.level, found.exit_code) == ("same", Outlook.ACCEPTS, "ok", 0)
    assert found.required() is found.comparison
    assert found.comparison is not None
    assert found.comparison.unchanged
    assert (found.problems, found.error, found.would_reject) == ((), None, False)
    assert (found.next_check, found.forecast) == (None, None)
    assert (found.evidence, found.stable, found.evidence_problem) == (None, None, "")


def test_a_slightly_changed_host_has_a_check_and_no_problem(host: AgentMachine) -> None:
    host.is_now(disk="total 4")
    found = taken(host)
    assert (found.outcome, found.level, found.exit_code, found.problems) == ("same", "ok", 0, ())
    assert found.comparison is not None
    assert not found.comparison.unchanged
    assert found.next_check is not None
    assert found.forecast is not None
    assert found.forecast.check == found.next_check


def test_another_machine_is_a_finding_with_a_forecast(host: AgentMachine) -> None:
    other_machine(host)
    found = taken(host)
    assert (found.outcome, found.outlook, found.level, found.exit_code) == ("different", Outlook.REJECTS, "finding", 1)
    assert kinds(found) == ["will-be-rejected"]
    assert "rule 5" in found.problems[0].text
    assert found.forecast is not None
    assert not found.would_reject


def test_a_vault_of_ours_has_no_agent_that_checks(host: AgentMachine) -> None:
    other_machine(host)
    found = taken(host, Present(host.machine))
    assert not found.of_agent
    assert (found.outcome, found.level) == ("different", "finding")
    assert (found.next_check, found.forecast) == (None, None)


def test_our_client_is_unsure_where_an_agent_would_reject(host: AgentMachine) -> None:
    """Sources that fail here fail for the agent, too; our client sends nothing while it does not know."""
    unread(host)
    ours, agents = taken(host, Present(host.machine)), taken(host)
    assert (ours.outcome, ours.outlook, ours.would_reject) == ("cannot-tell", Outlook.UNKNOWN, True)
    assert (ours.level, ours.exit_code) == ("unknown", 3)
    assert (agents.outcome, agents.outlook, agents.would_reject) == ("cannot-tell", Outlook.REJECTS, False)


def unread(host: AgentMachine) -> None:
    for entry in host.snapshot["commands"]:
        if "dmidecode" in entry["argv"][0]:
            entry.update(returncode=1, stdout="", stderr="cannot read", problem="")
    host.snapshot["addresses"] = AgentMachine(host.directory, ip="192.0.2.99").snapshot["addresses"]
    host.snapshot["hostName"] = "other"
    host.snapshot["takenBy"] = {"uid": 0, "asAgent": True, "rawIo": True}


def test_a_vault_without_a_record_has_an_error_no_comparison(host: AgentMachine) -> None:
    host.record = host.registration = None
    found = taken(host)
    assert (found.comparison, found.outlook, found.outcome) == (None, None, "cannot-tell")
    assert isinstance(found.error, VaultMissing)
    assert (found.exit_code, found.level) == (found.error.exit_code, "unknown")
    with pytest.raises(VaultMissing):
        found.required()
    assert (found.next_check, found.forecast, found.would_reject) == (None, None, False)
    assert (found.evidence, found.stable) == (None, None)
    assert found.error.what in found.evidence_problem


def test_a_value_that_is_not_text_stops_the_agent(host: AgentMachine) -> None:
    host.snapshot["files"]["/etc/machine-id"] = {"base64": "//49/wo="}
    found = taken(host)
    assert found.outlook == Outlook.STOPS
    assert kinds(found) == ["agent-stops"]
    assert "machine-id" in found.problems[0].remedy
    assert (found.level, found.exit_code) == ("finding", 1)


def test_a_fingerprint_replaced_by_the_logs_is_a_problem(host: AgentMachine) -> None:
    host.log("amazon-ssm-agent.log", REPLACED_LOG)
    found = taken(host)
    assert found.state.regenerated
    assert kinds(found) == ["fingerprint-replaced"]
    assert (found.outcome, found.level, found.exit_code) == ("same", "finding", 1)
    # The agent of this host does not use that vault.
    ours = taken(host, Present(host.machine))
    assert not ours.state.regenerated
    assert ours.problems == ()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Vault, RecordedMachine]:
    """A vault with evidence, and its machine."""
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    machine = AgentMachine(tmp_path / "host").machine
    first_record(vault, machine)
    return vault, machine


def test_evidence_gives_its_time_and_the_stable_verdict(kept: tuple[Vault, RecordedMachine]) -> None:
    vault, machine = kept
    found = Observation.take(vault, machine)
    assert found.evidence is not None
    at, before = found.evidence
    assert at == machine.snapshot["recordedAt"]
    assert collect(before).hardware_hash == vault.read().hardware_hash
    assert found.stable is not None
    assert found.stable.taken_at == at
    assert found.evidence_problem == ""


def test_evidence_that_cannot_be_used_is_a_reason_and_no_error(kept: tuple[Vault, RecordedMachine]) -> None:
    vault, machine = kept
    [file] = (path for path in Path(vault.state).rglob("evidence/**/*.json"))
    broken = json.loads(file.read_text())
    broken["snapshot"]["platform"] = 5
    file.write_text(json.dumps(broken))
    found = Observation.take(vault, machine)
    assert found.outcome == "same"
    assert (found.stable, bool(found.evidence_problem)) == (None, True)
    file.write_text("{")
    found = Observation.take(vault, machine)
    assert (found.evidence, found.stable, bool(found.evidence_problem)) == (None, None, True)


def test_observe_takes_the_vault_and_machine_that_it_gets(host: AgentMachine) -> None:
    other_machine(host)
    found = observe(vault_of(host), host.machine)
    assert found.vault.path == str(host.vault_path)
    assert found.outcome == "different"


def windows(agent: str, version: str = "10.0.26100", **changes: Any) -> RecordedMachine:
    return RecordedMachine(windows_snapshot(version, agent=AGENTS[agent], **changes))


def test_a_changed_recipe_is_the_same_machine_but_rejected(tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    first_record(vault, windows("wmic"))
    found = Observation.take(vault, windows("json"))
    assert found.comparison is not None
    assert found.comparison.change is not None
    assert not found.comparison.verdict.match
    assert (found.outcome, found.outlook, kinds(found)) == ("same", Outlook.REJECTS, ["will-be-rejected"])
    assert "rebaseline" in found.problems[0].command
    same = Observation.take(vault, windows("wmic"))
    assert same.comparison is not None
    assert (same.comparison.change, same.outcome, same.problems) == (None, "same", ())
    # Without a recipe, or where the installed one matches, no other is tried.
    record, comparison = vault.read(), found.comparison
    unix = collect(AgentMachine(tmp_path / "unix").machine)
    assert recipe_change(record, comparison.verdict, unix, windows("json")) is None
    assert recipe_change(record, same.comparison.verdict, comparison.collection, windows("json")) is None


@pytest.mark.parametrize(("changed", "outcome"), [(False, "same"), (True, "different")])
def test_the_outcome_is_that_of_the_recipe_of_the_record(tmp_path: Path, changed: bool, outcome: str) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    first_record(vault, windows("wmic"))
    found = Observation.take(vault, windows("json")).comparison
    assert found is not None
    assert found.change is not None
    verdict = found.change.verdict.replace(match=not changed)
    assert outcome_of(found.verdict, found.change.replace(verdict=verdict)) == outcome
    assert outcome_of(found.verdict) == "different"


def test_a_record_with_threshold_disabled_matches_any_machine(host: AgentMachine) -> None:
    assert isinstance(host.record, FingerprintRecord)
    host.record = host.record.replace(threshold=-1)
    other_machine(host)
    found = taken(host)
    assert (found.outcome, found.problems, found.outlook) == ("same", (), Outlook.ACCEPTS)
