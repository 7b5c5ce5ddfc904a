"""The state of a fingerprint: decided by nodes and the journal's reasons, whatever was written in between."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fingerprint._io.times import created_date
from fingerprint.registration.metadata_file import write_file
from fingerprint.types import FingerprintRecord, HardwareHash, RegistrationRecord
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, Vault
from fingerprint.vault.history import FIRST, MISMATCH
from fingerprint.vault.records import decode_fingerprint, encode_fingerprint, encode_registration
from fingerprint.vault.regeneration import State, replacement

BEGIN = 1_800_000_000.0
ATTRIBUTES = HardwareHash({"machine-id": "3d12\n", "ipaddress-info": "192.0.2.2"})


def _fingerprint(number: int) -> str:
    """Return one that differs from the others in more than a few characters: fewer count as damage."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


class Life:
    """A vault in which things happen, one minute after the other."""

    def __init__(self, directory: Path) -> None:
        self.time = BEGIN
        self.vault = Vault(str(directory / "Vault"), state=str(directory / "state"), now=lambda: self.time)
        self.known = ""
        self._numbers = itertools.count(1)

    def next(self) -> int:
        self.time += 60
        return next(self._numbers)

    @property
    def record(self) -> FingerprintRecord:
        return self.vault.read()

    def _key(self, node: str) -> RegistrationRecord:
        date = created_date(int(self.time * 1e9))
        return RegistrationRecord(
            node,
            "eu-west-1",
            private_key=_fingerprint(int(self.time)) * 30,
            private_key_type="Rsa",
            private_key_created_date=date,
        )

    def _put(self, key: str, data: bytes) -> None:
        """Write as the agent does: in place, and nothing into our journal."""
        path = Path(self.vault.data_path(key))
        path.write_bytes(data)
        os.utime(path, (self.time, self.time))

    def registered_here(self) -> None:
        number = self.next()
        self.known = _fingerprint(number)
        with self.vault.edit() as edit:
            edit.force(
                FINGERPRINT_KEY, encode_fingerprint(FingerprintRecord(self.known, ATTRIBUTES, 40)), why=FIRST
            )  # fmt: skip
            edit.force(REGISTRATION_KEY, encode_registration(self._key(f"mi-{number:017x}")), why="registered")
        write_file(self.vault, self.vault.read_registration())
        os.utime(Path(self.vault.path).parent / "registration", (self.time, self.time))

    def registered_by_the_agent(self) -> None:
        number = self.next()
        self.known = _fingerprint(number)
        if not Path(self.vault.path, "Store").exists():
            with self.vault.edit():
                Path(self.vault.path, "Store").mkdir(mode=0o700)
            store = Path(self.vault.path, "Store")
            Path(self.vault.path, "Manifest").write_text(
                f'{{"InstanceFingerprint":"{store}/InstanceFingerprint","RegistrationKey":"{store}/RegistrationKey"}}'
            )
        self._put(FINGERPRINT_KEY, encode_fingerprint(FingerprintRecord(self.known, ATTRIBUTES, 40)))
        self._put(REGISTRATION_KEY, encode_registration(self._key(f"mi-{number:017x}")))
        write_file(self.vault, self.vault.read_registration())
        os.utime(Path(self.vault.path).parent / "registration", (self.time, self.time))

    def rotated_here(self) -> None:
        self.next()
        with self.vault.edit() as edit:
            edit.store_registration(self._key(self.vault.read_registration().instance_id), why="key rotation")

    def rotated_by_the_agent(self) -> None:
        self.next()
        self._put(REGISTRATION_KEY, encode_registration(self._key(self.vault.read_registration().instance_id)))

    def threshold_set_here(self) -> None:
        number = self.next()
        with self.vault.edit() as edit:
            edit.store(self.record.replace(threshold=number % 50 + 1), why="threshold set")

    def threshold_set_by_the_agent(self) -> None:
        number = self.next()
        self._put(FINGERPRINT_KEY, encode_fingerprint(self.record.replace(threshold=number % 50 + 50)))

    def kept(self) -> None:
        self.next()
        with self.vault.edit() as edit:
            edit.keep(FINGERPRINT_KEY, why="backup")

    def regenerated_here(self) -> None:
        number = self.next()
        with self.vault.edit() as edit:
            edit.store(self.record.replace(fingerprint=_fingerprint(number)), why=MISMATCH)

    def regenerated_by_the_agent(self) -> None:
        number = self.next()
        self._put(FINGERPRINT_KEY, encode_fingerprint(self.record.replace(fingerprint=_fingerprint(number))))

    def cleared_and_minted(self) -> None:
        number = self.next()
        with self.vault.edit() as edit:
            edit.clear(why="reset")
            edit.force(
                FINGERPRINT_KEY,
                encode_fingerprint(FingerprintRecord(_fingerprint(number), ATTRIBUTES, 40)), why=FIRST,
            )  # fmt: skip

    def restored(self) -> None:
        """Bring back what the service knows, wherever the history has it."""
        self.next()
        state = replacement(self.vault, self.record)
        assert state.restorable is not None
        key, data = self.vault.history.entry(state.restorable, FINGERPRINT_KEY)
        with self.vault.edit() as edit:
            edit.force(key, data, why=f"restored entry {state.restorable}")

    @property
    def state(self) -> State:
        return replacement(self.vault, self.record)


