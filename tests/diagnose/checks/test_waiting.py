"""What the logs show of core agent and worker over restarts, short failures, rotation and clocks; the conclusions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent_machines import (
    DENIED,
    LOGS,
    MISMATCH,
    NODE,
    REGENERATED,
    AgentMachine,
    line,
    ready,
    refused,
    reported,
    started,
)
from commandline import run
from fingerprint.agent.logs import code_of, parse, read_parts
from fingerprint.agent.logs.retries import pause
from fingerprint.agent.retry_schedule import EC2
from fingerprint.collectors.recipes import version_of
from fingerprint.diagnose import CHECKS, diagnose
from fingerprint.machine.process_list import agent_processes

WORKER = "[ssm-agent-worker] "
IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
ENTERS = "Entering SSM Agent hibernate - "
NO_PERMISSION = ENTERS + "AccessDeniedException: not authorized to perform: ssm:UpdateInstanceInformation"


def runs_since(machine: AgentMachine, core: str, worker: str | None = None) -> None:
    one, other = machine.snapshot["agentProcesses"]
    one["started"] = f"2026-11-24T{core}Z"
    other["started"] = f"2026-11-24T{worker or core}Z"


def concluded(machine: AgentMachine, text: str, **logs: str) -> tuple[str, str]:
    """Return outcome and words of the check, with the conclusion's state in front."""
    machine.log("amazon-ssm-agent.log", text)
    for name, other in logs.items():
        machine.log(name.replace("_", "."), other)
    found = machine.diagnosis()
    finding = found["waiting"]
    return found.conclusion.state, " ".join((finding.text, *finding.evidence))


def test_an_answered_ping_ends_the_hibernation_of_a_worker(machine: AgentMachine) -> None:
    text = started("08:00:00") + ready("08:00:01") + line("08:00:03", "INFO", NO_PERMISSION, WORKER)
    assert concluded(machine, text)[0] == "hibernating"
    text += line("08:05:05", "INFO", "ssm-agent-worker - v3.3.1142.0", WORKER)
    assert concluded(machine, text + ready("11:30:00"))[0] == "healthy"


@pytest.mark.parametrize(
    "words",
    [
        "Initializing agent hibernate mode. Switching log to minimal logging...",
        "Running document Custom-HibernateFleet",
        "hibernating virtual machines",
    ],
)
def test_the_word_hibernate_alone_is_no_hibernation(machine: AgentMachine, words: str) -> None:
    for level in ("DEBUG", "INFO"):
        text = started("08:00:00") + line("08:00:01", level, words, WORKER) + ready("08:00:02") + ready("11:30:00")
        assert concluded(machine, text)[0] == "healthy"


def test_a_short_core_failure_does_not_end_a_hibernation(machine: AgentMachine) -> None:
    text = started("08:00:00") + ready("08:00:01") + line("08:00:03", "INFO", NO_PERMISSION, WORKER)
    text += refused("11:30:00", "RequestError: send request failed", "15s") + ready("11:30:15")
    state, words = concluded(machine, text)
    assert state == "hibernating"
    assert "the worker hibernates" in words
    assert "since 2026-11-24T08:00:03Z" in words


def test_credentials_that_were_on_the_disk_are_no_success(machine: AgentMachine) -> None:
    """After a restart the agent says that they are ready before it has asked anybody."""
    text = started("08:00:00") + ready("10:30:00") + line("11:00:16", "INFO", REGENERATED, "")
    loop = "Starting credentials refresher loop"
    text += started("11:05:00").splitlines(keepends=True)[0] + line("11:05:00", "INFO", "Credentials ready")
    text += line("11:05:00", "INFO", loop)
    text += line("11:05:00", "INFO", "Next credential rotation will be in -4.9 minutes") + refused("11:35:01")
    runs_since(machine, "11:05:00")
    machine.log("amazon-ssm-agent.log", text)
    found = machine.diagnosis()
    assert found.conclusion.because == "regenerated"
    assert "last good: 2026-11-24T10:30:00Z" in found["waiting"].evidence


