"""Every truncation and every changed byte of a real vault: nothing is taken for something else or overwritten."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, Gate, Vault, collect
from fingerprint.errors import VaultCorrupt, VaultError
from fingerprint.testing.machines import unix_machine
from fingerprint.types import RegistrationRecord

SAVED = "979b554b-0d67-42c6-9730-48443b3016dd"
REGISTRATION = RegistrationRecord(
    "mi-0123456789abcdef0", "eu-west-1", private_key="MIIEogIBAAKCAQEA", private_key_type="Rsa",
    private_key_created_date="2026-11-24 00:32:15.242764492 +0000 UTC",
)  # fmt: skip


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    record = FingerprintRecord(SAVED, collect(unix_machine(dmi="box", disk="disks")).hardware_hash, 40)
    with made.edit() as edit:
        edit.store_registration(REGISTRATION, why="test")
        edit.store(record, why="test")
    return made


def put(path: Path, data: bytes) -> None:
    """Write a file as it was an hour ago: of one that was written just now a reader waits for the end."""
    path.write_bytes(data)
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)


def changed(data: bytes, full: bool) -> Iterator[bytes]:
    """Yield the data with each byte changed: into every other value, or in the short form by each bit."""
    values = range(1, 256) if full else [1 << bit for bit in range(8)]
    for at in range(len(data)):
        for value in values:
            yield data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]


def test_every_truncation_is_refused_and_stays_as_it_is(vault: Vault, count: Callable[..., None]) -> None:
    for key, read in (("InstanceFingerprint", vault.read), ("RegistrationKey", vault.read_registration)):
        path = Path(vault.data_path(key))
        intact = path.read_bytes()
        for length in range(len(intact)):
            put(path, intact[:length])
            with pytest.raises(VaultCorrupt):
                read()
            if length % 8 == 0 and key == "InstanceFingerprint":
                with pytest.raises(VaultCorrupt):
                    Gate(vault, unix_machine(dmi="box", disk="disks"), policy="regenerate").fingerprint()
                assert path.read_bytes() == intact[:length]
            count("truncations refused")
        path.write_bytes(intact)


def test_no_changed_byte_of_a_record_makes_another_identity(
    vault: Vault, full: bool, count: Callable[..., None]
) -> None:
    path = Path(vault.data_path("InstanceFingerprint"))
    intact = path.read_bytes()
    original = vault.read()
    for number, data in enumerate(changed(intact, full)):
        put(path, data)
        try:
            record = vault.read()
        except VaultCorrupt:
            count("changed bytes of a record refused")
        else:
            # A program may set the threshold, and that is reported; anything else must read the same.
            assert record.replace(threshold=40) == original
            if record.threshold == 40:
                count("changed bytes of a record that change nothing")
            else:
                assert vault.notice == f"Another program changed the threshold from 40 to {record.threshold}"
                count("changed bytes that read as another threshold, and are reported")
        if number % 97 == 0:
            answer = ""
            with contextlib.suppress(VaultCorrupt):
                answer = Gate(vault, unix_machine(dmi="box", disk="disks"), policy="regenerate").fingerprint()
            assert answer in ("", SAVED)
            assert path.read_bytes() == data


def test_no_changed_byte_of_a_registration_is_taken_for_another(
    vault: Vault, full: bool, count: Callable[..., None]
) -> None:
    path = Path(vault.data_path("RegistrationKey"))
    for data in changed(path.read_bytes(), full):
        put(path, data)
        try:
            assert vault.read_registration() == REGISTRATION
            count("changed bytes of a registration that change nothing")
        except VaultCorrupt:
            count("changed bytes of a registration refused")


def test_no_changed_byte_of_the_manifest_leads_elsewhere(vault: Vault, full: bool, count: Callable[..., None]) -> None:
    path = Path(vault.path, "Manifest")
    original = vault.read()
    for data in changed(path.read_bytes(), full):
        put(path, data)
        try:
            assert vault.read() == original
            count("changed bytes of a manifest that change nothing")
        except VaultError:
            count("changed bytes of a manifest refused")
        assert path.read_bytes() == data


def test_a_changed_byte_never_makes_a_first_fingerprint(
    vault: Vault, full: bool, count: Callable[..., None], tmp_path: Path
) -> None:
    """A vault that only the agent wrote has no copy here: a changed value is not detected, a changed name is."""
    (tmp_path / "state").rename(tmp_path / "none")
    path = Path(vault.data_path("InstanceFingerprint"))
    for data in changed(path.read_bytes(), full):
        put(path, data)
        with contextlib.suppress(VaultCorrupt):
            record = vault.read()
            assert record.fingerprint
            assert record.hardware_hash
            assert len(record.hardware_hash) >= 8
            count("changed bytes of a record without a copy that were not detected")
