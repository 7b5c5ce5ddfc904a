"""What the journal lets one restore: bytes that were in the vault, whatever died between a line and its change."""

from __future__ import annotations

import contextlib
import json
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fingerprint.errors import VaultCorrupt, VaultMissing, VaultUnreadable
from fingerprint.recovery import plan_restore
from fingerprint.testing.machines import unix_machine
from fingerprint.types import FingerprintRecord, HardwareHash, RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, Vault
from fingerprint.vault.files import Directory
from fingerprint.vault.history import MISMATCH, REGISTERED
from fingerprint.vault.journal import sealed
from fingerprint.vault.records import decode_fingerprint, encode_fingerprint, encode_registration
from fingerprint.vault.regeneration import replacement
from fingerprint.vault.verify import verify

HASH = HardwareHash({"machine-id": "3d12\n", "ipaddress-info": "192.0.2.2"})
KEYS = (FINGERPRINT_KEY, REGISTRATION_KEY)
LIVES = 60
STEPS = 8


class Killed(BaseException):
    """The process ends here: nothing that follows is carried out."""


def fresh(key: str) -> bytes:
    """Return a complete record that was in no vault before."""
    name = str(uuid.uuid4())
    if key == FINGERPRINT_KEY:
        return encode_fingerprint(FingerprintRecord(name, HASH, 40))
    return encode_registration(RegistrationRecord("mi-0123456789abcdef0", "eu-west-1", private_key=name * 3))


class Life:
    """A vault with what was in it, step by step, by a list of its own."""

    def __init__(self, directory: Path) -> None:
        self.vault = Vault(str(directory / "Vault"), state=str(directory / "state"))
        self.was_there: dict[str, list[bytes]] = {key: [] for key in KEYS}
        # What the journal can know to be the last: what it marked as written, and what it found.
        self.last_known: dict[str, bytes | None] = dict.fromkeys(KEYS)
        self.unmarked: dict[str, bytes | None] = dict.fromkeys(KEYS)
        self.chance = random.Random(directory.name)

    def path(self, key: str) -> Path:
        return Path(self.vault.data_path(key))

    def there(self, key: str) -> bytes | None:
        return self.path(key).read_bytes() if self.path(key).exists() else None

    @contextlib.contextmanager
    def failing(self, key: str, at: str) -> Iterator[None]:
        real = Directory.put

        def put(directory: Directory, name: str, data: bytes, *more: Any) -> None:
            if name != key:
                return real(directory, name, data, *more)
            if at == "the rename fails":
                raise VaultUnreadable("no space left", where=name)
            if at == "killed before the rename":
                raise Killed
            real(directory, name, data, *more)
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Directory, "put", put)
            yield

    def step(self, key: str, kind: str) -> None:
        data, before = fresh(key), self.there(key)
        if kind == "the agent writes":
            if before is not None:
                self.path(key).write_bytes(data)
                self.was_there[key].append(data)
            return
        if kind == "it is lost":
            # The agent truncates before it writes, and dies.
            if before is not None:
                self.path(key).write_bytes(b"")
            return
        if before is not None:
            self.last_known[key] = before
        self.unmarked[key] = data if kind == "killed after the rename" else None
        with contextlib.suppress(Killed, VaultUnreadable), self.vault.edit() as edit:
            if kind == "written":
                edit.force(key, data, why="test")
            else:
                with self.failing(key, kind):
                    edit.force(key, data, why="test")
        if self.there(key) == data:
            self.was_there[key].append(data)
            if kind == "written":
                self.last_known[key] = data

    def verify_copies(self, steps: object) -> None:
        for key in KEYS:
            was_there, there = self.was_there[key], self.there(key)
            copies = self.vault.history.copies(key)
            assert {data for _, _, data in copies} <= {*was_there, b""}, steps
            # Where the mark is missing, what lies there decides.
            last = there if there is not None and there == self.unmarked[key] else self.last_known[key]
            assert (copies[0][2] if copies else None) == last, steps
            for number, _, data in copies[1:]:
                assert self.vault.history.entry(number) == (key, data), steps


