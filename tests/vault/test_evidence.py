"""Evidence: what a record was made from is kept beside the history, bounded, and never at the cost of an identity."""

from __future__ import annotations

import json
import stat
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from event_machines import before_and_after
from fingerprint import FingerprintRecord, Gate, HardwareHash, Vault, collect
from fingerprint._io.times import utc
from fingerprint.collectors.recording import booted_at, record_machine
from fingerprint.errors import VaultCorrupt, VaultUnreadable, VaultUnsafe
from fingerprint.gate import first_record, keep_snapshot
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.observation import Observation
from fingerprint.recovery import carry_out, plan_rebaseline
from fingerprint.vault import evidence
from fingerprint.vault.evidence import EvidenceStore, record_tag
from fingerprint.vault.verify import verify

BEFORE, AFTER = before_and_after("os-upgrade")
AT = "2026-11-24T12:00:00Z"
RECORD = FingerprintRecord("fp", HardwareHash({"machine-id": "m\n"}), 40)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: 1_800_000_000.0)


def store_of(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(str(tmp_path / "state"), "var-lib-somewhere-Vault")


def kept_whys(vault: Vault) -> list[str]:
    return [entry.why for entry in vault.evidence.entries()[0]]


def test_the_first_record_keeps_what_it_was_made_from(vault: Vault) -> None:
    record, collection = first_record(vault, RecordedMachine(BEFORE))
    entry = vault.evidence.for_record(record)
    assert entry is not None
    assert entry.why == "first fingerprint"
    again = collect(RecordedMachine(entry.snapshot))
    assert again.hardware_hash == collection.hardware_hash
    stable = collect(RecordedMachine(entry.snapshot), scheme="stable")
    assert stable["system-uuid"].value == collect(RecordedMachine(BEFORE), scheme="stable")["system-uuid"].value


def test_a_regenerated_record_keeps_its_own_beside_the_old_one(vault: Vault) -> None:
    first, _ = first_record(vault, RecordedMachine(BEFORE))
    Gate(vault, RecordedMachine(AFTER), policy="regenerate").fingerprint()
    second = vault.read()
    assert kept_whys(vault) == ["first fingerprint", "the machine does not match its record"]
    tags = [entry.tag for entry in vault.evidence.entries()[0]]
    assert tags == [record_tag(first), record_tag(second)]


def test_a_gate_that_stores_nothing_keeps_no_evidence(vault: Vault) -> None:
    first_record(vault, RecordedMachine(BEFORE))
    Gate(vault, RecordedMachine(BEFORE), policy="regenerate").fingerprint()
    Gate(vault, RecordedMachine(AFTER), policy="audit").fingerprint()
    assert len(kept_whys(vault)) == 1


def test_a_rebaseline_keeps_the_machine_as_it_is_now(vault: Vault) -> None:
    first_record(vault, RecordedMachine(BEFORE))
    carry_out(vault, plan_rebaseline(vault, RecordedMachine(AFTER)))
    entry = vault.evidence.for_record(vault.read())
    assert entry is not None
    assert entry.why == "rebaseline, fingerprint kept"


def test_a_new_threshold_leaves_the_evidence_with_its_record(vault: Vault) -> None:
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    assert record_tag(record.replace(threshold=77)) == record_tag(record)


def test_a_snapshot_is_kept_for_a_record_of_the_agent(vault: Vault) -> None:
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert vault.evidence.for_record(RECORD) is None
    _, recorder = record_machine(RecordedMachine(BEFORE))
    assert keep_snapshot(vault, recorder.snapshot) == 1
    assert vault.evidence.for_record(RECORD) is not None


def test_the_machine_is_compared_with_its_evidence_by_stable(vault: Vault) -> None:
    """The upgrade that the reference refuses (3 of 9) is the same machine."""
    first_record(vault, RecordedMachine(BEFORE))
    stable = Observation.take(vault, RecordedMachine(AFTER)).stable
    assert stable is not None
    assert str(stable.verdict.outcome) == "same"
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert Observation.take(vault, RecordedMachine(AFTER)).stable is None


def test_evidence_is_for_its_owner_alone(vault: Vault) -> None:
    first_record(vault, RecordedMachine(BEFORE))
    for path in Path(vault.state).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_neither_fingerprint_nor_key_is_in_it(vault: Vault) -> None:
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    [path] = Path(vault.evidence.path).iterdir()
    assert record.fingerprint not in path.name + path.read_text()


def test_the_first_and_the_newest_entries_stay(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    for number in range(1, 30):
        store.keep(RECORD.replace(fingerprint=f"fp{number}"), {"n": number}, why="test", at=AT)
    numbers = [entry.number for entry in store.entries()[0]]
    assert numbers == [1, *range(15, 30)]
    assert len(numbers) == evidence.ENTRIES_KEPT


def test_the_present_records_first_entry_is_never_thrown_away(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.keep(RECORD.replace(fingerprint="older"), {"n": 0}, why="test", at=AT)
    for number in range(40):
        store.keep(RECORD, {"n": number}, why="test", at=AT)
    entry = store.for_record(RECORD)
    assert entry is not None
    assert entry.snapshot == {"n": 0}
    assert len(store.entries()[0]) <= evidence.ENTRIES_KEPT


def test_all_of_it_stays_below_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "TOTAL_LIMIT", 5000)
    store = store_of(tmp_path)
    for number in range(12):
        store.keep(RECORD.replace(fingerprint=f"fp{number}"), {"text": "x" * 1000}, why="test", at=AT)
    assert sum(path.stat().st_size for path in Path(store.path).iterdir()) <= 5000


def test_evidence_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path)
    store.keep(RECORD, {}, why="test", at=AT)
    monkeypatch.setattr(evidence, "ENTRY_LIMIT", 500)
    with pytest.raises(VaultUnreadable):
        store.keep(RECORD, {"text": "x" * 1000}, why="test", at=AT)
    assert len(store.entries()[0]) == 1


def test_failed_stores_leave_the_present_record_its_evidence(tmp_path: Path) -> None:
    """Each attempt mints anew, and a full disk may fail a hundred of them."""
    store = store_of(tmp_path)
    for name in ("very first", "in between"):
        store.keep(RECORD.replace(fingerprint=name), {}, why="test", at=AT)
    store.keep(RECORD, {"n": 0}, why="test", at=AT)
    for number in range(40):
        store.keep(RECORD.replace(fingerprint=f"never stored {number}"), {}, why="test", at=AT, present=RECORD)
    assert store.for_record(RECORD) is not None
    assert store.for_record(RECORD.replace(fingerprint="very first")) is not None
    assert store.for_record(RECORD.replace(fingerprint="in between")) is None
    assert len(store.entries()[0]) == evidence.ENTRIES_KEPT


def test_a_gate_on_a_full_disk_leaves_the_evidence(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    vault.evidence.keep(RECORD.replace(fingerprint="earlier"), {}, why="test", at=AT)
    vault.evidence.keep(RECORD, {}, why="test", at=AT)

    def fail(*_: object, **__: object) -> None:
        raise VaultUnreadable("no space left")

    monkeypatch.setattr("fingerprint.vault.edit.VaultEdit.store", fail)
    for _ in range(evidence.ENTRIES_KEPT + 4):
        with pytest.raises(VaultUnreadable):
            Gate(vault, RecordedMachine(AFTER), policy="regenerate").fingerprint()
    assert vault.evidence.for_record(RECORD) is not None


def test_a_snapshot_taken_earlier_is_evidence_of_its_own_time(vault: Vault) -> None:
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    entry = vault.evidence.for_record(record)
    assert entry is not None
    assert entry.at == BEFORE["recordedAt"] != utc(vault.now())


def test_what_a_dead_writer_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.keep(RECORD, {}, why="test", at=AT)
    left = Path(store.path) / f"000002-{'0' * 32}.json.tmp"
    left.write_bytes(b"x" * 1000)
    other = Path(store.path) / "notes.tmp"
    other.write_text("somebody's")
    assert len(store.entries()[0]) == 1
    store.keep(RECORD, {}, why="test", at=AT)
    assert not left.exists()
    assert other.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"number":1}', b"\xff\xfe"])
def test_damaged_evidence_is_reported_and_skipped(vault: Vault, damage: bytes) -> None:
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    [path] = Path(vault.evidence.path).iterdir()
    path.write_bytes(damage)
    intact, refused = vault.evidence.entries()
    assert (intact, [error.where for error in refused]) == ([], [str(path)])
    with pytest.raises(VaultCorrupt, match="damaged"):
        vault.evidence.for_record(record)
    assert vault.read() == record
    assert [(f.kind, f.where, f.broken) for f in verify(vault)] == [("evidence", str(path), False)]
    keep_snapshot(vault, record_machine(RecordedMachine(BEFORE))[1].snapshot)
    assert vault.evidence.for_record(record) is not None


def test_no_changed_byte_is_believed(vault: Vault) -> None:
    """One that leaves valid JSON would name a wrong cause."""
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    [path] = Path(vault.evidence.path).iterdir()
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(VaultCorrupt):
            vault.evidence.for_record(record)


def test_evidence_that_others_can_write_is_not_believed(vault: Vault) -> None:
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    [path] = Path(vault.evidence.path).iterdir()
    path.chmod(0o666)
    with pytest.raises(VaultUnsafe):
        vault.evidence.for_record(record)
    assert vault.read() == record


def test_a_file_that_is_removed_meanwhile_is_no_damage(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    first_record(vault, RecordedMachine(BEFORE))
    monkeypatch.setattr("fingerprint.vault.files.Directory.read", lambda *_, **__: None)
    assert vault.evidence.entries() == ([], [])


def test_a_fingerprint_is_minted_although_evidence_fails(
    vault: Vault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/evidence").write_text("in the way")
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    assert vault.read() == record
    assert "the evidence of the record was not kept" in caplog.text
    assert record.fingerprint not in caplog.text


@pytest.mark.parametrize("question", ["links", "list_directory", "outgoing_address"])
def test_no_answer_of_a_machine_costs_the_identity(
    vault: Vault, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("not made for this")

    monkeypatch.setattr(RecordedMachine, question, fail)
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    Gate(vault, RecordedMachine(AFTER), policy="regenerate").fingerprint()
    carry_out(vault, plan_rebaseline(vault, RecordedMachine(BEFORE)))
    assert vault.read().fingerprint != record.fingerprint
    # What scheme `ssm` was made of is kept all the same.
    assert len(kept_whys(vault)) == 3


def test_names_that_are_no_text_are_kept_and_read_back(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ata-NAME_\udcff123", "wwn-1")
    monkeypatch.setattr(RecordedMachine, "list_directory", lambda *_: names)
    record, _ = first_record(vault, RecordedMachine(BEFORE))
    now = collect(RecordedMachine(BEFORE), scheme="stable")
    monkeypatch.undo()
    entry = vault.evidence.for_record(record)
    assert entry is not None
    then = RecordedMachine(entry.snapshot)
    assert then.list_directory("/dev/disk/by-id") == names
    assert collect(then, scheme="stable")["disk-serials"] == now["disk-serials"]


def test_the_first_answer_is_kept_as_the_hash_was_made_of_it() -> None:
    class Changing(RecordedMachine):
        def host_name(self) -> str:
            self.snapshot["hostName"] += "x"
            return str(self.snapshot["hostName"])

        def read_file(self, path: str, limit: int = 65536) -> bytes:
            data = super().read_file(path, limit)
            self.snapshot["files"][path] = {"text": "changed\n"}
            return data

    collection, recorder = record_machine(Changing(deepcopy(BEFORE)), with_facts=True)
    assert collect(RecordedMachine(recorder.snapshot)).hardware_hash == collection.hardware_hash
    argvs = [entry["argv"] for entry in recorder.snapshot["commands"]]
    assert len(argvs) == len({tuple(argv) for argv in argvs})


def test_a_recording_has_the_start_time_of_the_machine() -> None:
    taken: dict[str, Any] = json.loads(json.dumps(BEFORE))
    taken["files"]["/proc/uptime"] = {"text": "3600.50 7000.00\n"}
    machine = RecordedMachine(taken)
    assert booted_at(machine) == machine.now() - 3600.5
    _, recorder = record_machine(machine)
    assert isinstance(recorder, Recorder)
    assert booted_at(RecordedMachine(recorder.snapshot)) == booted_at(machine)
    assert booted_at(RecordedMachine(BEFORE)) is None
