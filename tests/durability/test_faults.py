"""Every system call of every operation on a vault fails in turn, or is the process's last: nothing is lost."""

from __future__ import annotations

import json
import queue
import random
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import operations
import reference_store
from faults import (
    ERRNOS,
    FOR_EVER,
    KILL,
    Fault,
    Run,
    faults_of,
    paths_within,
    restore_copy,
    run,
    was_made_durable,
    was_written,
    why_not,
    writes_on_a_failed_read,
)
from fingerprint import Vault
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK, FingerprintError, Refused, VaultMissing
from fingerprint.testing.machines import MACHINE_ID

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected")

AT_A_TIME = 2
SAMPLE = 8
FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
READING_OPERATIONS = ("read", "obtain")
FIGURES = (
    "faults injected",
    "kills",
    "lost records",
    "half records",
    "writes after a failed read",
    "wrong exit codes",
    "other defects",
)
Defect = tuple[str, str]


class Setup:
    """A directory with a vault and a state that can be reset, always at the same path."""

    def __init__(self, directory: Path, prepare: Callable[[str, str], None] | None) -> None:
        self.trace = directory / "trace"
        self.path = directory / "setup"
        self.vault = self.path / "Vault"
        self.state = self.path / "state"
        self._template = directory / "template"
        self.path.mkdir(parents=True, mode=0o700)
        if prepare:
            prepare(str(self.vault), str(self.state))
        shutil.copytree(self.path, self._template)
        self.before = self.contents()
        self.was_there = {data for key in (FINGERPRINT_KEY, REGISTRATION_KEY) for data in self.restorable(key)}

    def restorable(self, key: str) -> set[bytes]:
        """Return what the journal restores of a key."""
        return {data for _, _, data in Vault(str(self.vault), state=str(self.state)).history.copies(key)}

    def reset(self) -> None:
        restore_copy(self._template, self.path, self.state)

    def contents(self) -> dict[str, bytes | None]:
        """Return what is in the vault: path -> bytes, None for a directory."""
        return {
            str(path.relative_to(self.vault)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.vault.rglob("*"))
        }

    def keeps(self, record: bytes) -> bool:
        """Return whether the history holds the bytes of a record, unchanged and in valid JSON."""
        return record.decode() in self._kept()

    def _kept(self) -> Iterator[Any]:
        for path in self.state.glob("history/**/*"):
            if path.suffix == ".json":
                yield from strings(json.loads(path.read_bytes()))
            elif path.suffix == ".jsonl":
                # What comes after the last newline was not written to its end.
                for line in path.read_bytes().split(b"\n")[:-1]:
                    yield from strings(json.loads(line))