KINDS = ("written", "the rename fails", "killed before the rename", "killed after the rename", "the agent writes")


@pytest.mark.parametrize("number", range(LIVES))
def test_only_what_was_in_the_vault_can_be_restored(number: int, tmp_path: Path) -> None:
    life = Life(tmp_path / f"life {number}")
    done = []
    for _ in range(STEPS):
        key, kind = life.chance.choice(KEYS), life.chance.choice((*KINDS, "it is lost"))
        done.append((key, kind))
        life.step(key, kind)
        life.verify_copies(done)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", KINDS[1:3])
def test_a_first_write_that_failed_leaves_nothing_to_restore(kind: str, key: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.step(key, kind)
    assert life.vault.history.copies(key) == []
    with pytest.raises(VaultMissing, match="never in the vault"):
        life.vault.history.entry(1)
    with pytest.raises(VaultMissing):
        plan_restore(life.vault, 0, unix_machine(), key="" if key == FINGERPRINT_KEY else key)


@pytest.mark.parametrize("kind", KINDS[1:3])
def test_a_lost_record_is_restored_as_before_a_failed_write(kind: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.step(FINGERPRINT_KEY, "written")
    intact = life.there(FINGERPRINT_KEY)
    life.step(FINGERPRINT_KEY, kind)
    assert life.there(FINGERPRINT_KEY) == intact
    life.step(FINGERPRINT_KEY, "it is lost")
    plan = plan_restore(life.vault, 0, unix_machine())
    assert plan.data == intact
    with pytest.raises(VaultCorrupt, match=r"vault restore 0 --yes"):
        life.vault.read()


def test_an_unmarked_write_is_decided_by_the_bytes_in_the_vault(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.step(FINGERPRINT_KEY, "written")
    life.step(FINGERPRINT_KEY, "killed after the rename")
    new = life.there(FINGERPRINT_KEY)
    assert life.vault.history.copies(FINGERPRINT_KEY)[0][2] == new
    # Damage to it is damage to what was written, and the copy is intact.
    assert new is not None
    life.path(FINGERPRINT_KEY).write_bytes(new[:20] + bytes([new[20] ^ 1]) + new[21:])
    assert life.vault.history.copies(FINGERPRINT_KEY)[0][2] == new
    with pytest.raises(VaultCorrupt, match="1 byte"):
        life.vault.read()
    # The next writer marks it.
    life.path(FINGERPRINT_KEY).write_bytes(new)
    life.step(FINGERPRINT_KEY, "written")
    outcomes = [json.loads(line).get("outcome") for line in Path(life.vault.history.path).read_bytes().splitlines()]
    assert outcomes == [None, "written", None, "written", None, "written"]


@pytest.mark.parametrize("kind", KINDS[1:3])
def test_a_regeneration_that_was_not_made_is_none(kind: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.step(FINGERPRINT_KEY, "written")
    life.step(REGISTRATION_KEY, "written")
    record = life.vault.read()
    with contextlib.suppress(Killed, VaultUnreadable), life.vault.edit() as edit, life.failing(FINGERPRINT_KEY, kind):
        edit.store(record.replace(fingerprint=str(uuid.uuid4())), why=MISMATCH)
    assert not replacement(life.vault, record).regenerated
    assert verify(life.vault) == []
    [last] = life.vault.history.entries()
    assert last["why"] == f"not written: {MISMATCH}"
    assert not life.vault.notice


# Journals of version 1 had one line a change, and nothing said whether it was made.

Line = tuple[bytes | None, bytes, str]


def version_1(vault: Vault, lines: list[Line], key: str = FINGERPRINT_KEY) -> None:
    journal = Path(vault.history.path)
    journal.parent.mkdir(parents=True, mode=0o700)
    text = b""
    for number, (before, after, why) in enumerate(lines, 1):
        entry = {
            "schemaVersion": 1, "number": number, "vault": vault.path, "key": key, "at": "2026-11-24T08:00:00Z",
            "why": why, "rule": "", "node": "", "lines": number,
            "by": {"uid": 0, "sudoUser": None, "pid": 1, "program": "fingerprint"},
            "before": None if before is None else before.decode(), "after": after.decode(),
        }  # fmt: skip
        text += sealed(entry)
    journal.write_bytes(text)
    journal.chmod(0o600)


A, B, C = (fresh(FINGERPRINT_KEY) for _ in range(3))
FAILED = "the write failed"
OLD_JOURNALS: dict[str, tuple[list[Line], bytes, bytes]] = {
    "a first record, lost since": ([(None, A, "first")], b"", A),
    "a change, lost since": ([(None, A, "first"), (A, B, "x")], b"", B),
    "a change, there": ([(None, A, "first"), (A, B, "x")], B, B),
    "a change that was not made": ([(None, A, "first"), (A, B, "x")], A, A),
    "a change that failed": ([(None, A, "first"), (A, B, "x"), (A, A, FAILED)], b"", A),
    "a change that was not made, and one that was": ([(None, A, "first"), (A, B, "x"), (A, C, "x")], b"", C),
    "a backup": ([(A, A, "backup")], b"", A),
    "another program's": ([(None, A, "first"), (A, B, "written by another program"), (B, C, "x")], b"", C),
}


@pytest.mark.parametrize("name", OLD_JOURNALS)
@pytest.mark.parametrize("then", [False, True])
def test_a_journal_of_version_1_is_read_as_before(name: str, then: bool, tmp_path: Path) -> None:
    lines, there, last = OLD_JOURNALS[name]
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    store = Path(vault.path) / "Store"
    store.mkdir(parents=True, mode=0o700)
    (store / FINGERPRINT_KEY).write_bytes(there)
    version_1(vault, lines)
    assert vault.history.copies(FINGERPRINT_KEY)[0][2] == last
    assert vault.history.entry(1) == (FINGERPRINT_KEY, lines[0][0] or lines[0][1])
    if then:
        # A line of ours comes after it.
        with vault.edit() as edit:
            edit.force(FINGERPRINT_KEY, C, why="test")
        assert vault.history.copies(FINGERPRINT_KEY)[0][2] == C
        assert vault.history.last_states(FINGERPRINT_KEY, C) == ()
        assert vault.read() == decode_fingerprint(C, "")
    never = {B} if name in ("a change that was not made", "a change that failed") or "and one" in name else set()
    assert not {data for _, _, data in vault.history.copies(FINGERPRINT_KEY)} & never


@pytest.mark.parametrize("why", ["key rotation: written ahead"])
def test_a_key_that_version_1_wrote_ahead_was_never_in_the_vault(why: str, tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    old, new = fresh(REGISTRATION_KEY), fresh(REGISTRATION_KEY)
    version_1(vault, [(None, old, REGISTERED), (old, new, why)], REGISTRATION_KEY)
    assert vault.history.copies(REGISTRATION_KEY)[0][2] == old
    assert new in vault.history.seen(REGISTRATION_KEY)


@pytest.mark.parametrize("change", [lambda line: line.replace(b'"written"', b'"writtem"'), lambda line: b""])
def test_a_damaged_or_missing_mark_does_not_make_a_change_undone(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    life = Life(tmp_path)
    for _ in range(3):
        life.step(FINGERPRINT_KEY, "written")
    journal = Path(life.vault.history.path)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(change(line) if b'"of"' in line else line for line in lines))
    life.verify_copies("damaged marks")
    assert life.vault.history.copies(FINGERPRINT_KEY)[0][2] == life.there(FINGERPRINT_KEY)
    assert life.vault.read()
