"""The vault on Windows, by recorded calls: there is no Windows here, so its security functions are stand-ins."""

from __future__ import annotations

import ctypes
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fingerprint.vault
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint._io import windows_acl
from fingerprint.errors import VaultBusy, VaultMissing, VaultUnreadable, VaultUnsafe
from fingerprint.testing.machines import unix_snapshot
from fingerprint.vault import _posix, _windows, _windows_calls, files, verify
from fingerprint.vault.repair import plan_repair, repair
from fingerprint.vault.state_migration import earlier_key

CLOSED = "O:BAG:SYD:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
RECORD = FingerprintRecord("fp", HardwareHash({"uuid": "u"}), 40)
# All are loaded here: one that is loaded after the class was replaced would have the other one in later tests, too.
LOADED = [
    importlib.import_module(f"fingerprint.vault.{module.name}")
    for module in pkgutil.iter_modules(fingerprint.vault.__path__)
]
# The modules that open directories, other than those that define how.
USERS = [module for module in LOADED if getattr(module, "Directory", None) is files.Directory and module is not _posix]


class Calls:
    """Stand-ins for access control lists and the lock, with what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.protected: list[tuple[str, bool]] = []
        self.lists: dict[str, str] = {}
        self.held: list[str] = []
        monkeypatch.setattr(_windows_calls, "protect", self.protect)
        monkeypatch.setattr(windows_acl, "access_of", lambda path: self.lists.get(Path(path).name, CLOSED))
        monkeypatch.setattr(_windows_calls, "hold_mutex", self.hold)

    def protect(self, path: str, *, directory: bool) -> None:
        self.protected.append((Path(path).name, directory))

    def hold(self, name: str, wait: float) -> Callable[[], None] | None:
        if name in self.held:
            return None
        self.held.append(name)
        return lambda: self.held.remove(name)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    for module in USERS:
        monkeypatch.setattr(module, "Directory", _windows.Directory)
    return Calls(monkeypatch)


@pytest.fixture
def vault(calls: Calls, tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with made.edit() as edit:
        edit.store(RECORD, why="test")
    # The class of Unix refuses these modes, so a module that has it fails.
    for path in [tmp_path / "state", *tmp_path.rglob("*")]:
        if path.is_dir():
            path.chmod(0o777)
    return made


def test_a_stored_record_is_read_and_closed_to_others(vault: Vault, calls: Calls) -> None:
    assert vault.read() == RECORD
    assert set(calls.protected) == {
        ("Vault", True), ("Store", True), ("InstanceFingerprint.tmp", False), ("Manifest.tmp", False),
        ("state", True), ("history", True), ("audit.log", False), (vault.history.name, False),
        (f"{vault.state_key}.place.json.tmp", False),
    }  # fmt: skip
    assert calls.held == []
    assert verify.verify(vault) == []


def test_evidence_is_kept_and_closed_to_others(vault: Vault, calls: Calls) -> None:
    calls.protected.clear()
    snapshot = unix_snapshot()
    with vault.edit():
        vault.evidence.keep(RECORD, snapshot, why="test", at="2026-01-01T00:00:00Z")
    [kept], damaged = vault.evidence.entries()
    assert (kept.snapshot, damaged) == (snapshot, [])
    name = Path(vault.evidence.path, f"{kept.number:06}-{kept.tag}.json.tmp").name
    assert calls.protected == [("evidence", True), (vault.state_key, True), (name, False)]


def test_evidence_that_others_can_write_is_not_read(vault: Vault, calls: Calls) -> None:
    with vault.edit():
        vault.evidence.keep(RECORD, unix_snapshot(), why="test", at="2026-01-01T00:00:00Z")
    calls.lists[vault.state_key] = CLOSED + "(A;;FA;;;WD)"
    with pytest.raises(VaultUnsafe, match="WD can write"):
        vault.evidence.entries()


def test_a_repair_lists_the_record_again(vault: Vault, calls: Calls) -> None:
    Path(vault.path, "Manifest").unlink()
    plan = plan_repair(vault)
    calls.protected.clear()
    repair(vault, plan)
    assert vault.read() == RECORD
    assert verify.verify(vault) == []
    assert ("Manifest.tmp", False) in calls.protected


@pytest.mark.parametrize("name", ["Vault", "Store"])
def test_a_repair_of_what_others_can_write_is_refused(name: str, vault: Vault, calls: Calls) -> None:
    Path(vault.path, "Manifest").unlink()
    calls.lists[name] = CLOSED + "(A;;FA;;;WD)"
    with pytest.raises(VaultUnsafe, match="WD can write"):
        plan_repair(vault)


def test_state_under_an_earlier_key_is_taken_over(calls: Calls, tmp_path: Path) -> None:
    def vault() -> Vault:
        # Of a path that was too long for a key, whose digest got another form since.
        return Vault(str(tmp_path / ("long" * 50) / "Vault"), state=str(tmp_path / "state"))

    with vault().edit() as edit:
        edit.store(RECORD, why="first")
    history = Path(vault().history.directory)
    journal, earlier = Path(vault().history.path), history / f"{earlier_key(vault().path)}.jsonl"
    assert earlier != journal
    journal.rename(earlier)
    for note in history.glob("*.place.json"):
        note.unlink()
    history.chmod(0o777)
    with vault().edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="second")
    assert [change.why for change in vault().history.changes()] == ["first", "second"]
    assert (journal.exists(), earlier.exists()) == (True, False)


def test_a_replaced_record_is_in_the_journal(vault: Vault, tmp_path: Path) -> None:
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="test")
    assert [e["why"] for e in vault.history.entries()] == ["test"]
    assert len((tmp_path / "state" / "audit.log").read_bytes().splitlines()) == 2
    journal = Path(vault.history.path)
    journal.write_bytes(journal.read_bytes() + b'{"torn')
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=60), why="test")
    assert vault.history.damaged_lines() == []
    assert vault.read().threshold == 60


def test_the_lock_is_waited_for_and_given_back(vault: Vault, calls: Calls) -> None:
    with vault.edit(), pytest.raises(VaultBusy), vault.edit(wait=0.1):
        raise AssertionError("two processes hold the lock")
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="test")
    assert calls.held == []


@pytest.mark.parametrize("name", ["Vault", "Store", "Manifest", "InstanceFingerprint"])
@pytest.mark.parametrize(
    ("sddl", "complaint"),
    [
        (CLOSED + "(A;;0x1301bf;;;BU)", "BU can write"),
        (CLOSED + "(A;;FA;;;WD)", "WD can write"),
        ("O:S-1-5-21-1-2-3-1001G:SYD:P(A;;FA;;;BA)", "belongs to S-1-5-21-1-2-3-1001"),
        ("O:BAG:SYD:NO_ACCESS_CONTROL", "no access control list"),
    ],
)
def test_what_others_can_write_is_refused_and_named(
    name: str, sddl: str, complaint: str, vault: Vault, calls: Calls
) -> None:
    calls.lists[name] = sddl
    with pytest.raises(VaultUnsafe, match=complaint):
        vault.read()
    assert any(complaint in finding.what and finding.broken for finding in verify.verify(vault))


def test_what_others_can_only_read_is_named_and_read(vault: Vault, calls: Calls) -> None:
    calls.lists["InstanceFingerprint"] = CLOSED + "(A;;0x1200a9;;;BU)"
    assert vault.read() == RECORD
    [finding] = verify.verify(vault)
    assert (finding.kind, finding.broken) == ("mode", False)


def test_links_directories_and_hard_links_are_refused(vault: Vault, tmp_path: Path) -> None:
    import os

    path = Path(vault.data_path("InstanceFingerprint"))
    os.link(path, tmp_path / "other")
    with pytest.raises(VaultUnsafe, match="hard links"):
        vault.read()
    path.unlink()
    path.symlink_to(tmp_path / "other")
    with pytest.raises(VaultUnsafe, match="link"):
        vault.read()
    path.unlink()
    path.mkdir()
    with pytest.raises(VaultUnreadable):
        vault.read()
    path.rmdir()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)
    with pytest.raises(VaultUnsafe, match="link"):
        vault.read()


def test_a_missing_vault_and_a_file_in_its_place_are_reported(calls: Calls, tmp_path: Path) -> None:
    with pytest.raises(VaultMissing):
        Vault(str(tmp_path / "none"), state=str(tmp_path / "state")).read()
    (tmp_path / "file").write_text("")
    with pytest.raises(VaultUnreadable, match="not a directory"):
        Vault(str(tmp_path / "file"), state=str(tmp_path / "state")).read()


@pytest.mark.parametrize(
    ("sddl", "others"),
    [
        (CLOSED, []),
        ("O:SYG:SYD:PAI(A;;GA;;;S-1-5-32-544)(A;;GA;;;S-1-5-18)", []),
        ("O:BAD:(A;;FR;;;BU)", [("BU can read it (rights FR)", False)]),
        ("O:BAD:(A;;FRSD;;;BU)", [("BU can write it (rights FRSD)", True)]),
        ("O:BAD:(D;;FA;;;WD)(A;;FA;;;BA)", []),
        ("O:BAD:(XA;;FA;;;WD;(x))", [("WD can write it (rights FA)", True)]),
        ("O:BAD:(OA;;FR;;;WD)", [("WD can read it (rights FR)", False)]),
        ("O:BAD:(XD;;FA;;;WD;(x))(OD;;FA;;;WD)(AU;;FA;;;WD)", []),
        ("O:BAD:(A;;0xzz;;;BU)", [("BU can write it (rights 0xzz)", True)]),
    ],
)
def test_access_control_lists_are_read_from_their_text(sddl: str, others: list[tuple[str, bool]]) -> None:
    assert windows_acl.others_in(sddl) == others


class Dll:
    """A library whose functions answer as given and record how they are called."""

    def __init__(self, log: list[tuple[Any, ...]], answers: dict[str, Callable[..., int]]) -> None:
        self._log = log
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            self._log.append((name, *arguments))
            return self._answers.get(name, lambda *_: 1)(*arguments)

        return call


def install(monkeypatch: pytest.MonkeyPatch, **answers: Callable[..., int]) -> list[tuple[Any, ...]]:
    log: list[tuple[Any, ...]] = []
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: Dll(log, answers), raising=False)
    return log


def test_an_access_list_admits_administrators_and_system_only(monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(monkeypatch)
    _windows_calls.protect(r"C:\Vault", directory=True)
    converted, applied, freed = log
    assert converted[:3] == (
        "ConvertStringSecurityDescriptorToSecurityDescriptorW", "D:P(A;OICI;GA;;;BA)(A;OICI;GA;;;SY)", 1,
    )  # fmt: skip
    assert applied[:3] == ("SetFileSecurityW", r"C:\Vault", 0x80000004)
    assert freed[0] == "LocalFree"


def test_an_error_of_windows_is_raised_and_frees_the_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(monkeypatch, SetFileSecurityW=lambda *_: 0)
    with pytest.raises(OSError, match="SetFileSecurityW failed"):
        _windows_calls.protect("x", directory=False)
    assert log[-1][0] == "LocalFree"


def test_a_list_is_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(descriptor: Any, revision: int, wanted: int, text: Any, length: Any) -> int:
        text._obj.value = CLOSED
        return 1

    install(monkeypatch, ConvertSecurityDescriptorToStringSecurityDescriptorW=convert)
    assert windows_acl.access_of("x") == CLOSED


@pytest.mark.parametrize(("outcome", "taken"), [(0x0, True), (0x80, True), (0x102, False)])
def test_a_lock_is_taken_also_from_the_dead(outcome: int, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(monkeypatch, WaitForSingleObject=lambda *_: outcome)
    release = _windows_calls.hold_mutex("name", 2.5)
    assert log[0] == ("CreateMutexW", None, False, "Global\\name")
    assert log[1] == ("WaitForSingleObject", 1, 2500)
    assert (release is not None) == taken
    if release:
        release()
        assert [entry[0] for entry in log[2:]] == ["ReleaseMutex", "CloseHandle"]
    else:
        assert log[2][0] == "CloseHandle"


def test_a_lock_that_windows_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, CreateMutexW=lambda *_: 0)
    with pytest.raises(OSError, match="CreateMutexW"):
        _windows_calls.hold_mutex("name", 1)
    install(monkeypatch, WaitForSingleObject=lambda *_: 0xFFFFFFFF)
    with pytest.raises(OSError, match="WaitForSingleObject"):
        _windows_calls.hold_mutex("name", 1)
