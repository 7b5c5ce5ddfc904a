"""`diagnose` on agents that were rejected after their key was replaced, and on those that were for another reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from agent_machines import DENIED, MISMATCH, AgentMachine, line, ready, refused, started
from agent_process import running, vault_below
from fingerprint import Vault
from fingerprint.diagnose import Conclusion, Finding, Outcome, Site, diagnose
from fingerprint.machine.live import LiveMachine
from fingerprint.registration.flow import Registration
from fingerprint.testing import LocalService
from fingerprint.testing.machines import unix_machine
from fingerprint.types import RegistrationRecord
from fingerprint.vault.journal import WRITTEN_AHEAD
from shared import SHARED

REPLACED = "the running agent signs with a replaced key"
RESTART = "systemctl restart amazon-ssm-agent.service"
HEALTHY = started("08:00:00") + ready("08:00:01") + ready("11:30:00")
LOGS = SHARED / "cases" / "agent" / "logs"


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    """A machine whose key was written at 11:40, and whose agent, of 08:00, was denied at 11:50."""
    made = AgentMachine(tmp_path)
    key_of(made, "2026-11-24 11:40:00.25 +0000 UTC")
    made.log("amazon-ssm-agent.log", HEALTHY + refused("11:50:00", DENIED))
    return made


def key_of(machine: AgentMachine, created: str) -> None:
    assert isinstance(machine.registration, RegistrationRecord)
    machine.registration = machine.registration.replace(private_key_created_date=created)


def processes(machine: AgentMachine, *starts: str, name: str = "amazon-ssm-agent") -> None:
    machine.snapshot["agentProcesses"] = [
        one for one in machine.snapshot["agentProcesses"] if one["name"] != name
    ] + [{"name": name, "pid": 812, "user": "root", "started": f"2026-11-24T{start}Z"} for start in starts]  # fmt: skip


def journal(machine: AgentMachine, why: str, at: str = "11:40:00", *, stored: bool = True) -> None:
    """Write into our history that the key was replaced."""
    new = machine.registration
    assert isinstance(new, RegistrationRecord)
    seconds = datetime.fromisoformat(f"2026-11-24T{at}+00:00").timestamp()
    machine.registration = new.replace(private_key="T0xE")
    machine.write()
    vault = Vault(str(machine.vault_path), state=str(machine.directory / "state"), now=lambda: seconds)
    with vault.edit() as edit:
        edit.store_registration(new, why=why)
    machine.registration = new if stored else machine.registration


def findings_of(machine: AgentMachine) -> tuple[Finding, Conclusion]:
    found = machine.diagnosis()
    return found["key"], found.conclusion


def test_an_agent_denied_after_a_new_key_is_restarted(machine: AgentMachine) -> None:
    key, conclusion = findings_of(machine)
    assert (key.outcome, key.text, key.command) == (Outcome.FAIL, REPLACED, RESTART)
    assert "the key was written at 2026-11-24T11:40:00Z, by privateKeyCreatedDate" in key.evidence
    assert "the agent was started at 2026-11-24T08:00:00Z" in key.evidence
    assert "last credentials of the agent: 2026-11-24T11:30:00Z" in key.evidence
    assert "rejected since then: AccessDeniedException at 2026-11-24T11:50:00Z" in key.evidence
    assert (conclusion.state, conclusion.because) == ("hibernating", "key")
    assert f"because {REPLACED}. Do: restart the agent: it reads its key only when it starts (`{RESTART}`)." in (
        conclusion.text
    )
    assert [command for _, command in conclusion.steps] == [RESTART]
    assert "deregistered" not in conclusion.text


def zone_of_the_key(machine: AgentMachine) -> None:
    key_of(machine, "2026-11-24 12:40:00 +0100 CET")


def zone_of_the_log(machine: AgentMachine) -> None:
    """Two hours ahead of UTC, as all lines are; read as UTC the refusal would lie ahead."""
    machine.snapshot["utcOffset"] = 7200
    log = started("10:00:00") + ready("10:00:01") + ready("13:30:00") + refused("13:50:00", DENIED)
    machine.log("amazon-ssm-agent.log", log)


def zone_behind(machine: AgentMachine) -> None:
    """Read as UTC the refusal would be older than the key."""
    machine.snapshot["utcOffset"] = -3600
    log = started("07:00:00") + ready("07:00:01") + ready("10:30:00") + refused("10:50:00", DENIED)
    machine.log("amazon-ssm-agent.log", log)


def errors_before(machine: AgentMachine) -> None:
    log = HEALTHY + refused("11:35:00", "RequestError: x", "34s") + refused("11:50:00", DENIED)
    machine.log("amazon-ssm-agent.log", log)


def newer_form(machine: AgentMachine) -> None:
    error = (
        "operation error SSM: RequestManagedInstanceRoleToken, https response error StatusCode: 400, RequestID: 7, "
        "api error AccessDeniedException: no"
    )
    machine.log("amazon-ssm-agent.log", HEALTHY + refused("11:50:00", error))


def by_journal(machine: AgentMachine) -> None:
    key_of(machine, "")
    journal(machine, "key rotation")


def by_journal_confirmed(machine: AgentMachine) -> None:
    key_of(machine, "yesterday")
    journal(machine, "key rotation, settled later")


def same_second(machine: AgentMachine) -> None:
    """The log has a resolution of a second here, the key a finer one."""
    key_of(machine, "2026-11-24 11:50:00.9 +0000 UTC")


IS = [zone_of_the_key, zone_of_the_log, zone_behind, errors_before, newer_form, by_journal, by_journal_confirmed,
      same_second]  # fmt: skip


@pytest.mark.parametrize("change", IS, ids=lambda one: one.__name__)
def test_a_replaced_key_is_found_in_every_zone_and_form(
    machine: AgentMachine, change: Callable[[AgentMachine], None]
) -> None:
    change(machine)
    key, conclusion = findings_of(machine)
    assert (key.outcome, key.text, conclusion.because) == (Outcome.FAIL, REPLACED, "key")


def restarted(machine: AgentMachine) -> None:
    processes(machine, "11:45:00")
    log = HEALTHY + refused("11:42:00", DENIED) + started("11:45:00") + refused("11:45:01", DENIED)
    machine.log("amazon-ssm-agent.log", log)


def restarted_at_once(machine: AgentMachine) -> None:
    """The clocks of processes and keys are a second apart at most."""
    processes(machine, "11:39:59")
    machine.log("amazon-ssm-agent.log", started("11:40:00") + refused("11:50:00", DENIED))


def key_older(machine: AgentMachine) -> None:
    key_of(machine, "2026-11-24 07:59:00 +0000 UTC")


def key_older_by_its_zone(machine: AgentMachine) -> None:
    key_of(machine, "2026-11-24 08:59:00 +0100 CET")


def rotated_by_the_agent(machine: AgentMachine) -> None:
    """It got credentials with the new key, and the node was deregistered later."""
    machine.log("amazon-ssm-agent.log", HEALTHY + ready("11:40:00") + refused("11:50:00", DENIED))


def rotated_by_the_agent_of_few_words(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:50:00", DENIED))
    machine.credentials("2026-11-24T11:40:00.7Z", "2026-11-24T12:40:00Z")


def denied_before(machine: AgentMachine) -> None:
    key_of(machine, "2026-11-24 11:55:00 +0000 UTC")


def another_error(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", HEALTHY + refused("11:50:00", "RequestError: x"))


def another_refusal(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", HEALTHY + refused("11:50:00", MISMATCH))


def no_date(machine: AgentMachine) -> None:
    key_of(machine, "")


def no_start(machine: AgentMachine) -> None:
    del machine.snapshot["agentProcesses"]


def written_ahead_only(machine: AgentMachine) -> None:
    """The key that the vault has is the one before."""
    journal(machine, WRITTEN_AHEAD, stored=False)
    key_of(machine, "2026-11-01 08:00:00 +0000 UTC")


def registered_again(machine: AgentMachine) -> None:
    """The running agent is another node, until it is restarted."""
    key_of(machine, "")
    journal(machine, "registered")


IS_NOT = [
    restarted, restarted_at_once, key_older, key_older_by_its_zone, rotated_by_the_agent,
    rotated_by_the_agent_of_few_words, denied_before, another_error, another_refusal, no_date, no_start,
    written_ahead_only, registered_again,
]  # fmt: skip


@pytest.mark.parametrize("change", IS_NOT, ids=lambda one: one.__name__)
def test_other_agents_have_no_replaced_key(machine: AgentMachine, change: Callable[[AgentMachine], None]) -> None:
    change(machine)
    key, conclusion = findings_of(machine)
    assert key.outcome != Outcome.FAIL
    assert conclusion.because != "key"
    assert REPLACED not in conclusion.text


def test_a_stopped_agent_reads_the_new_key_at_its_start(machine: AgentMachine) -> None:
    machine.stopped()
    key, conclusion = findings_of(machine)
    assert (key.outcome, conclusion.state) == (Outcome.PASS, "not-running")


@pytest.mark.parametrize("created", ["", "yesterday"])
def test_a_key_without_a_date_is_a_possible_cause(machine: AgentMachine, created: str) -> None:
    key_of(machine, created)
    _, conclusion = findings_of(machine)
    assert "it was deregistered" in conclusion.text
    assert "or its key, which has no date, was replaced after the agent's start" in conclusion.text
    assert conclusion.steps[-1][1] == RESTART


def test_our_own_rotation_is_found_before_the_denial(machine: AgentMachine) -> None:
    machine.log("amazon-ssm-agent.log", HEALTHY)
    assert findings_of(machine)[0].outcome == Outcome.PASS
    journal(machine, "key rotation")
    key, conclusion = findings_of(machine)
    assert key.text == f"{REPLACED}: the service will reject its next token request"
    assert "the key was written at 2026-11-24T11:40:00Z, by our history (key rotation)" in key.evidence
    assert (conclusion.state, conclusion.because) == ("will-hibernate", "key")
    assert RESTART in conclusion.text
    # Once it got credentials it has the key.
    machine.log("amazon-ssm-agent.log", HEALTHY + ready("11:55:00"))
    assert findings_of(machine)[0].outcome == Outcome.PASS


def test_the_worker_signs_if_credentials_are_not_shared(machine: AgentMachine) -> None:
    machine.config(Profile={"ShareCreds": False})
    machine.log("amazon-ssm-agent.log", started("08:00:00") + line("08:00:03", "INFO", "ssm-agent-worker - v3.3", ""))
    journal(machine, "key rotation")
    assert findings_of(machine)[0].text.startswith(REPLACED)
    processes(machine, "11:45:00", name="ssm-agent-worker")
    assert findings_of(machine)[0].outcome == Outcome.PASS


def test_a_machine_that_differs_as_well_is_not_restarted_first(machine: AgentMachine) -> None:
    """The restart would have its fingerprint replaced."""
    machine.snapshot["hostname"] = "another"
    machine.snapshot["files"]["/etc/machine-id"] = {"text": "f" * 32 + "\n"}
    _, conclusion = findings_of(machine)
    assert (conclusion.because, len(conclusion.steps) > 1) == ("key", True)
    assert conclusion.steps[-1][1] == RESTART
    assert RESTART not in [command for _, command in conclusion.steps[:-1]]


def test_a_real_rotation_beside_a_real_process_is_recognised(tmp_path: Path) -> None:
    """By the list of processes, our history and the times of this host, whatever its time zone."""
    vault = Vault(str(vault_below(tmp_path / "root")), state=str(tmp_path / "state"))
    recorded = unix_machine(dmi="SMBIOS 3.0 present.", disk="total 0")
    with LocalService() as service:
        flow = Registration(vault, recorded, policy="strict", endpoint=service.endpoint)
        made = service.activation()
        flow.register(made.id, made.code, "eu-west-1")
        # Its root is ours, and so its vault another one: nothing keeps the key from being changed.
        with running(tmp_path):
            site = Site(LiveMachine(), vault)
            assert str(diagnose(site, ["key"])["key"].outcome) == "pass"
            later = Vault(vault.path, state=vault.state, now=lambda: time.time() + 5)
            Registration(later, recorded, policy="strict", endpoint=service.endpoint).rotate_key()
            key = diagnose(Site(LiveMachine(), vault), ["key"])["key"]
            assert key.text == f"{REPLACED}: the service will reject its next token request"
        with running(tmp_path):
            soon = Site(LiveMachine(), vault)
            started_at = soon.started
            assert started_at is not None


@pytest.mark.skipif(not LOGS.is_dir(), reason="the logs of the real agent are not part of the repository")
@pytest.mark.parametrize(
    ("directory", "until", "start", "key", "replaced"),
    [
        # Another program rotated the key, twice; a restart fixed it each time. At 19:20:40 the agent did it itself.
        ("a", "19:20:59", "19:20:40", "19:20:40.6", False), ("a", "19:22:00", "19:20:40", "19:21:00", True),
        ("a", "19:24:00", "19:23:43", "19:21:00", False), ("a", "19:25:00", "19:23:43", "19:24:05", True),
        ("a", "19:53:00", "19:23:43", "19:24:05", True),
        # Deregistered.
        ("b", "19:27:56", "19:27:45", "19:23:00", False), ("i", "16:11:00", "16:10:07", "16:09:50", False),
    ],
)  # fmt: skip
def test_logs_of_the_real_agent_are_distinguished(
    tmp_path: Path, directory: str, until: str, start: str, key: str, replaced: bool
) -> None:
    machine = AgentMachine(tmp_path)
    lines = (LOGS / directory / "amazon-ssm-agent.log").read_text().splitlines(keepends=True)
    machine.log("amazon-ssm-agent.log", "".join(one for one in lines if one[:19] <= f"2026-11-29 {until}"))
    machine.snapshot["recordedAt"] = f"2026-11-29T{until}Z"
    machine.snapshot["agentProcesses"][0]["started"] = f"2026-11-29T{start}Z"
    machine.credentials("2026-11-29T16:00:00Z", "2026-11-29T16:01:00Z")
    key_of(machine, f"2026-11-29 {key} +0000 UTC")
    finding, conclusion = findings_of(machine)
    assert (finding.text == REPLACED, conclusion.because == "key") == (replaced, replaced)
    if directory != "a":
        assert "it was deregistered" in conclusion.text
