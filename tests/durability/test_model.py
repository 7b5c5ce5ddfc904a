"""A stateful model: whatever is done to a vault, and whatever damage it takes, it is as a plain dictionary says."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fingerprint import FingerprintRecord, Gate, HardwareHash, Policy, Vault, collect
from fingerprint.errors import (
    FingerprintError,
    FingerprintLost,
    FingerprintMismatch,
    Refused,
    VaultCorrupt,
    VaultError,
    VaultMissing,
    VaultUnsafe,
)
from fingerprint.gate import first_record, set_threshold
from fingerprint.recovery import carry_out, plan_rebaseline, plan_restore
from fingerprint.testing.machines import unix_machine
from fingerprint.types import RegistrationRecord
from fingerprint.vault.damage import differing_bytes
from fingerprint.vault.records import (
    CLEARED,
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_registration,
)
from textbook import decide

FINGERPRINT, REGISTRATION = "InstanceFingerprint", "RegistrationKey"
# The documented bound of the history, for each key: the very first and the newest.
NEWEST_KEPT = 99

MACHINES: dict[str, dict[str, Any]] = {
    "the machine": {},
    "with another address": {"ip": "192.0.2.3"},
    "changed in many ways": {"ip": "192.0.2.4", "mac": "a2:00:00:00:00:01", "host_name": "other", "dmi": "other"},
    "another machine": {"machine_id": "f" * 32 + "\n", "ip": "192.0.2.5"},
}
THRESHOLDS = st.sampled_from([-1, 1, 40, 60, 100])
KEYS = st.sampled_from([FINGERPRINT, REGISTRATION])
RECORDS = st.builds(
    FingerprintRecord,
    st.uuids().map(str),
    st.none() | st.sampled_from(sorted(MACHINES)).map(lambda name: collect(recorded(name)).hardware_hash),
    THRESHOLDS,
)
REGISTRATIONS = st.builds(
    RegistrationRecord,
    instance_id=st.from_regex(r"mi-[0-9a-f]{17}", fullmatch=True),
    region=st.sampled_from(["eu-west-1", "us-east-1"]),
    private_key=st.text(st.sampled_from("ABC+/="), min_size=1, max_size=50),
)


def recorded(name: str) -> Any:
    return unix_machine(**{"dmi": "same", "disk": "total 0\n", **MACHINES[name]})


class Damage(NamedTuple):
    """What somebody else did to one file or directory of the vault.

    Attributes:
        path: the file or directory.
        key: the key that it belongs to, "" for what all keys need.
        error: what reading raises.
        harmed: the state of the path since then.
        repair: brings the path back as it was.
        can_be_replaced: whether a write that was asked for by name may replace it.
    """

    path: Path
    key: str
    error: type[VaultError]
    harmed: tuple[int, bytes] | None
    repair: Callable[[], object]
    can_be_replaced: bool


def state_of(path: Path) -> tuple[int, bytes] | None:
    """Return mode and bytes, None for what does not exist."""
    if not path.exists():
        return None
    return stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b""


class VaultMachine(RuleBasedStateMachine):
    """The vault, and beside it what it must hold."""

    def __init__(self, setup: Path) -> None:
        super().__init__()
        self.setup = setup
        self.vault = self.opened()
        self.records: dict[str, bytes] = {}
        self.replaced: dict[str, list[bytes]] = {FINGERPRINT: [], REGISTRATION: []}
        self.minted: set[str] = set()
        self.damage: Damage | None = None
        # What the newest entry of the journal says is there, of each key.
        self.states: dict[str, tuple[bytes | None, bytes]] = {}
        # Keys that the manifest lacks: it is missing, or their data were no record when it was written.
        self.unlisted: set[str] = set()

    def opened(self) -> Vault:
        return Vault(str(self.setup / "Vault"), state=str(self.setup / "state"), now=lambda: 1_800_000_000.0)

    def teardown(self) -> None:
        shutil.rmtree(self.setup)

    # What the model says.

    @property
    def record(self) -> FingerprintRecord | None:
        data = self.records.get(FINGERPRINT)
        return None if data is None else decode_fingerprint(data, "")

    def damage_of(self, key: str) -> Damage | None:
        """Return the damage that keeps a key from being read."""
        return self.damage if self.damage and self.damage.key in ("", key) else None

    def error_of(self, key: str) -> type[VaultError] | None:
        """Return what reading a key must raise; None for nothing."""
        damage = self.damage_of(key)
        if damage:
            return damage.error
        return None if key in self.records else VaultMissing

    @property
    def unsafe_to_list(self) -> type[VaultError] | None:
        """What any write raises while a key that it must list, too, is in a file that others can write."""
        damage = self.damage
        return damage.error if damage and damage.error is VaultUnsafe and damage.key in self.unlisted else None

    @property
    def bad_manifest(self) -> Damage | None:
        """The damage if it is a manifest that cannot be read: who only reads needs none."""
        damage = self.damage
        return damage if damage and damage.path.name == "Manifest" and damage.error is VaultCorrupt else None

    def reading_error_of(self, key: str) -> type[VaultError] | None:
        """Return what reading a key without writing must raise; None for nothing."""
        if self.bad_manifest:
            return None if key in self.records else VaultMissing
        return self.error_of(key)

    def written(self, key: str, data: bytes) -> None:
        """Note that a key was written, and that what was there was kept."""
        before = self.records.get(key)
        if self.damage and self.damage.key == key:
            before = self.damage.harmed and self.damage.harmed[1]
            self.damage = None
            known = self.states.get(key)
            if known and before is not None and before not in known and not differing_bytes(known[1], before):
                # It has not the form of damage: another program wrote it, and what it replaced is kept, too.
                self.replaced[key].append(known[1])
        elif self.damage and not self.damage.key:
            self.damage = None
        if before is not None and before != data:
            self.replaced[key].append(before)
        if before != data:
            self.states[key] = (before, data)
        self.records[key] = data
        self.unlisted &= {self.damage.key} if self.damage else set()
        self.unlisted.discard(key)

    def lost(self) -> type[FingerprintError] | None:
        """Return what making a first fingerprint raises: of a registered machine the service knows one."""
        damage = self.damage_of(REGISTRATION)
        if damage and not self.bad_manifest:
            return damage.error
        return FingerprintLost if REGISTRATION in self.records else None

    def note_minted(self, fingerprint: str, machine: Any, threshold: int) -> None:
        assert fingerprint not in self.minted
        self.minted.add(fingerprint)
        record = FingerprintRecord(fingerprint, collect(machine).hardware_hash, threshold)
        self.written(FINGERPRINT, encode_fingerprint(record))

    # What is done to the vault.

    @initialize(record=RECORDS, registration=REGISTRATIONS, empty=st.booleans())
    def begin(self, record: FingerprintRecord, registration: RegistrationRecord, empty: bool) -> None:
        if not empty:
            self.store(record)
            self.rotate(registration)

    def refused(self, error: type[FingerprintError], action: Callable[[], object]) -> None:
        """Require that an action raises just this error and leaves every byte and mode of the vault as it was."""
        before = self.tree()
        with pytest.raises(error) as caught:
            action()
        assert type(caught.value) is error
        assert self.tree() == before

    def tree(self) -> dict[Path, tuple[int, bytes] | None]:
        top = self.setup / "Vault"
        return {path: state_of(path) for path in (top, *top.rglob("*"))}

    @rule(record=RECORDS)
    def store(self, record: FingerprintRecord) -> None:
        def action() -> None:
            with self.vault.edit() as edit:
                edit.store(record, why="store")

        self.undamaged(FINGERPRINT, encode_fingerprint(record), action)

    def undamaged(self, key: str, data: bytes, action: Callable[[], object]) -> None:
        """Require that a write is refused where something is damaged, and made where nothing is."""
        damage = self.damage_of(key)
        error = damage.error if damage else self.unsafe_to_list
        if error:
            self.refused(error, action)
            return
        action()
        self.written(key, data)

    @rule(registration=REGISTRATIONS)
    def rotate(self, registration: RegistrationRecord) -> None:
        """The key is rotated: another private key for the same node."""

        def action() -> None:
            with self.vault.edit() as edit:
                edit.store_registration(registration, why="rotation")

        self.undamaged(REGISTRATION, encode_registration(registration), action)

    @rule(threshold=THRESHOLDS)
    def set_threshold(self, threshold: int) -> None:
        error = self.reading_error_of(FINGERPRINT)
        record = self.record
        if error or record is None or not record.fingerprint:
            if error in (None, VaultMissing):
                error = self.lost() or VaultMissing
            self.refused(error, lambda: set_threshold(self.vault, threshold))
            return
        after = record.replace(threshold=threshold)
        refused = VaultCorrupt if self.bad_manifest else self.unsafe_to_list
        if refused:
            self.refused(refused, lambda: set_threshold(self.vault, threshold))
            return
        assert set_threshold(self.vault, threshold) == (record, after)
        if after != record:
            self.written(FINGERPRINT, encode_fingerprint(after))

    @rule()
    def clear(self) -> None:
        """A reset that was asked for by name replaces a damaged record, but nothing that is unsafe."""

        def action() -> None:
            with self.vault.edit() as edit:
                edit.clear(why="reset")

        self.forced(FINGERPRINT, encode_fingerprint(CLEARED), action)

    def forced(self, key: str, data: bytes, action: Callable[[], object]) -> None:
        damage = self.damage_of(key)
        error = damage.error if damage and not damage.can_be_replaced else self.unsafe_to_list
        if error:
            self.refused(error, action)
            return
        action()
        self.written(key, data)

    @rule(name=st.sampled_from(sorted(MACHINES)), threshold=THRESHOLDS)
    def make_first(self, name: str, threshold: int) -> None:
        machine = recorded(name)
        record, damage = self.record, self.damage_of(FINGERPRINT)
        if damage and not self.bad_manifest:
            self.refused(damage.error, lambda: first_record(self.vault, machine))
        elif record and record.fingerprint:
            self.refused(Refused, lambda: first_record(self.vault, machine))
        elif lost := self.lost():
            self.refused(Refused if lost is FingerprintLost else lost, lambda: first_record(self.vault, machine))
        elif damage:
            self.refused(damage.error, lambda: first_record(self.vault, machine))
        else:
            made, _ = first_record(self.vault, machine, threshold=threshold)
            self.note_minted(made.fingerprint, machine, threshold)

    @rule(name=st.sampled_from(sorted(MACHINES)), policy=st.sampled_from([*Policy.members()]))
    def pass_gate(self, name: str, policy: Policy) -> None:
        machine = recorded(name)
        gate = Gate(self.vault, machine, policy=policy)
        record, damage = self.record, self.damage_of(FINGERPRINT)
        if damage and not self.bad_manifest:
            self.refused(damage.error, gate.fingerprint)
            return
        if record is None or not record.fingerprint:
            if lost := self.lost():
                self.refused(lost, gate.fingerprint)
                return
            if damage:
                self.refused(damage.error, gate.fingerprint)
                return
            self.note_minted(gate.fingerprint(), machine, 40)
            return
        saved = None if record.hardware_hash is None else dict(record.hardware_hash.items())
        now = dict(collect(machine).hardware_hash.items())
        if decide(saved, now, record.threshold)[0] or policy == Policy.AUDIT:
            assert gate.fingerprint() == record.fingerprint
        elif policy == Policy.STRICT:
            self.refused(FingerprintMismatch, gate.fingerprint)
        elif damage or self.unsafe_to_list:
            self.refused(damage.error if damage else VaultUnsafe, gate.fingerprint)
        else:
            self.note_minted(gate.fingerprint(), machine, record.threshold)

    @rule(data=st.data(), name=st.sampled_from(sorted(MACHINES)), accept=st.booleans())
    @precondition(lambda self: any(self.replaced.values()))
    def restore(self, data: st.DataObject, name: str, accept: bool) -> None:
        entry = data.draw(st.sampled_from(self.vault.history.entries()))
        key, machine = entry["key"], recorded(name)
        if key not in self.records:
            # A manifest makes itself anew.
            self.refused(VaultCorrupt, lambda: plan_restore(self.vault, entry["number"], machine))
            return
        _, kept = self.vault.history.entry(entry["number"])
        assert kept in self.replaced[key]
        try:
            other_sid = self.is_of_another_machine(key, kept, machine)
        except VaultCorrupt:
            self.refused(VaultCorrupt, lambda: plan_restore(self.vault, entry["number"], machine))
            return
        if self.error_of(key) is VaultUnsafe:
            # Damage may be replaced; what others may have written is for its owner to examine first.
            self.refused(VaultUnsafe, lambda: plan_restore(self.vault, entry["number"], machine))
            return
        plan = plan_restore(self.vault, entry["number"], machine)

        def action() -> None:
            carry_out(self.vault, plan, accept_new_sid=accept)

        if other_sid and not accept:
            self.refused(Refused, action)
        else:
            self.forced(key, kept, action)

    def is_of_another_machine(self, key: str, data: bytes, machine: Any) -> bool:
        if key == REGISTRATION:
            decode_registration(data, "")
            return False
        attributes = decode_fingerprint(data, "").hardware_hash
        return attributes is not None and sid(attributes) != sid(collect(machine).hardware_hash)

    @rule(name=st.sampled_from(sorted(MACHINES)), accept=st.booleans())
    def rebaseline(self, name: str, accept: bool) -> None:
        machine = recorded(name)
        error = self.reading_error_of(FINGERPRINT)
        record = self.record
        if error or record is None or not record.fingerprint:
            self.refused(error or Refused, lambda: plan_rebaseline(self.vault, machine))
            return
        plan = plan_rebaseline(self.vault, machine)
        now = collect(machine).hardware_hash
        if record.hardware_hash is not None and sid(record.hardware_hash) != sid(now) and not accept:
            self.refused(Refused, lambda: carry_out(self.vault, plan))
            return
        self.forced(
            FINGERPRINT,
            encode_fingerprint(record.replace(hardware_hash=now)),
            lambda: carry_out(self.vault, plan, accept_new_sid=accept),
        )

    @rule()
    def reopen(self) -> None:
        self.vault = self.opened()

    # What others do to it.

    def harm(self, path: Path, key: str, error: type[VaultError], how: Callable[[], object]) -> None:
        before = state_of(path)
        assert before
        mode, data = before

        def repair() -> None:
            if path.is_dir():
                path.chmod(mode)
                return
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            path.chmod(mode)

        how()
        self.damage = Damage(path, key, error, state_of(path), repair, error is VaultCorrupt)

    def file_of(self, key: str) -> Path:
        return self.setup / "Vault" / "Store" / key if key else self.setup / "Vault" / "Manifest"

    @rule(key=st.sampled_from([FINGERPRINT, REGISTRATION, ""]), share=st.floats(0, 1, exclude_max=True))
    @precondition(lambda self: self.records and not self.damage)
    def truncate(self, key: str, share: float) -> None:
        path = self.file_of(key)
        if path.exists():
            length = int(path.stat().st_size * share)
            self.harm(path, key, VaultCorrupt, lambda: os.truncate(path, length))

    @rule(
        key=st.sampled_from([FINGERPRINT, REGISTRATION, ""]),
        share=st.floats(0, 1, exclude_max=True),
        byte=st.sampled_from(b"\x00\x1f\x80\xff"),
    )
    @precondition(lambda self: self.records and not self.damage)
    def corrupt(self, key: str, share: float, byte: int) -> None:
        path = self.file_of(key)
        if path.exists():
            data = bytearray(path.read_bytes())
            data[int(len(data) * share)] = byte
            self.harm(path, key, VaultCorrupt, lambda: path.write_bytes(data))

    @rule(key=KEYS)
    @precondition(lambda self: self.records and not self.damage)
    def lose_data(self, key: str) -> None:
        if key in self.records and (self.setup / "Vault" / "Manifest").exists():
            self.harm(self.file_of(key), key, VaultCorrupt, self.file_of(key).unlink)

    @rule()
    @precondition(lambda self: self.records and not self.damage)
    def lose_manifest(self) -> None:
        """It costs nothing: the data say what it held."""
        (self.setup / "Vault" / "Manifest").unlink(missing_ok=True)
        self.unlisted = set(self.records)

    @rule(
        name=st.sampled_from(["", "Manifest", "Store", f"Store/{FINGERPRINT}", f"Store/{REGISTRATION}"]),
        bit=st.sampled_from([0o020, 0o002]),
    )
    @precondition(lambda self: self.records and not self.damage)
    def loosen_mode(self, name: str, bit: int) -> None:
        path = self.setup / "Vault" / name
        if path.exists():
            key = path.name if path.name in self.records else ""
            self.harm(path, key, VaultUnsafe, lambda: path.chmod(stat.S_IMODE(path.stat().st_mode) | bit))

    @rule()
    @precondition(lambda self: self.damage)
    def repair(self) -> None:
        assert self.damage
        self.damage.repair()
        self.damage = None

    # What must hold at any time.

    @invariant()
    def what_reads_is_what_was_written_or_the_right_error(self) -> None:
        for vault in (self.vault, self.opened()):
            for key, read, decode in (
                (FINGERPRINT, vault.read, decode_fingerprint),
                (REGISTRATION, vault.read_registration, decode_registration),
            ):
                error = self.reading_error_of(key)
                if error:
                    self.refused(error, read)
                else:
                    assert read() == decode(self.records[key], "")

    @invariant()
    def the_bytes_are_those_that_were_written(self) -> None:
        for key, data in self.records.items():
            if not self.damage_of(key):
                assert self.file_of(key).read_bytes() == data

    @invariant()
    def damage_is_left_as_it_is(self) -> None:
        if self.damage:
            assert state_of(self.damage.path) == self.damage.harmed

    @invariant()
    def whatever_was_replaced_is_in_the_history(self) -> None:
        entries = self.vault.history.entries()
        numbers = [entry["number"] for entry in entries]
        assert numbers == sorted(set(numbers))
        for key, replaced in self.replaced.items():
            kept = [self.vault.history.entry(e["number"])[1] for e in entries if e["key"] == key]
            if len(replaced) > NEWEST_KEPT:
                assert kept[0] == replaced[0]
                assert kept[-NEWEST_KEPT:] == replaced[-NEWEST_KEPT:]
            else:
                assert kept == replaced

    @invariant()
    def a_manifest_lists_all_that_there_is(self) -> None:
        """The agent finds by the manifest alone: a key that it lacks is lost to the agent."""
        path = self.setup / "Vault" / "Manifest"
        if not path.exists() or (self.damage and self.damage.path == path):
            return
        listed = decode_manifest(path.read_bytes(), "")
        every = {key: str(self.file_of(key)) for key in self.records}
        assert listed.items() <= every.items()
        if self.damage and self.damage.key:
            # What is no record is not listed: the agent would make a new fingerprint over it all the same.
            self.unlisted |= {self.damage.key} - listed.keys()
        assert every.keys() - listed.keys() <= self.unlisted


def sid(attributes: HardwareHash) -> str:
    return attributes.get("machine-id", "")


def test_a_vault_is_what_a_dictionary_says(tmp_path: Path, full: bool, count: Callable[[str, int], None]) -> None:
    """Random histories of a vault's life, with damage by others and repair, against the model."""
    lives = 0

    class Life(VaultMachine):
        def __init__(self) -> None:
            nonlocal lives
            lives += 1
            setup = tmp_path / str(lives)
            setup.mkdir(mode=0o700)
            super().__init__(setup)

    examples, steps = (300, 40) if full else (30, 20)
    profile = settings(max_examples=examples, stateful_step_count=steps, deadline=None, database=None)
    run_state_machine_as_test(Life, settings=profile)
    count("lives of a vault against the model", lives)
    count("steps of a life at most", steps)
