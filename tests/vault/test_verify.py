"""`vault verify`: every defect has a name and a remedy, and `verify` changes nothing."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.cli import main
from fingerprint.types import RegistrationRecord
from fingerprint.vault.locations import reference_vault
from fingerprint.vault.verify import verify

RECORD = FingerprintRecord("979b554b-0d67-42c6-9730-48443b3016dd", HardwareHash({"machine-id": "m\n"}), 40)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with made.edit() as edit:
        edit.store(RECORD, why="test")
        edit.store_registration(RegistrationRecord("mi-0", "eu-west-1", private_key="key"), why="test")
    return made


def state_of(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return mode, owner, time and bytes of all that is there."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, data)
    return found


def test_a_sound_vault_has_no_findings(vault: Vault) -> None:
    assert verify(vault) == []


def test_a_manifest_on_a_copied_disk_names_its_own_path(tmp_path: Path) -> None:
    """Else the agent there would find no record after a write here, and store a new fingerprint."""
    disk = tmp_path / "disk"
    directory = disk / reference_vault().lstrip("/")
    directory.parent.mkdir(parents=True)
    vault = Vault.open(str(directory), root=str(disk), state=str(tmp_path / "state"))
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    listed = {"InstanceFingerprint": f"{reference_vault()}/Store/InstanceFingerprint"}
    assert json.loads((directory / "Manifest").read_text()) == listed
    assert verify(vault) == []
    corrupt_manifest(directory)
    with vault.edit() as edit:
        edit.force("InstanceFingerprint", (directory / "Store/InstanceFingerprint").read_bytes(), why="test")
    assert json.loads((directory / "Manifest").read_text()) == listed
    (directory / "Manifest").write_text(
        json.dumps({"InstanceFingerprint": str(directory / "Store/InstanceFingerprint")})
    )
    assert [finding.kind for finding in verify(vault)] == ["manifest-path"]


def remove_manifest(directory: Path) -> None:
    (directory / "Manifest").unlink()


def corrupt_manifest(directory: Path) -> None:
    (directory / "Manifest").write_text("{")


def manifest_elsewhere(directory: Path) -> None:
    listed = json.loads((directory / "Manifest").read_text())
    (directory / "Manifest").write_text(
        json.dumps({**listed, "RegistrationKey": "/elsewhere/Vault/Store/RegistrationKey"})
    )


def manifest_leads_out(directory: Path) -> None:
    (directory / "Manifest").write_text('{"InstanceFingerprint":"/etc/passwd"}')


def remove_record(directory: Path) -> None:
    (directory / "Store" / "InstanceFingerprint").unlink()


def corrupt_record(directory: Path) -> None:
    (directory / "Store" / "InstanceFingerprint").write_text('{"fingerprint":')


def flip_a_byte(directory: Path) -> None:
    path = directory / "Store" / "InstanceFingerprint"
    path.write_bytes(path.read_bytes().replace(b"979b", b"979c"))


def corrupt_registration(directory: Path) -> None:
    (directory / "Store" / "RegistrationKey").write_text("[]")


def other_threshold(directory: Path) -> None:
    path = directory / "Store" / "InstanceFingerprint"
    path.write_bytes(path.read_bytes().replace(b"40}", b"90}"))


def readable_directory(directory: Path) -> None:
    directory.chmod(0o755)


def writable_store(directory: Path) -> None:
    (directory / "Store").chmod(0o770)


def readable_record(directory: Path) -> None:
    (directory / "Store" / "InstanceFingerprint").chmod(0o644)


def writable_manifest(directory: Path) -> None:
    (directory / "Manifest").chmod(0o666)


def linked_record(directory: Path) -> None:
    os.link(directory / "Store" / "InstanceFingerprint", directory.parent / "another-name")


def fifo_for_registration(directory: Path) -> None:
    (directory / "Store" / "RegistrationKey").unlink()
    os.mkfifo(directory / "Store" / "RegistrationKey", 0o600)


def link_for_store(directory: Path) -> None:
    (directory / "Store").rename(directory.parent / "Store")
    (directory / "Store").symlink_to(directory.parent / "Store")


def orphan_in_store(directory: Path) -> None:
    (directory / "Store" / "OldKey").touch(0o600)


def orphan_beside(directory: Path) -> None:
    (directory / "notes").touch(0o600)


def left_over(directory: Path) -> None:
    (directory / "Store" / "InstanceFingerprint.tmp").touch(0o600)


def damaged_journal(directory: Path) -> None:
    [journal] = (directory.parent / "state" / "history").glob("*.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"number":1', b'"number":7', 1))


def remove_all(directory: Path) -> None:
    directory.rename(directory.parent / "away")


DEFECTS: list[tuple[Callable[[Path], None], set[str], bool]] = [
    (remove_manifest, {"manifest-missing"}, False),
    (corrupt_manifest, {"manifest-not-json"}, True),
    (manifest_elsewhere, {"manifest-path"}, False),
    (manifest_leads_out, {"unlisted"}, True),
    (remove_record, {"data-missing"}, True),
    (corrupt_record, {"VaultCorrupt"}, True),
    (flip_a_byte, {"VaultCorrupt"}, True),
    (corrupt_registration, {"VaultCorrupt"}, True),
    (other_threshold, {"changed-elsewhere"}, False),
    (readable_directory, {"mode"}, False),
    (writable_store, {"unsafe"}, True),
    (readable_record, {"mode"}, False),
    (writable_manifest, {"unsafe"}, True),
    (linked_record, {"unsafe"}, True),
    (fifo_for_registration, {"unsafe"}, True),
    (link_for_store, {"VaultUnsafe"}, True),
    (orphan_in_store, {"orphan"}, False),
    (orphan_beside, {"orphan"}, False),
    (left_over, {"left-over"}, False),
    (damaged_journal, {"journal"}, False),
    (remove_all, {"VaultMissing"}, True),
]


@pytest.mark.parametrize(("damage", "kinds", "broken"), DEFECTS, ids=[d[0].__name__ for d in DEFECTS])
def test_each_defect_is_named_with_a_remedy(
    damage: Callable[[Path], None], kinds: set[str], broken: bool, vault: Vault, tmp_path: Path
) -> None:
    damage(Path(vault.path))
    before = state_of(tmp_path)
    findings = verify(vault)
    assert state_of(tmp_path) == before
    assert {finding.kind for finding in findings} == kinds
    assert any(finding.broken for finding in findings) == broken
    assert all(finding.what and finding.where and finding.remedy for finding in findings)


@pytest.mark.parametrize("key", ["InstanceFingerprint", "RegistrationKey"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_record_that_was_rolled_back_is_not_called_sound(
    vault: Vault, key: str, steps: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one change and by more; what is printed brings the newer one back, or keeps the older one."""
    monkeypatch.setenv("FINGERPRINT_STATE", vault.state)
    path = Path(vault.data_path(key))
    older = path.read_bytes()
    for number in range(steps):
        with vault.edit() as edit:
            if key == "InstanceFingerprint":
                edit.store(edit.read().replace(threshold=60 + number), why="test")
            else:
                edit.store_registration(edit.read_registration().replace(region=f"ap-south-{number}"), why="test")
    newest = path.read_bytes()
    assert not verify(vault)
    path.write_bytes(older)
    [finding] = verify(vault)
    assert (finding.kind, finding.where, finding.broken) == ("rolled-back", str(path), False)
    assert "Our journal is newer" in finding.what
    words = ["--vault", vault.path]
    if key == "InstanceFingerprint":
        assert main([*words, "check"]) in (0, 1)
        assert "Our journal is newer" in " ".join(capfd.readouterr().out.split())
    commands = re.findall(r"fingerprint (vault restore 0(?: --key \S+)? --yes|vault backup)", finding.remedy)
    assert len(commands) == 2
    # The record of the test is not this host's.
    sid = ["--accept-new-sid"] if key == "InstanceFingerprint" else []
    assert main([*words, *commands[0].split(), *sid]) == 0
    assert path.read_bytes() == newest
    assert not verify(vault)
    path.write_bytes(older)
    assert main([*words, *commands[1].split()]) == 0
    assert not verify(vault)
    assert path.read_bytes() == older


def test_several_defects_are_all_named(vault: Vault) -> None:
    directory = Path(vault.path)
    for damage in (
        readable_directory,
        orphan_beside,
        orphan_in_store,
        left_over,
        readable_record,
        corrupt_registration,
    ):
        damage(directory)
    assert sorted(finding.kind for finding in verify(vault)) == [
        "VaultCorrupt",
        "left-over",
        "mode",
        "mode",
        "orphan",
        "orphan",
    ]


@as_root
def test_a_foreign_owner_is_named(vault: Vault) -> None:
    os.chown(vault.data_path("RegistrationKey"), 12345, 12345)
    [finding] = verify(vault)
    assert "uid 12345" in finding.what
    assert finding.broken


def test_a_parent_that_others_can_write_is_named(vault: Vault, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert any("the directory that it lies in" in finding.what for finding in verify(vault))


@pytest.mark.parametrize("damage", [d[0] for d in DEFECTS], ids=[d[0].__name__ for d in DEFECTS])
def test_no_finding_shows_a_secret(damage: Callable[[Path], None], vault: Vault) -> None:
    damage(Path(vault.path))
    text = " ".join(f"{f.what} {f.where} {f.remedy}" for f in verify(vault))
    assert "979b" not in text
