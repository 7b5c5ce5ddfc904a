"""When the agent compares the hardware: at its first token request after a start, by its log and credentials."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent_machines import LOGS, REGENERATED, AgentMachine, line, mismatch, ready, refused, started
from commandline import environment, run
from fingerprint._io.times import utc
from fingerprint.agent.logs import read_parts
from fingerprint.agent.next_check import NextCheck, Trigger, in_minutes, next_check
from fingerprint.observation import Observation
from shared import SHARED

MOVED = {"dmi": "SMBIOS 3.1 present.", "disk": "total 8", "ip": "192.0.2.99", "host_name": "moved"}
IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
UNSHARED = "Identity does not want core agent to rotate credentials"
RECORDED = SHARED / "cases" / "agent" / "logs" / "e" / "amazon-ssm-agent.log"

Change = Callable[[AgentMachine], None]


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    """Return a machine that has changed since its agent was started at 11:45; it is 12:00."""
    machine = AgentMachine(tmp_path)
    machine.is_now(**MOVED)
    for one, second in zip(machine.snapshot["agentProcesses"], (0, 2), strict=True):
        one["started"] = f"2026-11-24T11:45:0{second}Z"
    machine.credentials("2026-11-24T11:40:00Z", "2026-11-24T12:40:00Z")
    machine.snapshot["folders"].pop(LOGS)
    machine.remove(f"{LOGS}/amazon-ssm-agent.log")
    return machine


def on_disk(at: str, minutes: str) -> str:
    """Return the lines of an agent that finds valid credentials on the disk at its start."""
    version, loop = started(at).splitlines(keepends=True)
    rotation = line(at, "INFO", f"Next credential rotation will be in {minutes} minutes")
    return version + line(at, "INFO", "Credentials ready") + loop + rotation


def logs(text: str) -> Change:
    return lambda machine: machine.log("amazon-ssm-agent.log", text)


def credentials(retrieved: str, expires: str, **more: str) -> Change:
    return lambda machine: machine.credentials(f"2026-11-24T{retrieved}Z", f"2026-11-24T{expires}Z", **more)


def no_credentials(machine: AgentMachine) -> None:
    machine.remove(IDENTITY)


def both(*changes: Change) -> Change:
    def change(machine: AgentMachine) -> None:
        for one in changes:
            one(machine)

    return change


def stopped(machine: AgentMachine) -> None:
    machine.stopped()


def unstarted(machine: AgentMachine) -> None:
    for one in machine.snapshot["agentProcesses"]:
        one["started"] = None


def without_offset(machine: AgentMachine) -> None:
    machine.snapshot.pop("utcOffset")


BEFORE = started("08:00:00") + ready("08:00:01") + ready("11:40:00")
START, REFRESH, UNKNOWN = Trigger.AT_NEXT_START, Trigger.AT_NEXT_REFRESH, Trigger.UNKNOWN
# Contents of log and credentials -> the change, what triggers the comparison, seconds until then, a part of the reason.
TABLE: dict[str, tuple[Change, Trigger, float | None, str]] = {
    "no log, credentials from before its start": (lambda _: None, REFRESH, 600, "from before its start"),
    "no log, credentials of its own": (credentials("11:45:01", "12:45:01"), START, None, "it got credentials at"),
    "no log, they came within the second of its start": (credentials("11:45:00", "12:45:00"), REFRESH, 900, "before"),
    "no log, they were due before its start": (credentials("10:45:00", "11:44:00"), UNKNOWN, None, "none were"),
    "no log, they were due since": (credentials("11:20:00", "12:20:00"), UNKNOWN, None, "were due at 2026-11-24T11:50"),
    "no log, by a clock that was ahead": (credentials("13:20:00", "14:20:00"), UNKNOWN, None, "in the future"),
    "no log, no credentials": (no_credentials, UNKNOWN, None, "No such file"),
    "no log, a file of another format": (lambda m: m.file(IDENTITY, "[]"), UNKNOWN, None, "is not in the agent's"),
    "no log, unreadable credentials": (lambda m: m.denied(IDENTITY), UNKNOWN, None, "Permission denied"),
    "no log, credentials that are not shared": (
        lambda m: m.credentials("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", ShareFile=""), START, None,
        "its worker requests them",
    ),
    "the log shows that they were on the disk": (logs(on_disk("11:45:00", "25")), REFRESH, 600, "by its log it uses"),
    "a longer log shows it, too": (logs(BEFORE + on_disk("11:45:00", "25")), REFRESH, 600, "by its log it uses"),
    "the log alone shows it": (both(no_credentials, logs(on_disk("11:45:00", "25"))), REFRESH, 600, "by its log"),
    "the log ends before its start": (logs(BEFORE), REFRESH, 600, IDENTITY),
    "it got some": (logs(started("11:45:00") + ready("11:45:01")), START, None, "by its log at 2026-11-24T11:45:01Z"),
    "it got some after those on the disk": (
        logs(on_disk("11:45:00", "5") + ready("11:50:01")), START, None, "at 2026-11-24T11:50:01Z",
    ),
    "its fingerprint was the saved one": (
        logs(on_disk("11:45:00", "5") + line("11:50:00", "DEBUG", "Calculated hardware hash is same as saved one", "")),
        START, None, "at 2026-11-24T11:50:00Z",
    ),
    "it made another one": (
        logs(on_disk("11:45:00", "5") + mismatch("11:50:00", "disk-info") + line("11:50:15", "INFO", REGENERATED, "")),
        START, None, "at 2026-11-24T11:50:15Z",
    ),
    "it compares at this moment": (
        logs(on_disk("11:45:00", "14.9") + mismatch("11:59:58", "disk-info")), REFRESH, 0, "it compares now",
    ),
    "the way to the service was lost": (
        logs(started("11:45:00") + refused("11:45:02", "RequestError: send request failed", "15s")), START, None, "log",
    ),
    "it could not compute one": (
        logs(started("11:45:00") + refused("11:59:50", "Failed to get machine fingerprint: x", "12m0s")), REFRESH, 710,
        "it retries then",
    ),
    "it could not compute one, and its pause is not logged": (
        logs(started("11:45:00") + refused("11:59:50", "Failed to get machine fingerprint: x", "")), UNKNOWN, None,
        "failed before it compared",
    ),
    "it requested at its start and has logged nothing since": (
        logs(started("11:45:00")), START, None, "the token that it requested at 2026-11-24T11:45:00Z",
    ),
    "its worker asks": (
        logs(started("11:45:00").splitlines(keepends=True)[0] + line("11:45:00", "INFO", UNSHARED)), START, None,
        "its worker requests the credentials",
    ),
    "whose time zone is not known": (both(without_offset, logs(on_disk("11:45:00", "25"))), REFRESH, 600, IDENTITY),
    "none runs": (stopped, START, None, "no agent is running"),
    "its start is not known": (unstarted, UNKNOWN, None, "is not known"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_log_and_credentials_show_when_the_agent_compares(machine: AgentMachine, name: str) -> None:
    change, trigger, seconds, words = TABLE[name]
    change(machine)
    check = next_check(machine.machine)
    assert check is not None
    assert (check.trigger, words in check.how) == (trigger, True), check
    assert check.seconds_left == seconds
    assert check.runs is (name != "none runs")


@pytest.mark.parametrize("name", TABLE)
def test_every_command_shows_the_same_next_check(machine: AgentMachine, name: str) -> None:
    TABLE[name][0](machine)
    site = machine.site()
    forecast = Observation.take(site.vault, site.machine).forecast
    assert forecast is not None
    when = forecast.check.when
    shown = machine.json("check")["forecast"]
    assert (shown["refused"], shown["looks"], shown["text"]) == (True, str(forecast.trigger), forecast.text)
    assert shown["secondsLeft"] == forecast.seconds_left
    assert shown["looksAt"] == (None if forecast.compares_at is None else utc(forecast.compares_at))
    explained = machine.json("explain")
    assert explained["nextCheck"] == {key: shown[key] for key in explained["nextCheck"]}
    assert next(c for c in machine.json("diagnose")["checks"] if c["name"] == "next-start")["text"] == forecast.text
    if explained["state"]["regenerated"]:
        # The other commands then report what has happened already.
        return
    assert explained["state"]["text"].endswith(f"the agent does it {when}")
    samples = machine.json("monitor", "prometheus")["metrics"]
    held = [one["labels"]["when"] for one in samples if one["name"] == "fingerprint_next_check" and one["value"]]
    assert held == [shown["looks"]]
    seconds = [one["value"] for one in samples if one["name"] == "fingerprint_next_check_seconds"]
    assert seconds == ([] if forecast.seconds_left is None else [forecast.seconds_left])
    plugin = " ".join(machine("monitor", "nagios").stdout.split())
    assert f"the agent will hibernate {when}" in plugin
    assert forecast.text in plugin
    event = machine.json("monitor", "watch", "--checks", "1")
    assert event["forecast"] == {"refused": True, **explained["nextCheck"]}
    assert f"the agent stores a new fingerprint {when}" in event["text"]


def test_text_and_conclusion_show_the_time_left(machine: AgentMachine) -> None:
    when = "in 10 min (600 s), at 2026-11-24T12:10:00Z, without a restart"
    assert when in " ".join(machine("check").stdout.split())
    assert when in " ".join(machine("explain").stdout.split())
    assert f"the agent will be rejected {when}" in machine.diagnosis().conclusion.text


def test_an_unchanged_machine_has_no_forecast(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    assert machine.json("check")["forecast"] is None
    assert machine.json("explain")["nextCheck"] is None
    assert "fingerprint_next_check" not in machine("monitor", "prometheus").stdout
    assert machine.json("monitor", "watch", "--checks", "1")["forecast"] is None


def test_recordings_without_valid_processes_have_no_next_check(machine: AgentMachine) -> None:
    machine.snapshot.pop("agentProcesses")
    assert next_check(machine.machine) is None
    assert "at its next check: when it next requests a token" in " ".join(machine("explain").stdout.split())
    machine.snapshot["agentProcesses"] = [{"name": 3}]
    assert next_check(machine.machine) is None


def test_an_orphaned_worker_does_not_hide_a_new_core_agent(machine: AgentMachine) -> None:
    machine.snapshot["agentProcesses"][1]["started"] = "2026-11-24T08:00:00Z"
    check = next_check(machine.machine)
    assert check is not None
    assert (check.trigger, check.started) == (REFRESH, datetime(2026, 11, 24, 11, 45, tzinfo=timezone.utc).timestamp())


@pytest.mark.skipif(not RECORDED.is_file(), reason="logs of the real agent are not part of it")
def test_the_real_agent_compared_at_the_predicted_time(machine: AgentMachine) -> None:
    """It was started on a changed machine with valid credentials, and regenerated 150 s after it got them."""
    lines = RECORDED.read_text().splitlines(keepends=True)
    for one in machine.snapshot["agentProcesses"]:
        one["started"] = "2026-11-29T19:35:07Z"
    compared = datetime(2026, 11, 29, 19, 37, 25, tzinfo=timezone.utc).timestamp()
    found: dict[str, list[tuple[str, float | None]]] = {"log": [], "credentials": []}
    for minute, second in ((35, 20), (36, 0), (37, 20), (37, 50)):
        now = f"19:{minute}:{second:02}"
        machine.snapshot["recordedAt"] = f"2026-11-29T{now}Z"
        machine.credentials("2026-11-29T19:34:55Z", "2026-11-29T19:39:55Z")
        machine.log("amazon-ssm-agent.log", "".join(one for one in lines if one[11:19] <= now or not one[:4].isdigit()))
        by_log = next_check(machine.machine)
        machine.remove(f"{LOGS}/amazon-ssm-agent.log")
        by_credentials = next_check(machine.machine)
        for name, check in (("log", by_log), ("credentials", by_credentials)):
            assert check is not None
            found[name].append((str(check.trigger), None if check.at is None else check.at - compared))
    assert found["log"] == [("at-next-refresh", 0.0)] * 3 + [("at-next-start", None)]
    # Half of their life, counted from the second in which they came.
    assert found["credentials"] == [("at-next-refresh", 0.0)] * 3 + [("unknown", None)]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root of Linux may do this")
def test_a_running_process_has_a_next_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the agent's name, its log and its credentials, on this host."""
    from fingerprint.machine.live import LiveMachine

    program = tmp_path / "amazon-ssm-agent"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    import subprocess

    with subprocess.Popen([str(program), "60"]) as process:
        try:
            now = time.time()
            retrieved, expires = (
                datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", "Z")
                for at in (now - 600, now + 3000)
            )  # fmt: skip
            shared = tmp_path / "credentials"
            shared.write_text("[default]\n")
            identity = json.dumps({"ShareFile": str(shared), "CredentialsRetrievedAt": retrieved,
                                   "CredentialsExpiresAt": expires}).encode()  # fmt: skip
            machine = LiveMachine()
            files = {IDENTITY: identity}
            monkeypatch.setattr(machine, "read_file", lambda path, *_: files[path])
            monkeypatch.setattr(machine, "read_end", lambda path, _: _missing(path))
            check = next_check(machine)
            assert check is not None
            assert check.trigger == REFRESH
            assert check.seconds_left == pytest.approx(1200, abs=3)
            shared.unlink()
            check = next_check(machine)
            assert check is not None
            assert (check.trigger, check.how) == (UNKNOWN, f"there is no {shared}")
            here = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            text = f"{here}.1 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n"
            text += f"{here}.2 INFO [CredentialRefresher] Starting credentials refresher loop\n"
            text += f"{here}.3 INFO [CredentialRefresher] Credentials ready\n"
            monkeypatch.setattr(machine, "read_end", lambda *_: text.encode())
            check = next_check(machine)
            assert check is not None
            assert check.trigger == START
        finally:
            process.kill()


