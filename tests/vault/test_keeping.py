"""A vault that keeps what it read: one observation sees it at one time."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprint.errors import VaultMissing
from fingerprint.types import FingerprintRecord, HardwareHash
from fingerprint.vault import FINGERPRINT_KEY, Vault
from fingerprint.vault.history import History

RECORD = FingerprintRecord("f", HardwareHash({"machine-id": "a"}), 40)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    return vault


def test_a_record_stored_meanwhile_is_in_the_next_observation(vault: Vault) -> None:
    kept = vault.keeping()
    assert kept.keeping() is kept
    assert kept.read() == RECORD
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=60), why="test")
    assert (kept.read().threshold, len(kept.history.changes())) == (40, 1)
    assert (vault.read().threshold, vault.keeping().read().threshold) == (60, 60)
    assert len(vault.keeping().history.changes()) == 2


def test_it_cannot_be_edited(vault: Vault) -> None:
    with pytest.raises(RuntimeError, match="nor edited"), vault.keeping().edit():
        pass


def test_each_record_that_is_missing_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    kept = Vault(str(tmp_path / "none"), state=str(tmp_path / "state")).keeping()
    for _ in range(2):
        with pytest.raises(VaultMissing) as first:
            kept.read()
        with pytest.raises(VaultMissing) as second:
            kept.read_registration()
        assert "fingerprint vault init" in first.value.remedy
        assert "fingerprint register" in second.value.remedy


def test_what_the_first_reading_noticed_is_noticed_again(vault: Vault) -> None:
    path = Path(vault.data_path(FINGERPRINT_KEY))
    path.write_bytes(path.read_bytes().replace(b":40", b":60"))
    kept = vault.keeping()
    for _ in range(2):
        assert kept.read().threshold == 60
        assert kept.notice == "Another program changed the threshold from 40 to 60"


def test_a_writer_between_record_and_journal_is_waited_for(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record was read before it was replaced, and the journal after: both are read once more."""
    kept = vault.keeping()
    states = History.last_states
    new = RECORD.replace(fingerprint="g", hardware_hash=HardwareHash({"machine-id": "b"}))

    def last_states(history: History, key: str, data: bytes) -> tuple[bytes, ...]:
        monkeypatch.setattr(History, "last_states", states)
        with vault.edit() as edit:
            edit.store(new, why="test")
        return states(history, key, data)

    monkeypatch.setattr(History, "last_states", last_states)
    assert kept.read() == new
    assert kept.notice == ""
    assert kept.history.changes()[-1].after == kept.raw(FINGERPRINT_KEY)