def strings(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def sort_of(record: bytes | None, old: bytes | None, is_new: Callable[[Any], bool]) -> str:
    """Return what a record's bytes are: "old", "new", or "lost" or "half" for what must never be there."""
    if record == old:
        return "old"
    if not record:
        return "lost"
    try:
        value = json.loads(record)
    except ValueError:
        return "half"
    return "new" if is_new(value) else "half"


def is_minted(value: Any, machine_id: str) -> bool:
    """Return whether a record is a complete one with a fresh fingerprint for the machine of the tests."""
    fresh = len(value["fingerprint"]) == 36 and value["fingerprint"] not in (operations.OLD, operations.EARLIER)
    return fresh and value == {
        "fingerprint": value["fingerprint"],
        "hardwareHash": {**operations.HASH, "machine-id": machine_id},
        "similarityThreshold": 40,
    }


def is_new(operation: str, value: Any, old: Any) -> bool:
    """Return whether a record is the complete one that an operation is to write."""
    if operation in operations.FROM_NOTHING:
        return is_minted(value, MACHINE_ID)
    if operation == "regenerate":
        return is_minted(value, operations.OTHER_MACHINE_ID)
    if operation == "repair":
        return set(value) == {FINGERPRINT_KEY, REGISTRATION_KEY}
    expected = {
        "store": {**old, "fingerprint": operations.NEW},
        "threshold": {**old, "similarityThreshold": operations.NEW_THRESHOLD},
        "restore": {**old, "fingerprint": operations.EARLIER},
        "restore-rebaselined": {
            "fingerprint": operations.EARLIER,
            "hardwareHash": {**operations.HASH, "machine-id": operations.OTHER_MACHINE_ID},
            "similarityThreshold": operations.OLD_THRESHOLD,
        },
        "clear": {"fingerprint": "", "hardwareHash": None, "similarityThreshold": 0},
        "rotation": {**old, "privateKey": operations.NEW_KEY, "privateKeyCreatedDate": operations.NEW_DATE},
    }
    return operation in expected and bool(value == expected[operation])


class Inspection:
    """Inspect a setup after one fault; only the last reading uses the product."""

    def __init__(self, operation: str, setup: Setup) -> None:
        self.operation = operation
        self.setup = setup
        self.key = REGISTRATION_KEY if operation == "rotation" else FINGERPRINT_KEY
        self.name = "Manifest" if operation == "repair" else f"Store/{self.key}"

    def defects(self, ended: Run, fault: Fault) -> list[Defect]:
        """Return each defect as (figure, description)."""
        found = [*self._of_the_process(ended, fault), *self._of_the_disk(ended), *self._of_the_journal()]
        return [*found, *self._of_the_next(ended)]

    def _of_the_process(self, ended: Run, fault: Fault) -> Iterator[Defect]:
        expected = (-9,) if fault.kind == KILL else (EXIT_OK, EXIT_CANNOT_TELL)
        if ended.code not in expected or "Traceback" in ended.complaint:
            yield "wrong exit codes", f"exit code {ended.code}: {in_short(ended.complaint)}"
        if fault.kind != KILL and not any(call.injected for call in ended.calls):
            yield "other defects", "the fault was never met"
        vault, apart = self.setup.vault, self.setup.state / "evidence"
        for call in writes_on_a_failed_read(ended.calls, str(vault), str(vault / self.name), str(apart)):
            yield "writes after a failed read", f"{call.name} {call.path} {call.target}"

    def _of_the_disk(self, ended: Run) -> Iterator[Defect]:
        now, before = self.setup.contents(), self.setup.before
        sort = self._sort(now)
        if sort in ("lost", "half"):
            yield f"{sort} records", f"{self.name}: {now.get(self.name)!r}"
        if sort == "new":
            yield from self._unless_kept()
        if ended.code == EXIT_OK:
            yield from self._unless_done(ended, sort)
        if not was_written(ended.calls, str(self.setup.vault)) and now != before:
            yield "other defects", "the vault changed and no call that changes it was seen"
        for name in now.keys() | before.keys():
            if name == self.name or name.endswith(".tmp") or now.get(name) == before.get(name):
                continue
            if name in before or not self._may_be_new(name, now[name]):
                yield "other defects", f"{name} changed to {now.get(name)!r}"

    def _of_the_journal(self) -> Iterator[Defect]:
        """Only what was in the vault can be restored: before, after, or earlier."""
        name = f"Store/{self.key}"
        there = {self.setup.before.get(name), self.setup.contents().get(name), *self.setup.was_there}
        if self.setup.restorable(self.key) - there:
            yield "other defects", "the journal restores what never was in the vault"

    def _sort(self, now: dict[str, bytes | None]) -> str:
        old = self.setup.before.get(self.name)
        value = None if old is None else json.loads(old)
        return sort_of(now.get(self.name), old, lambda record: is_new(self.operation, record, value or {}))

    def _unless_kept(self) -> Iterator[Defect]:
        old = self.setup.before.get(self.name)
        if old is not None and not self.setup.keeps(old):
            yield "lost records", "the old record is neither in the vault nor in the history"

    def _unless_done(self, ended: Run, sort: str) -> Iterator[Defect]:
        said = ended.output.strip()
        record = self.setup.contents().get(self.name)
        if self.operation in READING_OPERATIONS:
            if said != operations.OLD:
                yield "other defects", f"it answered {said}"
            return
        if sort != "new":
            yield "other defects", "exit code 0 and the record is the old one"
        elif not was_made_durable(ended.calls, str(self.setup.vault / self.name)):
            yield "other defects", "exit code 0 and the record is not durable"
        elif self.operation not in ("rotation", "clear", "repair") and json.loads(record or b"")["fingerprint"] != said:
            yield "other defects", f"it answered {said}, which is not in the vault"

    def _may_be_new(self, name: str, data: bytes | None) -> bool:
        """Return whether something in the vault is what a first record brings with it."""
        if self.operation not in operations.FROM_NOTHING:
            return False
        if name == "Manifest":
            return bool(json.loads(data or b"") == {self.key: str(self.setup.vault / self.name)})
        return name == "Store" and data is None

    def _of_the_next(self, ended: Run) -> Iterator[Defect]:
        """Read, and do the same once more, with no fault: both must work."""
        now = self.setup.contents().get(self.name)
        vault = Vault(str(self.setup.vault), state=str(self.setup.state))
        try:
            if self.operation == "rotation":
                found = vault.read_registration().private_key
                expected = json.loads(now or b"")["privateKey"]
            elif self.operation == "repair":
                found, expected = vault.read().fingerprint, operations.OLD
            else:
                found = vault.read().fingerprint
                expected = json.loads(now or b"")["fingerprint"]
            if found != expected:
                yield "other defects", f"the product reads {found}"
        except VaultMissing:
            if now is not None:
                yield "other defects", "the product finds no record"
        except FingerprintError as error:
            yield "other defects", f"the product cannot read it any more: {error}"
        try:
            operations.perform(self.operation, str(self.setup.vault), str(self.setup.state))
        except Refused as error:
            if self.operation != "first" or now is None:
                yield "other defects", f"a second attempt is refused: {error}"
        except FingerprintError as error:
            yield "other defects", f"a second attempt fails: {error}"
        if self._sort(self.setup.contents()) != ("old" if self.operation in READING_OPERATIONS else "new"):
            yield "other defects", "a second attempt did not do what it is for"
        elif self.operation not in READING_OPERATIONS:
            yield from self._unless_kept()


def in_short(complaint: str) -> str:
    """Return a complaint, or where a traceback ends and its last line."""
    lines = complaint.strip().splitlines() or [""]
    locations = [line.strip() for line in lines if line.startswith("  File ")]
    return f"{locations[-1]}: {lines[-1]}" if locations else complaint.strip()


def words_of(operation: str, setup: Setup) -> list[str]:
    return [sys.executable, "-I", operations.__file__, operation, str(setup.vault), str(setup.state)]


def reference_words_of(operation: str, setup: Setup) -> list[str]:
    return [sys.executable, "-I", reference_store.__file__, operation, str(setup.vault)]


def watched_and_faults(setup: Setup, words: list[str], kinds: tuple[str, ...]) -> tuple[set[str], list[Fault]]:
    """Run an operation undisturbed, and return the paths that it touched and every fault that it can meet there."""
    paths = paths_within(run(words, setup.trace).calls, str(setup.path))
    setup.reset()
    clean = run(words, setup.trace, paths)
    setup.reset()
    assert clean.code == EXIT_OK, clean
    return paths, faults_of(clean.calls, kinds)


def each_in_turn(
    setups: list[Setup], faults: list[Fault], attempt: Callable[[Setup, Fault], list[Defect]]
) -> list[tuple[Fault, Defect]]:
    """Try each fault in a setup of its own, reset before it, some at a time, and return the defects."""
    free: queue.SimpleQueue[Setup] = queue.SimpleQueue()
    for setup in setups:
        free.put(setup)

    def one(fault: Fault) -> list[tuple[Fault, Defect]]:
        setup = free.get()
        try:
            setup.reset()
            return [(fault, defect) for defect in attempt(setup, fault)]
        finally:
            free.put(setup)

    with ThreadPoolExecutor(len(setups)) as pool:
        return [found for result in pool.map(one, faults) for found in result]


def setups_for(operation: str, directory: Path, prepare: Callable[[str, str], None]) -> list[Setup]:
    nothing = operation in operations.FROM_NOTHING
    return [Setup(directory / f"{number}", None if nothing else prepare) for number in range(AT_A_TIME)]


def defects_of_ours(
    operation: str, directory: Path, choose: Callable[[list[Fault]], list[Fault]], kinds: tuple[str, ...]
) -> tuple[list[Fault], list[tuple[Fault, Defect]]]:
    """Return the faults tried on an operation of ours, and the defects that were found."""
    setups = setups_for(operation, directory, operations.PREPARES.get(operation, operations.prepare))
    watched = {}
    for setup in setups:
        watched[setup.path], faults = watched_and_faults(setup, words_of(operation, setup), kinds)

    def attempt(setup: Setup, fault: Fault) -> list[Defect]:
        ended = run(words_of(operation, setup), setup.trace, watched[setup.path], fault)
        return Inspection(operation, setup).defects(ended, fault)

    chosen = choose(faults)
    return chosen, each_in_turn(setups, chosen, attempt)


@pytest.mark.parametrize("operation", operations.OPERATIONS)
def test_no_fault_and_no_kill_loses_a_record(
    operation: str, tmp_path: Path, full: bool, count: Callable[[str, int], None]
) -> None:
    """Old or new and complete, the old one kept, the right exit code, no write after a failed read; then it works."""

    def choose(faults: list[Fault]) -> list[Fault]:
        if full:
            return faults
        return random.Random(zlib.crc32(operation.encode())).sample(faults, SAMPLE)

    faults, found = defects_of_ours(operation, tmp_path, choose, (*ERRNOS, FOR_EVER, KILL))
    figures = Counter(figure for _, (figure, _) in found)
    kills = sum(fault.kind == KILL for fault in faults)
    figures.update({"faults injected": len(faults) - kills, "kills": kills})
    for figure in FIGURES:
        count(figure, figures[figure])
    assert not found, "\n".join(f"{fault}: {figure}: {words}" for fault, (figure, words) in found)


def is_new_for_the_reference(operation: str, value: Any, old: Any) -> bool:
    """Return whether a record is the complete one that an operation of the reference is to write."""
    if operation == "regenerate":
        return bool(value == {**old, "fingerprint": value["fingerprint"], "hardwareHash": reference_store.OTHER_HASH})
    expected = {
        "threshold": {**old, "similarityThreshold": reference_store.NEW_THRESHOLD},
        "rotation": {**old, "privateKey": reference_store.NEW_KEY},
    }
    return operation in expected and bool(value == expected[operation])


def losses_of_the_reference(operation: str, directory: Path) -> tuple[int, Counter[str]]:
    """Return the number of points, and at how many of them what is lost."""
    setups = setups_for(operation, directory, lambda vault, _: reference_store.prepare(vault))
    watched = {}
    for setup in setups:
        watched[setup.path], faults = watched_and_faults(setup, reference_words_of(operation, setup), (KILL, "EIO"))
    name = f"Store/{REGISTRATION_KEY if operation == 'rotation' else FINGERPRINT_KEY}"

    def attempt(setup: Setup, fault: Fault) -> list[Defect]:
        ended = run(reference_words_of(operation, setup), setup.trace, watched[setup.path], fault)
        old, now = setup.before[name] or b"", setup.contents()
        sort = sort_of(now.get(name), old, lambda value: is_new_for_the_reference(operation, value, json.loads(old)))
        found = []
        if sort in ("lost", "half") or now.get("Manifest") != setup.before["Manifest"]:
            found.append(("record or identity lost", sort))
        if reference_store.OLD.encode() not in (now.get(f"Store/{FINGERPRINT_KEY}") or b""):
            found.append(("the old fingerprint is nowhere", sort))
        if writes_on_a_failed_read(
            ended.calls, str(setup.vault), str(setup.vault / name), str(setup.state / "evidence")
        ):
            found.append(("writes after a failed read", sort))
        return found

    return len(faults), Counter(figure for _, (figure, _) in each_in_turn(setups, faults, attempt))


def test_the_procedure_of_the_reference_loses_records(
    tmp_path: Path, full: bool, count: Callable[[str, int], None]
) -> None:
    """The same kills and I/O errors with the same checks: a comparison, and the proof that they detect losses.

    A regeneration of the reference is meant to leave the old fingerprint nowhere; that is counted apart.
    """
    if not full:
        pytest.skip("the comparison belongs to the full form")
    of_theirs: Counter[str] = Counter()
    of_ours = 0
    for operation in reference_store.OPERATIONS:
        points, lost = losses_of_the_reference(operation, tmp_path / "theirs" / operation)
        # Its reading is that of a gate.
        ours = "obtain" if operation == "read" else operation
        faults, found = defects_of_ours(ours, tmp_path / "ours" / operation, lambda faults: faults, (KILL, "EIO"))
        our_lost = len({fault for fault, (figure, _) in found if figure in ("lost records", "half records")})
        count(f"the reference's {operation}: points", points)
        for figure in ("record or identity lost", "the old fingerprint is nowhere", "writes after a failed read"):
            count(f"the reference's {operation}: {figure}", lost[figure])
        count(f"our {operation}: points", len(faults))
        count(f"our {operation}: record, identity or the way back to it lost", our_lost)
        of_theirs += lost
        of_ours += our_lost
    assert of_theirs["record or identity lost"] > 0
    assert of_theirs["writes after a failed read"] > 0
    assert of_ours == 0
