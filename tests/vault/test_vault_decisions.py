"""Small decisions of the vault: damage, values of a wrong type, evidence that is spared, and what an entry restores."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.errors import VaultChanged, VaultCorrupt, VaultUnreadable, VaultUnsafe
from fingerprint.types import RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY, _posix_exchange, evidence, other_records, retention
from fingerprint.vault.damage import DAMAGED_BYTES, differing_bytes, newer_than, threshold_change
from fingerprint.vault.evidence import EvidenceStore, record_tag
from fingerprint.vault.files import Directory
from fingerprint.vault.history import LAST_WRITTEN
from fingerprint.vault.integrity import FAILS, manifest_state
from fingerprint.vault.journal import FOUND, parsed
from fingerprint.vault.records import decode_fingerprint, decode_manifest, encode_fingerprint
from fingerprint.vault.remedies import first_remedy, restore_remedy
from fingerprint.vault.state_keys import find_key, real_path, state_key

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
    complete = RegistrationRecord("mi-0123456789abcdef0", "eu-west-1", private_key="a2V5")
    with vault.edit() as edit:
        edit.store_registration(complete, why="test")
    assert vault.read_registration().registered
    assert vault.raw("RegistrationKey")
    for member in ("instance_id", "region", "private_key"):
        assert not complete.replace(**{member: ""}).registered


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


def test_a_file_that_was_not_safe_once_is_not_read_again(vault: Vault) -> None:
    [a] = store(vault, "a")
    path = Path(vault.data_path(FINGERPRINT_KEY))
    path.rename(path.with_name("other"))
    path.symlink_to("other")
    kept = vault.keeping()
    with pytest.raises(VaultUnsafe):
        kept.raw(FINGERPRINT_KEY)
    path.unlink()
    path.with_name("other").rename(path)
    with pytest.raises(VaultUnsafe):
        kept.raw(FINGERPRINT_KEY)
    assert vault.keeping().raw(FINGERPRINT_KEY) == a


def test_a_manifest_that_is_broken_has_a_consequence(vault: Vault) -> None:
    store(vault, "a")
    assert manifest_state(vault).sound
    (Path(vault.path) / "Manifest").write_bytes(b"{")
    state = manifest_state(vault)
    assert (state.sound, state.agent_does) == (False, FAILS)
    assert "the agent cannot load the vault" in state.consequence


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


def test_each_kind_of_entry_has_its_bound(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, bound in ((retention.REPLACED, 2), (retention.REGISTRATION, 4), (retention.ROUTINE, 1)):
        monkeypatch.setitem(retention.KEPT, kind, bound)
    store(vault, *"abcdefg")
    with vault.edit() as edit:
        edit.store(RECORD.replace(fingerprint="g", threshold=41), why="test")
    journal = Path(vault.history.path)
    lines = list(parsed(retention.compacted(journal.read_bytes(), lambda key: vault.raw(key))))
    # The first two, those of the kind, and the last.
    assert [line["number"] for _, line in lines if line] == [1, 2, 6, 7, 8]


def test_a_damaged_line_stays_as_it_is(vault: Vault) -> None:
    store(vault, "a", "b", "c")
    data = Path(vault.history.path).read_bytes()
    lines = data.splitlines(keepends=True)
    damaged = next(number for number, line in enumerate(lines) if b'"number":2' in line and b'"of"' not in line)
    lines[damaged] = lines[damaged].replace(b'"why":"test"', b'"why":"tess"')
    after = retention.compacted(b"".join(lines), lambda key: vault.raw(key))
    assert after.count(lines[damaged]) == 1
    assert [line["number"] if line else None for _, line in parsed(after)] == [1, None, 3]


def no_exchange(*_: object, **_more: object) -> None:
    raise OSError(errno.ENOSYS, "not implemented")


def test_a_failed_renaming_leaves_no_temporary_file(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that cannot exchange names, too."""
    [a] = store(vault, "a")
    monkeypatch.setattr(_posix_exchange, "exchange_names", no_exchange)
    path = Path(vault.data_path(FINGERPRINT_KEY))
    names = sorted(os.listdir(path.parent))
    with Directory.open(str(path.parent)) as directory:
        with pytest.raises(VaultChanged):
            directory.put(path.name, b"new", b"other", lambda *_: None)
        assert sorted(os.listdir(path.parent)) == names
        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", no_exchange)
            with pytest.raises(VaultUnreadable) as caught:
                directory.put(path.name, b"new", a, lambda *_: None)
        assert caught.value.where == str(path)
        assert sorted(os.listdir(path.parent)) == names
        assert path.read_bytes() == a
        directory.put(path.name, b"new", a, lambda *_: None)
    assert path.read_bytes() == b"new"


