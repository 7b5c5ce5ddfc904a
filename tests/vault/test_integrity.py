"""The state of a manifest is what the reference makes of it: finds its records, mints, exits or fails."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import reference_store
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.types import RegistrationRecord
from fingerprint.vault.integrity import manifest_state
from fingerprint.vault.locations import reference_vault
from manifests import BOTH, STATES, paths

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the reference's vault works for root only")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with made.edit() as edit:
        edit.store(FingerprintRecord("registered", HardwareHash(reference_store.HASH), 40), why="test")
        edit.store_registration(RegistrationRecord("mi-0", "eu-west-1", private_key="key"), why="test")
    return made


@pytest.mark.parametrize("name", STATES)
def test_a_manifest_has_its_kind_and_reading_changes_nothing(name: str, vault: Vault) -> None:
    damage, kind, does, keys = STATES[name]
    damage(Path(vault.path))
    before = {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()}
    state = manifest_state(vault)
    assert (state.kind, state.agent_does, state.keys) == (kind, does, keys)
    assert state.sound == (kind == "sound")
    assert bool(state.what) == bool(state.remedy) == (not state.sound)
    assert before == {path: path.read_bytes() for path in Path(vault.path).rglob("*") if path.is_file()}


@as_root
@pytest.mark.parametrize("name", STATES)
def test_the_reference_does_with_a_manifest_what_its_state_says(name: str, vault: Vault) -> None:
    damage, _, _, _ = STATES[name]
    damage(Path(vault.path))
    state = manifest_state(vault)
    record = Path(vault.data_path("InstanceFingerprint"))
    before = record.read_bytes() if record.exists() else b""
    assert reference_store.start(reference_store.Store(vault.path), reference_store.HASH) == state.agent_does
    after = record.read_bytes() if record.exists() else b""
    assert (before != after) == (state.agent_does == "mints")


@pytest.mark.parametrize("keys", [(), ("InstanceFingerprint",), ("RegistrationKey",)])
def test_what_does_not_lie_in_the_vault_need_not_be_listed(keys: tuple[str, ...], tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    assert manifest_state(vault).kind == "none"
    with vault.edit() as edit:
        if "InstanceFingerprint" in keys:
            edit.store(FingerprintRecord("registered", HardwareHash(reference_store.HASH), 40), why="test")
        if "RegistrationKey" in keys:
            edit.store_registration(RegistrationRecord("mi-0", "eu-west-1", private_key="key"), why="test")
    assert manifest_state(vault).kind == ("sound" if keys else "none")
    assert manifest_state(vault).sound


def test_a_copied_vault_is_sound_and_names_its_old_path(vault: Vault) -> None:
    (Path(vault.path) / "Manifest").write_text(json.dumps(paths(Path(reference_vault()), *BOTH)))
    assert manifest_state(vault).sound


def test_a_vault_on_a_copied_disk_names_its_path_on_its_machine(tmp_path: Path, vault: Vault) -> None:
    disk = tmp_path / "disk"
    directory = disk / reference_vault().lstrip("/")
    shutil.copytree(vault.path, directory)
    os.chmod(disk, 0o755)
    there = Vault.open(str(directory), root=str(disk), state=str(tmp_path / "state"))
    # Of this host, and on the disk it leads nowhere.
    assert (manifest_state(there).kind, manifest_state(there).agent_does) == ("elsewhere", "exits")
    (directory / "Manifest").write_text(json.dumps(paths(Path(reference_vault()), *BOTH)))
    assert manifest_state(there).sound


@pytest.mark.parametrize("key", BOTH)
def test_data_that_are_no_record_are_not_to_be_listed(key: str, vault: Vault) -> None:
    Path(vault.data_path(key)).write_bytes(b"")
    (Path(vault.path) / "Manifest").write_text("{}")
    state = manifest_state(vault)
    assert state.keys == BOTH
    assert state.listable == tuple(one for one in BOTH if one != key)
    assert state.repaired is None
    assert f"vault restore 0{' --key registration' * (key == 'RegistrationKey')} --yes" in state.remedy


def test_an_instances_registration_is_in_its_own_manifest(vault: Vault) -> None:
    store = Path(vault.path) / "Store"
    shutil.copy(store / "RegistrationKey", store / "EC2RegistrationKey")
    assert manifest_state(vault).sound
    state = manifest_state(vault, "EC2Manifest")
    assert (state.kind, state.keys) == ("missing", ("EC2RegistrationKey",))
    (Path(vault.path) / "EC2Manifest").write_text(json.dumps(paths(Path(vault.path), "EC2RegistrationKey")))
    assert manifest_state(vault, "EC2Manifest").sound
