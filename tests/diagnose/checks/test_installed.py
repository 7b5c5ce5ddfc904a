"""The check of the programs: missing, not executable, and installed twice, by a package and as a snap."""

from __future__ import annotations

from typing import Any

import pytest

from agent_machines import BINARIES, AgentMachine, of_version, refused, started
from fingerprint.diagnose import Finding

DEB, SNAP = "amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"
SNAP_DIRECTORY = "/snap/amazon-ssm-agent/current"
CORE = "/usr/bin/amazon-ssm-agent"
RUNS = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled",
        "NRestarts": "0"}  # fmt: skip
FAILED = {**RUNS, "ActiveState": "failed", "SubState": "failed", "NRestarts": "5"}
STOPPED = {**RUNS, "ActiveState": "inactive", "SubState": "dead"}
OFF = {**STOPPED, "UnitFileState": "disabled"}
MASKED = {**STOPPED, "LoadState": "masked", "UnitFileState": "masked"}
NONE = {"LoadState": "not-found"}


def finding(m: AgentMachine, check: str = "installed") -> Finding:
    return m.diagnosis(check)[check]


def twice(m: AgentMachine, package: dict[str, str], snap: dict[str, str]) -> None:
    """Install the snap beside the package."""
    for name in BINARIES:
        m.file(f"{SNAP_DIRECTORY}/{name}", None, 0o755)
    m.file(SNAP_DIRECTORY, None, 0o755)
    m.file("/usr/bin/snap", None, 0o755)
    m.command((f"{SNAP_DIRECTORY}/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.5828.0\n")
    m.units({"Id": DEB, **package}, {"Id": SNAP, **snap})


KEEP_PACKAGE, KEEP_SNAP = "snap stop --disable amazon-ssm-agent", f"systemctl disable --now {DEB}"


@pytest.mark.parametrize(
    ("package", "snap", "words", "command"),
    [
        (FAILED, RUNS, "the snap runs", KEEP_SNAP),
        (STOPPED, RUNS, "the snap runs", KEEP_SNAP),
        (RUNS, STOPPED, "the package runs", KEEP_PACKAGE),
        (RUNS, FAILED, "the package runs", KEEP_PACKAGE),
        (RUNS, RUNS, "both run", KEEP_PACKAGE),
        (STOPPED, STOPPED, "neither runs", KEEP_PACKAGE),
        (FAILED, FAILED, "neither runs", KEEP_PACKAGE),
        (OFF, OFF, "neither runs", KEEP_PACKAGE),
    ],
)
def test_two_installations_are_named_with_the_one_that_runs(
    machine: AgentMachine, package: dict[str, str], snap: dict[str, str], words: str, command: str
) -> None:
    twice(machine, package, snap)
    found = finding(machine)
    assert str(found.outcome) == "warn"
    assert "installed twice" in found.text
    assert words in found.text
    assert found.command == command


@pytest.mark.parametrize(("package", "snap"), [(OFF, RUNS), (MASKED, RUNS), (NONE, RUNS), (RUNS, OFF), (RUNS, NONE)])
def test_the_remedy_against_two_installations_ends_the_warning(
    machine: AgentMachine, package: dict[str, str], snap: dict[str, str]
) -> None:
    twice(machine, package, snap)
    found = finding(machine)
    assert str(found.outcome) == "pass"
    assert "installed twice" in found.text


@pytest.mark.parametrize(("package", "snap", "version"), [
    (FAILED, RUNS, "3.3.5828.0"), (RUNS, FAILED, "3.3.4851.0"), (FAILED, FAILED, "3.3.4851.0"),
])  # fmt: skip
def test_version_and_unit_are_those_of_the_one_that_runs(
    machine: AgentMachine, package: dict[str, str], snap: dict[str, str], version: str
) -> None:
    twice(machine, package, snap)
    site = machine.site()
    assert site.version == version
    assert (site.unit or {})["Id"] == (SNAP if snap is RUNS else DEB)


@pytest.mark.parametrize(("package", "command"), [(RUNS, KEEP_PACKAGE), (FAILED, f"systemctl restart {SNAP}")])
def test_two_running_agents_of_two_installations_are_one_cause(
    machine: AgentMachine, package: dict[str, str], command: str
) -> None:
    twice(machine, package, RUNS)
    second = {"name": "amazon-ssm-agent", "pid": 999, "user": "root", "started": "2026-11-24T08:00:00Z"}
    machine.snapshot["agentProcesses"].append(second)
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:35:00"))
    assert "2 agents run at the same time" in finding(machine, "running").text
    assert finding(machine, "running").command == command
    assert finding(machine).command == (KEEP_PACKAGE if package is RUNS else KEEP_SNAP)


def test_without_systemd_it_is_unknown_which_one_runs(machine: AgentMachine) -> None:
    twice(machine, RUNS, RUNS)
    machine.remove("/usr/bin/systemctl")
    assert "unknown which one runs" in finding(machine).text


# Programs that cannot run.


def printed(stdout: str = "", returncode: int = 0, stderr: str = "", problem: str = "") -> Any:
    return lambda m: m.command((CORE, "-version"), stdout, returncode, stderr, problem)


@pytest.mark.parametrize(
    ("change", "words", "command"),
    [
        (lambda m: m.file(CORE, None, 0o600), "is not executable", f"chmod 755 {CORE}"),
        (lambda m: m.file("/usr/bin/ssm-agent-worker", None, 0o644), "ssm-agent-worker is not executable",
         "chmod 755 /usr/bin/ssm-agent-worker"),
        (lambda m: m.mounts(usr="ro,nosuid,noexec"), "/usr is mounted with noexec", "mount -o remount,exec /usr"),
        (printed(problem="failed", stderr="Exec format error"), "of another processor architecture", ""),
        (printed(problem="denied", stderr="Permission denied"), "(permission denied)", ""),
        (printed("", 2, "panic: runtime error: invalid memory address or nil pointer dereference\n\ngoroutine 1"),
         "it panics (runtime error: invalid memory address", ""),
        (printed("", 2, "fatal error: failed to reserve page summary memory"), "it panics (failed to reserve", ""),
    ],
    ids=["core", "worker", "noexec", "exec format", "denied", "panic", "fatal error"],
)  # fmt: skip
def test_a_program_that_cannot_run_fails(machine: AgentMachine, change: Any, words: str, command: str) -> None:
    change(machine)
    found = finding(machine)
    assert str(found.outcome) == "fail"
    assert words in found.text
    assert found.command == command
    assert found.remedy


@pytest.mark.parametrize("change", [
    printed(problem="timeout"), printed("", 1, "unknown flag"), printed("SSM Agent version: 3.3.1142.0"),
    lambda m: m.mounts(root="rw,noexec", usr="rw,relatime"),
], ids=["timeout", "exit code", "fine", "noexec elsewhere"])  # fmt: skip
def test_a_program_is_not_blamed_for_something_else(machine: AgentMachine, change: Any) -> None:
    change(machine)
    assert str(finding(machine).outcome) == "pass"


@pytest.mark.parametrize(("version", "outcome"), [
    ("2.3.1205.0", "warn"), ("3.0.1124.0", "fail"), ("3.3.5828.0", "fail"), ("", "warn"),
])  # fmt: skip
def test_a_missing_worker_program_fails_from_3_0_on(machine: AgentMachine, version: str, outcome: str) -> None:
    of_version(machine, version)
    if not version:
        machine.log("amazon-ssm-agent.log", "")
    machine.remove("/usr/bin/ssm-agent-worker")
    found = finding(machine)
    assert str(found.outcome) == outcome
    if outcome == "fail":
        assert "without it the node is offline" in found.text
