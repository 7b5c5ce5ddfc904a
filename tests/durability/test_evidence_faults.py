"""Keeping evidence under faults, kills and races: kept entries stay intact, and the record is never touched."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from event_machines import before_and_after
from faults import ERRNOS, FOR_EVER, KILL, Fault, Run, faults_of, paths_within, restore_copy, run, why_not
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK
from fingerprint.vault.evidence import ENTRIES_KEPT

BEFORE, NOW = before_and_after("reboot")
RECORD = FingerprintRecord("55555555-6666-8777-8888-999999999999", HardwareHash({"machine-id": "m\n"}), 40)
SAMPLE = 24
WRITERS, ENTRIES_EACH = 6, 6
KEEP = """
import json, sys
from fingerprint import Vault
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.collectors.recording import record_machine
from fingerprint.gate import keep_snapshot
from fingerprint.errors import FingerprintError
vault, state, snapshot, times = sys.argv[1:]
with open(snapshot) as file:
    _, recorder = record_machine(RecordedMachine(json.load(file)))
try:
    for _ in range(int(times)):
        print(keep_snapshot(Vault(vault, state=state), recorder.snapshot), flush=True)
except FingerprintError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Setup:
    """A vault whose record has evidence, among as many entries as are kept, so that the next one removes one."""

    def __init__(self, directory: Path) -> None:
        self.trace, self.path, self.template = directory / "trace", directory / "setup", directory / "template"
        self.snapshot = directory / "now.json"
        self.snapshot.write_text(json.dumps(NOW))
        self.path.mkdir(mode=0o700)
        self.vault = Vault(str(self.path / "Vault"), state=str(self.path / "state"))
        with self.vault.edit() as edit:
            edit.store(RECORD, why="test")
            for number in range(ENTRIES_KEPT):
                record = RECORD if number == 4 else RECORD.replace(fingerprint=f"earlier {number}")
                self.vault.evidence.keep(record, BEFORE, why="test", at=BEFORE["recordedAt"])
        shutil.copytree(self.path, self.template)

    def reset(self) -> None:
        restore_copy(self.template, self.path, self.path / "state")

    def words(self, times: int = 1) -> list[str]:
        arguments = [self.vault.path, self.vault.state, str(self.snapshot), str(times)]
        return [sys.executable, "-I", "-c", KEEP, *arguments]

    def numbers(self) -> list[int]:
        """Return the numbers of the entries; all must be intact."""
        intact, refused = self.vault.evidence.entries()
        assert refused == []
        return [entry.number for entry in intact]

    def defects(self, ended: Run, fault: Fault) -> Iterator[str]:
        expected = (-9,) if fault.kind == KILL else (EXIT_OK, EXIT_CANNOT_TELL)
        if ended.code not in expected or "Traceback" in ended.complaint:
            yield f"exit code {ended.code}: {ended.complaint}"
        if self.vault.read() != RECORD:
            yield "the record was touched"
        numbers = self.numbers()
        if numbers not in (
            list(range(1, ENTRIES_KEPT + 1)),
            list(range(1, ENTRIES_KEPT + 2)),
            [1, *range(3, ENTRIES_KEPT + 2)],
        ):
            yield f"what is kept: {numbers}"
        if ended.code == EXIT_OK and ENTRIES_KEPT + 1 not in numbers:
            yield "exit code 0 and it is not kept"
        entry = self.vault.evidence.for_record(RECORD)
        if entry is None or entry.number != 5:
            yield "the evidence of the record is gone"
        again = subprocess.run(self.words(), capture_output=True, text=True, timeout=60, check=False)
        if again.returncode != EXIT_OK or len(self.numbers()) != ENTRIES_KEPT:
            yield f"the next one: exit code {again.returncode}, {self.numbers()}, {again.stderr}"
        if left := [path.name for path in Path(self.vault.evidence.path).iterdir() if path.suffix != ".json"]:
            yield f"left over: {left}"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected")
def test_no_fault_and_no_kill_costs_what_was_kept(
    tmp_path: Path, full: bool, count: Callable[[str, int], None]
) -> None:
    setup = Setup(tmp_path)
    paths = paths_within(run(setup.words(), setup.trace).calls, str(setup.path / "state"))
    setup.reset()
    clean = run(setup.words(), setup.trace, paths)
    assert clean.code == EXIT_OK, clean.complaint
    faults = faults_of(clean.calls, (*ERRNOS, FOR_EVER, KILL))
    if not full:
        kills = [fault for fault in faults if fault.kind == KILL]
        chosen = random.Random(4)
        faults = chosen.sample(kills, SAMPLE // 2) + chosen.sample(faults, SAMPLE // 2)
    found = []
    for fault in faults:
        setup.reset()
        found += [
            f"{fault}: {defect}" for defect in setup.defects(run(setup.words(), setup.trace, paths, fault), fault)
        ]
    count("faults and kills while evidence was kept", len(faults))
    assert found == []


def test_parallel_writers_keep_one_entry_each(tmp_path: Path, count: Callable[[str, int], None]) -> None:
    setup = Setup(tmp_path)
    writers = [subprocess.Popen(setup.words(ENTRIES_EACH), stdout=subprocess.PIPE, text=True) for _ in range(WRITERS)]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        entry = setup.vault.evidence.for_record(RECORD)
        assert entry is not None
        assert entry.number == 5
        assert setup.numbers()[0] == 1
        reads += 1
    printed = sorted(int(line) for writer in writers for line in writer.communicate()[0].split())
    assert [writer.returncode for writer in writers] == [EXIT_OK] * WRITERS
    assert printed == list(range(ENTRIES_KEPT + 1, ENTRIES_KEPT + 1 + WRITERS * ENTRIES_EACH))
    assert len(setup.numbers()) == ENTRIES_KEPT
    assert setup.numbers()[-1] == printed[-1]
    assert reads
    count("evidence kept by writers at once", len(printed))