@pytest.mark.parametrize(
    "words",
    ["Identity does not want core agent to rotate credentials", "Identity does not require credential refresher"],
)
def test_a_core_agent_without_requests_gets_no_credentials(machine: AgentMachine, words: str) -> None:
    """Where they are not shared, it says that they are ready to let the worker start, which asks itself."""
    version = started("08:00:00").splitlines(keepends=True)[0]
    unshared = version + line("08:00:00", "INFO", words) + line("08:00:00", "INFO", "Credentials ready")
    refusal = line("08:00:17", "INFO", ENTERS + MISMATCH, WORKER)
    text = unshared + line("08:00:16", "INFO", REGENERATED, "") + refusal
    text += (unshared + refusal).replace(" 08:00", " 09:00")
    runs_since(machine, "09:00:00")
    machine.log("amazon-ssm-agent.log", text)
    found = machine.diagnosis()
    assert found.conclusion.because == "regenerated"
    assert "last good: not in these logs" in found["waiting"].evidence
    # With the record from before its ping is answered, for which it got credentials.
    text += unshared.replace(" 08:00", " 10:00") + line("10:00:02", "INFO", "ssm-agent-worker - v3.3.1142.0", WORKER)
    text += reported("11:55:00")
    runs_since(machine, "10:00:00")
    machine.log("amazon-ssm-agent.log", text)
    found = machine.diagnosis()
    assert found.conclusion.state == "healthy"
    assert "last good: 2026-11-24T10:00:02Z" in found["waiting"].evidence


def test_a_ping_with_old_credentials_proves_no_fingerprint(machine: AgentMachine) -> None:
    """A worker is answered with shared credentials until they expire."""
    text = started("08:00:00") + ready("10:30:00") + line("11:00:16", "INFO", REGENERATED, "")
    text += started("11:05:00") + line("11:05:02", "INFO", "ssm-agent-worker - v3.3.1142.0", WORKER)
    runs_since(machine, "11:05:00")
    machine.log("amazon-ssm-agent.log", text)
    assert str(machine.diagnosis("regenerated")["regenerated"].outcome) == "fail"


def test_an_old_wait_ends_with_what_worked_since(machine: AgentMachine) -> None:
    """A worker that hibernated in January says nothing about a refusal of today."""
    text = "2026-01-10 08:00:00.1 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n"
    text += f"2026-01-10 08:00:03.1 INFO {WORKER}{NO_PERMISSION}\n"
    text += started("08:00:00") + ready("08:00:01") + refused("11:40:00", DENIED)
    assert "since 2026-11-24T11:40:00Z" in concluded(machine, text)[1]


def test_a_wait_that_goes_on_over_a_restart_began_before_it(machine: AgentMachine) -> None:
    text = started("06:00:00") + refused("06:00:01") + started("11:00:00") + refused("11:00:01") + refused("11:36:00")
    runs_since(machine, "11:00:00")
    assert "since 2026-11-24T06:00:01Z" in concluded(machine, text)[1]
    again = started("06:00:00") + line("06:00:03", "INFO", NO_PERMISSION, WORKER)
    again += started("11:00:00") + line("11:00:03", "INFO", NO_PERMISSION, WORKER)
    assert "since 2026-11-24T06:00:03Z" in concluded(machine, again)[1]


def test_after_a_restart_waiting_is_unknown_until_the_next_line(machine: AgentMachine) -> None:
    """A lost network takes four tries of a minute each before anything is logged."""
    network = "RequestError: send request failed"
    text = started("08:00:00") + ready("08:00:01") + refused("11:35:00", network, "15m") + started("11:59:00")
    runs_since(machine, "11:59:00")
    state, words = concluded(machine, text)
    assert state == "cannot-tell"
    assert (
        "the agent was started at 2026-11-24T11:59:00Z, and its log does not show yet whether it receives credentials"
        in words
    )
    assert f"last error before: {network}" in words
    assert concluded(machine, text + started("11:59:30"))[0] == "cannot-tell"
    assert concluded(machine, text + refused("11:59:40", network, "15s"))[0] == "hibernating"
    assert concluded(machine, text + ready("11:59:40"))[0] == "healthy"
    # Its ping was answered with credentials from before the failure: the next request shows whether that is over.
    state, words = concluded(machine, text + line("11:59:40", "INFO", "ssm-agent-worker - v3.3.1142.0", WORKER))
    assert (state, "it uses the credentials that it found on the disk" in words) == ("cannot-tell", True)


