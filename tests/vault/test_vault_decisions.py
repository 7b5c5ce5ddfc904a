"""Small decisions of the vault: damage, values of a wrong type, evidence that is spared, and what an entry restores."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.errors import VaultCorrupt
from fingerprint.types import RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY, evidence
from fingerprint.vault.damage import DAMAGED_BYTES, differing_bytes, newer_than, threshold_change
from fingerprint.vault.evidence import EvidenceStore, record_tag
from fingerprint.vault.files import Directory
from fingerprint.vault.history import LAST_WRITTEN
from fingerprint.vault.integrity import manifest_state
from fingerprint.vault.records import decode_fingerprint, decode_manifest, encode_fingerprint

RECORD = FingerprintRecord("979b554b-0d67-42c6-9730-48443b3016dd", HardwareHash({"machine-id": "3d12\n"}), 40)
AT = "2026-11-24T12:00:00Z"


def changed(data: bytes, count: int) -> bytes:
    """Return bytes of which the last ones of the fingerprint are others."""
    end = data.index(b'","hardwareHash')
    return data[: end - count] + bytes(one ^ 1 for one in data[end - count : end]) + data[end:]


@pytest.mark.parametrize("count", [1, 2, DAMAGED_BYTES, DAMAGED_BYTES + 1, 10])
def test_a_few_other_bytes_are_damage_and_many_another_record(count: int) -> None:
    data = encode_fingerprint(RECORD)
    assert differing_bytes(data, changed(data, count)) == (count if count <= DAMAGED_BYTES else 0)


def test_another_threshold_is_no_damage() -> None:
    data, other = encode_fingerprint(RECORD), encode_fingerprint(RECORD.replace(threshold=41))
    assert (differing_bytes(data, other), threshold_change(data, other)) == (0, (40, 41))
    assert threshold_change(data, changed(data, 1)) is None
    assert threshold_change(data, b"{") is None
    assert differing_bytes(data, data + b" ") == 0
    assert differing_bytes(data, data) == 0


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("[]", "an array"), ("{}", "an object"), ("5", "an integer"), ("1.5", "a fraction"), ("true", "a truth value"),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_named(value: str, kind: str) -> None:
    with pytest.raises(VaultCorrupt) as caught:
        decode_fingerprint(f'{{"fingerprint":{value}}}'.encode(), "some/file")
    assert "fingerprint" in caught.value.what
    assert kind in caught.value.what
    assert caught.value.where == "some/file"
    with pytest.raises(VaultCorrupt):
        decode_manifest(f'{{"InstanceFingerprint":{value}}}'.encode(), "some/file")


def test_a_manifest_lists_what_has_a_path() -> None:
    data = b'{"a":"/x","b":null,"c":""}'
    assert decode_manifest(data, "some/file") == {"a": "/x"}


@pytest.mark.parametrize(
    ("threshold", "fits"), [(2**63 - 1, True), (-(2**63), True), (2**63, False), (-(2**63) - 1, False)]
)
def test_a_threshold_is_a_64_bit_integer(threshold: int, fits: bool) -> None:
    data = f'{{"fingerprint":"f","hardwareHash":{{"a":"1"}},"similarityThreshold":{threshold}}}'.encode()
    if fits:
        assert decode_fingerprint(data, "").threshold == threshold
    else:
        with pytest.raises(VaultCorrupt):
            decode_fingerprint(data, "")


class Evidence:
    """A store, and a name for each of its files."""

    def __init__(self, directory: Path) -> None:
        self.store = EvidenceStore(str(directory), "key")

    def keep(self, *names: str, present: str = "") -> None:
        for name in names:
            self.store.keep(
                RECORD.replace(fingerprint=name), {"name": name}, why="test", at=AT,
                present=RECORD.replace(fingerprint=present) if present else None,
            )  # fmt: skip

    def kept(self) -> list[int]:
        return [one.number for one in self.store.entries()[0]]


def test_the_oldest_evidence_goes_but_not_the_first_and_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ENTRIES_KEPT", 4)
    there = Evidence(tmp_path)
    there.keep("a", "b", "c", "d")
    assert there.kept() == [1, 2, 3, 4]
    there.keep("e")
    assert there.kept() == [1, 3, 4, 5]
    # The record in the vault is the third: its evidence stays.
    there.keep("f", present="c")
    assert there.kept() == [1, 3, 5, 6]
    # Of one record the first and the newest stay.
    there.keep("g", "g", "g", "g")
    assert there.kept() == [1, 7, 9, 10]
    entry = there.store.for_record(RECORD.replace(fingerprint="g"))
    assert entry is not None
    assert (entry.number, entry.tag) == (7, record_tag(RECORD.replace(fingerprint="g")))


def test_evidence_is_within_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Evidence(tmp_path)
    there.keep("a", "b", "c")
    sizes = [one.size for one in there.store.entries()[0]]
    assert len(set(sizes)) == 1
    monkeypatch.setattr(evidence, "TOTAL_LIMIT", 4 * sizes[0])
    there.keep("d")
    assert there.kept() == [1, 2, 3, 4]
    there.keep("e")
    assert there.kept() == [1, 3, 4, 5]


@pytest.mark.parametrize("member", ["number", "record"])
def test_evidence_of_another_name_is_damaged(tmp_path: Path, member: str) -> None:
    there = Evidence(tmp_path)
    there.keep("a", "b")
    [first, second] = sorted(Path(there.store.path).glob("*.json"))
    number, _, tag = first.stem.partition("-")
    other = (
        f"{int(number) + 7:06}-{tag}.json" if member == "number" else f"{number}-{second.stem.partition('-')[2]}.json"
    )
    first.rename(first.with_name(other))
    good, bad = there.store.entries()
    assert ([one.number for one in good], len(bad)) == ([2], 1)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    clock = iter(range(1_800_000_000, 1_900_000_000, 60))
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: float(next(clock)))


def store(vault: Vault, *names: str) -> list[bytes]:
    found = []
    for name in names:
        with vault.edit() as edit:
            edit.store(RECORD.replace(fingerprint=name), why="test")
        found.append(vault.raw(FINGERPRINT_KEY) or b"")
    return found


def test_a_copy_of_an_entry_is_what_it_replaced(vault: Vault) -> None:
    a, b, c = store(vault, "a", "b", "c")
    changes = [change for change in vault.history.changes() if change.key == FINGERPRINT_KEY]
    assert [(change.before, change.after) for change in changes] == [(None, a), (a, b), (b, c)]
    # Before the first there was nothing, so it restores itself.
    restored = [vault.history.entry(change.number) for change in changes]
    assert restored == [(FINGERPRINT_KEY, one) for one in (a, a, b)]
    copies = [(change.number, change.at, data) for change, (_, data) in zip(changes, restored, strict=True)]
    assert vault.history.copies(FINGERPRINT_KEY) == [(LAST_WRITTEN, changes[-1].at, c), *copies[::-1]]
    assert vault.history.entry(LAST_WRITTEN, FINGERPRINT_KEY) == (FINGERPRINT_KEY, c)


def test_older_bytes_are_a_rollback(vault: Vault) -> None:
    a, b, c = store(vault, "a", "b", "c")
    changes = vault.history.changes()
    newest = newer_than(changes, FINGERPRINT_KEY, a)
    assert newest is not None
    assert newest.after == c
    assert newer_than(changes, FINGERPRINT_KEY, b) is not None
    assert newer_than(changes, FINGERPRINT_KEY, c) is None
    assert newer_than(changes, FINGERPRINT_KEY, b"other") is None
    assert newer_than(changes, "RegistrationKey", a) is None


def test_bytes_of_another_program_are_kept_as_found(vault: Vault) -> None:
    a, b = store(vault, "a", "b")
    other = encode_fingerprint(RECORD.replace(fingerprint="of the agent"))
    Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(other)
    store(vault, "c")
    seen = [bytes(text) for text in vault.history.seen(FINGERPRINT_KEY)]
    assert {a, b, other} <= set(seen)


def test_a_vault_is_registered_by_a_complete_registration(vault: Vault) -> None:
    with vault.edit() as edit:
        edit.store_registration(RegistrationRecord("mi-0123456789abcdef0", "eu-west-1", private_key="a2V5"), why="test")
    assert vault.read_registration().registered
    assert vault.raw("RegistrationKey")


def test_an_error_that_was_read_once_is_the_answer_again(vault: Vault) -> None:
    """An observation says one thing of a record, also if the record is fixed meanwhile."""
    store(vault, "a")
    path = Path(vault.data_path(FINGERPRINT_KEY))
    good = path.read_bytes()
    path.write_bytes(b"{")
    kept = vault.keeping()
    for content in (b"{", good):
        path.write_bytes(content)
        with pytest.raises(VaultCorrupt):
            kept.read()
    assert vault.read().fingerprint == "a"


def test_a_manifest_that_is_broken_has_a_consequence(vault: Vault) -> None:
    store(vault, "a")
    assert manifest_state(vault).sound
    (Path(vault.path) / "Manifest").write_bytes(b"{")
    state = manifest_state(vault)
    assert not state.sound
    assert isinstance(state.consequence, str)
    assert state.consequence


def test_a_new_file_is_durable_by_its_directory_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        flush(descriptor)

    with Directory.make(str(tmp_path / "new"), 0o700) as made:
        monkeypatch.setattr(os, "fsync", fsync)
        made.append("lines", b"one\n")
        assert flushed == [False, True]
        made.append("lines", b"two\n")
        assert flushed == [False, True, False]
        assert made.read("lines") == b"one\ntwo\n"
