"""The check `guard-run`, and the conclusion for an agent that the guard does not let start."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_machines import copied_disk
from commandline import run
from fingerprint.diagnose.result import BLOCKED, Outcome
from fingerprint.gate import keep_snapshot
from fingerprint.guard import Decision
from guarded_machines import ALLOWS, COMMAND, GuardedMachine

CHECK = "guard-run"


def happened(directory: Path, event: str, *, block: bool = True, evidence: bool = True) -> GuardedMachine:
    """Return a machine after an event and a start of its agent."""
    machine = GuardedMachine(directory, event, evidence=evidence)
    machine.happens()
    machine.starts(block=block)
    return machine


@pytest.mark.parametrize("command", ["test -e /etc/hosts", "fingerprint check", "other guard"])
def test_a_host_without_the_guard_has_nothing_to_check(tmp_path: Path, command: str) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart")
    machine.drop_in(f"[Service]\nExecCondition=/usr/bin/{command}\n")
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


@pytest.mark.parametrize("copied", [False, True])
def test_a_run_of_another_record_blocks_nothing(tmp_path: Path, copied: bool) -> None:
    """The record was replaced since; the machine is a copy by the new one, too, which no run has found yet."""
    machine = happened(tmp_path, "clone")
    record = machine.vault.read()
    with machine.vault.edit() as edit:
        edit.store(record.replace(fingerprint="another"), why="test")
    machine.is_undone()
    keep_snapshot(machine.vault, machine.snapshot)
    machine.happens()
    if copied:
        root = copied_disk(tmp_path, machine)
        words = ("--root", str(root), "--vault", str(machine.vault_path), "diagnose", "--only", CHECK, "--verbose")
        done = run(*words, env=machine.env)
        assert "guard-run" in done.stdout
        assert "blocked the agent's start" not in " ".join(done.stdout.split())
        return
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.tag) == (Outcome.WARN, "")
    assert "will block the agent's next start" in found.text


@pytest.mark.parametrize("event", ["clone", "clone-new-id"])
def test_a_guard_that_lets_a_copy_start_warns(tmp_path: Path, event: str) -> None:
    machine = happened(tmp_path, event, block=False)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.tag) == (Outcome.WARN, "")
    assert "and let the agent start: " in found.text
    assert found.remedy


BAD = (Decision.COPY, Decision.REJECTED)
EVENTS = ("agent-restart", "dhcp-lease", "reinstalled", "clone", "clone-new-id", "cross-hypervisor-move", "nic-swap")


@pytest.mark.parametrize("started", [False, True], ids=["before a start", "after a start"])
@pytest.mark.parametrize("command", [COMMAND, ALLOWS], ids=["block", "allow"])
@pytest.mark.parametrize("evidence", [True, False], ids=["evidence", "no evidence"])
@pytest.mark.parametrize("readable", [True, False], ids=["readable", "unreadable"])
@pytest.mark.parametrize("event", EVENTS)
def test_the_check_says_what_the_guard_would(
    tmp_path: Path, event: str, readable: bool, evidence: bool, command: str, started: bool
) -> None:
    """One state, one verdict: with `guard --dry-run`, whether a run has noted it or not."""
    machine = GuardedMachine(tmp_path, event, evidence=evidence)
    machine.installed(command)
    machine.happens()
    if not readable:
        machine.loses_dmidecode()
    if started:
        machine.starts(block=command == COMMAND)
    would = machine.guard(block=command == COMMAND, dry_run=True)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome == Outcome.FAIL) == (started and would.blocks)
    if would.decision in (*BAD, Decision.UNKNOWN):
        assert found.outcome in (Outcome.WARN, Outcome.FAIL)
        assert would.why in found.text
        assert (found.remedy, found.command) == (would.remedy, would.command)
        assert ("let" in found.text and "the agent start" in found.text) != would.blocks
    else:
        # The first match of a readable machine is the evidence.
        lacks = not evidence and not (started and readable and machine.guard(dry_run=True).written is False)
        assert (found.outcome == Outcome.PASS) != lacks
        assert found.outcome in (Outcome.PASS, Outcome.WARN)


@pytest.mark.parametrize("word", ["--on-mismatch=block", "--refresh --on-mismatch block --limit 20"])
def test_every_form_of_the_option_blocks(tmp_path: Path, word: str) -> None:
    machine = GuardedMachine(tmp_path, "clone")
    machine.installed(f"/opt/fingerprint guard {word}")
    machine.happens()
    assert "will block the agent's next start" in machine.diagnosis(CHECK)[CHECK].text


def test_a_record_without_evidence_is_reported_with_a_remedy(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart", evidence=False)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.command) == (Outcome.WARN, "fingerprint guard")
    assert "none was recorded for this record" in found.text
    assert machine("guard").returncode == 0
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS


@pytest.mark.parametrize("threshold", [-1, 1])
def test_without_a_comparison_the_remedy_records_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: int
) -> None:
    """With a disabled check, and where the hardware ID alone passes, the guard takes no evidence."""
    machine = GuardedMachine(tmp_path, "agent-restart", evidence=False)
    assert machine("threshold", "set", "--", str(threshold)).returncode == 0
    assert machine("guard").returncode == 0
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.command) == (Outcome.WARN, "fingerprint snapshot host.json --keep")
    monkeypatch.chdir(tmp_path)
    _, *words = found.command.split()
    assert machine(*words).returncode == 0
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.PASS


def test_what_is_unreadable_is_fixed_before_it_is_recorded(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "agent-restart", evidence=False)
    machine.loses_dmidecode()
    assert not machine.guard().written
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.command) == (Outcome.WARN, "")
    assert "would be stored as empty" in found.remedy


def test_a_run_that_could_not_compare_is_reported(tmp_path: Path) -> None:
    machine = GuardedMachine(tmp_path, "reinstalled")
    machine.happens()
    machine.loses_dmidecode()
    assert machine.starts().decision == Decision.UNKNOWN
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.WARN
    assert "could not compare at 2026-11-24T12:00:00Z, cannot now" in found.text
    # The sources answer again, but the record is still the one that the agent rejects.
    machine.happens()
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.WARN
    assert "could not compare at 2026-11-24T12:00:00Z: " in found.text


def test_a_run_that_compares_ends_the_warning(tmp_path: Path) -> None:
    """As after a first start, when there was no fingerprint yet; the remedy is executed."""
    machine = GuardedMachine(tmp_path, "agent-restart")
    record = tmp_path / "Vault" / "Store" / "InstanceFingerprint"
    data = record.read_bytes()
    record.write_bytes(b"{")
    assert machine.starts().decision == Decision.UNKNOWN
    record.write_bytes(data)
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.command) == (Outcome.WARN, "fingerprint guard")
    assert machine("guard", "--dry-run").returncode == 0
    assert machine.diagnosis(CHECK)[CHECK].outcome == Outcome.WARN
    _, *words = found.command.split()
    assert machine(*words).returncode == 0
    found = machine.diagnosis(CHECK)[CHECK]
    assert (found.outcome, found.text) == (
        Outcome.PASS, "the guard runs before the agent's start; no run found a change"
    )  # fmt: skip


def test_a_damaged_note_hides_no_copy(tmp_path: Path) -> None:
    machine = happened(tmp_path, "clone")
    [note] = (tmp_path / "state" / "guard").glob("*.json")
    note.write_bytes(note.read_bytes()[:-20])
    found = machine.diagnosis(CHECK)[CHECK]
    assert found.outcome == Outcome.WARN
    assert "will block the agent's next start: another machine" in found.text


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
    assert done.returncode == 0, done.stderr
    assert "the guard has blocked the agent's start at 2026-11-24T12:00:00Z" in " ".join(done.stdout.split())