def test_a_restarted_worker_has_time_for_its_first_ping(machine: AgentMachine) -> None:
    text = started("08:00:00") + ready("08:00:01") + line("08:00:03", "INFO", NO_PERMISSION, WORKER)
    again = started("11:59:00") + ready("11:59:01")
    runs_since(machine, "11:59:00")
    state, words = concluded(machine, text + again)
    assert state == "cannot-tell"
    assert "its log does not show yet whether its health pings are answered" in words
    # Where the level of the log hides that they are, nothing more comes.
    runs_since(machine, "11:29:00")
    assert concluded(machine, text + again.replace(" 11:59", " 11:29"))[0] == "healthy"


@pytest.mark.parametrize(
    ("retrieved", "state"),
    [
        ("2026-11-24T11:40:00Z", "healthy"),
        ("2026-11-24T12:45:16.123456789+01:00", "healthy"),
        # Within the second of the failure; before it; by a clock that was ahead; never; no time.
        ("2026-11-24T11:35:00.9Z", "hibernating"),
        ("2026-11-24T11:30:00Z", "hibernating"),
        ("2026-11-25T11:30:00Z", "hibernating"),
        ("0001-01-01T00:00:00Z", "hibernating"),
        ("soon", "hibernating"),
    ],
)
def test_credentials_after_the_last_failure_end_a_wait(machine: AgentMachine, retrieved: str, state: str) -> None:
    """As they do with the level "error", of which a success leaves no line."""
    machine.credentials(retrieved, "2026-11-24T12:40:00Z")
    failure = refused("11:35:00", "RequestError: send request failed", "")
    found, words = concluded(machine, failure)
    assert found == state
    assert ("it received credentials at 2026-11-24T11:4" in words) == (state == "healthy")
    # Also where the wait is one of before a restart.
    assert (concluded(machine, failure + started("11:59:00"))[0] == "healthy") == (state == "healthy")


def test_an_agent_with_credentials_may_have_a_waiting_worker(machine: AgentMachine) -> None:
    machine.credentials("2026-11-24T11:40:00Z", "2026-11-24T12:40:00Z")
    text = started("08:00:00") + line("08:00:03", "INFO", NO_PERMISSION, WORKER)
    state, words = concluded(machine, text + refused("11:35:00", "RequestError: send request failed", "15s"))
    assert (state, "the worker hibernates" in words) == ("hibernating", True)


def test_an_orphaned_worker_does_not_hide_a_new_core_agent(machine: AgentMachine) -> None:
    runs_since(machine, "11:50:00", "06:00:00")
    machine.remove(IDENTITY)
    state, words = concluded(machine, started("06:00:00") + refused("06:00:01"))
    assert state == "cannot-tell"
    assert "the agent was started at 2026-11-24T11:50:00Z" in words


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("Error occurred when starting amazon-ssm-agent: failed to get identity", "broken"),
        ("[CredentialRefresher] credentials refresher panic: runtime error", "hibernating"),
        (
            "[CredentialRefresher] Failed to write credentials to disk even with force, retrying: no space",
            "hibernating",
        ),
    ],
)
def test_each_error_before_the_credentials_is_found(machine: AgentMachine, words: str, state: str) -> None:
    found = concluded(machine, started("08:00:00") + line("11:58:00", "ERROR", words, ""))
    assert found[0] == state, found