_NEUTRAL = (
    Life.rotated_here, Life.rotated_by_the_agent, Life.threshold_set_here, Life.threshold_set_by_the_agent, Life.kept,
)  # fmt: skip
_LOSSES = (Life.regenerated_here, Life.regenerated_by_the_agent, Life.cleared_and_minted)
_REGISTRATIONS = (Life.registered_here, Life.registered_by_the_agent)
# We came to a vault of the agent's when something was first written here. (A rotation alone writes the key, and
# leaves the journal without the fingerprint: then only the agent's log has it.)
_COMINGS = (Life.threshold_set_here, Life.kept)
Step = Callable[[Life], None]


def _names(steps: tuple[Step, ...]) -> str:
    return "-".join(step.__name__ for step in steps)


def _lives(*stages: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """Return every fourth of the possible lives: four is prime to the lengths of the stages, so all pairs are there."""
    return list(itertools.product(*stages))[::4]


@pytest.mark.parametrize("steps", [
    *_lives((Life.registered_here,), _NEUTRAL, _LOSSES, _NEUTRAL),
    *_lives((Life.registered_by_the_agent,), _COMINGS, _NEUTRAL, _LOSSES, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _REGISTRATIONS, _COMINGS, _LOSSES),
], ids=_names)  # fmt: skip
def test_a_replaced_fingerprint_is_known_after_any_other_write(steps: tuple[Step, ...], tmp_path: Path) -> None:
    life = Life(tmp_path)
    for step in steps:
        step(life)
    state = life.state
    # A rotation after the loss needs the service to accept what it rejects: it cannot happen, and is tried as well.
    assert state.regenerated, state
    assert life.record.fingerprint != life.known
    assert state.restorable is not None
    _, data = life.vault.history.entry(state.restorable, FINGERPRINT_KEY)
    assert decode_fingerprint(data, "").fingerprint == life.known


@pytest.mark.parametrize("steps", [
    *_lives((Life.registered_here,), _NEUTRAL, _NEUTRAL),
    *_lives((Life.registered_by_the_agent,), _COMINGS, _NEUTRAL, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _NEUTRAL, _REGISTRATIONS, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _LOSSES, _REGISTRATIONS, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _LOSSES[:2], (Life.restored,), _NEUTRAL),
], ids=_names)  # fmt: skip
def test_a_registered_fingerprint_is_never_called_replaced(steps: tuple[Step, ...], tmp_path: Path) -> None:
    life = Life(tmp_path)
    for step in steps:
        step(life)
    state = life.state
    assert life.record.fingerprint == life.known
    assert not state.regenerated, state


def _with_damage(steps: tuple[Step, ...], directory: Path) -> Iterator[State]:
    """Yield the state after each damage of the journal: one line, or several in a row."""
    life = Life(directory)
    for step in steps:
        step(life)
    path = Path(life.vault.history.path)
    lines = path.read_bytes().splitlines(keepends=True)
    for first, last in itertools.combinations(range(len(lines) + 1), 2):
        damaged = [b'{"number": 1, "key"\n'] * (last - first)
        path.write_bytes(b"".join([*lines[:first], *damaged, *lines[last:]]))
        yield life.state


@pytest.mark.parametrize("steps", [
    *_lives(_REGISTRATIONS, _COMINGS, _LOSSES, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _NEUTRAL, _LOSSES),
], ids=_names)  # fmt: skip
def test_damaged_lines_of_the_journal_hide_no_replacement(steps: tuple[Step, ...], tmp_path: Path) -> None:
    assert all(state.regenerated or state.uncertain for state in _with_damage(steps, tmp_path))


@pytest.mark.parametrize("steps", [
    *_lives((Life.registered_here,), _NEUTRAL, _NEUTRAL),
    *_lives((Life.registered_by_the_agent,), _COMINGS, _NEUTRAL, _NEUTRAL),
    *_lives(_REGISTRATIONS, _COMINGS, _NEUTRAL, _REGISTRATIONS, _NEUTRAL),
], ids=_names)  # fmt: skip
def test_damaged_lines_of_the_journal_replace_no_fingerprint(steps: tuple[Step, ...], tmp_path: Path) -> None:
    assert not any(state.regenerated for state in _with_damage(steps, tmp_path))


@pytest.mark.parametrize("loss", [Life.regenerated_here, Life.regenerated_by_the_agent], ids=lambda one: one.__name__)
def test_a_fingerprint_without_a_registration_is_replaced_too(loss: Step, tmp_path: Path) -> None:
    """Registration flows that link the engine keep the node elsewhere."""
    life = Life(tmp_path)
    first = FingerprintRecord(_fingerprint(99), ATTRIBUTES, 40)
    with life.vault.edit() as edit:
        edit.store(first, why=FIRST)
    loss(life)
    assert life.state.regenerated
    assert life.state.restorable is not None


def test_who_clears_a_vault_without_a_registration_begins_anew(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with life.vault.edit() as edit:
        edit.store(FingerprintRecord(_fingerprint(99), ATTRIBUTES, 40), why=FIRST)
    life.cleared_and_minted()
    assert not life.state.regenerated


def test_an_unreadable_registration_leaves_it_open(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.registered_here()
    life.regenerated_by_the_agent()
    Path(life.vault.data_path(REGISTRATION_KEY)).write_bytes(b"{")
    assert not life.state.regenerated
    assert "the registration cannot be read" in life.state.uncertain
