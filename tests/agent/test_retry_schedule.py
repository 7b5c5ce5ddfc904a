"""The schedules of each release: when a hibernating worker pings and when the core agent requests credentials again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_machines import (
    DENIED,
    MISMATCH,
    AgentMachine,
    line,
    of_version,
    ready,
    refused,
    shown,
    started,
    time_at,
)
from agent_schedule import RELEASES, pings, silent_from, sleeps
from commandline import run
from fingerprint.agent.retry_schedule import next_ping
from fingerprint.agent.versions import assess
from shared import CASES, VECTORS

PING_LIMITS = (None, 5, 6, 7, 60, 61, 240, 1440, 4, 0, -1, 1441)
SLEEP_LIMITS = (None, 60, 61, 300, 1799, 1800, 59, 0, 1801)
# One of each schedule, and the first after each change.
SCHEDULES = (
    "3.1.501.0", "3.3.551.0", "3.3.808.0", "3.3.1957.0", "3.3.2299.0", "3.3.3050.0", "3.3.4851.0", "3.3.5068.0",
    "3.3.5828.0",
)  # fmt: skip
_SECONDS = {"h": 3600, "m": 60, "s": 1}


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


# Hibernation: version x limit x moment.


def written(machine: AgentMachine, name: str, value: object) -> None:
    if value is not None:
        section, _, key = name.partition(".")
        machine.config(**{section: {key: value}})


@pytest.mark.parametrize("minutes", PING_LIMITS)
@pytest.mark.parametrize("version", RELEASES)
def test_the_next_ping_is_the_references(version: str, minutes: int | None) -> None:
    row, accepted = assess(version).row, minutes is not None and 5 <= minutes <= 1440
    limit = minutes * 60 if minutes is not None and accepted else None
    reference = pings(version, minutes, 600_000)
    moments = sorted({*range(0, 3000, 97), *(at + gap for at in reference[:20] for gap in (-1, 0, 1)), 99_999, 250_000})
    for moment in moments:
        expected = next(at for at in reference if at > moment)
        assert next_ping(row, 1000.0, 1000.0 + moment, limit) == 1000 + expected, moment
        # The same from any period that the agent has logged.
        for number in range(0, min(len(reference), 18), 3):
            if reference[number] <= moment:
                period = (float(reference[number]), reference[number + 1] - reference[number])
                assert next_ping(row, 1000.0, 1000.0 + moment, limit, period) == 1000 + expected, (moment, number)


def hibernating(machine: AgentMachine, version: str, minutes: int | None, since: int, periods: bool) -> None:
    """Make a worker hibernate since so many seconds before noon, with or without the lines of hibernate.log."""
    begin = 12 * 3600 - since
    machine.snapshot["agentProcesses"] = [
        {**process, "started": time_at(begin - 2)} for process in machine.snapshot["agentProcesses"]
    ]
    of_version(machine, version)
    written(machine, "Ssm.HibernationMaxBackoffIntervalMinutes", minutes)
    machine.log("amazon-ssm-agent.log", stamped(begin - 2, started("00:00:00", version)) + stamped(begin - 1, ready(
        "00:00:00")) + stamped(begin, line("00:00:00", "INFO", "Entering SSM Agent hibernate - ThrottlingException: x",
                                           "[ssm-agent-worker] ")))  # fmt: skip
    if periods:
        sent = pings(version, minutes, since)
        begins = [sent[n : n + 2] for n in range(0, len(sent), 3) if sent[n] <= since]
        if silent_from(version) is not None:
            # The last one is logged once; then the log ends.
            begins = begins[:4]
        text = stamped(begin, line("00:00:00", "INFO", "Agent is in hibernate mode. Reducing logging.", ""))
        for at, then in begins:
            backs_off = f"Backing off health check to every {then - at} seconds for {3 * (then - at)} seconds."
            text += stamped(begin + at, line("00:00:00", "INFO", backs_off, ""))
            text += stamped(begin + at, line("00:00:00", "ERROR", "Health ping failed with error - x", ""))
        machine.log("hibernate.log", text)


def stamped(seconds: int, text: str) -> str:
    """Return lines at a time of 2026-11-24, or of the days before, in UTC."""
    at = time_at(seconds)
    return re.sub(r"2026-11-24 00:00:00", f"{at[:10]} {at[11:19]}", text)


@pytest.mark.parametrize("periods", [False, True], ids=["main log", "with hibernate.log"])
@pytest.mark.parametrize("minutes", PING_LIMITS)
@pytest.mark.parametrize("version", SCHEDULES)
def test_diagnose_shows_the_next_ping_and_silence_by_release(
    machine: AgentMachine, version: str, minutes: int | None, periods: bool
) -> None:
    for since in (299, 1000, 23_700, 23_701, 100_000):
        hibernating(machine, version, minutes, since, periods)
        finding = machine.diagnosis("waiting")["waiting"]
        assert finding.tag == "waiting-worker", finding
        evidence = " | ".join(finding.evidence)
        expected = next(at for at in pings(version, minutes, since + 90_000) if at > since)
        assert f"next retry: {time_at(12 * 3600 - since + expected)} (" in evidence, (since, evidence)
        silent = silent_from(version)
        ends = "writes no more to hibernate.log" in evidence
        assert ends == (silent is not None and since > silent), (since, evidence)


def test_an_interval_in_the_log_overrides_the_table(machine: AgentMachine) -> None:
    """The agent may have started with another configuration."""
    hibernating(machine, "3.3.4851.0", 5, 4000, periods=False)
    machine.log("hibernate.log", stamped(12 * 3600 - 100, line(
        "00:00:00", "INFO", "Backing off health check to every 1200 seconds for 3600 seconds.", "")))  # fmt: skip
    assert f"next retry: {time_at(12 * 3600 + 1100)} (by the agent's log)" in shown(machine, "waiting")[2]


def test_a_limit_that_the_agent_cannot_have_read_yet_is_shown(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:59:00", "ThrottlingException: x", ""))
    words = "was written after the agent's start: the running agent may have other limits"
    machine.config(Ssm={"CredentialRetryMaxSleepSeconds": 60})
    assert words in shown(machine, "waiting")[2]
    machine.snapshot["statuses"]["/etc/amazon/ssm/amazon-ssm-agent.json"]["modified"] = "2026-11-24T07:59:00Z"
    assert words not in shown(machine, "waiting")[2]
    machine.config(Ssm={"HealthFrequencyMinutes": 5})
    assert words not in shown(machine, "waiting")[2]


# The core agent: version x limit x error x failures.

V2 = "operation error SSM: RequestManagedInstanceRoleToken, "
ANSWERED = "https response error StatusCode: 400, RequestID: 6c3e2f6a-0a1b-4c2d-9e3f-111122223333, "
TRIED = "exceeded maximum number of attempts, 4, "
ERRORS = {
    "rejected": (
        MISMATCH, DENIED, f"{V2}{ANSWERED}MachineFingerprintDoesNotMatch: it does not",
        f"{V2}{ANSWERED}api error AccessDeniedException: no",
    ),
    "service": (
        "InvalidInstanceId: x", "ThrottlingException: Rate exceeded", "RequestError: send request failed",
        f"{V2}{ANSWERED}InvalidInstanceId: x", f"{V2}{TRIED}{ANSWERED}api error ThrottlingException: Rate exceeded",
    ),
    "other": (
        "Failed to get machine fingerprint: vault",
        f'{V2}{TRIED}https response error StatusCode: 0, RequestID: , request send failed, Post "https://ssm.eu-west-1.'
        'amazonaws.com/": dial tcp: lookup ssm.eu-west-1.amazonaws.com: no such host',
    ),
}  # fmt: skip


@pytest.mark.parametrize("seconds", SLEEP_LIMITS)
@pytest.mark.parametrize("version", SCHEDULES)
def test_diagnose_shows_the_next_retry_by_release(machine: AgentMachine, version: str, seconds: int | None) -> None:
    of_version(machine, version)
    written(machine, "Ssm.CredentialRetryMaxSleepSeconds", seconds)
    for kind, errors in ERRORS.items():
        for number, error in enumerate(errors):
            failures = (0, 3, 6, 20)[number % 4]
            text = started("08:00:00", version) + refused("11:59:59", error, "") * (failures + 1)
            machine.log("amazon-ssm-agent.log", text)
            least, longest = sleeps(version, kind, failures, seconds)
            evidence = shown(machine, "waiting")[2]
            found = re.search(r"next retry: (\S+) to (\S+) \(|next retry: (\S+) \(", evidence)
            assert found, evidence
            earliest, latest = found[1] or found[3], found[2] or found[3]
            # The last second of a draw is not drawn.
            assert abs(seconds_of(earliest) - (12 * 3600 - 1 + least)) <= 1, (error, evidence, least)
            assert abs(seconds_of(latest) - (12 * 3600 - 1 + longest)) <= 1, (error, evidence, longest)
            # A limit is named only if it makes a difference.
            bound = (least, longest) != sleeps(version, kind, failures, None)
            assert ("with Ssm.CredentialRetryMaxSleepSeconds" in evidence) is bound, (error, failures, evidence)


def seconds_of(at: str) -> float:
    """Return a time as seconds after the midnight of 2026-11-24."""
    from datetime import datetime

    return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() - 1795478400


def test_a_limit_that_the_agent_does_not_accept_changes_nothing(machine: AgentMachine) -> None:
    error = "ThrottlingException: x"
    text = started("08:00:00") + refused("11:59:00", error, "") * 20
    machine.log("amazon-ssm-agent.log", text)
    default = shown(machine, "waiting")[2]
    for value in ("60", 59, 1801, None, 60.5, True, [60]):
        machine.config(Ssm={"CredentialRetryMaxSleepSeconds": value})
        assert shown(machine, "waiting")[2] == default, value
    machine.config(ssm={"credentialretrymaxsleepseconds": 60})
    limited = shown(machine, "waiting")[2]
    assert limited != default
    assert "with Ssm.CredentialRetryMaxSleepSeconds 60" in limited


# Logs of the real agent.

_SLEEP = re.compile(r"Sleeping for (\S+) before retrying")
_PRODUCED = re.compile(r"^(\S+ \S+?)(?:\.\d+)? ERROR .*produced error: (.*)$")


def recorded() -> Iterator[tuple[str, str, str, int, float]]:
    """Yield the log up to a failure, the failure, its time, how many came before it, and how long the agent slept."""
    for path in sorted(CASES.glob("agent/logs/*/amazon-ssm-agent.log")):
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        failures = 0
        for number, text in enumerate(lines):
            if "amazon-ssm-agent - v" in text or "Credentials ready" in text:
                failures = 0
            found, slept = _PRODUCED.match(text.rstrip("\n")), None
            for following in lines[number + 1 : number + 4]:
                slept = slept or _SLEEP.search(following)
            if found and slept:
                parts = re.findall(r"(\d+)([hms])", slept[1])
                seconds = sum(int(count) * _SECONDS[unit] for count, unit in parts)
                yield "".join(lines[: number + 1]), found[2], found[1], failures, seconds
                failures += 1


needs_logs = pytest.mark.skipif(not CASES.is_dir(), reason="the logs of the real agent are not part of the repository")


@needs_logs
def test_each_pause_of_the_real_agent_is_in_the_references_range() -> None:
    """The agent is built from the source of October 2024."""
    failed = list(recorded())
    assert len(failed) > 5
    for _, error, _, failures, slept in failed:
        code = error.partition(":")[0]
        kind = "rejected" if code in (MISMATCH.partition(":")[0], DENIED.partition(":")[0]) else "service"
        kind = kind if code.isidentifier() else "other"
        least, longest = sleeps("3.3.987.0", kind, failures, None)
        assert least <= slept <= longest, (error, failures, slept)


@needs_logs
@pytest.mark.parametrize("seconds", SLEEP_LIMITS)
@pytest.mark.parametrize("version", SCHEDULES)
def test_recorded_logs_give_the_next_retry_of_each_release(
    machine: AgentMachine, version: str, seconds: int | None
) -> None:
    """With the pause that the agent logged: by its log; without it: by the row, for every release."""
    of_version(machine, version)
    written(machine, "Ssm.CredentialRetryMaxSleepSeconds", seconds)
    machine.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json")
    for text, error, at, failures, slept in recorded():
        moment = at.replace(" ", "T") + "Z"
        machine.snapshot["recordedAt"] = moment
        start = re.findall(r"^(\S+) (\S+?)\.\d+ .*amazon-ssm-agent - v", text, re.MULTILINE)
        machine.snapshot["agentProcesses"] = [
            {"name": "amazon-ssm-agent", "pid": 1, "user": "root", "started": "T".join(start[-1]) + "Z"}
        ]
        log = re.sub(r"(amazon-ssm-agent - v)[\d.]+", rf"\g<1>{version}", text)
        code = error.partition(":")[0]
        kind = "rejected" if code in ("MachineFingerprintDoesNotMatch", "AccessDeniedException") else "service"
        kind = kind if code.isidentifier() else "other"
        machine.log("amazon-ssm-agent.log", log)
        least, longest = sleeps(version, kind, failures, seconds)
        evidence = shown(machine, "waiting")[2]
        found = re.search(r"next retry: (\S+) to (\S+) \(|next retry: (\S+) \(", evidence)
        assert found, evidence
        gaps = [seconds_of(found[n] or found[3]) - seconds_of(moment) for n in (1, 2)]
        assert abs(gaps[0] - least) <= 1, (error, evidence)
        assert abs(gaps[1] - longest) <= 1, (error, evidence)
        word = f"{at}.9 INFO [CredentialRefresher] Sleeping for {slept:.0f}s before retrying retrieve credentials\n"
        machine.log("amazon-ssm-agent.log", log + word)
        assert "(by the agent's log)" in shown(machine, "waiting")[2]


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the reference's recorded cases are not part of the repository")
@pytest.mark.parametrize("version", RELEASES[1:])
def test_the_recorded_hibernation_is_shown_by_its_log(machine: AgentMachine, version: str) -> None:
    console = json.loads((VECTORS / "wire" / "agent_hibernation.json").read_text())["console"]
    of_version(machine, version)
    text = re.sub(r"(amazon-ssm-agent - v)[\d.]+", rf"\g<1>{version}", "\n".join(console) + "\n")
    machine.log("amazon-ssm-agent.log", text)
    machine.snapshot["recordedAt"] = "2026-11-24T02:52:10Z"
    machine.snapshot["agentProcesses"] = [
        {"name": "amazon-ssm-agent", "pid": 1, "user": "root", "started": "2026-11-24T02:51:58Z"}
    ]
    machine.credentials("2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z")
    assert "next retry: 2026-11-24T03:17:45Z (by the agent's log)" in shown(machine, "waiting")[2]


# The logs alone, without the machine.


def of_log(tmp_path: Path, *logs: str) -> dict[str, Any]:
    paths = []
    for number, text in enumerate(logs):
        paths.append(tmp_path / f"{number}.log")
        paths[-1].write_text(text)
    done = run("diagnose", "logs", "--output", "json", *map(str, paths))
    assert done.returncode == 1, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("version", SCHEDULES)
def test_logs_alone_give_the_next_retry_after_their_end(tmp_path: Path, version: str) -> None:
    text = started("08:00:00", version) + refused("11:59:00", "ThrottlingException: x", "") * 7
    least, longest = sleeps(version, "service", 6, None)
    answer = of_log(tmp_path, text)
    assert answer["nextRetryBy"] == f"the schedule of {version}"
    for name, seconds in (("nextRetry", least), ("nextRetryLatest", longest)):
        at = answer[name].replace(" ", "T") + "Z"
        assert abs(seconds_of(at) - (12 * 3600 - 60 + seconds)) <= 1, (name, at)
    answer = of_log(
        tmp_path, text + line("11:59:00", "INFO", "Sleeping for 1m30s before retrying retrieve credentials")
    )
    assert (answer["nextRetry"], answer["nextRetryLatest"]) == ("2026-11-24 12:00:30", "2026-11-24 12:00:30")
    assert answer["nextRetryBy"] == "the agent's log"


@pytest.mark.parametrize("version", SCHEDULES)
def test_logs_alone_give_the_next_ping_after_their_end(tmp_path: Path, version: str) -> None:
    text = started("08:00:00", version) + ready("08:00:01")
    text += line("08:00:03", "INFO", "Entering SSM Agent hibernate - ThrottlingException: x", "[ssm-agent-worker] ")
    sent = pings(version, None, 90_000)
    for hours, later in ((8, ready("08:00:04")), (11, ready("11:50:00"))):
        answer = of_log(tmp_path, text + later)
        ended = 4 if hours == 8 else 3 * 3600 + 50 * 60
        expected = next(at for at in sent if at > ended - 3) + 8 * 3600 + 3
        assert answer["nextRetry"] == answer["nextRetryLatest"]
        assert seconds_of(answer["nextRetry"].replace(" ", "T") + "Z") == expected
    began = line("08:05:03", "INFO", "Backing off health check to every 1200 seconds for 3600 seconds.", "")
    answer = of_log(tmp_path, text + ready("08:05:04"), began)
    assert (answer["nextRetry"], answer["nextRetryBy"]) == ("2026-11-24 08:25:03", "the agent's log")


def test_logs_of_an_unknown_version_use_the_newest_row(tmp_path: Path) -> None:
    answer = of_log(tmp_path, ready("10:00:00") + refused("11:59:00", "ThrottlingException: x", ""))
    assert answer["nextRetryBy"] == "the schedule of the newest agents"