def test_an_agent_that_did_not_start_has_a_reason(machine: AgentMachine) -> None:
    machine.stopped()
    machine.log("amazon-ssm-agent.log", started("08:00:00") + line(
        "08:00:01", "ERROR", "Error occurred when starting amazon-ssm-agent: failed to get identity", ""))  # fmt: skip
    conclusion = machine.diagnosis().conclusion
    assert (conclusion.state, conclusion.because) == ("not-running", "waiting")
    assert "The agent does not run, because the agent did not start: failed to get identity" in conclusion.text
    assert conclusion.steps[0] == ("Check the vault", "fingerprint vault verify")


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (line("08:00:01", "ERROR", "Error occurred when starting amazon-ssm-agent: app config could not be loaded", ""),
         ("Correct the configuration", "fingerprint diagnose --only configuration")),
        ("panic: runtime error: nil pointer dereference\ngoroutine 1 [running]:\nmain.main()\n",
         ("Update the agent if a newer version is published", "fingerprint diagnose --only version")),
        (line("08:00:01", "ERROR", "Error occurred when starting amazon-ssm-agent: failed to start message bus", ""),
         ("Fix the named cause; its service restarts it every 90 s", "")),
    ],
)  # fmt: skip
def test_a_failed_start_has_the_remedy_of_its_error(machine: AgentMachine, text: str, step: tuple[str, str]) -> None:
    machine.stopped()
    machine.log("amazon-ssm-agent.log", started("08:00:00") + text)
    conclusion = machine.diagnosis().conclusion
    assert (conclusion.state, conclusion.because, conclusion.steps[0]) == ("not-running", "waiting", step)


# Files of logs.

REPORTS = "[HealthCheck] HealthCheck reporting agent health."


def test_a_hibernate_log_before_the_main_log_is_unknown(machine: AgentMachine) -> None:
    """It is never emptied, and the line that the worker woke up was rotated away."""
    january = "2026-01-10 08:05:03 INFO Agent is in hibernate mode. Reducing logging.\n"
    january += "2026-01-10 08:05:03 ERROR Health ping failed with error - RequestError: send request failed\n"
    for process in machine.snapshot["agentProcesses"]:
        process["started"] = "2026-01-10T08:00:00Z"
    text = ready("10:00:00") + ready("11:30:00")
    state, words = concluded(machine, text, hibernate_log=january)
    assert state == "cannot-tell"
    assert "since 2026-01-10T08:05:03Z, but ends before the main log begins" in words
    # A worker that reports its health does not hibernate; a report from before the hibernation shows nothing.
    awake = line("11:40:00", "INFO", REPORTS, WORKER)
    assert concluded(machine, text + awake, hibernate_log=january)[0] == "healthy"
    entered = "2026-01-10 08:00:03.1 INFO " + WORKER + NO_PERMISSION + "\n"
    assert concluded(machine, entered + text, hibernate_log=january)[0] == "hibernating"
    assert concluded(machine, awake + line("11:50:00", "INFO", NO_PERMISSION, WORKER))[0] == "hibernating"


def test_a_log_rotated_while_it_is_read_is_only_left_out(machine: AgentMachine) -> None:
    machine.snapshot["folders"][LOGS] = ["amazon-ssm-agent.log", "amazon-ssm-agent.log.5"]
    assert concluded(machine, started("08:00:00") + refused("11:40:00"))[0] == "hibernating"


def test_a_file_that_only_begins_like_a_log_is_ignored(machine: AgentMachine) -> None:
    for name in ("amazon-ssm-agent.log.d", "amazon-ssm-agent.log.bak", "errors.log.gz"):
        machine.denied(f"{LOGS}/{name}")
        machine.snapshot["folders"][LOGS].append(name)
    assert concluded(machine, started("08:00:00") + ready("11:30:00"))[0] == "healthy"


def test_an_unreadable_log_beside_the_main_one_is_named(machine: AgentMachine) -> None:
    machine.denied(f"{LOGS}/errors.log")
    machine.snapshot["folders"][LOGS].append("errors.log")
    assert (
        f"not read: {LOGS}/errors.log: Permission denied"
        in concluded(machine, started("08:00:00") + ready("11:30:00"))[1]
    )


def test_an_agent_that_runs_without_a_log_is_not_called_healthy(machine: AgentMachine) -> None:
    machine.snapshot["folders"] = {}
    found = machine.diagnosis()
    assert found["waiting"].undetermined
    assert found.conclusion.state == "cannot-tell"
    machine.stopped()
    assert not machine.diagnosis()["waiting"].undetermined


