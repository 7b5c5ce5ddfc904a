"""What agents of earlier versions log otherwise, in the words of each version's own source."""

from __future__ import annotations

import pytest

from agent_machines import DENIED, MISMATCH, REGENERATED, AgentMachine, line, of_version, refused, reported, started
from fingerprint.agent.logs import conclusion, read_parts

EXPIRED = "Signature expired: 20261124T110000Z is now earlier than 20261124T113500Z"
STATUS = "Status code {} returned from AWS API. RequestId: 0a1b-2c3d Message: {}"
FOR_A_DAY = line("11:35:00", "INFO", "Sleeping for 24h37m2s before retrying retrieve credentials")


@pytest.mark.parametrize("pause", [FOR_A_DAY, ""], ids=["with its pause", "without"])
@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("3.1.501.0", f"unrecoverable aws error: {MISMATCH}", "the service knows another fingerprint of this node"),
        ("3.2.1542.0", f"unrecoverable aws error: {DENIED}", "the service rejects the node"),
        ("3.1.1927.0", f"aws error: InvalidSignatureException: {EXPIRED}", "its clock is wrong"),
        ("3.1.1927.0", "error: Failed to get machine fingerprint: vault", "Failed to get machine fingerprint: vault"),
    ],
)
def test_an_error_is_shown_whatever_its_kind_in_the_log(
    machine: AgentMachine, version: str, error: str, words: str, pause: str
) -> None:
    text = started("08:00:00", version) + line("11:35:00", "ERROR", f"Retrieve credentials produced {error}") + pause
    of_version(machine, version).log("amazon-ssm-agent.log", text)
    conclusion = machine.diagnosis().conclusion
    assert conclusion.since == "2026-11-24T11:35:00Z"
    assert words in conclusion.text


def test_a_rejected_fingerprint_is_found_in_an_early_log() -> None:
    text = line("11:35:00", "ERROR", f"Retrieve credentials produced unrecoverable aws error: {MISMATCH}") + FOR_A_DAY
    timeline = read_parts([text.encode()], [], [])
    assert "the service rejects the fingerprint" in conclusion(timeline)[0]


def test_a_status_alone_is_the_error(machine: AgentMachine) -> None:
    """As of 3.2.183 to 3.2.1542, which print the number in Go's words for a wrong verb."""
    text = started("08:00:00", "3.2.815.0") + line("11:35:00", "WARN", STATUS.format("%!s(int=400)", EXPIRED))
    of_version(machine, "3.2.815.0").log("amazon-ssm-agent.log", text + FOR_A_DAY)
    found = machine.diagnosis()
    assert found.conclusion.because == "clock"
    assert f"last error: {EXPIRED} (status code 400)" in found["waiting"].evidence


def test_a_status_after_its_error_is_no_second_failure() -> None:
    """As of 3.2.1630 and later."""
    text = refused("11:35:00", f"InvalidSignatureException: {EXPIRED}", "")
    text += line("11:35:00", "ERROR", STATUS.format(400, EXPIRED))
    timeline = read_parts([text.encode()], [], [])
    assert (timeline.refresher.failures, list(timeline.refusals)) == (1, ["InvalidSignatureException"])


def rotates(at: str, minutes: str = "29.99") -> str:
    return line(at, "INFO", f"Next credential rotation will be in {minutes} minutes")


def pauses(at: str) -> str:
    return line(at, "INFO", "Sleeping for 12s before retrying retrieve credentials")


def test_a_rotation_due_in_half_an_hour_ends_a_failure(machine: AgentMachine) -> None:
    """All that 3.2.286 to 3.2.1241 log of a success; and of a lost network they log the pause alone."""
    machine.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json")
    failed = started("08:00:00", "3.2.815.0") + rotates("08:00:01") + pauses("08:30:00")
    of_version(machine, "3.2.815.0").log("amazon-ssm-agent.log", failed + rotates("08:30:13") + rotates("11:30:00"))
    finding = machine.diagnosis("waiting")["waiting"]
    assert (finding.text, finding.evidence) == ("the agent does not wait", ("last good: 2026-11-24T11:30:00Z",))
    # After a restart, as credentials that had to be renewed are no more in the first half of their time.
    machine.log("amazon-ssm-agent.log", failed + started("11:30:00", "3.2.815.0") + rotates("11:30:01"))
    assert machine.diagnosis("waiting")["waiting"].text == "the agent does not wait"