def test_bytes_written_during_a_change_are_in_the_journal(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    [a] = store(vault, "a")
    other = encode_fingerprint(RECORD.replace(fingerprint="of the agent"))
    path = Path(vault.data_path(FINGERPRINT_KEY))
    exchange = _posix_exchange.exchange_names

    def overtaken(descriptor: int, temporary: str, name: str) -> None:
        if path.read_bytes() == a:
            path.write_bytes(other)
        exchange(descriptor, temporary, name)

    monkeypatch.setattr(_posix_exchange, "exchange_names", overtaken)
    with vault.edit() as edit, pytest.raises(VaultChanged):
        edit.store(RECORD.replace(fingerprint="b"), why="test")
    assert path.read_bytes() == other
    last = vault.history.changes()[-1]
    assert (last.before, last.after, last.why) == (a, other, FOUND)


def test_found_bytes_follow_the_last_ones(vault: Vault) -> None:
    _, b = store(vault, "a", "b")
    other = encode_fingerprint(RECORD.replace(fingerprint="of the agent"))
    Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(other)
    store(vault, "c")
    found = [change.before for change in vault.history.changes() if change.after == other]
    assert found == [b]


def test_another_program_changes_a_record_or_takes_it_back(vault: Vault) -> None:
    a, _ = store(vault, "of an earlier time", "b")
    path = Path(vault.data_path(FINGERPRINT_KEY))
    for data, back in ((encode_fingerprint(RECORD.replace(fingerprint="of the agent")), False), (a, True)):
        path.write_bytes(data)
        vault.read()
        assert vault.notice
        assert vault.rolled_back is back


def test_a_path_without_links_is_found_as_far_as_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert real_path(str(tmp_path / "link")) == str(real)
    assert real_path(str(tmp_path / "link/none/Vault")) == str(real / "none/Vault")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert real_path(str(tmp_path / "loop")) == str(tmp_path / "loop")
    assert real_path(str(tmp_path / ("x" * 300))) == str(tmp_path / ("x" * 300))

    def broken(path: str, *, strict: bool = False) -> str:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os.path, "realpath", broken)
    with pytest.raises(VaultUnreadable):
        real_path(str(real))


def test_a_state_that_others_may_write_names_a_vault_by_path(vault: Vault) -> None:
    store(vault, "a")
    assert find_key(vault.state, vault.path).settled
    (Path(vault.state) / "history").chmod(0o777)
    key = find_key(vault.state, vault.path)
    assert (key.name, key.settled, key.noted) == (state_key(vault.path), False, False)
    with pytest.raises(VaultUnsafe):
        find_key(vault.state, vault.path, to_write=True)


def test_a_remedy_says_whether_there_are_copies(vault: Vault) -> None:
    """The journal has one that does not help, or none."""
    assert "holds no copy of InstanceFingerprint, or" in restore_remedy(vault, FINGERPRINT_KEY)
    store(vault, "a")
    assert "holds no copy of InstanceFingerprint that helps, or" in restore_remedy(vault, FINGERPRINT_KEY)
    store(vault, "b")
    assert "Restore the copy of" in restore_remedy(vault, FINGERPRINT_KEY)


def test_an_unsafe_registration_stops_writing_only(vault: Vault) -> None:
    store(vault, "a")
    Path(vault.data_path(FINGERPRINT_KEY)).unlink()
    Path(vault.data_path("RegistrationKey")).symlink_to("elsewhere")
    assert first_remedy(vault, FINGERPRINT_KEY, to_write=False)
    with pytest.raises(VaultUnsafe):
        first_remedy(vault, FINGERPRINT_KEY, to_write=True)


def test_the_other_vault_may_hold_a_broken_registration(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    store(vault, "a")
    there = Vault(vault.path + " of ours", state=vault.state)
    with there.edit() as edit:
        edit.store_registration(RegistrationRecord("mi-0123456789abcdef0", "eu-west-1", private_key="a2V5"), why="test")
    monkeypatch.setattr(other_records, "reference_vault", lambda: vault.path)
    monkeypatch.setattr(other_records, "own_vault", lambda: there.path)
    assert other_records.other(vault) is None
    vault.by_default = True
    found = other_records.other(vault)
    assert found is not None
    assert f"the vault {there.path} holds a registration" in found.what
    Path(there.data_path("RegistrationKey")).write_bytes(b"{")
    found = other_records.other(vault)
    assert found is not None
    assert f"the registration in {there.path} cannot be read" in found.what


def test_an_observation_keeps_the_record_that_it_read(vault: Vault) -> None:
    store(vault, "a")
    kept = vault.keeping()
    assert kept.read().fingerprint == "a"
    store(vault, "b")
    kept.files.forget()
    assert kept.read().fingerprint == "a"
    assert vault.read().fingerprint == "b"
