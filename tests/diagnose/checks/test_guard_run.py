"""The check `guard-run`, and the conclusion for an agent that the guard does not let start."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_machines import copied_disk
from commandline import run
from fingerprint.diagnose.result import BLOCKED, Outcome
from fingerprint.guard import Decision
from guarded_machines import COMMAND, GuardedMachine

CHECK = "guard-run"


def happened(directory: Path, event: str, *, block: bool = True, evidence: bool = True) -> GuardedMachine:
    """Return a machine after an event and a start of its agent."""
    machine = GuardedMachine(directory, event, evidence=evidence)
    machine.happens()
    machine.starts(block=block)
    return machine


def test_a_host_without_the_guard_has_nothing_to_check(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart")
    machine.drop_in("[Service]\nExecCondition=/usr/bin/test -e /etc/hosts\n")
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.undetermined) == (Outcome.SKIPPED, False)


def test_an_empty_setting_removes_the_guard(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart")
    machine.drop_in(f"[Service]\nExecCondition={COMMAND}\nExecCondition=\n")
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.SKIPPED


def test_a_guard_that_found_no_change_passes(tmp_path: Path) -> None:
    machine = happened(tmp_path, "agent-restart")
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.PASS
    assert "no run found a change" in found.text
    assert found.evidence == (f"runs before each start: {COMMAND}",)


@pytest.mark.parametrize(("event", "decision"), [("reinstalled", "kept"), ("dhcp-lease", "accepted")])
def test_the_last_run_that_found_a_change_is_shown(tmp_path: Path, event: str, decision: str) -> None:
    machine = happened(tmp_path, event)
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.PASS
    assert f"at 2026-11-24T12:00:00Z: {decision}: " in found.text


@pytest.mark.parametrize(("event", "decision"), [("clone", Decision.COPY), ("clone-new-id", Decision.REJECTED)])
def test_a_blocked_agent_is_a_conclusion_of_its_own(tmp_path: Path, event: str, decision: Decision) -> None:
    machine = GuardedMachine(tmp_path, event)
    machine.happens()
    run = machine.starts()
    assert (run.decision, run.blocks) == (decision, True)
    found = machine.diagnosis()
    assert (found[CHECK].outcome, found[CHECK].tag) == (Outcome.FAIL, BLOCKED)
    assert run.why in found[CHECK].text
    concluded = found.conclusion
    assert (concluded.state, concluded.because, concluded.since) == ("not-running", CHECK, "2026-11-24T12:00:00Z")
    assert concluded.text.startswith(
        "The agent does not run: the guard blocks its start since 2026-11-24T12:00:00Z, because "
    )
    assert concluded.cause == run.why
    assert concluded.steps[0] == (run.remedy, run.command)
    assert concluded.steps[-1] == ("Then start the agent", "systemctl restart amazon-ssm-agent.service")
    assert machine.json("diagnose")["conclusion"]["state"] == "not-running"


@pytest.mark.parametrize("event", ["clone", "cross-hypervisor-move"])
def test_the_steps_of_a_blocked_agent_work_as_printed(tmp_path: Path, event: str) -> None:
    """The hardware was replaced on purpose: the owner keeps the fingerprint, and the agent starts."""
    machine = happened(tmp_path, event)
    steps = machine.diagnosis().conclusion.steps
    command = next(command for _, command in steps if "rebaseline" in command)
    done = machine(*command.removeprefix("fingerprint ").split())
    assert done.returncode == 0, done.stderr
    machine.unit()
    assert not machine.starts().blocks
    found = machine.diagnosis()
    assert found[CHECK].outcome == Outcome.PASS
    assert found.conclusion.because != CHECK


def test_a_running_agent_is_warned_of_its_next_start(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "clone")
    machine.happens()
    assert machine.guard(block=True).blocks
    found = machine.diagnosis()
    assert found[CHECK].outcome == Outcome.WARN
    assert "will block the agent's next start" in found[CHECK].text
    assert found.conclusion.state != "not-running"


def test_a_machine_that_is_back_is_blocked_no_longer(tmp_path: Path) -> None:
    """The run that finds no change is not noted, so the note is of the one before."""
    machine = happened(tmp_path, "clone")
    assert machine.diagnosis(CHECK)[CHECK].tag == BLOCKED
    machine.is_undone()
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS
    assert machine.starts().decision == Decision.UNCHANGED
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS


@pytest.mark.parametrize("event", ["clone", "clone-new-id"])
def test_a_guard_that_lets_a_copy_start_warns(tmp_path: Path, event: str) -> None:
    machine = happened(tmp_path, event, block=False)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.tag) == (Outcome.WARN, "")
    assert "and let the agent start: " in found.text
    assert found.remedy


def test_a_record_without_evidence_is_reported_with_a_remedy(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart", evidence=False)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.command) == (Outcome.WARN, "fingerprint guard")
    assert "none was recorded for this record" in found.text
    assert machine("guard").returncode == 0
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS


def test_a_run_that_could_not_compare_is_reported(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "reinstalled")
    machine.happens()
    for command in machine.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update({"problem": "timeout", "returncode": None})
    assert machine.starts().decision == Decision.UNKNOWN
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.WARN
    assert "could not compare at 2026-11-24T12:00:00Z" in found.text


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    machine = happened(tmp_path, "clone")
    [note] = (tmp_path / "state" / "guard").glob("*.json")
    note.write_bytes(note.read_bytes()[:-20])
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS


def test_the_service_names_the_check_of_the_guard(tmp_path: Path) -> None:
    """Also where a condition of somebody else did not let it start."""
    machine = happened(tmp_path, "clone")
    found = machine.diagnosis("running")["running"]
    assert (found.outcome, found.tag) == (Outcome.FAIL, "not-running")
    assert "ExecCondition=" in found.text
    assert machine(*found.command.removeprefix("fingerprint ").split()).returncode == 1


def test_a_copied_disk_shows_what_the_guard_decided(tmp_path: Path) -> None:
    machine = happened(tmp_path, "clone")
    root = copied_disk(tmp_path, machine)
    done = run("--root", str(root), "--vault", str(machine.vault_path), "diagnose", "--only", CHECK, env=machine.env)
    assert "the guard has blocked the agent's start at 2026-11-24T12:00:00Z" in " ".join(done.stdout.split())
