"""The gate: what decides between two attempts, between two processes, and what is kept and returned."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from event_machines import before_and_after
from fingerprint import FingerprintRecord, Gate, Vault, collect
from fingerprint.errors import CollectError, Refused, UsageError, VaultUnreadable
from fingerprint.gate import check_threshold, first_record, keep_snapshot, prepared_record, set_threshold
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing.machines import unix_machine, unix_snapshot
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.evidence import EvidenceStore
from windows_machines import windows_snapshot

SAVED = "979b554b-0d67-42c6-9730-48443b3016dd"
SAME, OTHER = unix_snapshot(), unix_snapshot(machine_id="f" * 32 + "\n")
BROKEN = unix_snapshot()
BROKEN["files"]["/etc/machine-id"] = {"base64": "//49/wo="}


class Scripted(RecordedMachine):
    """A machine that is another one after each pause, and calls a function at some of them."""

    def __init__(self, *snapshots: dict[str, Any], **at_pause: Callable[[], object]) -> None:
        super().__init__(snapshots[0])
        self._left = list(snapshots[1:])
        self._at_pause = at_pause
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.pauses.append(seconds)
        if self._left:
            self.__dict__.update(RecordedMachine(self._left.pop(0)).__dict__)
        self._at_pause.get(f"pause_{len(self.pauses)}", lambda: None)()


class Raced(Vault):
    """A vault in which another process stores a record just before this one gets the lock."""

    winner: FingerprintRecord

    def change(self, function: Any) -> Any:
        with Vault(self.path, state=self.state).edit() as edit:
            edit.store(self.winner, why="another process")
        return super().change(function)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))


def store(vault: Vault, threshold: int = 40) -> FingerprintRecord:
    record = FingerprintRecord(SAVED, collect(unix_machine()).hardware_hash, threshold)
    with vault.edit() as edit:
        edit.store(record, why="test")
    return record


def data(vault: Vault) -> bytes | None:
    return vault.raw(FINGERPRINT_KEY)


def test_two_mismatches_that_agree_decide_after_a_failed_attempt(vault: Vault) -> None:
    store(vault)
    new = Gate(vault, Scripted(BROKEN, OTHER), policy="regenerate").fingerprint()
    assert new != SAVED
    assert vault.read().fingerprint == new


@pytest.mark.parametrize("last", [[OTHER, SAME], [SAME]])
def test_a_match_in_any_attempt_is_a_match(vault: Vault, last: list[Any]) -> None:
    store(vault)
    machine = Scripted(OTHER, *last)
    assert Gate(vault, machine, policy="regenerate").fingerprint() == SAVED
    assert machine.pauses == [5.0] * len(last)


def test_three_failed_attempts_raise_the_last_error(vault: Vault) -> None:
    store(vault)
    before, machine = data(vault), Scripted(BROKEN)
    with pytest.raises(CollectError):
        Gate(vault, machine, policy="regenerate").fingerprint()
    assert (machine.pauses, data(vault)) == ([5.0] * 3, before)


def test_the_record_of_the_last_attempt_is_replaced(vault: Vault) -> None:
    """Another process set the threshold between the second and the third attempt."""
    store(vault)
    machine = Scripted(OTHER, pause_2=lambda: set_threshold(Vault(vault.path, state=vault.state), 77))
    new = Gate(vault, machine, policy="regenerate").fingerprint()
    assert (vault.read().fingerprint, vault.read().threshold) == (new, 77)


def raced(vault: Vault, winner: FingerprintRecord) -> Raced:
    found = Raced(vault.path, state=vault.state)
    found.winner = winner
    return found


def test_the_fingerprint_of_the_first_process_is_kept(vault: Vault) -> None:
    winner = FingerprintRecord("of another process", collect(unix_machine()).hardware_hash, 40)
    assert Gate(raced(vault, winner), unix_machine(), policy="strict").fingerprint() == winner.fingerprint
    assert vault.read() == winner


def test_a_first_record_is_rejected_after_another_process(vault: Vault) -> None:
    winner = FingerprintRecord("of another process", collect(unix_machine()).hardware_hash, 40)
    with pytest.raises(Refused):
        first_record(raced(vault, winner), unix_machine())
    assert vault.read() == winner


@pytest.mark.parametrize(("snapshot", "match"), [(OTHER, True), (SAME, False)])
def test_a_record_that_another_process_stored_is_compared_again(vault: Vault, snapshot: Any, match: bool) -> None:
    store(vault)
    winner = FingerprintRecord("of another process", collect(RecordedMachine(snapshot)).hardware_hash, 40)
    gate = Gate(raced(vault, winner), RecordedMachine(OTHER), policy="regenerate")
    if match:
        assert gate.fingerprint() == winner.fingerprint
    else:
        with pytest.raises(CollectError):
            gate.fingerprint()
    assert vault.read() == winner


@pytest.mark.parametrize(
    "make",
    [
        lambda vault, machine: first_record(vault, machine),
        lambda vault, machine: Gate(vault, machine, policy="strict").fingerprint(),
        lambda vault, machine: (store(vault), Gate(vault, machine, policy="regenerate").fingerprint()),
    ],
    ids=["first_record", "the first of a gate", "regenerated"],
)
def test_a_new_record_keeps_what_an_explanation_needs(vault: Vault, make: Any) -> None:
    """What scheme `stable` reads is kept, too, although the hash of the record is made without it."""
    machine = RecordedMachine(before_and_after("os-upgrade")[0])
    make(vault, machine)
    entry = vault.evidence.for_record(vault.read())
    assert entry is not None
    stable = collect(RecordedMachine(entry.snapshot), scheme="stable")["system-uuid"].value
    assert stable
    assert stable == collect(machine, scheme="stable")["system-uuid"].value


def test_a_record_is_stored_without_its_evidence(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What went wrong is logged without a remedy: there is nothing to do."""
    for error, words in (
        (VaultUnreadable("it cannot be kept", where="/some/file", remedy="Do this"), "/some/file: it cannot be kept"),
        (KeyError("something"), "KeyError: 'something'"),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(EvidenceStore, "keep", fail)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert Gate(vault, RecordedMachine(OTHER if data(vault) else SAME), policy="regenerate").fingerprint()
        assert [words in line for line in caplog.messages].count(True) == 1
        assert "Do this" not in caplog.text


DOUBTFUL = windows_snapshot("10.0.26100", agent=None)


@pytest.mark.parametrize(
    "make",
    [
        lambda vault, machine: first_record(vault, machine),
        lambda vault, machine: prepared_record(vault, machine, 40),
        lambda vault, machine: Gate(vault, machine, policy="regenerate").fingerprint(),
    ],
    ids=["first_record", "prepared_record", "gate"],
)
def test_no_record_is_made_of_hashes_that_the_agent_may_not_make(vault: Vault, make: Any) -> None:
    assert collect(RecordedMachine(DOUBTFUL)).doubt
    with pytest.raises(Refused):
        make(vault, RecordedMachine(DOUBTFUL))
    assert data(vault) is None


@pytest.mark.parametrize("threshold", [-1, 1, 2, 99, 100])
def test_a_threshold_from_1_to_100_or_disabled_can_be_set(vault: Vault, threshold: int) -> None:
    check_threshold(threshold)
    old = store(vault)
    assert set_threshold(vault, threshold) == (old, old.replace(threshold=threshold))
    assert vault.read() == old.replace(threshold=threshold)


@pytest.mark.parametrize("threshold", [-2, 0, 101])
def test_no_other_threshold_can_be_set(vault: Vault, threshold: int) -> None:
    store(vault)
    before = data(vault)
    with pytest.raises(UsageError):
        set_threshold(vault, threshold)
    assert data(vault) == before


def test_a_registration_on_its_machine_keeps_the_vaults_record(vault: Vault) -> None:
    new, recorder = prepared_record(vault, unix_machine(), 55)
    assert (new.threshold, new.hardware_hash) == (55, collect(unix_machine()).hardware_hash)
    assert recorder is not None
    assert data(vault) is None
    saved = store(vault, threshold=77)
    assert prepared_record(vault, unix_machine(), 55) == (saved, None)
    other, recorder = prepared_record(vault, RecordedMachine(OTHER), 55)
    assert (other.fingerprint != SAVED, other.threshold) == (True, 77)
    assert recorder is not None
    assert vault.read() == saved


def test_a_snapshot_that_is_kept_has_a_number(vault: Vault) -> None:
    record = store(vault)
    assert [keep_snapshot(vault, SAME) for _ in range(2)] == [1, 2]
    entry = vault.evidence.for_record(record)
    assert entry is not None
    assert (entry.number, entry.snapshot) == (1, SAME)
