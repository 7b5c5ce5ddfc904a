"""What a journal keeps when it has many lines: no kind of entry evicts another, and no verdict changes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprint.gate import set_threshold
from fingerprint.types import FingerprintRecord, HardwareHash, RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, Vault, history
from fingerprint.vault.history import FIRST, LINES_LIMIT, MISMATCH, REGISTERED
from fingerprint.vault.journal import AHEAD, ROTATION, WRITTEN_AHEAD
from fingerprint.vault.pending_registration import ANSWERED, REFUSED, SUPERSEDED, mark, pending, write_ahead
from fingerprint.vault.records import decode_fingerprint, decode_registration, encode_fingerprint, encode_registration
from fingerprint.vault.regeneration import replacement
from fingerprint.vault.retention import KEPT
from fingerprint.vault.verify import verify

ATTRIBUTES = HardwareHash({"machine-id": "3d12\n", "ipaddress-info": "192.0.2.2"})
SMALL = 5
BOUNDS = dict(KEPT)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the limits, and no power is going to be lost: there are ten floods to come."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(history, "LINES_LIMIT", LINES_LIMIT // SMALL)
    for kind, bound in BOUNDS.items():
        monkeypatch.setitem(KEPT, kind, bound // SMALL)


class Life:
    """A vault in which rare things happen, and then one thing very often."""

    def __init__(self, directory: Path) -> None:
        self.time = 1_800_000_000.0
        self.vault = Vault(str(directory / "Vault"), state=str(directory / "state"), now=lambda: self.time)
        self.count = 0

    def name(self) -> str:
        self.count += 1
        self.time += 60
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.count)))

    def node(self) -> str:
        return "mi-" + self.name().replace("-", "")[:17]

    def minted(self, why: str = FIRST) -> bytes:
        with self.vault.edit() as edit:
            edit.store(FingerprintRecord(self.name(), ATTRIBUTES, 40), why=why)
        return self.there(FINGERPRINT_KEY)

    def register(self) -> bytes:
        with self.vault.edit() as edit:
            edit.store_registration(
                RegistrationRecord(self.node(), "eu-west-1", private_key=self.name()), why=REGISTERED
            )
        return self.there(REGISTRATION_KEY)

    def register_as_new(self) -> None:
        self.minted()
        self.register()

    def rotate(self) -> None:
        record = self.vault.read_registration().replace(private_key=self.name())
        with self.vault.edit() as edit:
            self.vault.history.record(
                REGISTRATION_KEY, self.there(REGISTRATION_KEY), encode_registration(record), why=WRITTEN_AHEAD, rule="",
                now=self.time, state=AHEAD,
            )  # fmt: skip
            edit.store_registration(record, why=ROTATION)

    def threshold(self) -> None:
        self.time += 60
        set_threshold(self.vault, 41 + self.vault.read().threshold % 2)

    def rebaseline(self) -> None:
        changed = HardwareHash({**dict(ATTRIBUTES.items()), "hostname-info": self.name()})
        with self.vault.edit() as edit:
            edit.store(edit.read().replace(hardware_hash=changed), why="rebaseline, fingerprint kept")

    def regenerate(self) -> None:
        self.minted(MISMATCH)

    def agent_writes(self) -> None:
        """Another program changes the threshold, and we do afterwards."""
        record = self.vault.read()
        self.path(FINGERPRINT_KEY).write_bytes(encode_fingerprint(record.replace(threshold=record.threshold % 50 + 1)))
        self.threshold()

    def back_up(self) -> bytes:
        with self.vault.edit() as edit:
            edit.keep(FINGERPRINT_KEY, why="backup")
        return self.there(FINGERPRINT_KEY)

    def repair(self) -> None:
        with self.vault.edit() as edit:
            edit.write_manifest("EC2Manifest", {self.name(): "x"}, why="vault repair")

    def ask(self) -> str:
        name = self.name()
        with self.vault.edit():
            record = RegistrationRecord("", "eu-west-1", private_key=name)
            write_ahead(self.vault, name, "https://x", "public", record, self.there(FINGERPRINT_KEY))
        return name

    def refused(self) -> None:
        self.ask()
        with self.vault.edit():
            mark(self.vault, pending(self.vault)[-1], REFUSED)

    def path(self, key: str) -> Path:
        return Path(self.vault.data_path(key))

    def there(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def copies(self, key: str) -> set[bytes]:
        """Return the records that can be restored, without their threshold."""
        return {bare(key, data) for _, _, data in self.vault.history.copies(key)}


def bare(key: str, data: bytes) -> bytes:
    return encode_fingerprint(decode_fingerprint(data, "").replace(threshold=40)) if key == FINGERPRINT_KEY else data


FLOODS: dict[str, Callable[[Life], object]] = {
    "threshold changes": Life.threshold,
    "rebaselines": Life.rebaseline,
    "rotations": Life.rotate,
    "regenerations": Life.regenerate,
    "backups": Life.back_up,
    "registrations": Life.register_as_new,
    "repairs": Life.repair,
    "another program's writes": Life.agent_writes,
    "refused requests": Life.refused,
    "open requests": Life.ask,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_no_kind_of_entry_evicts_another(flood: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.minted()
    life.register()
    life.minted(MISMATCH)
    # What follows is in the middle: neither the first entries nor the newest.
    kept = {FINGERPRINT_KEY: [life.minted()], REGISTRATION_KEY: [life.register()]}
    registered = decode_fingerprint(kept[FINGERPRINT_KEY][0], "").fingerprint
    life.threshold()
    life.rebaseline()
    kept[FINGERPRINT_KEY].append(life.back_up())
    asked = life.ask()
    life.rotate()
    kept[REGISTRATION_KEY].append(life.there(REGISTRATION_KEY))
    life.regenerate()
    assert replacement(life.vault, life.vault.read()).regenerated
    limit = history.LINES_LIMIT
    while len(Path(life.vault.history.path).read_bytes().splitlines()) < limit - 4:
        FLOODS[flood](life)
    before = len(life.vault.history.changes())
    for _ in range(limit // 4):
        FLOODS[flood](life)
    assert len(Path(life.vault.history.path).read_bytes().splitlines()) <= limit + 2
    changes = life.vault.history.changes()
    assert len(changes) < before + limit // 8
    numbers = [change.number for change in changes]
    assert numbers == sorted(set(numbers))
    assert life.vault.history.damaged_lines() == []
    for key, records in kept.items():
        # What the flood is made of has a bound.
        of_the_kind = {"backups": records[1:], "registrations": records, "rotations": records[1:]}.get(flood, [])
        wanted = {bare(key, one) for one in records} - {bare(key, one) for one in of_the_kind}
        assert wanted <= life.copies(key), key
        assert life.vault.history.copies(key)[0][2] == life.there(key)
        assert life.vault.history.last_states(key, life.there(key)) == ()
    open_ones = pending(life.vault)
    assert len(open_ones) >= KEPT["open request"] if flood == "open requests" else open_ones[0].activation_id == asked
    assert life.vault.read()
    assert not life.vault.notice
    if flood not in ("registrations", "regenerations"):
        state = replacement(life.vault, life.vault.read())
        assert (state.regenerated, state.by) == (True, "us")
        assert state.restorable is not None
        restored = decode_fingerprint(life.vault.history.entry(state.restorable, FINGERPRINT_KEY)[1], "")
        assert restored.fingerprint == registered


def test_a_flood_of_threshold_changes_is_merged(tmp_path: Path) -> None:
    """The newest of each fingerprint and hash stays, and every backup."""
    life = Life(tmp_path)
    life.minted()
    life.register()
    numbers = []
    for _ in range(3):
        life.back_up()
        numbers.append(life.vault.history.changes()[-1].number)
    while len(Path(life.vault.history.path).read_bytes().splitlines()) < history.LINES_LIMIT:
        life.threshold()
    life.threshold()
    changes = [change.number for change in life.vault.history.changes() if change.key == FINGERPRINT_KEY]
    # The first two, the backups, the newest, and the one that came then.
    assert len(changes) <= 2 + 3 + 1 + 1
    for number in numbers:
        assert decode_fingerprint(life.vault.history.entry(number, FINGERPRINT_KEY)[1], "").threshold == 40
    registration = decode_registration(life.vault.history.copies(REGISTRATION_KEY)[0][2], "")
    assert registration == life.vault.read_registration()


def test_the_bounds_leave_space_for_new_entries() -> None:
    """Else each write would choose anew."""
    always = 3
    each = {kind: bound + always for kind, bound in BOUNDS.items()}
    of_fingerprint = each["backup"] + each["registered"] + each["as registered"] + each["replaced"] + each["routine"]
    # A request has a mark beside it.
    of_registration = each["backup"] + each["registered"] + each["routine"] + 2 * each["open request"]
    most = of_fingerprint + of_registration + 2 * each["routine"] + each["damaged"]
    assert most < LINES_LIMIT - 100


@pytest.mark.parametrize("answered", [True, False], ids=["its node is known", "no answer"])
def test_a_superseded_request_keeps_its_node(tmp_path: Path, answered: bool) -> None:
    """Only the last mark counts, and by the node's id it can still be stored."""
    life = Life(tmp_path)
    life.minted()
    life.ask()
    with life.vault.edit():
        if answered:
            mark(life.vault, pending(life.vault)[0], ANSWERED, node="mi-0123456789abcdef0")
        mark(life.vault, pending(life.vault)[0], SUPERSEDED)
    assert pending(life.vault) == []
    [one] = pending(life.vault, superseded=True)
    assert one.node == ("mi-0123456789abcdef0" if answered else "")


def test_no_first_fingerprint_is_offered_beside_an_open_request(tmp_path: Path) -> None:
    """It would be another one than the service was asked with, and asking again would make another node."""
    life = Life(tmp_path)
    with life.vault.edit():
        record = RegistrationRecord("", "eu-west-1", private_key="k")
        fingerprint = encode_fingerprint(FingerprintRecord("f", ATTRIBUTES, 40))
        write_ahead(life.vault, "a", "https://x", "public", record, fingerprint)
    found = verify(life.vault)
    assert "registration-open" in {one.kind for one in found}
    assert not [one.remedy for one in found if "init" in one.remedy]
    [missing] = [one.remedy for one in found if one.kind == "VaultMissing"]
    assert missing == "Finish the registration that is open (see below)"
