"""What a call acknowledged survives a loss of power: of our state, only what was flushed is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.records import encode_fingerprint

HASH = HardwareHash({"machine-id": "x"})


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Return inode -> size of each file at its last flush."""
    sizes: dict[int, int] = {}
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        flush(descriptor)
        status = os.fstat(descriptor)
        sizes[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    return sizes


def test_what_was_in_the_vault_is_restorable_after_power_loss(tmp_path: Path, flushed: dict[int, int]) -> None:
    """Ours is written, another program replaces it, and the power fails before anything else is written."""
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    for fingerprint in ("first", "second"):
        with vault.edit() as edit:
            edit.store(FingerprintRecord(fingerprint, HASH, 40), why="test")
    data = Path(vault.data_path(FINGERPRINT_KEY))
    foreign = encode_fingerprint(FingerprintRecord("foreign", HASH, 40))
    data.write_bytes(foreign)

    journal = Path(vault.history.path)
    os.truncate(journal, flushed[journal.stat().st_ino])
    with vault.edit() as edit:
        edit.store(FingerprintRecord("third", HASH, 40), why="test")

    copies = [change.after for change in Vault(vault.path, state=str(tmp_path / "state")).history.changes()]
    kept = [encode_fingerprint(FingerprintRecord(one, HASH, 40)) for one in ("first", "second", "foreign", "third")]
    assert [one for one in kept if one not in copies] == []
