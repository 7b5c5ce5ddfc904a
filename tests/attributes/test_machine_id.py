"""Invalid machine IDs: every command that reads one warns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_machines import AgentMachine
from fingerprint import collect
from fingerprint.attributes.machine_id import is_shared, problem
from fingerprint.collectors import STABLE
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match
from fingerprint.testing.machines import unix_snapshot
from fingerprint.types import Status

GOOD = "3d1219c7c4c5404aaa1f6d2a48adfda4"
NONE = {
    "": "empty", "\n": "blank", " \t\n": "blank", "uninitialized": "uninitialized", "uninitialized\n": "uninitialized",
    "0" * 32 + "\n": "zeros", "f" * 32: "one digit repeated", "0123456789abcdef" * 2 + "\n": "many machines",
    GOOD[:-1] + "\n": "32 hexadecimal", GOOD + "0\n": "32 hexadecimal", GOOD[:-1] + "g\n": "32 hexadecimal",
    "3d1219c7-c4c5-404a-aa1f-6d2a48adfda4\n": "32 hexadecimal", "localhost\n": "32 hexadecimal",
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), NONE.items())
def test_an_invalid_machine_id_has_a_reason(text: str, why: str) -> None:
    assert why in problem(text)


@pytest.mark.parametrize("text", [GOOD, GOOD + "\n", GOOD.upper() + "\n", GOOD + "\r\n", "0" * 31 + "1\n"])
def test_a_machine_id_is_one_in_either_case_and_with_any_end(text: str) -> None:
    assert problem(text) == ""
    assert not is_shared(text)


def with_id(text: str, platform: str = "linux") -> dict[str, Any]:
    return unix_snapshot(machine_id=text, dmi="box", disk="total 0", platform=platform)


@pytest.mark.parametrize("text", NONE)
def test_the_value_stays_as_the_agent_stores_it(text: str) -> None:
    found = collect(RecordedMachine(with_id(text)))
    assert found["machine-id"].value == text
    assert found["machine-id"].status == (Status.PRESENT if text else Status.ABSENT)
    assert found.id_problem
    assert found.id_problem in found.id_warning


def test_a_missing_machine_id_causes_a_warning_except_on_macos() -> None:
    snapshot = unix_snapshot(machine_id=None)
    assert "neither" in collect(RecordedMachine(snapshot)).id_warning
    snapshot["platform"] = "macos"
    assert collect(RecordedMachine(snapshot)).id_warning == ""
    snapshot = with_id(GOOD)
    snapshot["files"]["/etc/machine-id"] = {"error": "EIO", "message": "broken"}
    # An unreadable ID has its own status.
    assert collect(RecordedMachine(snapshot)).id_warning == ""


@pytest.mark.parametrize("text", [t for t in NONE if t and is_shared(t)])
def test_a_shared_id_is_no_evidence_in_either_scheme(text: str) -> None:
    now = collect(RecordedMachine(with_id(text)))
    assert match(now.hardware_hash, now.hardware_hash, 40, silent=now.silent).effective == 8
    stable = collect(RecordedMachine(with_id(text)), scheme=STABLE)
    assert stable["machine-id"].status == Status.ABSENT


@pytest.fixture(params=[t for t in NONE if t])
def machine(request: pytest.FixtureRequest, tmp_path: Any) -> AgentMachine:
    made = AgentMachine(tmp_path)
    made.snapshot["files"]["/etc/machine-id"] = {"text": request.param}
    made.record = made.record.replace(  # type: ignore[union-attr]
        hardware_hash=collect(made.machine).hardware_hash
    )
    return made


def test_every_command_that_reads_the_id_warns(machine: AgentMachine) -> None:
    why = collect(machine.machine).id_problem
    assert why
    finding = machine.diagnosis()["guard"]
    assert str(finding.outcome) == "warn"
    assert why in finding.text
    for words in (("check",), ("explain",), ("show",)):
        assert why in " ".join(machine(*words).stdout.split()), words
    answer = json.loads(machine("--output", "json", "check").stdout)
    assert any(why in note for note in answer["notes"])
    plugin = machine("monitor", "nagios")
    assert plugin.stdout.startswith("FINGERPRINT WARNING - the hardware ID identifies no machine")
    assert plugin.returncode == 1
    assert machine("monitor", "nagios", "-c", "weak-id", "-w", "never").returncode == 2
    assert machine("monitor", "nagios", "-w", "any-drift").returncode == 0


def test_a_valid_id_causes_no_warning(tmp_path: Any) -> None:
    made = AgentMachine(tmp_path)
    for words in (("check",), ("explain", "--verbose"), ("show",)):
        assert "identifies no machine" not in made(*words).stdout
    assert made("monitor", "nagios").returncode == 0
    assert str(made.diagnosis()["guard"].outcome) == "pass"
