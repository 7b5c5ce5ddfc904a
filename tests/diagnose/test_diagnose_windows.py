"""`diagnose` on recorded machines with Windows and macOS: their own checks, paths and services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_machines import REGENERATED, AgentMachine, line, refused, started
from fingerprint.collectors import collect, wql
from fingerprint.collectors.other_recipe import json_outputs, wmic_outputs
from fingerprint.diagnose import Diagnosis, Outcome
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import RECIPE_REMEDY
from fingerprint.types import HardwareHash
from other_agent_machines import DATA, MEMBERS, PROGRAMS, REG, MacMachine, WindowsMachine
from windows_machines import AGENTS, NAMES, NEWEST, OBJECTS, UUID, cim_text, windows_snapshot, wmic_text


@pytest.fixture
def machine(tmp_path: Path) -> WindowsMachine:
    return WindowsMachine(tmp_path)


def made_with(machine: WindowsMachine, recipe: str) -> None:
    """Let the record be made by another recipe."""
    then = collect(RecordedMachine(windows_snapshot("10.0.26100", agent=AGENTS[recipe])))
    machine.record = machine.record.replace(hardware_hash=then.hardware_hash)  # type: ignore[union-attr]


def one(found: Diagnosis, name: str) -> tuple[str, str]:
    finding = found[name]
    return str(finding.outcome), " ".join((finding.text, *finding.evidence))


def test_a_healthy_windows_machine_passes_what_windows_has(machine: WindowsMachine) -> None:
    found = machine.diagnosis()
    assert not [r for r in found.results if r.finding.outcome in (Outcome.FAIL, Outcome.WARN)]
    for name in ("wmi", "collector", "image-state", "running", "installed", "version", "waiting", "ssm-user"):
        assert one(found, name)[0] == "pass", found[name]
    assert found.conclusion.state == "healthy"


@pytest.mark.parametrize(
    ("check", "change", "outcome", "words"),
    [
        ("wmi", lambda m: m.snapshot["services"].update(Winmgmt="stopped"), "fail", "waits for it for 75 s"),
        ("wmi", lambda m: m.snapshot["services"].pop("Winmgmt"), "skipped", "cannot read the state"),
        ("image-state", lambda m: m.state("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"), "fail", "RESEAL_TO_OOBE"),
        ("image-state", lambda m: m.command(REG, "", 1), "skipped", "no ImageState"),
        ("running", lambda m: m.snapshot["services"].update(AmazonSSMAgent="stopped"), "fail", "is stopped"),
        ("running", lambda m: m.snapshot["services"].pop("AmazonSSMAgent"), "fail", "does not exist"),
        ("running", lambda m: m.snapshot["agentProcesses"][0].update(user="WEB-7\\joe"), "fail", "runs as WEB-7\\joe"),
        (
            "running",
            lambda m: None,
            "pass",
            "runs since 2026-11-24T08:00:00Z as NT AUTHORITY\\SYSTEM amazon-ssm-agent: process 4",
        ),
        ("running", lambda m: m.snapshot["agentProcesses"][0].update(started=None), "pass", "AmazonSSMAgent runs as"),
        ("running", lambda m: m.snapshot.pop("agentProcesses"), "pass", "the service AmazonSSMAgent runs"),
        ("ssm-user", lambda m: m.account(2, MEMBERS), "skipped", "creates it when the first session starts"),
        ("ssm-user", lambda m: m.account(0, "Administrator\r\n"), "pass", "is not an administrator"),
        ("installed", lambda m: m.remove(rf"{PROGRAMS}\ssm-cli.exe"), "warn", "1 of 6"),
        (
            "collector",
            lambda m: m.is_now("10.0.26100") or made_with(m, "wmic"),
            "fail",
            "the agent's hash recipe changed: wmic when the record was made, WQL now",
        ),
        (
            "collector",
            lambda m: m.is_now("10.0.26100") or made_with(m, "json"),
            "fail",
            "the saved hardware ID is the hash of what PowerShell JSON gives for the present UUID",
        ),
        ("collector", lambda m: made_with(m, "wql"), "fail", "WQL when the record was made, wmic now"),
        ("collector", lambda m: m.is_now("10.0.26100") or made_with(m, "wql"), "pass", "the agent hashes by WQL"),
        (
            "collector",
            lambda m: m.is_now("10.0.26100", "3.3.1142.0") or made_with(m, "json"),
            "warn",
            "agents from 3.3.1311 on use WQL",
        ),
        (
            "collector",
            lambda m: m.is_now("10.0.26100", "3.3.987.0") or made_with(m, "wmic"),
            "warn",
            "such an update changes all six hashes",
        ),
        (
            "collector",
            lambda m: m.is_now("10.0.26100", "nightly") or made_with(m, "wql"),
            "skipped",
            "'nightly' is not a version",
        ),
        (
            "collector",
            lambda m: m.snapshot["wmi"].update(Win32_OperatingSystem={"error": "EIO", "message": "gone"}),
            "skipped",
            "WMI does not return the version of Windows (gone)",
        ),
        ("waiting", lambda m: m.log_at_windows(started("08:00:00") + refused("11:40:00")), "fail", "core agent waits"),
    ],
)
def test_a_check_of_windows_finds_what_is_wrong(
    machine: WindowsMachine, check: str, change: Any, outcome: str, words: str
) -> None:
    change(machine)
    shown = one(machine.diagnosis(check), check)
    assert shown[0] == outcome, shown
    assert words in shown[1]


def test_moved_type_ids_predict_the_second_replacement(machine: WindowsMachine) -> None:
    machine.is_now("10.0.26100")
    made_with(machine, "wql")
    order = [*NAMES[1:], NAMES[0]]
    moved = {name: wql.digest(name, OBJECTS[name][0], 64 + order.index(name)) for name in NAMES}
    assert machine.record is not None
    kept = dict(machine.record.hardware_hash)  # type: ignore[union-attr, arg-type]
    machine.record = machine.record.replace(hardware_hash=HardwareHash({**kept, **moved}))  # type: ignore[union-attr]
    found = machine.diagnosis()
    outcome, shown = one(found, "collector")
    assert outcome == "fail"
    assert "with type id 69 in place of 64" in shown
    assert "replaces the fingerprint once more" in shown
    assert (found.conclusion.state, found.conclusion.because) == ("will-hibernate", "collector")
    assert machine(*found.conclusion.steps[-1][1].split()[1:]).returncode == 0


def test_an_agent_for_wmic_only_fails_without_wmic(machine: WindowsMachine) -> None:
    machine.is_now("10.0.26100", "3.3.987.0")
    for entry in machine.snapshot["commands"]:
        if "wmic" in entry["argv"][0]:
            entry.update(returncode=None, stdout="", problem="not-found")
    found = one(machine.diagnosis("collector"), "collector")
    assert found[0] == "fail"
    assert "has no wmic, and agent 3.3.987.0 has no other recipe" in found[1]


@pytest.mark.parametrize("windows", ["10.0.20348", "10.0.26050"])
@pytest.mark.parametrize("agent", ["3.3.987.0", "3.3.5828.0"])
def test_no_update_is_advised_if_all_agents_use_wmic(machine: WindowsMachine, windows: str, agent: str) -> None:
    machine.is_now(windows, agent)
    for entry in machine.snapshot["commands"]:
        if "wmic" in entry["argv"][0]:
            entry.update(returncode=None, stdout="", problem="not-found")
    finding = machine.diagnosis("collector")["collector"]
    assert str(finding.outcome) == "fail"
    assert "update the agent" not in finding.remedy
    assert finding.command.startswith("DISM /Online")


def test_an_upgrade_of_windows_keeps_the_fingerprint(machine: WindowsMachine) -> None:
    machine.is_now("10.0.26100")
    made_with(machine, "wmic")
    conclusion = machine.diagnosis().conclusion
    assert (conclusion.state, conclusion.because) == ("will-hibernate", "collector")
    command = conclusion.steps[-1][1]
    assert command == "fingerprint vault rebaseline --keep-fingerprint --yes --accept-new-sid"
    done = machine(*command.split()[1:])
    assert done.returncode == 0, done.stderr
    # The vault is as the command left it.
    machine.record = (machine.vault_path / "Store/InstanceFingerprint").read_bytes()
    assert machine.diagnosis().conclusion.state == "healthy"


def test_wmi_that_does_not_run_is_the_cause_of_a_wait(machine: WindowsMachine) -> None:
    machine.snapshot["services"]["Winmgmt"] = "stopped"
    error = "Failed to get machine fingerprint: Failed to wait for WMI to get into Running status"
    machine.log_at_windows(started("08:00:00") + refused("11:40:00", error, "8s"))
    found = machine.diagnosis("wmi", "waiting")
    assert "because WMI does not run" in found.conclusion.text
    assert "Start-Service Winmgmt" in found.conclusion.text


def test_the_output_of_the_tools_is_as_assumed() -> None:
    assert wmic_text("uuid") in wmic_outputs(UUID)
    assert cim_text("uuid") in json_outputs(UUID)


@pytest.mark.parametrize(
    ("state", "command"),
    [("stopped", "Start-Service Winmgmt"), ("stop_pending", "Start-Service Winmgmt"), ("start_pending", ""),
     ("continue_pending", ""), ("paused", "Resume-Service Winmgmt"), ("pause_pending", "Resume-Service Winmgmt")],
)  # fmt: skip
def test_each_state_of_wmi_has_a_remedy_that_fits_it(machine: WindowsMachine, state: str, command: str) -> None:
    machine.snapshot["services"]["Winmgmt"] = state
    finding = machine.diagnosis("wmi")["wmi"]
    assert (str(finding.outcome), finding.command) == ("fail", command)
    assert f"is {state}" in finding.text
    # A disabled service is not started by starting it.
    assert ("StartupType Automatic" in finding.remedy) == command.startswith("Start")


@pytest.mark.parametrize(
    ("then", "agent", "windows", "words"),
    [
        ("wmic", AGENTS["wql"], "10.0.26100", "an update of either changes the recipe"),
        ("json", AGENTS["wql"], "10.0.26100", "an update of either changes the recipe"),
        ("wmic", AGENTS["json"], "10.0.26100", "agents 3.3.1142 to 3.3.1229 use it"),
        ("wql", AGENTS["json"], "10.0.26100", "agents 3.3.1142 to 3.3.1229 use it"),
        ("wql", AGENTS["wmic"], "10.0.26100", "except 3.3.1142 to 3.3.1229 use it"),
        ("json", "3.3.1230.0", "10.0.26100", "except 3.3.1142 to 3.3.1229 use it"),
        ("wql", AGENTS["wql"], "10.0.20348", "all agents on Windows before 10.0.26040"),
    ],
)  # fmt: skip
def test_a_changed_recipe_names_the_agents_that_use_it(
    machine: WindowsMachine, then: str, agent: str, windows: str, words: str
) -> None:
    machine.is_now(windows, agent)
    made_with(machine, then)
    outcome, shown = one(machine.diagnosis("collector"), "collector")
    assert outcome == "fail"
    assert words in shown
    assert "the hardware did not change" in shown


@pytest.mark.parametrize("outcome", ["different", "cannot-tell"])
def test_a_recipe_of_another_machine_has_no_rebaseline(machine: WindowsMachine, outcome: str) -> None:
    """The hardware ID is that of the record, by another recipe; the rest is not, or is not known."""
    machine.is_now("10.0.26100")
    made_with(machine, "wmic")
    machine.snapshot.update(hostName="OTHER", addresses={"ipv4": ["10.9.9.9"], "links": [["e", "02:99"]]})
    for entry in machine.snapshot["commands"]:
        if "wmic" in entry["argv"][0] and "csproduct" not in entry["argv"]:
            entry.update(
                {"stdout": "Value\r\nother\r\n"}
                if outcome == "different"
                else {"problem": "timeout", "returncode": None}
            )
    found = machine.diagnosis()
    finding = found["collector"]
    assert str(finding.outcome) == "fail"
    assert ("another machine" if outcome == "different" else "unknown whether") in " ".join(finding.evidence)
    assert "rebaseline" not in f"{finding.command} {finding.remedy}"
    assert found.conclusion.because != "collector"
    assert RECIPE_REMEDY not in str(found.conclusion.steps)


def test_a_fingerprint_that_was_replaced_is_not_to_be_kept(machine: WindowsMachine) -> None:
    """With the moved ids the agent stored a fingerprint that the service does not know."""
    machine.is_now("10.0.26100")
    made_with(machine, "wql")
    order = [*NAMES[1:], NAMES[0]]
    moved = {name: wql.digest(name, OBJECTS[name][0], 64 + order.index(name)) for name in NAMES}
    assert machine.record is not None
    kept = dict(machine.record.hardware_hash)  # type: ignore[union-attr, arg-type]
    machine.record = machine.record.replace(hardware_hash=HardwareHash({**kept, **moved}))  # type: ignore[union-attr]
    regenerated = line("09:00:00", "INFO", REGENERATED, "[MachineFingerprint] ")
    machine.log_at_windows(started("08:00:00", NEWEST) + regenerated + refused("11:40:00"))
    found = machine.diagnosis()
    assert str(found["regenerated"].outcome) == "fail"
    assert found["collector"].command == ""
    assert "see the check regenerated" in " ".join(found["collector"].evidence)
    assert "--keep-fingerprint" not in str(found.conclusion.steps)


@pytest.mark.parametrize(
    ("answer", "outcome", "words", "command"),
    [
        ({"error": "EIO", "message": "WMI answers 80041010"}, "fail", "80041010", "winmgmt /verifyrepository"),
        ([{}], "fail", "object 1 has no member Manufacturer", "winmgmt /verifyrepository"),
        ({"error": "ETIMEDOUT", "message": "no answer"}, "skipped", "no answer", "Restart-Service -Force Winmgmt"),
        ({"error": "ENOTSUP", "message": "not-found"}, "skipped", "not-found", ""),
        (None, "skipped", "the snapshot does not hold the WMI class Win32_BIOS", ""),
    ],
)
def test_a_class_that_wmi_does_not_return_is_reported(
    machine: WindowsMachine, answer: Any, outcome: str, words: str, command: str
) -> None:
    """The record, made before, matches by its address; a new start of the agent would move the ids."""
    machine.is_now("10.0.26100")
    made_with(machine, "wql")
    machine.snapshot["wmi"]["Win32_BIOS"] = answer
    finding = machine.diagnosis("collector")["collector"]
    assert str(finding.outcome) == outcome
    assert "bios-hash" in finding.text
    assert words in " ".join(finding.evidence)
    assert finding.command == command


def test_a_wait_has_its_cause(machine: WindowsMachine) -> None:
    """Where wmic is gone no recipe changed."""
    machine.is_now("10.0.26100", "3.3.987.0")
    for entry in machine.snapshot["commands"]:
        if "wmic" in entry["argv"][0]:
            entry.update(returncode=None, stdout="", problem="not-found")
    machine.log_at_windows(started("08:00:00", "3.3.987.0") + refused("11:40:00"))
    text = machine.diagnosis("collector", "waiting").conclusion.text
    assert "wmic is missing" in text
    assert "recipe changed" not in text


@pytest.mark.parametrize(
    ("printed", "outcome"),
    [
        ("", "skipped"),
        ("    ImageState    REG_SZ    ", "skipped"),
        ("ImageState REG_SZ IMAGE_STATE_UNDEPLOYABLE", "fail"),
    ],
)
def test_an_unknown_state_of_the_image_is_no_fault(machine: WindowsMachine, printed: str, outcome: str) -> None:
    machine.command(REG, printed)
    assert str(machine.diagnosis("image-state")["image-state"].outcome) == outcome


def test_a_mac_is_diagnosed_with_a_weak_check(tmp_path: Path) -> None:
    found = MacMachine(tmp_path).diagnosis()
    assert {r.name for r in found.results if r.finding.outcome == Outcome.WARN} == {"guard"}
    assert "another Mac with another address matches 6 of 9 (66.7 %)" in one(found, "guard")[1]
    assert found["guard"].command == "fingerprint threshold set 67"
    assert found.conclusion.state == "warnings"
    assert one(found, "ssm-user")[0] == "pass"
    assert one(found, "package")[0] == "skipped"


def test_a_mac_without_a_running_agent_shows_launchds_state(tmp_path: Path) -> None:
    machine = MacMachine(tmp_path)
    machine.snapshot["agentProcesses"] = []
    shown = one(machine.diagnosis("running"), "running")
    assert shown[0] == "fail"
    assert "last exit code = 1" in shown[1]
    assert machine.diagnosis("running")["running"].command.startswith("sudo launchctl kickstart")


@pytest.mark.parametrize(
    "version", ["2.3.1205.0", "3.0.1124.0", "3.1.501.0", "3.2.815.0", "3.2.2303.0", "3.3.551.0", "3.3.1142.0"]
)
def test_logs_of_earlier_and_later_agents_are_understood(tmp_path: Path, version: str) -> None:
    machine = AgentMachine(tmp_path)
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), f"SSM Agent version: {version}\n")
    worker = line("08:00:03", "INFO", "Entering SSM Agent hibernate - RequestError: send request failed",
                  "[ssm-agent-worker] " if version >= "3" else "")  # fmt: skip
    numbers = tuple(map(int, version.split(".")[:3]))
    old = numbers < (3, 1, 501)
    asked = refused("11:40:00", pause="")
    if numbers < (3, 2, 1630):
        asked = asked.replace("produced error", "produced unrecoverable aws error")
    machine.log("amazon-ssm-agent.log", started("08:00:00", version) + (worker if old else asked))
    finding = machine.diagnosis("waiting")["waiting"]
    shown = " ".join(finding.evidence)
    assert finding.tag == ("waiting-worker" if old else "waiting-refresher")
    if old:
        assert "next retry: 2026-11-24T12:35:03Z" in shown
    elif version == "3.3.1142.0":
        assert "next retry: 2026-11-24T12:05:00Z to 2026-11-24T12:10:00Z" in shown
    else:
        assert f"next retry: 2026-11-25T11:40:00Z to 2026-11-25T13:40:00Z (by the schedule of {version})" in shown


def test_denied_logs_are_recorded_again_by_an_administrator(machine: WindowsMachine) -> None:
    machine.denied(rf"{DATA}\Logs\amazon-ssm-agent.log")
    remedy = machine.diagnosis("waiting")["waiting"].remedy
    assert remedy == "Record it again as Administrator, on that machine: fingerprint snapshot FILE"