def test_the_order_of_the_main_log_counts_not_its_clock(machine: AgentMachine) -> None:
    ahead = "".join(f"2026-11-27 0{n}:00:00.1 ERROR [CredentialRefresher] Retrieve credentials produced error: "
                    f"RequestError: {n}\n" for n in (1, 2))  # fmt: skip
    text = ahead + started("08:00:00") + ready("08:00:01") + ready("11:30:00")
    assert concluded(machine, text)[0] == "healthy"
    assert concluded(machine, text, errors_log=ahead)[0] == "healthy"


def test_errors_before_the_main_log_are_used() -> None:
    errors = refused("06:00:00", pause="").encode() + refused("11:40:00", pause="").encode()
    timeline = read_parts([refused("11:40:00", pause="").encode()], [errors], [])
    assert timeline.refresher.since == "2026-11-24 06:00:00"
    assert timeline.refresher.failures == 2


def test_local_times_follow_summer_and_winter_time(tmp_path: Path) -> None:
    script = """if True:
        from fingerprint.machine.live import LiveMachine
        from fingerprint.diagnose import Site
        from fingerprint.vault import Vault
        site = Site(LiveMachine(), Vault("/nonexistent"))
        print(site.seconds_of("2026-03-29 01:30:00"), site.seconds_of("2026-03-29 03:30:00"))
    """
    env = {"PATH": os.environ["PATH"], "TZ": "Europe/Berlin"}
    done = subprocess.run([sys.executable, "-I", "-c", script], env=env, capture_output=True, text=True, check=True)
    one, other = map(float, done.stdout.split())
    assert other - one == 3600


# Conclusions.


def test_hibernation_is_only_reported_if_it_was_checked(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:40:00"))
    text = machine.diagnosis("ssm-user").conclusion.text
    assert "Not hibernating" not in text
    assert "none of them shows whether the agent hibernates" in text
    machine.denied(f"{LOGS}/amazon-ssm-agent.log")
    machine.file("/root/.aws/credentials", "", 0o644)
    assert "hibernat" not in machine.diagnosis().conclusion.text


@pytest.mark.parametrize("version", ["3.0.1124.0", "3.3.1142.0"])
def test_a_worker_rejected_for_its_fingerprint_is_reported(machine: AgentMachine, version: str) -> None:
    """So it was before 3.1.501, and is with ShareCreds false."""
    text = started("08:00:00", version) + line("08:00:03", "INFO", ENTERS + MISMATCH, WORKER)
    machine.log("amazon-ssm-agent.log", text)
    assert "another machine holds the same registration" in machine.diagnosis().conclusion.text


def test_an_expired_signature_shows_a_wrong_clock(machine: AgentMachine) -> None:
    error = "InvalidSignatureException: Signature expired: 20261124T110000Z is now earlier than 20261124T113500Z"
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:59:50", error, "14s"))
    conclusion = machine.diagnosis().conclusion
    assert conclusion.because == "clock"
    assert "(at least 35 min behind)" in conclusion.text
    assert "`timedatectl set-ntp true`" in conclusion.text


def test_an_ec2_instance_has_no_remedy_to_register(machine: AgentMachine) -> None:
    machine.registration = machine.record = None
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", IdentityType="EC2")
    found = machine.diagnosis()
    assert str(found["registration"].outcome) == "skipped"
    assert found.conclusion.state == "healthy", found.conclusion


def test_a_registration_after_the_loss_outdates_the_old_record(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.write()
    where = ("--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json"))
    assert run(*where, "threshold", "set", "33", env=machine.env).returncode == 0
    # As `-register` leaves it: another node with a key of now, and another fingerprint.
    later = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(time.time() + 3600))
    machine.registration = machine.registration.replace(  # type: ignore[union-attr]
        instance_id=NODE[:-1] + "1", private_key_created_date=later
    )
    machine.record = machine.record.replace(fingerprint="00000000-0000-4000-8000-000000000000")  # type: ignore[union-attr]
    machine.file(
        "/var/lib/amazon/ssm/registration", '{"ManagedInstanceID":"mi-0123456789abcdef1","Region":"eu-west-1"}'
    )
    site = machine.site()
    assert str(diagnose(site, ["regenerated"])["regenerated"].outcome) != "fail"
    assert machine("monitor", "nagios").returncode != 2