def test_an_overdue_or_missing_rotation_ends_nothing(machine: AgentMachine) -> None:
    of_version(machine, "3.2.815.0")
    unwritten = line("11:40:00", "ERROR", "Failed to write credentials to disk even with force, retrying: no space")
    for ending in (pauses("11:40:00") + rotates("11:40:13", "-0.2"), unwritten + rotates("11:40:00")):
        machine.log("amazon-ssm-agent.log", started("08:00:00", "3.2.815.0") + ending)
        assert machine.diagnosis("waiting")["waiting"].tag == "waiting-refresher"


def test_a_last_failure_ends_with_received_credentials(machine: AgentMachine) -> None:
    """3.1.501 to 3.2.183 log no success at all; these came at 11:30."""
    text = started("08:00:00", "3.1.1732.0")
    text += line("08:30:00", "ERROR", "Retrieve credentials produced aws error: RequestError: send request failed")
    of_version(machine, "3.1.1732.0").log("amazon-ssm-agent.log", text + pauses("08:30:00") + reported("11:55:00"))
    finding = machine.diagnosis("waiting")["waiting"]
    assert finding.text == "the agent does not wait"
    assert "it received credentials at 2026-11-24T11:30:00Z, after the last failure" in finding.evidence[0]


@pytest.mark.parametrize(
    ("version", "again"),
    [
        ("3.0.1124.0", ("[amazon-ssm-agent] amazon-ssm-agent - v{}", "[ssm-agent-worker] ssm-agent-worker - v{}")),
        ("2.3.1644.0", ("Starting Agent: amazon-ssm-agent - v{}",)),
    ],
)
def test_an_answered_ping_proves_a_restored_vault(machine: AgentMachine, version: str, again: tuple[str, ...]) -> None:
    """Before 3.1.501 the worker requests its credentials itself, and no line logs them."""
    text = line("09:00:16", "INFO", REGENERATED, "")
    text += line("09:00:17", "INFO", f"Entering SSM Agent hibernate - {MISMATCH}", "")
    of_version(machine, version).log("amazon-ssm-agent.log", text)
    assert machine.diagnosis().conclusion.because == "regenerated"
    text += "".join(line(f"10:00:0{n}", "INFO", words.format(version), "") for n, words in enumerate(again))
    text += reported("11:55:00")
    machine.log("amazon-ssm-agent.log", text)
    found = machine.diagnosis()
    assert found["regenerated"].text == "no evidence of a replacement"
    assert found.conclusion.state == "warnings"


@pytest.mark.parametrize(
    ("version", "retrieved", "outcome"),
    [("3.1.1732.0", "11:30:00", "pass"), ("3.1.1732.0", "08:59:00", "fail"), ("3.2.1297.0", "11:30:00", "fail")],
)
def test_credentials_after_the_loss_prove_a_restored_vault(
    machine: AgentMachine, version: str, retrieved: str, outcome: str
) -> None:
    """Agents before 3.2.1297 have no line for it, only their file; later ones log a line."""
    machine.credentials(f"2026-11-24T{retrieved}Z", "2026-11-24T12:30:00Z")
    text = started("09:00:00", version) + line("09:00:16", "INFO", REGENERATED, "")
    of_version(machine, version).log("amazon-ssm-agent.log", text)
    assert str(machine.diagnosis("regenerated")["regenerated"].outcome) == outcome


@pytest.mark.parametrize(
    ("replaced", "outcome"),
    [("2026-09-01 09:00:16", "pass"), ("2026-10-31 18:00:00", "pass"), ("2026-10-31 18:00:01", "fail")],
)
def test_a_later_registration_counts_without_the_zone_of_the_log(
    machine: AgentMachine, replaced: str, outcome: str
) -> None:
    """On a copied disk; the key is of 2026-11-01 08:00:00.25 UTC, and no zone is further from it than 14 hours."""
    del machine.snapshot["utcOffset"]
    machine.log("amazon-ssm-agent.log", f"{replaced}.1 INFO {REGENERATED}\n")
    assert str(machine.diagnosis("regenerated")["regenerated"].outcome) == outcome
