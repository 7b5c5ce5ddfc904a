"""What `guard install` keeps of a record that only the agent wrote."""

from __future__ import annotations

import stat
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from event_machines import before_and_after, machine, snapshot
from fingerprint import FingerprintRecord, Vault, collect
from fingerprint.guard import Decision, run_guard
from fingerprint.guard_units.first_evidence import FirstEvidence, take_first_evidence
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault.evidence import MATCHED, OF_A_MATCH
from fingerprint.vault.history import FIRST


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))


def written_by_the_agent(vault: Vault, taken: dict[str, Any], threshold: int = 40) -> None:
    other = Vault(vault.path, state=str(Path(vault.path).parent / "other"))
    with other.edit() as edit:
        edit.store(
            FingerprintRecord("a-fingerprint", collect(RecordedMachine(taken)).hardware_hash, threshold), why=FIRST
        )


def take(vault: Vault, taken: dict[str, Any], **options: bool) -> FirstEvidence:
    return take_first_evidence(vault, RecordedMachine(taken), **options)


@pytest.mark.parametrize("name", ["agent-restart", "dhcp-lease", "reboot"])
def test_a_match_is_kept_from_the_installation_on(vault: Vault, name: str) -> None:
    """Else an upgrade before the next start of the agent would leave the guard without evidence."""
    before, after = before_and_after(name)
    written_by_the_agent(vault, before)
    assert take(vault, after, dry_run=True) == FirstEvidence(True)
    assert vault.evidence.entries() == ([], [])
    assert take(vault, after) == FirstEvidence(True)
    assert [entry.why for entry in vault.evidence.entries()[0]] == [MATCHED]
    # Once more changes nothing.
    assert take(vault, after) == FirstEvidence(True)
    assert len(vault.evidence.entries()[0]) == 1
    found = run_guard(vault, RecordedMachine(snapshot({**machine(), "machine_id": "e" * 32})))
    assert found.decision == Decision.KEPT
    assert OF_A_MATCH in found.why


@pytest.mark.parametrize("name", ["os-upgrade", "clone-new-id", "reinstalled"])
def test_a_mismatch_is_no_evidence(vault: Vault, name: str) -> None:
    before, after = before_and_after(name)
    written_by_the_agent(vault, before)
    assert take(vault, after) == FirstEvidence(False, "this host does not match the record")
    assert vault.evidence.entries() == ([], [])


def test_without_a_record_there_is_nothing_to_keep(vault: Vault) -> None:
    assert take(vault, snapshot(machine())) == FirstEvidence(False, "this vault has no fingerprint yet")
    assert not Path(vault.path).exists()


def test_a_disabled_check_compares_nothing(vault: Vault) -> None:
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, before, threshold=-1)
    found = take(vault, after)
    assert not found.kept
    assert "the rules compared nothing" in found.why
    # No later run takes it either.
    run_guard(vault, RecordedMachine(after))
    assert vault.evidence.entries() == ([], [])
    assert "fingerprint snapshot FILE --keep" in found.remedy


def test_unreadable_hardware_waits_for_a_later_run(vault: Vault) -> None:
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, before)
    hidden = deepcopy(after)
    hidden["files"]["/sys/firmware/dmi/tables/DMI"] = {"error": "EACCES"}
    found = take(vault, hidden)
    assert not found.kept
    assert found.why.startswith("could not be read: system-uuid")


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 40])
def test_a_damaged_record_is_named(vault: Vault, damage: bytes) -> None:
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, before)
    path = Path(vault.data_path("InstanceFingerprint"))
    path.write_bytes(damage)
    found = take(vault, after)
    assert not found.kept
    assert str(path) in found.why
    assert path.read_bytes() == damage


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 40])
def test_damaged_evidence_is_not_kept(vault: Vault, damage: bytes) -> None:
    """No later run replaces it, so the answer has the remedy: the file has to go first."""
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, before)
    assert take(vault, after).kept
    [path] = Path(vault.evidence.path).glob("*.json")
    path.write_bytes(damage)
    for _ in range(2):
        found = take(vault, after)
        assert not found.kept
        assert f"{path}: this evidence is damaged" in found.why
        assert found.remedy.startswith("Remove the file.")
        run_guard(vault, RecordedMachine(after))
    path.unlink()
    assert take(vault, after) == FirstEvidence(True)


def test_a_state_directory_that_cannot_be_written_is_named(vault: Vault, tmp_path: Path) -> None:
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, before)
    (tmp_path / "state").write_text("in the way")
    found = take(vault, after)
    assert not found.kept
    assert str(tmp_path / "state") in found.why
    assert stat.S_ISREG((tmp_path / "state").stat().st_mode)
