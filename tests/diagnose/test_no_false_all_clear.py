"""An agent that is not shown to work is never called healthy, and the checks of it agree: one state for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent_machines import AgentMachine, line, ready, refused, reported, started
from fingerprint.diagnose import Diagnosis

IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
CONTAINER = "[amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] "
NOT_STARTABLE = "failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: permission denied"
NOW = "12:00:00"


def no_worker(machine: AgentMachine) -> None:
    del machine.snapshot["agentProcesses"][1]


def no_process(machine: AgentMachine) -> None:
    machine.stopped()


def begun(machine: AgentMachine, at: str) -> None:
    for process in machine.snapshot["agentProcesses"]:
        process["started"] = f"2026-11-24T{at}Z"


def text(*lines: str) -> Callable[[AgentMachine], None]:
    return lambda machine: machine.log("amazon-ssm-agent.log", "".join(lines))


def both(*changes: Callable[[AgentMachine], None]) -> Callable[[AgentMachine], None]:
    def change(machine: AgentMachine) -> None:
        for one in changes:
            one(machine)

    return change


def credentials(retrieved: str, expires: str) -> Callable[[AgentMachine], None]:
    return lambda machine: machine.credentials(f"2026-11-24T{retrieved}Z", f"2026-11-24T{expires}Z")


def without_file(machine: AgentMachine) -> None:
    machine.remove(IDENTITY)


def without_log(machine: AgentMachine) -> None:
    machine.snapshot["folders"] = {}


def never(machine: AgentMachine) -> None:
    machine.credentials("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")


EXPIRED = credentials("08:00:01", "09:00:01")
QUIET = text(started("08:00:00"), ready("08:00:01"))
# What is wrong -> the check that shows it, its outcome ("unknown" for one that could not be answered), and its words.
BROKEN: dict[str, tuple[Callable[[AgentMachine], None], str, str, str]] = {
    "no worker": (no_worker, "running", "fail", "without its worker ssm-agent-worker"),
    "no worker, log of today": (
        both(no_worker, text(started("08:00:00"), ready("08:00:01"), ready("11:30:00"))), "running", "fail",
        "without its worker ssm-agent-worker",
    ),
    "worker cannot be started": (
        both(no_worker, text(started("08:00:00"), ready("08:00:01"),
             *(line(f"11:{n}:00", "ERROR", NOT_STARTABLE, CONTAINER) for n in (55, 56, 57)))),
        "running", "fail", "permission denied",
    ),
    "credentials expired in silence": (both(EXPIRED, QUIET), "waiting", "fail", "expired at 2026-11-24T09:00:01Z"),
    "credentials expired, log goes on": (
        both(EXPIRED, text(started("08:00:00"), ready("08:00:01"), reported("11:55:00"))), "waiting", "fail", "expired",
    ),
    "no credentials since the start": (
        both(without_file, text(started("08:00:00"))), "waiting", "fail", "received no credentials",
    ),
    "never any credentials": (both(never, text(started("08:00:00"))), "credentials", "fail", "received no credentials"),
    "no log": (without_log, "waiting", "unknown", "there is no amazon-ssm-agent.log"),
    "empty log": (text(""), "waiting", "unknown", "no line about credentials"),
    "log of something else": (text("hello\n" * 9), "waiting", "unknown", "no line about credentials"),
    "log that ended hours ago": (
        both(credentials("08:00:01", "12:30:00"), QUIET), "waiting", "unknown", "its log ends at 2026-11-24T08:00:01Z",
    ),
    "log that ended before the process began": (
        both(lambda machine: begun(machine, "11:50:00"), QUIET), "waiting", "unknown", "its log ends before that",
    ),
    "log that ended hours ago, processes unknown": (
        both(lambda machine: machine.snapshot.pop("agentProcesses"), QUIET), "waiting", "unknown", "is not known",
    ),
    "clock that was set back": (
        text(started("08:00:00"), ready("08:00:01"), ready("15:00:00")), "waiting", "unknown", "it was set back",
    ),
    "clock that jumped ahead": (
        text(*(one.replace("2026-11-24", "1970-01-01") for one in (started("00:00:09"), ready("00:00:10")))),
        "waiting", "warn", "its log ends",
    ),
    "signal to end in the log": (
        text(started("08:00:00"), ready("08:00:01"), reported("11:50:00"),
             line("11:59:00", "INFO", "amazon-ssm-agent got signal:terminated value:0x1", "[amazon-ssm-agent] ")),
        "waiting", "unknown", "",
    ),
    "just started": (
        both(without_file, lambda machine: begun(machine, "11:59:00"), text(started("11:59:00"))),
        "waiting", "unknown", "was started",
    ),
    "no process, healthy log": (no_process, "running", "fail", "does not run"),
    "no process, and it waited": (
        both(no_process, text(started("08:00:00"), refused("11:40:00"))), "running", "fail", "does not run",
    ),
}  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def outcome(found: Diagnosis, check: str) -> str:
    finding = found[check]
    return "unknown" if finding.undetermined else str(finding.outcome)


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_work_is_never_called_healthy(machine: AgentMachine, name: str) -> None:
    change, check, expected, words = BROKEN[name]
    change(machine)
    found = machine.diagnosis()
    finding = found[check]
    assert outcome(found, check) == expected, finding
    assert words in " ".join((finding.text, *finding.evidence))
    assert found.conclusion.state not in ("healthy", "will-hibernate")
    if expected == "fail":
        assert found.failed
    # No check passes over what another one shows.
    assert outcome(found, "waiting") != "pass"
    assert "Not hibernating, and nothing is wrong" not in found.conclusion.text


@pytest.mark.parametrize("name", BROKEN)
def test_the_three_checks_of_the_agent_agree(machine: AgentMachine, name: str) -> None:
    """Each of them alone gives the finding that it gives beside the others; none needs another one to have run."""
    BROKEN[name][0](machine)
    found = machine.diagnosis()
    for check in ("running", "waiting", "credentials"):
        alone = machine.diagnosis(check)
        assert alone[check] == found[check]
        if check == "waiting":
            assert alone.conclusion.state != "healthy", alone.conclusion


def test_a_healthy_agent_passes_all_of_them(machine: AgentMachine) -> None:
    found = machine.diagnosis()
    assert [outcome(found, check) for check in ("running", "waiting", "credentials")] == ["pass"] * 3
    assert found.conclusion.text.startswith("Not hibernating")


@pytest.mark.parametrize("minutes", range(0, 60, 7))
def test_a_worker_has_time_to_start(machine: AgentMachine, minutes: int) -> None:
    """The core process starts it within a second of the credentials, and tries each minute if that fails."""
    at = f"11:{59 - minutes:02}:00"
    no_worker(machine)
    begun(machine, at)
    machine.log("amazon-ssm-agent.log", started(at) + ready(at.replace(":00", ":01")))
    machine.credentials(f"2026-11-24T{at[:-2]}01Z", "2026-11-24T13:00:00Z")
    assert outcome(machine.diagnosis("running"), "running") == ("fail" if minutes >= 10 else "pass")


def test_agents_of_one_process_have_no_worker(machine: AgentMachine) -> None:
    no_worker(machine)
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 2.3.1644.0\n")
    machine.log("amazon-ssm-agent.log", started("08:00:00", "2.3.1644.0") + reported("11:55:00"))
    assert outcome(machine.diagnosis("running"), "running") == "pass"
