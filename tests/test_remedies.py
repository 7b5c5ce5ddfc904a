"""Every printed remedy is executed on a machine in its state; then the agent must accept the machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reference_store
from fingerprint.collectors import collect
from fingerprint.testing.local_service import LocalService
from identity_machines import MACHINES, KnownMachine
from printed import Printed, commands_in

# Commands that print remedies for a machine and its vault.
PRINTERS = (
    ("check",), ("explain",), ("diagnose",), ("vault", "verify"), ("vault", "history"), ("vault", "show"),
    ("credentials", "process"), ("monitor", "nagios"), ("vault", "init"),
)  # fmt: skip
# Read-only commands: their exit code is an answer.
_READ_ONLY = ("check", "diagnose", "explain", "diagnose logs", "show", "vault history", "vault show", "vault verify")
# Each restores the fingerprint that the service knows, or registers the machine again.
_FIXES = ("register", "threshold set", "vault rebaseline", "vault repair", "vault restore")
# They keep, clear or prepare; a later command of the same remedy, if any, does the rest.
_STEPS = ("deregister", "vault backup", "vault reset")


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as running:
        yield running


def remedies_in(answer: Any) -> Iterator[list[Printed]]:
    """Return the commands of each remedy of a JSON answer: those of one are to be run one after the other."""
    if isinstance(answer, dict):
        strings = [answer.get(name) for name in ("remedy", "text", "command") if isinstance(answer.get(name), str)]
        found = [one for text in strings for one in commands_in(text)]
        if found:
            yield found
        for name, value in answer.items():
            if name not in ("remedy", "text", "command"):
                yield from remedies_in(value)
    elif isinstance(answer, (list, tuple)):
        for value in answer:
            yield from remedies_in(value)
    elif isinstance(answer, str):
        found = commands_in(answer)
        if found:
            yield found


def printed_for(machine: KnownMachine) -> list[list[Printed]]:
    """Return each remedy once that is printed for a machine, as JSON or as text."""
    found: dict[tuple[tuple[str, ...], ...], list[Printed]] = {}
    for words in PRINTERS:
        outputs = [(), ("--output", "json")] if words[-1] != "nagios" and words != ("credentials", "process") else [()]
        for output in outputs:
            done = machine(*words, *output)
            answers: list[Any] = [done.stdout, done.stderr]
            if output and done.stdout.startswith("{"):
                answers = [json.loads(done.stdout)]
            for remedy in remedies_in(answers):
                # Text has commands one by one; a remedy of several is known from JSON.
                if output or len(remedy) == 1:
                    found.setdefault(tuple(one.words for one in remedy), remedy)
    several = [words for words in found if len(words) > 1]
    parts = {(one,) for words in several for one in words[1:]}
    return [remedy for words, remedy in found.items() if words not in parts]


class Filled:
    """Replaces REGION, ID, FILE and NAME by the values that an operator knows."""

    def __init__(self, directory: Path, service: LocalService) -> None:
        activation = service.activation()
        code = directory / "code"
        code.write_text(activation.code)
        code.chmod(0o600)
        log = directory / "agent.log"
        log.write_text("2026-11-24 08:00:00.1234 INFO amazon-ssm-agent - v3.3.1142.0\n")
        self._values = {"REGION": "eu-west-1", "ID": activation.id, "FILE...": str(log)}
        self._files = {"--code-file": str(code)}
        self._directory = directory

    def __call__(self, words: tuple[str, ...]) -> list[str]:
        filled = []
        for before, word in zip(("", *words), words, strict=False):
            if word == "FILE":
                word = self._files.get(before, str(self._directory / "file"))
            filled.append(self._values.get(word, word))
        return filled


@pytest.mark.parametrize("journaled", [True, False], ids=["journaled", "unknown to us"])
@pytest.mark.parametrize("name", MACHINES)
def test_every_printed_remedy_works_where_it_is_printed(
    name: str, journaled: bool, tmp_path: Path, service: LocalService, record_property: Any
) -> None:
    machine = KnownMachine(tmp_path / "machine", service, journaled=journaled)
    MACHINES[name][0](machine)
    machine.settle()
    remedies = printed_for(machine)
    executed = 0
    for number, remedy in enumerate(remedies):
        kept = tmp_path / "kept"
        shutil.copytree(machine.directory, kept, symlinks=True)
        fill = Filled(tmp_path, service)
        for one in remedy:
            words = fill(one.words)
            done = machine(*words)
            executed += 1
            # A snapshot here is of this host, of which not everything can be read.
            allowed = (0, 1, 3) if one.path in _READ_ONLY else (0, 3) if one.path == "snapshot" else (0,)
            if "journal of others" in name and "others can write it" in done.stderr:
                # Nothing is written before that is fixed, as each of them says.
                assert "chmod go-w" in done.stderr
                allowed = (3,)
            assert done.returncode in allowed, (number, one.line, done.returncode, done.stdout, done.stderr)
            assert one.path in (*_READ_ONLY, *_FIXES, *_STEPS, "vault init", "snapshot"), one.line
        if any(one.path in _FIXES for one in remedy):
            require_accepted(machine, remedy)
        for path in (machine.directory / "Vault", machine.directory / "state"):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(kept, machine.directory, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(kept)
    record_property("remedies", executed)
    print(f"executed {executed}")


def require_accepted(machine: KnownMachine, remedy: list[Printed]) -> None:
    """Require that the agent accepts the machine and sends a fingerprint that the service knows."""
    store = reference_store.Store(str(machine.vault_path))
    current = dict(collect(machine.machine).hardware_hash.items())
    lines = [one.line for one in remedy]
    assert reference_store.start(store, current) == "reads", lines
    if any(one.path == "register" for one in remedy):
        return
    sent = json.loads(store.retrieve(reference_store.FINGERPRINT_KEY))["fingerprint"]
    assert sent == machine.known, lines