def _missing(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def test_a_vault_that_no_agent_here_uses_has_no_forecast(tmp_path: Path) -> None:
    env = environment(tmp_path / "state")
    other = AgentMachine(tmp_path)
    other.write()
    done = run("--vault", str(other.vault_path), "check", "--output", "json", env=env)
    assert json.loads(done.stdout)["forecast"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min (60 s)"), (137.6, "2 min 18 s (138 s)"), (3600, "1 h (3600 s)"),
     (3661, "1 h 1 min 1 s (3661 s)")],
)  # fmt: skip
def test_the_time_left_is_shown_in_both_forms(seconds: float, text: str) -> None:
    assert in_minutes(seconds) == text


def test_a_check_that_is_due_is_now() -> None:
    assert NextCheck(REFRESH, 100.0, "", at=90.0).when == "now"
    assert NextCheck(START, 100.0, "", runs=False).when == "after its start"


def test_the_timeline_keeps_each_process_apart() -> None:
    """That an earlier process computed its fingerprint proves nothing about the running one."""
    timeline = read_parts([(BEFORE + on_disk("11:45:00", "25")).encode()], [], [])
    assert (timeline.runs[0].checked, timeline.run.checked) == ("2026-11-24 08:00:01", "")
    assert timeline.run.asks_next == "2026-11-24 12:10:00"


def test_a_recording_holds_no_more_of_the_log_than_a_first_read(machine: AgentMachine) -> None:
    """The first reader of the log decides how much of it is kept."""
    from fingerprint.diagnose import Site, record
    from fingerprint.machine.recorder import Recorder

    machine.log("amazon-ssm-agent.log", line("11:46:00", "INFO", "x" * 1000) * 1000 + on_disk("11:45:00", "25"))
    site = machine.site()
    recorder = Recorder(site.machine)
    record(Site(recorder, site.vault))
    kept = recorder.snapshot["files"][f"{LOGS}/amazon-ssm-agent.log"]["text"]
    assert len(kept) < 300_000
    assert "Credentials ready" in kept