# The words of errors, odd lines, and processes.


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MISMATCH, "MachineFingerprintDoesNotMatch"),
        (
            "unexpected error getting instance profile role credentials: AccessDeniedException: no",
            "AccessDeniedException",
        ),
        ("EC2RoleRequestError: no EC2 instance role found", "EC2RoleRequestError"),
        ("Failed to get machine fingerprint: vault", ""),
        ("", ""),
    ],
)
def test_the_code_of_an_error_is_found_also_behind_other_words(error: str, code: str) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("failures", "least", "longest"),
    [(0, 300, 300), (1, 540, 600), (4, 1080, 1200), (7, 2160, 2400), (10, 3240, 3600), (30, 3240, 3600)],
)
def test_on_ec2_the_pauses_are_longer(failures: int, least: float, longest: float) -> None:
    assert pause("RequestError: x", failures, "3.3.1142.0", EC2) == (least, longest)
    assert pause(DENIED, failures, "3.3.1142.0", EC2) == (1500, 1800)


@pytest.mark.parametrize("text", ["3.²", "", "x", "3..1", "3." + "9" * 5000, "3.3.1142.0-beta"])
def test_what_is_no_version_has_no_numbers(text: str) -> None:
    assert version_of(text) == ()


def test_a_line_of_a_megabyte_does_not_hold_anything_up() -> None:
    text = (
        "2026-11-24 08:00:00.1 WARN "
        + "The 'a' value (" * 70_000
        + (" has changed from the registered machine configuration value (x).\n")
    )
    begin = time.monotonic()
    parse(text)
    read_parts([text.encode()], [], [])
    assert time.monotonic() - begin < 5


def test_a_line_that_was_cut_off_swallows_no_other() -> None:
    cut = line("11:00:00", "ERROR", "Cannot connect to AWS Systems Manager.  The hardware ID (abc", "")
    timeline = read_parts([(cut + line("11:00:01", "INFO", REGENERATED, "") + refused("11:00:02")).encode()], [], [])
    assert timeline.regenerated_at == ["2026-11-24 11:00:01"]
    assert "MachineFingerprintDoesNotMatch" in timeline.refusals


def fake_proc(directory: Path, *processes: tuple[int, str, str]) -> str:
    (directory / "stat").write_text("btime 1700000000\n")
    for pid, name, state in processes:
        (directory / str(pid)).mkdir()
        (directory / str(pid) / "stat").write_text(f"{pid} ({name[:15]}) {state} 1 " + "0 " * 17 + "500 0\n")
    return str(directory)


def test_a_process_that_has_ended_does_not_run(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, (7, "amazon-ssm-agent", "S"), (8, "amazon-ssm-agent", "Z"), (9, "bash", "S"))
    assert [one.pid for one in agent_processes("linux", proc)] == [7]


def test_a_process_of_a_container_is_not_this_machines(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, (7, "amazon-ssm-agent", "S"), (8, "amazon-ssm-agent", "S"))
    for pid, space in (("self", "here"), ("7", "here"), ("8", "there")):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / space).touch()
        os.link(tmp_path / space, tmp_path / pid / "ns" / "pid")
    assert [one.pid for one in agent_processes("linux", proc)] == [7]


def test_our_own_call_of_the_program_is_no_agent(machine: AgentMachine) -> None:
    """The processes are listed before the program is asked for its version, whoever asks first."""
    site = machine.site()
    asked: list[str] = []
    processes, run_commands = site.machine.agent_processes, site.machine.run
    site.machine.agent_processes = lambda: asked.append("processes") or processes()  # type: ignore[method-assign,func-returns-value]

    def noted(commands: Any, *rest: Any) -> Any:
        asked.extend("version" for argv in commands if "-version" in argv)
        return run_commands(commands, *rest)

    site.machine.run = noted  # type: ignore[method-assign]
    diagnose(site, ["version", "running"])
    assert asked == ["processes", "version"]


