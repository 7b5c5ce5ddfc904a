"""Policy `evidence`: the rules decide, unless scheme `stable` contradicts them with certainty."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from event_machines import CHANGES, before_and_after, machine, snapshot
from fingerprint import FingerprintRecord, Gate, Vault, collect, match
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.errors import CollectError, FingerprintError, FingerprintMismatch
from fingerprint.gate import keep_snapshot
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import observe
from fingerprint.vault.history import FIRST, KEPT

RULES_REFUSE = (
    "os-upgrade", "machine-id-regenerated", "reinstalled", "volatile-machine-id", "wmic-to-cim", "recipe-to-wql",
    "recipe-to-wmic",
)  # fmt: skip
every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))


def contents(vault: Vault) -> dict[str, bytes]:
    top = Path(vault.path).parent
    return {str(one): one.read_bytes() for one in sorted(top.rglob("*")) if one.is_file()}


def registered(vault: Vault, before: dict[str, Any]) -> FingerprintRecord:
    """Store a record of a machine, with its evidence."""
    record = FingerprintRecord("a-fingerprint", collect(RecordedMachine(before)).hardware_hash, 40)
    with vault.edit() as edit:
        edit.store(record, why=FIRST)
    keep_snapshot(vault, before)
    return record


def gate(vault: Vault, taken: dict[str, Any]) -> Gate:
    return Gate(vault, RecordedMachine(taken), policy="evidence")


def test_the_events_name_machines_that_the_rules_refuse() -> None:
    refused = []
    for event in EVENTS:
        if event.truth == Truth.SAME:
            before, after = (collect(RecordedMachine(one)) for one in before_and_after(event.name))
            if not match(before.hardware_hash, after.hardware_hash, 40, sid_key=after.sid_key).match:
                refused.append(event.name)
    assert set(RULES_REFUSE) <= set(refused)


@every_event
def test_no_innocent_event_costs_and_no_copy_passes(vault: Vault, event: Event) -> None:
    before, after = before_and_after(event.name)
    record = registered(vault, before)
    if event.truth == Truth.SAME:
        assert gate(vault, after).fingerprint() == record.fingerprint
        # It matches from now on, also by the rules.
        assert Gate(vault, RecordedMachine(after), policy="strict").fingerprint() == record.fingerprint
        if event.name in RULES_REFUSE:
            assert vault.read().hardware_hash == collect(RecordedMachine(after)).hardware_hash
            entry = vault.history.entries()[-1]
            assert entry["why"] == KEPT
            assert json.loads(entry["record"])["fingerprint"] == record.fingerprint
    elif event.truth == Truth.OTHER:
        held = contents(vault)
        with pytest.raises(FingerprintMismatch):
            gate(vault, after).fingerprint()
        assert contents(vault) == held
    else:
        # The rules decide, and nothing is minted where they refuse.
        held = contents(vault)
        current = collect(RecordedMachine(after))
        if match(record.hardware_hash, current.hardware_hash, 40, sid_key=current.sid_key).match:
            assert gate(vault, after).fingerprint() == record.fingerprint
        else:
            with pytest.raises(FingerprintMismatch, match=r"; .*(both a move and a copy|container's host|not enough)"):
                gate(vault, after).fingerprint()
        assert contents(vault) == held


def test_a_renewed_record_has_evidence_of_the_present_machine(vault: Vault) -> None:
    before, after = before_and_after("reinstalled")
    registered(vault, before)
    gate(vault, after).fingerprint()
    found = observe(vault, RecordedMachine(after))
    assert found.evidence is not None
    assert found.evidence[0] > after["recordedAt"]
    assert found.stable is not None
    assert found.stable.verdict.points > 6
    # So the next drift is compared with that.
    again = snapshot({**machine(), **CHANGES["reinstalled"][1], "machine_id": "e" * 32, "ip": "10.8.8.8"})
    assert gate(vault, again).fingerprint() == vault.read().fingerprint


def test_without_evidence_the_rules_decide_with_the_reason(vault: Vault) -> None:
    before, after = before_and_after("reinstalled")
    record = registered(vault, before)
    for one in (Path(vault.path).parent / "state" / "evidence").rglob("*.json"):
        one.unlink()
    with pytest.raises(FingerprintMismatch, match="nothing was kept when the record was made"):
        gate(vault, after).fingerprint()
    assert vault.read() == record


def test_damaged_evidence_is_no_evidence(vault: Vault) -> None:
    before, after = before_and_after("clone")
    record = registered(vault, before)
    for one in (Path(vault.path).parent / "state" / "evidence").rglob("*.json"):
        one.write_text("{}")
    assert gate(vault, after).fingerprint() == record.fingerprint
    before, after = before_and_after("reinstalled")
    with pytest.raises(FingerprintMismatch, match="the evidence cannot be used"):
        gate(vault, after).fingerprint()


def test_an_unchanged_machine_is_not_compared_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = before_and_after("agent-restart")
    record = registered(vault, before)
    monkeypatch.setattr("fingerprint.vault.evidence.EvidenceStore.for_record", lambda *_: 1 / 0)
    held = contents(vault)
    assert gate(vault, after).fingerprint() == record.fingerprint
    assert contents(vault) == held


def test_a_refused_copy_says_why_and_what_to_do(vault: Vault) -> None:
    before, after = before_and_after("clone")
    registered(vault, before)
    with pytest.raises(FingerprintMismatch) as caught:
        gate(vault, after).fingerprint()
    assert caught.value.what.startswith("another machine: system-uuid")
    assert "though the rules accept it" in caught.value.what
    assert "fingerprint vault rebaseline --keep-fingerprint" in (caught.value.remedy or "")
    assert caught.value.verdict is not None
    assert caught.value.verdict.match


def test_a_disabled_check_leaves_the_remedy_for_another_id(vault: Vault) -> None:
    """With threshold -1 the rules accept any hardware ID; the remedy must accept it, too."""
    before, after = before_and_after("clone-new-id")
    record = registered(vault, before)
    with vault.edit() as edit:
        edit.store(record.replace(threshold=-1), why="test")
    keep_snapshot(vault, before)
    with pytest.raises(FingerprintMismatch, match="though the rules accept it") as caught:
        gate(vault, after).fingerprint()
    assert (caught.value.remedy or "").endswith(" vault rebaseline --keep-fingerprint --yes --accept-new-sid")


@pytest.mark.parametrize("name", ["/proc/sys/kernel/hostname", "hostName"])
def test_nothing_is_stored_over_a_source_that_fails(vault: Vault, name: str) -> None:
    """The machine is certainly the same, and the agent would store what it reads: an empty value."""
    before, after = before_and_after("reinstalled")
    record = registered(vault, before)
    for command in after["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update({"problem": "timeout", "returncode": None})
    held = contents(vault)
    with pytest.raises(FingerprintError) as caught:
        gate(vault, after).fingerprint()
    assert isinstance(caught.value, (CollectError, FingerprintMismatch))
    assert contents(vault) == held
    assert vault.read() == record


def test_a_record_that_another_process_changed_is_not_renewed(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = before_and_after("reinstalled")
    record = registered(vault, before)
    changed = record.replace(threshold=77)
    change = Vault.change

    def meanwhile(self: Vault, action: Any) -> Any:
        monkeypatch.setattr(Vault, "change", change)
        with self.edit() as edit:
            edit.store(changed, why="test")
        return change(self, action)

    monkeypatch.setattr(Vault, "change", meanwhile)
    with pytest.raises(CollectError, match="changed by another process"):
        gate(vault, after).fingerprint()
    assert vault.read() == changed


def test_a_kept_fingerprint_is_logged(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    before, after = before_and_after("reinstalled")
    registered(vault, before)
    with caplog.at_level(logging.WARNING, "fingerprint.gate"):
        gate(vault, after).fingerprint()
    assert "certainly the same" in caplog.text
    assert "SID_DIFFERS" in caplog.text
    audit = (Path(vault.path).parent / "state" / "audit.log").read_text()
    assert KEPT in audit
