"""Each class of WMI is asked once in a run, whatever is asked of its answer afterwards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import textbook_gob
from fingerprint.cli import main
from fingerprint.collectors import collect
from fingerprint.collectors.ssm_windows import wql_members
from fingerprint.errors import FingerprintMismatch
from fingerprint.gate import Gate
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.vault import Vault
from vault_setup import Setup
from windows_machines import AGENTS, NAMES, OBJECTS, windows_snapshot

SERVER_2025 = "10.0.26100"
COMMANDS = (
    ["show"], ["show", "--facts"], ["check"], ["check", "--output", "json"], ["monitor", "nagios"],
    ["explain"], ["explain", "--output", "json"], ["diagnose"], ["monitor", "prometheus"], ["monitor", "watch",
    "--checks", "1"],
    ["whatif", "--event", "dhcp-lease"], ["snapshot", "-"], ["fleet", "row"],
    ["vault", "rebaseline", "--keep-fingerprint", "--accept-new-sid", "--dry-run"],
)  # fmt: skip


class WindowsSetup(Setup):
    def is_now(self, version: str = SERVER_2025, **changes: Any) -> None:
        self.machine = windows_snapshot(version, **changes)
        self.snapshot.write_text(json.dumps(self.machine))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what the machine of the command line is asked for; its recordings stand for no query."""
    found: Counter[str] = Counter()
    ask = RecordedMachine.wmi_objects

    def counting(machine: RecordedMachine, class_name: str, members: Sequence[str]) -> Any:
        if machine.where == str(tmp_path / "machine.json"):
            found[class_name] += 1
        return ask(machine, class_name, members)

    monkeypatch.setattr(RecordedMachine, "wmi_objects", counting)
    return found


def of_before(setup: WindowsSetup, then: str) -> None:
    """Let the record be one of another recipe, of other type ids, or of another machine."""
    if then in AGENTS:
        setup.is_now(agent=AGENTS[then])
    assert setup("vault", "init").returncode == 0
    record = json.loads(setup.record.read_text())
    if then == "moved":
        order = [*NAMES[1:], NAMES[0]]
        ids = {name: 64 + order.index(name) for name in NAMES}
        record["hardwareHash"].update({name: textbook_gob.digest(name, OBJECTS[name][0], ids[name]) for name in NAMES})
    if then == "another":
        record["hardwareHash"].update(dict.fromkeys(NAMES, "x" * 22 + "=="))
    setup.record.write_text(json.dumps(record, separators=(",", ":")))
    setup.is_now()


def target(setup: WindowsSetup) -> list[str]:
    return ["--vault", str(setup.vault), "--snapshot", str(setup.snapshot)]


@pytest.mark.parametrize("then", ["same", "wmic", "json", "moved", "another"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_asks_each_class_once(
    words: list[str], then: str, tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = WindowsSetup(tmp_path)
    of_before(setup, then)
    for name, value in setup.env.items():
        monkeypatch.setenv(name, value)
    main([*target(setup), *words])
    assert asked
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("failing", NAMES)
def test_a_class_that_fails_is_not_asked_again_either(
    failing: str, tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs costs its time limit once, and what it said first is what the values were made of."""
    setup = WindowsSetup(tmp_path)
    of_before(setup, "moved")
    setup.is_now(objects={failing: {"error": "ETIMEDOUT", "message": "no answer within 60 s"}})
    for name, value in setup.env.items():
        monkeypatch.setenv(name, value)
    main([*target(setup), "check"])
    assert set(asked.values()) == {1}


class Changing(RecordedMachine):
    """A machine of which each class answers otherwise each time; the third time with an error."""

    asked = 0

    def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        Changing.asked += 1
        if Changing.asked == 3:
            raise PermissionError(13, "WMI answers 80041003", class_name)
        return tuple({**one, "UUID": str(Changing.asked)} for one in super().wmi_objects(class_name, members))


def test_answers_are_kept_for_one_observation_only() -> None:
    """`watch`, `serve` and the gate make many observations, each with fresh answers."""
    Changing.asked = 0
    machine = Changing(windows_snapshot(SERVER_2025))
    assert [wql_members(machine, "uuid")["UUID"] for _ in range(2)] == ["1", "2"]
    failing = machine.keeping()
    for _ in range(2):
        with pytest.raises(PermissionError, match="80041003"):
            wql_members(failing, "uuid")
    kept = machine.keeping()
    assert kept.keeping() is kept
    assert [wql_members(kept, "uuid")["UUID"] for _ in range(2)] == ["4", "4"]
    # Through a recorder, too, and what it recorded is what it said.
    recorder = Recorder(kept)
    assert wql_members(recorder, "uuid")["UUID"] == "4"
    alone = Recorder(machine)
    assert [wql_members(alone, "uuid")["UUID"] for _ in range(2)] == ["5", "5"]
    assert wql_members(RecordedMachine(alone.snapshot), "uuid")["UUID"] == "5"
    assert wql_members(machine.keeping(), "uuid")["UUID"] == "6"


def test_gate_asks_again_at_each_attempt_but_not_for_its_error(tmp_path: Path) -> None:
    setup = WindowsSetup(tmp_path)
    of_before(setup, "wmic")
    Changing.asked = 10
    machine = Changing(windows_snapshot(SERVER_2025))
    vault = Vault(str(setup.vault), state=str(tmp_path / "state"))
    collect(machine)
    once = Changing.asked - 10
    Changing.asked = 10
    with pytest.raises(Exception, match="two good observations in a row did not agree"):
        Gate(vault, machine, policy="strict").fingerprint()
    assert Changing.asked == 10 + 3 * once
    asked = 0

    class Counting(RecordedMachine):
        def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
            nonlocal asked
            asked += 1
            return super().wmi_objects(class_name, members)

    with pytest.raises(FingerprintMismatch, match="hash recipe changed"):
        Gate(vault, Counting(windows_snapshot(SERVER_2025)), policy="strict").fingerprint()
    assert asked == 3 * once
