"""Every check of `diagnose` on a machine where it fails and one where it passes; the conclusions of broken machines."""

from __future__ import annotations

import getpass
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import fingerprint.diagnose
from agent_machines import (
    BINARIES,
    DENIED,
    LOGS,
    MISMATCH,
    NODE,
    REGENERATED,
    SYSTEMCTL,
    AgentMachine,
    copied_disk,
    line,
    mismatch,
    ready,
    refused,
    started,
)  # fmt: skip
from broken_machines import (
    BROKEN,
    WAITS,
    Change,
    answers,
    both,
    log,
    other_machine,
    processes,
    put,
    registration,
    same_address,
    setting,
    without_smbios,
)  # fmt: skip
from commandline import COMMAND, environment, run
from fingerprint.agent.logs.retries import pause
from fingerprint.diagnose import CHECKS, Check, Finding, Outcome, Site, diagnose
from fingerprint.diagnose import result as made
from fingerprint.errors import UsageError
from fingerprint.machine.base import FileStatus
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.types import RegistrationRecord
from fingerprint.vault import Vault
from paths import DOCS
from printed import commands_in
from shared import VECTORS, needs_vectors

PASS, WARN, FAIL, SKIPPED = "pass", "warn", "fail", "skipped"
DPKG = ("/usr/bin/dpkg", "--verify", "amazon-ssm-agent")