# What the agent has not read yet.


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DENIED, "the service rejects the node"),
        ("RequestError: x", "it cannot connect to the service"),
        (MISMATCH, "the service knows another fingerprint"),
    ],
)
def test_an_unread_configuration_is_not_the_cause(machine: AgentMachine, error: str, words: str) -> None:
    """The agent does not start with it, so a running agent read another one. It must be fixed before a restart."""
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + refused("11:35:00", error))
    before = machine.diagnosis().conclusion
    machine.config(Ssm={"HealthFrequencyMinutes": "5"})
    found = machine.diagnosis().conclusion
    assert (found.state, found.because, found.text) == ("hibernating", "waiting", before.text)
    assert words in found.text
    [fix] = [step for step in found.steps if "amazon-ssm-agent.json" in step[0]]
    assert [step for step in found.steps if step != fix] == [*before.steps]
    after = [command for _, command in found.steps[found.steps.index(fix) + 1 :]]
    assert after == [command for _, command in before.steps if "restart" in command]


def test_a_configuration_that_excludes_onprem_is_the_cause(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:35:00", "RequestError: x"))
    machine.config(Identity={"ConsumptionOrder": ["EC2"]})
    found = machine.diagnosis().conclusion
    assert found.because == "configuration"
    assert "because its configuration excludes its registration" in found.text


# What the logs quote.

ACCOUNT = "123456789012"
FORMS = [(), ("--output", "json"), ("--output", "ssm-cli")]
QUOTES = {
    "worker": line("11:00:03", "INFO", f"{ENTERS}ThrottlingException: User: arn:aws:sts::{ACCOUNT}:assumed-role/SSM/"
                                       f"{NODE} may not", WORKER),
    "core agent": refused("11:50:03", f"RequestError: arn:aws:sts::{ACCOUNT}:assumed-role/SSM/{NODE}"),
    "start": line("11:00:03", "ERROR", f"Error occurred when starting amazon-ssm-agent: {NODE} of {ACCOUNT}"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("quote", QUOTES)
def test_ids_of_the_logs_are_masked_unless_revealed(machine: AgentMachine, quote: str, form: tuple[str, ...]) -> None:
    machine.log("amazon-ssm-agent.log", started("11:00:00") + QUOTES[quote])
    if quote == "start":
        machine.stopped()
    # Where the node is registered is the answer of the check `account`, which is asked for that.
    only = ("--only", ",".join(check.name for check in CHECKS if check.name != "account" and check.platform == ""))
    masked = " ".join(machine("diagnose", *form, *only).stdout.split())
    assert NODE not in masked + machine("diagnose", *form).stdout
    assert ACCOUNT not in masked
    revealed = " ".join(machine("diagnose", *form, *only, "--reveal").stdout.split())
    assert NODE in revealed
    assert ACCOUNT in revealed


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(
    "url",
    [
        "http://bob:hunter2@pro xy:80", "http://bob:hunt er2@proxy:80", "http://bob:hunter2/@proxy", "http://bob@hunter2@p",
        'http://bob:\\"hunter2@proxy',
    ],
)  # fmt: skip
def test_no_password_of_the_logs_is_shown_even_with_reveal(
    machine: AgentMachine, url: str, form: tuple[str, ...]
) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused(
        "11:59:50", f'RequestError: send request failed caused by: invalid proxy address "{url}": parse', "34s",
    ))  # fmt: skip
    shown = machine("diagnose", *form, "--reveal").stdout
    assert "http://***@p" in shown
    assert "er2" not in shown
    assert "bob" not in shown


def test_a_password_at_the_end_of_a_shown_error_is_hidden(machine: AgentMachine) -> None:
    """Only the beginning of a long error is shown, which may end before the @ of the URL."""
    error = f'RequestError: {"x" * 160} "http://bob:hunter2-and-more-of-it@proxy:80": parse'
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:59:50", error, "34s"))
    assert "hunter2" not in machine("diagnose", "--output", "json").stdout
