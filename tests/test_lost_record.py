"""A registered node whose fingerprint is gone: no command but register makes a first one, and each says what helps."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_machines import AgentMachine
from fingerprint import Gate, Vault
from fingerprint.errors import FingerprintLost, Refused
from fingerprint.gate import first_record
from fingerprint.testing.local_service import LocalService
from fingerprint.types import FingerprintRecord
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.records import encode_fingerprint


def gone(vault: Vault) -> None:
    Path(vault.data_path(FINGERPRINT_KEY)).unlink()
    # As the agent's manifest of a vault that never had a record.
    Path(vault.path, "Manifest").write_text(f'{{"RegistrationKey":"{vault.path}/Store/RegistrationKey"}}')


def null(vault: Vault) -> None:
    Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(b"null")


def reset(vault: Vault) -> None:
    with vault.edit() as edit:
        edit.clear(why="reset")


LOSSES = [gone, null, reset]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, service: LocalService) -> AgentMachine:
    """A machine that registered by our own command."""
    machine = AgentMachine(tmp_path)
    (tmp_path / "machine.json").write_text(json.dumps(machine.snapshot))
    machine.write = lambda: None  # type: ignore[method-assign]
    machine.env["AWS_ENDPOINT_URL_SSM"] = service.endpoint
    assert register(machine, service).returncode == 0
    return machine


def register(machine: AgentMachine, service: LocalService, *words: str) -> subprocess.CompletedProcess[str]:
    activation = service.activation()
    code = machine.directory / "code"
    code.write_text(activation.code)
    code.chmod(0o600)
    return machine(
        "register", "--region", "eu-west-1", "--activation-id", activation.id, "--code-file", str(code), *words
    )


def vault_of(machine: AgentMachine) -> Vault:
    return Vault(str(machine.vault_path), state=machine.env["FINGERPRINT_STATE"])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: one.__name__)
def test_no_command_but_register_makes_a_first_fingerprint(
    loss: Callable[[Vault], None], machine: AgentMachine, service: LocalService
) -> None:
    vault = vault_of(machine)
    assert machine("credentials", "process").returncode == 0, "kept credentials hide no lost fingerprint"
    loss(vault)
    before = {path.name: path.read_bytes() for path in Path(vault.path, "Store").iterdir()}
    for words, code in (
        (("vault", "init",), 4), (("vault", "init", "--if-missing"), 4), (("vault", "init", "--dry-run"), 4),
        (("credentials", "process",), 3),
        (("credentials", "process", "--policy", "regenerate"), 3), (("credentials", "update", "--file",
        str(machine.directory / "c")), 3),
        (("check",), 3), (("explain",), 3), (("diagnose",), 1), (("threshold", "set", "50"), 3),
    ):  # fmt: skip
        done = machine(*words)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == code, (words, said)
        assert "its fingerprint is lost" in said, (words, said)
    assert before == {path.name: path.read_bytes() for path in Path(vault.path, "Store").iterdir()}
    done = register(machine, service, "--again")
    assert done.returncode == 0, done.stderr
    assert machine("credentials", "process").returncode == 0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("policy", ["strict", "regenerate", "audit"])
def test_the_library_makes_none_either(loss: Callable[[Vault], None], policy: str, machine: AgentMachine) -> None:
    vault = vault_of(machine)
    loss(vault)
    with pytest.raises(FingerprintLost):
        Gate(vault, machine.machine, policy=policy).fingerprint()
    with pytest.raises(Refused, match="its fingerprint is lost"):
        first_record(vault, machine.machine)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda one: one.__name__)
def test_the_remedy_brings_back_what_the_service_knows(loss: Callable[[Vault], None], machine: AgentMachine) -> None:
    vault = vault_of(machine)
    known = vault.read()
    assert machine("vault", "backup", "--yes").returncode == 0
    loss(vault)
    said = machine("check").stderr
    command = said.partition(": fingerprint ")[2].split("\n")[0].strip()
    words = [word for word in shlex.split(command) if word not in ("--vault", vault.path)]
    assert words[:2] == ["vault", "restore"], said
    done = machine(*words)
    assert done.returncode == 0, done.stderr
    assert vault.read() == known
    assert machine("check").returncode == 0
    assert machine("credentials", "process").returncode == 0


def test_a_deregistered_machine_begins_anew(machine: AgentMachine) -> None:
    assert machine("deregister", "--yes").returncode == 0
    assert machine("vault", "init").returncode == 0
    assert machine("check").returncode == 0


def test_a_vault_never_registered_starts_over_after_a_reset(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.registration = None
    machine.record = FingerprintRecord()
    assert machine("vault", "init").returncode == 0


def test_a_registration_that_cannot_be_read_lets_nothing_be_made(machine: AgentMachine) -> None:
    vault = vault_of(machine)
    reset(vault)
    Path(vault.data_path("RegistrationKey")).write_bytes(b"{")
    done = machine("vault", "init")
    assert done.returncode == 3
    assert vault.read().fingerprint == ""


def test_a_fingerprint_registered_here_is_not_called_replaced(machine: AgentMachine, service: LocalService) -> None:
    """Set the threshold, let the agent replace the fingerprint, register again: that is the one to keep."""
    vault = vault_of(machine)
    assert machine("threshold", "set", "50").returncode == 0
    record = vault.read()
    new = record.replace(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd")
    Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(encode_fingerprint(new))
    assert machine("check").returncode == 1
    assert register(machine, service, "--again").returncode == 0
    assert machine("check").returncode == 0
    assert machine("credentials", "process").returncode == 0
    # And the next one that the agent makes is known for what it is.
    newer = record.replace(fingerprint="3f9a7b52-1c0d-4e68-8a31-6d2f5b7c9e04")
    Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(encode_fingerprint(newer))
    assert machine("check").returncode == 1
