"""For a vault that no agent uses, commands report what our own client does, and what an agent would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_machines import AgentMachine
from fingerprint.cli import main
from fingerprint.diagnose.context import Site
from fingerprint.types import Outlook
from identity_machines import as_a_user, lockdown

REJECTS = "an agent with this record would reject the machine, as it reads the same values"

UNDECIDED = str(Outlook.UNKNOWN)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AgentMachine:
    """A machine with other hardware and address than its record's, in a vault that is not the agent's."""
    monkeypatch.setattr("fingerprint.observation.is_of_agent", lambda *_: False)
    monkeypatch.setattr(Site, "of_agent", False)
    machine = AgentMachine(tmp_path)
    monkeypatch.setenv("FINGERPRINT_STATE", machine.env["FINGERPRINT_STATE"])
    return machine


def run(machine: AgentMachine, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    machine.write()
    code = main(["--vault", str(machine.vault_path), "--snapshot", str(machine.directory / "machine.json"), *words])
    return code, capfd.readouterr().out


EACH_COMMAND = pytest.mark.parametrize(
    "words", [["check"], ["explain", "--verbose"], ["diagnose", "--only", "fingerprint,next-start"]]
)


@EACH_COMMAND
def test_a_value_unreadable_for_root_decides_only_for_the_agent(
    machine: AgentMachine, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    lockdown(machine)
    code, text = run(machine, capfd, *words)
    assert code == 3
    assert REJECTS in " ".join(text.split())
    assert "the agent compares" not in text
    code, text = run(machine, capfd, *words, "--output", "json")
    answer = json.loads(text)
    assert (code, answer.get("agent", "will-reject")) == (3, "will-reject")
    assert answer.get("verdict", UNDECIDED) == UNDECIDED


@EACH_COMMAND
def test_what_a_user_cannot_read_decides_for_nobody(
    machine: AgentMachine, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    as_a_user(machine)
    code, text = run(machine, capfd, *words)
    assert code == 3
    assert REJECTS not in " ".join(text.split())
    assert json.loads(run(machine, capfd, *words, "--output", "json")[1]).get("agent", UNDECIDED) == UNDECIDED
