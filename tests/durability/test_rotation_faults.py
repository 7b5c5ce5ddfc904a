"""Changing the key of a node, with every system call failing in turn or being the process's last.

Whatever happened, the next request without a fault is accepted, and then one key is here and at the service.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from event_machines import before_and_after
from faults import KILL, Fault, Run, faults_of, paths_within, restore_copy, run, why_not
from fingerprint import Vault
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService

MACHINE, _ = before_and_after("agent-restart")
KINDS = (KILL, "EIO", "ENOSPC")
SAMPLE = 12
UPDATE = "UpdateManagedInstancePublicKey"
ASK = """
import json, sys
from fingerprint import Vault
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.errors import FingerprintError
from fingerprint.registration import Registration
vault, state, machine, endpoint = sys.argv[1:]
with open(machine) as file:
    recorded = RecordedMachine(json.load(file))
try:
    Registration(Vault(vault, state=state), recorded, policy="strict", endpoint=endpoint).role_token()
except FingerprintError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Setup:
    """A registered node whose service asks for another key with each token."""

    def __init__(self, directory: Path, service: LocalService) -> None:
        self.service = service
        self.trace, self.path, self.template = directory / "trace", directory / "setup", directory / "template"
        self.machine = directory / "machine.json"
        self.machine.write_text(json.dumps(MACHINE))
        self.path.mkdir(mode=0o700)
        self.vault = Vault(str(self.path / "Vault"), state=str(self.path / "state"))
        made = service.activation()
        self.node = self.registration().register(made.id, made.code, "eu-west-1").instance_id
        self.first_key = self.key_here()
        shutil.copytree(self.path, self.template)
        self.reset()

    def registration(self) -> Registration:
        return Registration(self.vault, RecordedMachine(MACHINE), policy="strict", endpoint=self.service.endpoint)

    def reset(self) -> None:
        restore_copy(self.template, self.path, self.path / "state")
        if self.key_there() != self.first_key:
            self.service.update_key(self.node, {"NewPublicKey": self.first_key})
        self.service.ask_for_rotation(self.node)

    def key_here(self) -> str:
        return NodeKey.decode(self.vault.read_registration().private_key, "here").public()

    def key_there(self) -> str:
        return str(self.service.nodes()[0]["publicKey"])

    def words(self) -> list[str]:
        arguments = [self.vault.path, self.vault.state, str(self.machine), self.service.endpoint]
        return [sys.executable, "-I", "-c", ASK, *arguments]

    def defects(self, ended: Run, fault: Fault) -> Iterator[str]:
        expected = (-9,) if fault.kind == KILL else (EXIT_OK, EXIT_CANNOT_TELL)
        if ended.code not in expected or "Traceback" in ended.complaint:
            yield f"exit code {ended.code}: {ended.complaint}"
        yield from self.later_defects()

    def later_defects(self) -> Iterator[str]:
        known = [self.key_there(), self.key_here()]
        self.registration().role_token()
        if self.key_here() != self.key_there():
            yield f"another key here than at the service, which {'kept' if known[1] == known[0] else 'changed'} it"


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    with LocalService() as service:
        yield Setup(tmp_path, service)


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected")
def test_no_fault_or_kill_leaves_a_key_that_the_service_rejects(
    setup: Setup, full: bool, count: Callable[[str, int], None]
) -> None:
    watched = paths_within(run(setup.words(), setup.trace).calls, str(setup.path))
    setup.reset()
    seen = run(setup.words(), setup.trace, watched)
    assert seen.code == EXIT_OK, seen.complaint
    assert setup.key_here() == setup.key_there() != setup.first_key
    faults = faults_of(seen.calls, KINDS)
    chosen = faults if full else random.Random(5).sample(faults, SAMPLE)
    found = []
    for fault in chosen:
        setup.reset()
        ended = run(setup.words(), setup.trace, watched, fault)
        found += [f"{fault}: {words}" for words in setup.defects(ended, fault)]
    count("faults and kills while a key was changed", len(chosen))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("after", [False, True], ids=["before it changed the key", "after it changed the key"])
def test_a_kill_during_a_rotation_leaves_a_key_that_works(setup: Setup, after: bool) -> None:
    held = threading.Event()
    setup.service.hold_next(UPDATE, held, after=after)
    with subprocess.Popen(setup.words(), stdout=subprocess.DEVNULL) as process:
        assert held.wait(30)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (setup.key_here() == setup.key_there()) is not after
    assert list(setup.later_defects()) == []