# check, change of the machine, outcome, words of the finding.
CASES: list[tuple[str, Change, str, str]] = [
    ("account", lambda m: m.config(Agent={"Region": "us-east-1"}), WARN, "registered elsewhere than its settings say"),
    ("account", lambda m: m.config(Agent={"Region": "eu-west-1"}), SKIPPED, "account unknown"),
    ("registration", setting("registration", None), FAIL, "not registered"),
    ("registration", registration(instance_id=""), FAIL, "incomplete: missing node ID"),
    ("registration", setting("registration", RegistrationRecord()), FAIL, "was cleared"),
    ("registration", setting("registration", b'{"instanceID":5}'), SKIPPED, "instanceID"),
    ("registration", lambda m: m.file("/var/lib/amazon/ssm/registration", '{"ManagedInstanceID":"mi-other"}'), WARN,
     "names another node"),
    ("registration", lambda m: m.file("/var/lib/amazon/ssm/registration", "{"), WARN, "names another node"),
    ("registration", lambda m: m.remove("/var/lib/amazon/ssm/registration"), PASS, "registered as mi-0…def0"),
    ("vault", setting("record", b"{"), FAIL, "cannot be read"),
    ("vault", lambda m: (m.vault_path / "Store").mkdir(parents=True) or (m.vault_path / "Store/x").write_text(""), WARN,
     "in the vault"),
    ("fingerprint", other_machine, FAIL, "not the same machine: rule 5: 3 of 9"),
    ("fingerprint", lambda m: m.file("/etc/machine-id", "0" * 32 + "\n"), FAIL, "rule 3"),
    ("fingerprint", put(threshold=-1), WARN, "disabled"),
    ("fingerprint", put(threshold=0), WARN, "only the hardware ID"),
    ("fingerprint", same_address, WARN, "only by its IP address"),
    ("fingerprint", setting("record", None), FAIL, "its fingerprint is lost"),
    ("fingerprint", both(setting("record", None), setting("registration", None)), SKIPPED, "no fingerprint"),
    ("next-start", other_machine, FAIL, "rejected after its next start: the agent runs since"),
    ("next-start", both(other_machine, lambda m: m.stopped()), FAIL, "no agent is running"),
    ("regenerated", log(WAITS + mismatch("11:36:00", "disk-info") + line("11:36:01", "INFO", REGENERATED, "")), FAIL,
     "replaced at 2026-11-24T11:36:01Z"),
    ("regenerated", log(line("07:00:00", "INFO", REGENERATED, "") + started("08:00:00") + ready("08:00:01")), PASS,
     "no evidence"),
    ("regenerated", both(
        log(WAITS + line("11:36:01", "INFO", REGENERATED, "")),
        registration(private_key_created_date="2026-11-24 13:00:00 +0100 CET"),
    ), PASS, "no evidence"),
    ("guard", without_smbios, WARN, "weak check"),
    ("guard", both(without_smbios, lambda m: m.file("/.dockerenv", "")), WARN, "weak check"),
    ("guard", put(threshold=-1), SKIPPED, "disabled"),
    ("key", setting("registration", b"{"), SKIPPED, "see `vault`"),
    ("key", setting("registration", None), SKIPPED, "no registration"),
    ("key", registration(private_key_created_date=""), WARN, "no date"),
    ("key", registration(private_key_created_date="yesterday"), WARN, "unreadable date"),
    ("key", lambda m: m.config(Profile={"KeyAutoRotateDays": 7}), WARN, "23 days old and was due for rotation"),
    ("key", lambda m: m.config(Profile={"KeyAutoRotateDays": 30}), PASS, "rotated every 30 days"),
    ("installed", lambda m: [m.remove(f"/usr/bin/{name}") for name in BINARIES], FAIL, "not installed"),
    ("installed", lambda m: m.remove("/usr/bin/amazon-ssm-agent"), FAIL, "main program is missing"),
    ("installed", lambda m: m.remove("/usr/bin/ssm-cli"), WARN, "1 of 6 programs"),
    ("installed", lambda m: m.file("/usr/bin/ssm-cli", None, 0o777), FAIL, "other than root may change"),
    ("installed", lambda m: m.file("/usr/bin/ssm-cli", None, 0o755, uid=1000), FAIL, "other than root may change"),
    ("package", lambda m: m.command(DPKG, "??5?????? /usr/bin/amazon-ssm-agent\n", 1), FAIL, "1 file of the package"),
    ("package", lambda m: m.command(DPKG, "??5?????? c /etc/amazon/ssm/seelog.xml.template\n", 1), PASS,
     "as installed"),
    ("package", lambda m: m.command(DPKG, "", 1, "dpkg-query: package 'amazon-ssm-agent' is not installed"), SKIPPED,
     "not installed by dpkg or rpm"),
    ("package", lambda m: m.command(DPKG, "", problem="timeout"), SKIPPED, "timed out"),
    ("running", lambda m: m.stopped(), FAIL, "does not run"),
    ("running", answers("agentProcesses", processes(("amazon-ssm-agent", "nobody"))), FAIL, "runs as nobody"),
    ("running", answers("agentProcesses", processes(*2 * (("amazon-ssm-agent", "root"),))), WARN,
     "2 agents run at the same time"),
    ("running", lambda m: m.unit(UnitFileState="disabled"), WARN, "its unit is disabled"),
    ("running", answers("agentProcesses", processes(("amazon-ssm-agent", "root"))), FAIL,
     "without its worker ssm-agent-worker"),
    ("storage", lambda m: m.space(free=0), FAIL, "/ is full"),
    ("version", lambda m: m.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.2.2303.0\n"), WARN,
     "waits a day"),
    ("version", both(lambda m: m.command(("/usr/bin/amazon-ssm-agent", "-version"), "", 1)), PASS, "3.3.4851.0"),
    ("update", log(line("10:00:00", "INFO", "target version 3.3.5828.0 is unsupported on current platform"),
                   "AmazonSSMAgent-update.txt"), WARN, "the region's manifest does not have version 3.3.5828.0"),
    ("configuration", lambda m: m.file("/etc/amazon/ssm/amazon-ssm-agent.json", "{,}"), FAIL, "is not JSON"),
    ("configuration", lambda m: m.config(Identity={"ConsumptionOrder": ["EC2"]}), FAIL, "excludes OnPrem"),
    ("configuration", lambda m: m.config(Ssm={"Endpoint": "ssm.example"}), PASS, "is read"),
    ("configuration", lambda m: m.denied("/etc/amazon/ssm/amazon-ssm-agent.json"), SKIPPED, "Permission denied"),
    ("waiting", log(WAITS), FAIL, "the core agent waits for credentials"),
    ("waiting", both(log(WAITS), lambda m: m.stopped()), WARN, "when it last ran"),
    ("waiting", both(log(started("06:00:00") + refused("06:00:01")),
     lambda m: m.credentials("2026-11-24T05:30:00Z", "2026-11-24T06:30:00Z")), SKIPPED,
     "shows a wait only before that"),
    ("waiting", answers("folders", {}), SKIPPED, "there is no amazon-ssm-agent.log"),
    ("waiting", lambda m: m.denied(f"{LOGS}/amazon-ssm-agent.log"), SKIPPED, "cannot read the logs"),
    ("health", registration(provider="Azura"), WARN, "which the agent does not know"),
    ("credentials", lambda m: m.credentials("2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z"), FAIL, "expired at"),
    ("credentials", lambda m: m.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json"), SKIPPED,
     "received no credentials"),
    ("credential-files", lambda m: m.file("/root/.aws/credentials", "", 0o644), FAIL, "others may read the keys"),
    ("credential-files", lambda m: m.file("/root/.aws/credentials", "", 0o600), PASS, "only root may read them"),
    ("credential-files", lambda m: m.file("/var/lib/amazon/ssm/credentials", "", 0o600), WARN,
     "default host management"),
    ("ssm-user", lambda m: m.sudoers("ssm-user ALL=(ALL) NOPASSWD:ALL\n", 0o666), FAIL, "others than root may change"),
    ("ssm-user", lambda m: m.sudoers("ssm-user ALL=(ALL) NOPASSWD:ALL\n", 0o440, uid=1001), FAIL, "others than root"),
    ("ssm-user", lambda m: m.sudoers("ssm-user ALL=(ALL) NOPASSWD:ALL\n", 0o400), WARN, "in place of 0440"),
    ("ssm-user", lambda m: m.sudoers("%wheel ALL=(ALL) ALL\n"), WARN, "gives rights to others"),
    ("ssm-user", lambda m: m.remove("/etc/sudoers.d/ssm-agent-users"), PASS, "no sudoers file of the agent"),
    ("ssm-user", lambda m: m.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"), WARN, "no account ssm-user"),
    ("ssm-user", both(lambda m: m.file("/etc/passwd",
     ""), lambda m: m.remove("/etc/sudoers.d/ssm-agent-users")), SKIPPED,
     "creates it when the first session starts"),
    ("proxy", both(
        setting("registration", None), lambda m: m.unit(Environment="http_proxy=http://u:secret@proxy:3128"),
    ), WARN, "uses it for the metadata service"),
    ("proxy", both(
        setting("registration", None), lambda m: m.unit(
            Environment="http_proxy=http://proxy:3128 no_proxy=169.254.169.254 "
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"),
    ), WARN, "uses it for the metadata service"),
    # The metadata service is asked by plain HTTP.
    ("proxy", both(
        setting("registration", None), lambda m: m.unit(Environment="https_proxy=http://u:secret@proxy:3128"),
    ), PASS, "has a proxy"),
    ("fips", lambda m: m.config(Kms={"Endpoint": "kms-fips.eu-west-2.amazonaws.com"}), WARN, "do not list"),
    ("proxy", lambda m: m.unit(Environment="https_proxy=http://proxy:3128 no_proxy=169.254.169.254"), PASS,
     "has a proxy"),
]  # fmt: skip
# Other tests have these fail and pass: on a Windows machine in test_diagnose_windows.py, over sockets in
# test_diagnose_network.py and checks/test_{metadata,releases,s3_buckets}.py, of the order of credentials on a copied
# disk below; `guard-run` in a file of its own.
ELSEWHERE = {
    "guard-run", "wmi", "collector", "image-state", "imds", "clock", "s3-buckets", "credential-order", "published",
    *(check.name for check in CHECKS if check.name.startswith("endpoint-")),
}  # fmt: skip


def text_of(finding: Finding) -> str:
    return " ".join((finding.text, *finding.evidence))


def test_a_healthy_machine_passes_every_check(machine: AgentMachine) -> None:
    found = machine.diagnosis()
    outcomes = {result.name: str(result.finding.outcome) for result in found.results}
    assert not {name for name, outcome in outcomes.items() if outcome in (WARN, FAIL)}
    # A recording holds no credentials, which have the account.
    assert {name for name, outcome in outcomes.items() if outcome == SKIPPED} == (ELSEWHERE | {"account", "fips"}) - {
        "wmi", "collector", "image-state",
    }  # fmt: skip
    assert found.conclusion.state == "healthy"
    assert not found.failed
    assert not found.undetermined


@pytest.mark.parametrize(
    ("check", "change", "outcome", "words"), CASES, ids=[f"{n}-{c[0]}-{c[2]}" for n, c in enumerate(CASES)]
)
def test_a_check_finds_what_is_wrong_and_nothing_else(
    machine: AgentMachine, check: str, change: Change, outcome: str, words: str
) -> None:
    change(machine)
    finding = machine.diagnosis(check)[check]
    assert str(finding.outcome) == outcome, finding
    assert words in text_of(finding)
    if outcome == FAIL:
        assert finding.remedy


def test_every_check_has_a_machine_where_it_fails_or_warns() -> None:
    found = {check for check, _, outcome, _ in CASES if outcome in (FAIL, WARN)}
    assert found | ELSEWHERE == {check.name for check in CHECKS}


def test_no_finding_shows_a_secret(machine: AgentMachine) -> None:
    machine.unit(Environment="https_proxy=http://u:hunter2@proxy:3128")
    machine.registration = machine.registration.replace(private_key="PLANTEDKEY")  # type: ignore[union-attr]
    machine.log("amazon-ssm-agent.log", WAITS)
    text = machine("diagnose", "--verbose").stdout + machine("diagnose", "--output", "json").stdout
    machine_id = machine.snapshot["files"]["/etc/machine-id"]["text"].strip()
    for secret in ("hunter2", "PLANTEDKEY", machine.record.fingerprint, machine_id, NODE):  # type: ignore[union-attr]
        assert secret not in text
    assert NODE in machine("diagnose", "--verbose", "--reveal").stdout


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_machine_is_concluded_in_one_sentence(machine: AgentMachine, name: str) -> None:
    change, state, because, words = BROKEN[name]
    change(machine)
    conclusion = machine.diagnosis().conclusion
    assert (conclusion.state, conclusion.because) == (state, because), conclusion
    assert words in conclusion.text
    assert conclusion.steps


@pytest.mark.parametrize("name", BROKEN)
def test_the_text_fits_80_columns_and_the_json_its_schema(machine: AgentMachine, name: str) -> None:
    change, state, _, _ = BROKEN[name]
    change(machine)
    done = machine("diagnose")
    wide = [
        line for line in (done.stdout + machine("diagnose", "--verbose").stdout).splitlines()
        # Commands and paths of files are not wrapped.
        if len(line) > 80 and not commands_in(line) and str(machine.directory) not in line
    ]  # fmt: skip
    assert wide == []
    assert done.returncode == (0 if state == "warnings" else 1)
    assert done.stderr == ""


def stray(machine: AgentMachine) -> None:
    (machine.vault_path / "Store").mkdir(parents=True)
    (machine.vault_path / "Store" / "A").write_text("")


@pytest.mark.parametrize(("change", "key"), [
    (setting("registration", b"{"), "RegistrationKey"), (setting("record", b"{"), "InstanceFingerprint"),
])  # fmt: skip
def test_the_evidence_of_an_unreadable_record_is_that_file(machine: AgentMachine, change: Change, key: str) -> None:
    change(machine)
    # A fault that stops no agent.
    stray(machine)
    conclusion = machine.diagnosis().conclusion
    assert conclusion.because == "vault"
    assert conclusion.evidence == str(machine.vault_path / "Store" / key)


def test_faults_of_the_vault_have_one_command_as_a_step(machine: AgentMachine) -> None:
    stray(machine)
    [step] = machine.diagnosis("vault").conclusion.steps
    assert step == ("Show each fault and its remedy", "fingerprint vault verify")


def test_a_missing_log_of_a_running_agent_has_a_step(machine: AgentMachine) -> None:
    machine.remove("/var/log/amazon/ssm/amazon-ssm-agent.log")
    finding = machine.diagnosis("waiting")["waiting"]
    assert finding.undetermined
    assert finding.remedy.startswith("Check that the agent can write its log")


def test_one_check_is_counted_as_one(machine: AgentMachine) -> None:
    assert "More     1 check (--verbose)" in machine("diagnose", "--only", "proxy").stdout


@needs_vectors
def test_a_recorded_hibernating_agent_is_diagnosed(machine: AgentMachine) -> None:
    console = json.loads((VECTORS / "wire" / "agent_hibernation.json").read_text())["console"]
    machine.log("amazon-ssm-agent.log", "\n".join(console) + "\n")
    machine.snapshot["recordedAt"] = "2026-11-24T02:52:10Z"
    machine.snapshot["agentProcesses"][0]["started"] = "2026-11-24T02:51:58Z"
    del machine.snapshot["agentProcesses"][1]
    machine.credentials("2026-11-24T02:00:00Z", "2026-11-24T03:00:00Z")
    found = machine.diagnosis()
    assert found.conclusion.text.startswith("Hibernating since 2026-11-24T02:51:58Z")
    assert "next retry: 2026-11-24T03:17:45Z (by the agent's log)" in found["waiting"].evidence
    assert found["waiting"].tag == "waiting-refresher"


@pytest.mark.parametrize(
    ("error", "failures", "version", "least", "longest"),
    [
        (MISMATCH, 0, "3.3.1142.0", 1500, 1800),
        (MISMATCH, 9, "", 1500, 1800),
        (DENIED, 0, "3.3.808.0", 1500, 1800),
        (DENIED, 3, "3.3.551.0", 86400, 93600),
        (MISMATCH, 0, "3.1.501.0", 86400, 93600),
        ("RequestError: x", 0, "3.3.1142.0", 11, 20),
        ("RequestError: x", 4, "3.3.1142.0", 26, 38),
        ("RequestError: x", 16, "3.3.1142.0", 1500, 1800),
        ("RequestError: x", 16, "3.2.0.0", 65546, 78662),
        ("Failed to get machine fingerprint: x", 3, "3.3.1142.0", 8, 9),
        ("Failed to get machine fingerprint: x", 40, "3.3.1142.0", 1500, 1800),
    ],
)
def test_the_pause_is_that_of_the_version(
    error: str, failures: int, version: str, least: float, longest: float
) -> None:
    low, high = pause(error, failures, version)
    assert (low, abs(high - longest) <= 1) == (least, True), (low, high)


def test_the_next_retry_is_computed_if_the_log_has_none(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", started("11:50:00") + refused("11:50:01", pause=""))
    assert "next retry: 2026-11-24T12:15:01Z to 2026-11-24T12:20:01Z (by the schedule of 3.3.4851.0)" in text_of(
        machine.diagnosis("waiting")["waiting"]
    )


def test_a_silent_hibernate_log_is_explained(machine: AgentMachine) -> None:
    entered = line("02:00:00", "INFO", "Entering SSM Agent hibernate - RequestError: x", "[ssm-agent-worker] ")
    machine.log("amazon-ssm-agent.log", started("01:59:00", "3.3.1957.0") + ready("01:59:01") + entered)
    for process in machine.snapshot["agentProcesses"]:
        process["started"] = "2026-11-24T01:59:00Z"
    machine.log("hibernate.log", "2026-11-24 02:00:00 INFO Agent is in hibernate mode. Reducing logging.\n"
                "2026-11-24 02:05:00 INFO Backing off health check to every 600 seconds for 1800 seconds.\n"
                "2026-11-24 02:05:00 ERROR Health ping failed with error - RequestError: x\n")  # fmt: skip
    finding = machine.diagnosis("waiting")["waiting"]
    assert "writes no more to hibernate.log after 2026-11-24T08:35:00Z" in text_of(finding)
    assert "next retry: 2026-11-24T12:35:00Z" in text_of(finding)
    assert finding.tag == "waiting-worker"


def test_times_of_the_logs_are_local_and_shown_in_utc(machine: AgentMachine) -> None:
    machine.snapshot["utcOffset"] = 3600
    machine.log("amazon-ssm-agent.log", started("12:00:00") + refused("12:50:00"))
    assert machine.diagnosis().conclusion.since == "2026-11-24T11:50:00Z"


def test_a_started_worker_does_not_wait_any_more(machine: AgentMachine) -> None:
    entered = line("09:00:00", "INFO", "Entering SSM Agent hibernate - RequestError: x", "[ssm-agent-worker] ")
    text = started("08:59:00") + ready("08:59:01") + entered
    machine.log("amazon-ssm-agent.log", text)
    assert str(machine.diagnosis("waiting")["waiting"].outcome) == FAIL
    # Credentials alone do not end it: the worker has them, and waits.
    machine.log("amazon-ssm-agent.log", text + ready("09:30:00"))
    assert str(machine.diagnosis("waiting")["waiting"].outcome) == FAIL
    again = line("09:40:00", "INFO", "Starting Agent: amazon-ssm-agent - v3.3.1142.0", "[ssm-agent-worker] ")
    machine.log("amazon-ssm-agent.log", text + ready("09:30:00") + again + ready("11:30:00"))
    assert str(machine.diagnosis("waiting")["waiting"].outcome) == PASS


def test_our_history_has_a_replaced_record_and_its_remedy(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.write()
    env, where = machine.env, ("--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json"))
    assert run(*where, "vault", "backup", "--yes", env=env).returncode == 0
    assert run(*where, "threshold", "set", "41", env=env).returncode == 0
    lost = machine.record.replace(fingerprint="00000000-0000-4000-8000-000000000000")  # type: ignore[union-attr]
    machine.record = lost
    finding = machine.diagnosis("regenerated")["regenerated"]
    assert str(finding.outcome) == FAIL
    assert "another program" in text_of(finding)
    assert finding.command == "fingerprint vault restore 0 --rebaseline --yes"
    assert run(*where, *finding.command.split()[1:], env=env).returncode == 0
    back = diagnose(
        Site(machine.machine, Vault(str(machine.vault_path), state=str(tmp_path / "state"))), ["regenerated"]
    )
    assert str(back["regenerated"].outcome) == PASS


@pytest.mark.parametrize("record", [b"", b'{"fingerprint":', None])
def test_an_unreadable_registration_predicts_no_new_fingerprint(machine: AgentMachine, record: bytes | None) -> None:
    machine.record, machine.registration = record, b""
    conclusion = machine.diagnosis().conclusion
    assert conclusion.text.startswith("The agent exits at its next start")
    assert ("neither the registration nor the fingerprint can be read" in conclusion.text) == (record is not None)
    assert "is safe" not in conclusion.text
    assert "new fingerprint" not in json.dumps([*conclusion.text, *conclusion.steps])
    machine.record = AgentMachine(machine.directory).record
    assert "the fingerprint is safe" in machine.diagnosis().conclusion.text


# What runs the checks.


def site_of(machine: AgentMachine) -> Site:
    return machine.site()


def only_check(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr("fingerprint.diagnose.CHECKS", checks)


def test_checks_run_in_parallel(monkeypatch: pytest.MonkeyPatch, machine: AgentMachine) -> None:
    def slow(_: Site) -> Finding:
        time.sleep(0.2)
        return made.passed("slow")

    only_check(monkeypatch, *(Check(f"c{n}", "", slow) for n in range(20)))
    begin = time.monotonic()
    found = diagnose(site_of(machine))
    assert [result.name for result in found.results] == [f"c{n}" for n in range(20)]
    assert time.monotonic() - begin < 2


def test_a_hanging_check_does_not_affect_the_others(monkeypatch: pytest.MonkeyPatch, machine: AgentMachine) -> None:
    only_check(
        monkeypatch,
        Check("hangs", "", lambda _: time.sleep(5) or made.passed(""), 0.2),
        Check("answers", "", lambda _: made.passed("there")),
    )
    found = diagnose(site_of(machine))
    assert found["hangs"].undetermined
    assert "no answer within 0.2 s" in found["hangs"].text
    assert found["answers"].text == "there"
    assert found.conclusion.state == "cannot-tell"


class Hanging(RecordedMachine):
    """A machine of which one source gives no answer while the test lasts."""

    source = ""
    ended: Event

    def run(self, commands: Any, *rest: Any) -> Any:
        if any(self.source in " ".join(argv) for argv in commands):
            self.ended.wait(60)
        return super().run(commands, *rest)


@pytest.mark.parametrize("source", ["systemctl", "dmidecode"])
def test_a_hanging_source_does_not_block_the_conclusion(
    monkeypatch: pytest.MonkeyPatch, machine: AgentMachine, source: str
) -> None:
    """The check of it is given up, and the thread that still waits holds the lock of what the conclusion asks."""
    monkeypatch.setattr(Check, "limit", lambda *_: 2.0)
    monkeypatch.setattr(fingerprint.diagnose, "_LOCAL_SECONDS", 2.0)
    machine.log("amazon-ssm-agent.log", started("11:50:00") + refused("11:50:05"))
    machine.write()
    host = Hanging(machine.snapshot)
    host.source, host.ended = source, Event()
    begin = time.monotonic()
    try:
        found = diagnose(Site(host, Vault(str(machine.vault_path), state=str(machine.directory / "state"))))
    finally:
        host.ended.set()
    assert time.monotonic() - begin < 20
    assert found["waiting"].tag.startswith("waiting-")
    assert found.conclusion.state == ("cannot-tell" if source == "systemctl" else "hibernating")
    assert ("no answer within 2 s" in found.conclusion.text) is (source == "systemctl")


def test_a_defective_check_is_reported_and_affects_no_other(
    monkeypatch: pytest.MonkeyPatch, machine: AgentMachine
) -> None:
    def wrong(_: Site) -> Finding:
        raise ZeroDivisionError("planted")

    only_check(monkeypatch, Check("wrong", "", wrong), *(Check(f"c{n}", "", wrong) for n in range(8)),
               Check("right", "", lambda _: made.passed("there")))  # fmt: skip
    found = diagnose(site_of(machine))
    assert "internal error, please report it: ZeroDivisionError: planted" in found["wrong"].text
    assert found["right"].outcome == Outcome.PASS


def test_a_fact_of_several_checks_is_read_once(machine: AgentMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[tuple[str, ...]] = Counter()
    original = RecordedMachine.run

    def counting(recorded: RecordedMachine, commands: Sequence[tuple[str, ...]], *more: Any) -> Any:
        if recorded.snapshot is machine.snapshot:
            asked.update(commands)
        return original(recorded, commands, *more)

    monkeypatch.setattr(RecordedMachine, "run", counting)
    diagnose(machine.site())
    assert SYSTEMCTL in asked
    assert ("/usr/sbin/dmidecode", "-t", "bios") in asked
    assert set(asked.values()) == {1}


def test_an_unknown_check_is_a_usage_error(machine: AgentMachine) -> None:
    with pytest.raises(UsageError, match="no such check: 'nope'"):
        machine.diagnosis("nope")
    done = machine("diagnose", "--only", "nope")
    assert done.returncode == 2
    assert "--list" in done.stderr


def test_the_list_names_every_check(machine: AgentMachine) -> None:
    assert [line.split()[0] for line in machine("diagnose", "--list").stdout.splitlines()] == [c.name for c in CHECKS]
    assert [one["name"] for one in machine.json("diagnose", "--list")["available"]] == [c.name for c in CHECKS]


def test_exit_codes_are_0_fine_1_wrong_3_unknown(machine: AgentMachine) -> None:
    assert machine("diagnose").returncode == 0
    machine.denied(f"{LOGS}/amazon-ssm-agent.log")
    done = machine("diagnose")
    assert done.returncode == 3
    assert done.stdout.startswith("Unknown.\n  Cause    cannot check waiting")
    machine.stopped()
    assert machine("diagnose").returncode == 1


def test_the_shape_of_ssm_cli_is_kept_for_its_parsers(machine: AgentMachine) -> None:
    machine.stopped()
    done = machine("diagnose", "--output", "ssm-cli")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert list(answer) == ["DiagnosticsOutput"]
    rows = {row["Check"]: row for row in answer["DiagnosticsOutput"]}
    assert all(list(row) == ["Check", "Status", "Note"] for row in rows.values())
    assert {row["Status"] for row in rows.values()} == {"Success", "Skipped", "Failed"}
    assert rows["Agent service"]["Status"] == "Failed"
    assert rows["EC2 IMDS"] == {
        "Check": "EC2 IMDS", "Status": "Skipped", "Note": "the node is registered and does not need it",
    }  # fmt: skip
    for service in ("ssm", "ec2messages", "ssmmessages", "s3", "kms", "logs", "monitoring"):
        assert f"Connectivity to {service} endpoint" in rows


def test_the_newest_version_comes_from_a_file(machine: AgentMachine, tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("3.3.5000.0\n")
    assert "3.3.5000.0 is published" in machine("diagnose", "--verbose", "--latest", str(tmp_path / "VERSION")).stdout
    (tmp_path / "VERSION").write_text("3.3.4851.0")
    assert "the newest published" in machine("diagnose", "--verbose", "--latest", str(tmp_path / "VERSION")).stdout
    (tmp_path / "VERSION").write_text("<html>")
    assert machine("diagnose", "--latest", str(tmp_path / "VERSION")).returncode == 3
    assert machine("diagnose", "--latest", str(tmp_path / "missing")).returncode == 3
    assert machine("diagnose", "--latest", "https://127.0.0.1/VERSION").returncode == 3


def test_a_proxy_without_network_is_a_usage_error(machine: AgentMachine) -> None:
    assert machine("diagnose", "--proxy", "http://127.0.0.1:9").returncode == 2
    assert machine("diagnose", "--region", "nowhere").returncode == 2


# Disks and real machines.


def test_a_copied_disk_is_diagnosed_from_what_is_on_it(machine: AgentMachine, tmp_path: Path) -> None:
    machine.log("amazon-ssm-agent.log", WAITS)
    root = copied_disk(tmp_path, machine)
    done = run("--root", str(root), "diagnose", "--output", "json", env=machine.env)
    answer = json.loads(done.stdout)
    found = {check["name"]: check for check in answer["checks"]}
    assert found["registration"]["outcome"] == PASS
    assert found["waiting"]["outcome"] == FAIL
    assert MISMATCH in " ".join(found["waiting"]["evidence"])
    assert found["running"]["outcome"] == SKIPPED
    assert "another machine cannot be checked" in found["endpoint-ssm"]["text"]
    assert answer["conclusion"]["state"] == "hibernating"


def test_half_a_pair_of_keys_on_a_copied_disk_is_found(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    (root / "root/.aws").mkdir(parents=True)
    file = root / "root/.aws/credentials"
    file.write_text("[default]\naws_access_key_id = AKIAPLANTED\n")
    file.chmod(0o600)
    done = run("--root", str(root), "diagnose", "--verbose", "--only", "credential-order", env=machine.env)
    assert done.returncode == 1
    assert "only one key of the pair" in done.stdout
    file.write_text("[default]\naws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted\n")
    done = run("--root", str(root), "diagnose", "--verbose", "--only", "credential-order", env=machine.env)
    assert done.returncode == 0
    assert "root uses shared-file" in done.stdout


def test_keys_that_others_may_read_fail_the_check_of_files_alone(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    (root / "root/.aws").mkdir(parents=True)
    file = root / "root/.aws/credentials"
    file.write_text("[default]\naws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted\n")
    file.chmod(0o644)
    done = run("--root", str(root), "diagnose", "--verbose", "--only", "credential-order", env=machine.env)
    assert done.returncode == 0, done.stdout
    assert "root uses shared-file" in done.stdout
    done = run("--root", str(root), "diagnose", "--only", "credential-files", env=machine.env)
    assert done.returncode == 1
    assert done.stdout.startswith("Others may read the keys in /root/.aws/credentials.\n")


def test_nothing_is_written_by_a_diagnosis(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)

    def tree() -> dict[str, tuple[float, int, int]]:
        return {
            str(p): (p.lstat().st_mtime, p.lstat().st_size, p.lstat().st_mode) for p in (root, *root.rglob("*"))
        }  # fmt: skip

    before = tree()
    run("--root", str(root), "diagnose", env=machine.env)
    assert tree() == before
    assert not (tmp_path / "state").exists()


def test_this_host_is_diagnosed_without_an_internal_error(tmp_path: Path) -> None:
    found = diagnose(Site(LiveMachine(), Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))))
    assert not [r.finding.text for r in found.results if "internal error" in r.finding.text]
    assert found["registration"].outcome == Outcome.FAIL


def test_a_snapshot_of_a_machine_holds_what_a_diagnosis_asks(machine: AgentMachine, tmp_path: Path) -> None:
    machine.log("amazon-ssm-agent.log", WAITS)
    direct = machine.json("diagnose")
    copy = tmp_path / "copy.json"
    assert machine("snapshot", str(copy)).returncode == 0
    done = run(
        "--vault", str(machine.vault_path), "--snapshot", str(copy), "diagnose", "--output", "json", env=machine.env
    )
    again = json.loads(done.stdout)
    for answer in (direct, again):
        for check in answer["checks"]:
            del check["seconds"]
    assert again == json.loads(json.dumps(direct).replace(str(machine.directory / "machine.json"), str(copy)))


def test_kept_evidence_holds_no_logs(machine: AgentMachine, tmp_path: Path) -> None:
    machine.log("amazon-ssm-agent.log", line("08:00:00", "INFO", "amazon-ssm-agent - vPLANTED"))
    assert machine("snapshot", str(tmp_path / "copy.json"), "--keep").returncode == 0
    assert "vPLANTED" in (tmp_path / "copy.json").read_text()
    [kept] = (tmp_path / "state/evidence").rglob("*.json")
    assert "vPLANTED" not in kept.read_text()


def test_ctrl_c_ends_it_with_130_and_no_traceback(tmp_path: Path) -> None:
    import signal

    fifo = tmp_path / "VERSION"
    # Whoever reads the newest version from here waits, for the check's time limit.
    subprocess.run(["mkfifo", str(fifo)], check=True)
    env = environment(tmp_path / "state")
    machine = AgentMachine(tmp_path)
    machine.write()
    with subprocess.Popen(
        [COMMAND, "--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json"), "diagnose",
         "--latest", str(fifo)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in complaint


def test_a_program_that_others_may_change_is_not_run(machine: AgentMachine) -> None:
    machine.file("/usr/bin/amazon-ssm-agent", None, 0o777)
    site = machine.site()
    asked: list[tuple[str, ...]] = []
    original = site.machine.run
    site.machine.run = lambda commands, *rest: asked.extend(commands) or original(commands, *rest)  # type: ignore[method-assign]
    assert "version 3.3.4851.0" in diagnose(site, ["version"])["version"].text
    assert not [argv for argv in asked if "-version" in argv]


# The documentation.


def words_of(text: str, directory: Path) -> str:
    """Return the words of an output as the machine itself prints it, as the directory of the test moves line ends."""
    text = " ".join(text.replace(str(directory), "").split())
    for command in commands_in(text):
        text = text.replace(command.line, " ".join(("fingerprint", *command.words)))
    text = text.replace("(on that machine: `", "(`").replace(" (on that machine): ", ": ")
    text = text.replace("then on that machine: `", "then `")
    return re.sub(r" \(on that machine: ([^)]*)\)", r": \1", text)


@pytest.mark.parametrize("name", BROKEN)
def test_the_examples_of_the_documentation_match_the_output(machine: AgentMachine, name: str) -> None:
    BROKEN[name][0](machine)
    page = (DOCS / "diagnose-examples.md").read_text()
    _, _, section = page.partition(f"## {name[0].upper()}{name[1:]}\n")
    blocks = re.findall(r"^```\n(.*?)\n```$", section.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    assert len(blocks) == (2 if name == next(iter(BROKEN)) else 1)
    for block, options in zip(blocks, ([], ["--verbose"]), strict=False):
        done = machine("diagnose", *options)
        assert words_of(block, machine.directory) == words_of(done.stdout, machine.directory)


def test_the_documentation_names_every_check() -> None:
    page = (DOCS / "diagnose.md").read_text()
    assert [check.name for check in CHECKS if f"`{check.name}`" not in page] == []


def test_a_diagnosis_needs_no_extra_of_the_package(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", WAITS)
    machine.write()
    script = """if True:
        import sys
        for name in ("botocore", "boto3", "cryptography", "pyarrow", "duckdb", "numpy", "netifaces", "tqdm", "yaml"):
            sys.modules[name] = None
        from fingerprint.cli import main
        sys.exit(main(sys.argv[1:]))
    """
    words = ["--vault", str(machine.vault_path), "--snapshot", str(machine.directory / "machine.json"), "diagnose"]
    done = subprocess.run([sys.executable, "-I", "-c", script, *words], env=machine.env, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "internal error" not in done.stdout
    named = f"{sys.executable} -I -m fingerprint"
    assert done.stdout.replace(named, "fingerprint") == machine("diagnose").stdout


# Real tools and processes.


@pytest.mark.skipif(not Path("/usr/bin/dpkg-deb").exists(), reason="packages of Debian need dpkg-deb")
def test_a_real_package_is_verified_by_the_real_dpkg(tmp_path: Path) -> None:
    built, root = tmp_path / "built", tmp_path / "root"
    (built / "DEBIAN").mkdir(parents=True)
    (built / "DEBIAN/control").write_text(
        "Package: amazon-ssm-agent\nVersion: 3.3.1142.0\nArchitecture: all\nMaintainer: x <x@example.com>\n"
        "Description: for a test\n"
    )
    (built / "usr/bin").mkdir(parents=True)
    (built / "usr/bin/ssm-cli").write_text("as it was installed")
    for directory in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (root / directory).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).write_text("")
    subprocess.run(["dpkg-deb", "--build", str(built), str(tmp_path / "p.deb")], check=True, capture_output=True)
    forced = ["--force-not-root", "--force-bad-path", f"--root={root}", f"--log={tmp_path / 'log'}"]
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    subprocess.run(["dpkg", *forced, "--install", str(tmp_path / "p.deb")], check=True, capture_output=True,
                   env={"PATH": path})  # fmt: skip
    # What the check runs is the real program, over the package database of this root.
    wrapper = tmp_path / "dpkg"
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/dpkg --root={root} "$@"\n')
    wrapper.chmod(0o755)

    class Installed(LiveMachine):
        """This host with the programs of an agent, which are those of the package elsewhere."""

        def status(self, path: str) -> FileStatus:
            return super().status("/usr/bin/env" if path.startswith(("/usr/bin/ssm-", "/usr/bin/amazon-")) else path)

    machine = Installed(executables={"/usr/bin/dpkg": str(wrapper), "/usr/bin/rpm": "/nonexistent"})

    def verified() -> Finding:
        vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
        return diagnose(Site(machine, vault), ["package"])["package"]

    assert str(verified().outcome) == PASS
    (root / "usr/bin/ssm-cli").write_text("as somebody made it")
    assert str(verified().outcome) == FAIL
    assert "/usr/bin/ssm-cli" in text_of(verified())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux has /proc")
def test_a_real_agent_process_is_found_with_user_and_start(tmp_path: Path) -> None:
    program = tmp_path / "amazon-ssm-agent"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    before = time.time()
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            deadline = time.monotonic() + 10
            while process.pid not in {one.pid for one in LiveMachine().agent_processes()}:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            [one] = [p for p in LiveMachine().agent_processes() if p.pid == process.pid]
            assert one.name == "amazon-ssm-agent"
            assert one.user == getpass.getuser()
            assert one.started is not None
            # The kernel counts in hundredths of a second, but its own start in seconds.
            assert abs(one.started - before) < 5
            vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
            finding = diagnose(Site(LiveMachine(), vault), ["running"])["running"]
            assert str(process.pid) in text_of(finding)
        finally:
            process.kill()


def test_checks_that_do_not_apply_are_not_healthy(machine: AgentMachine) -> None:
    text = machine.diagnosis("imds").conclusion.text
    assert text.startswith("No check applies here (the node is registered and does not need it); ")
    # What was left out is not good either.
    done = machine("diagnose", "--only", "published,endpoint-ssm")
    assert done.returncode == 3
    assert "Unknown.\n  Cause    no check ran" in done.stdout
    assert machine.diagnosis("imds", "vault").conclusion.text.startswith("The checks that ran found nothing wrong")
