"""Secrets reach no output, log, exception or process list; and the process trusts nothing that it should not."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fingerprint
from commandline import COMMAND, environment
from fingerprint import FingerprintRecord, Gate, Policy, Vault, collect
from fingerprint.errors import FingerprintError
from fingerprint.testing.machines import unix_machine, unix_snapshot
from fingerprint.types import RegistrationRecord

MACHINE_ID = "c0ffee00c0ffee00c0ffee00c0ffee00\n"
FINGERPRINT = "deadbeef-dead-4eef-8ead-beefdeadbeef"
PRIVATE_KEY = "MIIEpCANARYCANARYCANARY"
CANARIES = (MACHINE_ID.strip(), FINGERPRINT, PRIVATE_KEY)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "same.json").write_text(json.dumps(unix_snapshot(machine_id=MACHINE_ID)))
    (tmp_path / "other.json").write_text(json.dumps(unix_snapshot(machine_id="f" * 32 + "\n")))
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    record = FingerprintRecord(FINGERPRINT, collect(unix_machine(machine_id=MACHINE_ID)).hardware_hash, 40)
    with vault.edit() as edit:
        edit.store(record, why="test")
        edit.store_registration(RegistrationRecord("mi-0123456789", "eu-west-1", private_key=PRIVATE_KEY), why="test")
    return tmp_path


COMMANDS = (
    ["show"], ["check"], ["threshold", "get"], ["threshold", "set", "50"], ["vault", "show"], ["vault", "verify"],
    ["vault", "backup"], ["vault", "history"], ["vault", "restore", "0", "--dry-run"],
    ["vault", "restore", "0", "--yes"], ["vault", "rebaseline", "--keep-fingerprint", "--yes"],
    ["vault", "restore", "99", "--yes"], ["vault", "init"], ["vault", "reset", "--yes"], ["vault", "init"],
)  # fmt: skip


@pytest.mark.parametrize("machine", ["same", "other"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_command_prints_a_secret_without_reveal(machine: str, form: str, directory: Path) -> None:
    base = [COMMAND, "--vault", f"{directory}/Vault", "--snapshot", f"{directory}/{machine}.json", "--output", form]
    for damage in ("", "record", "registration"):
        if damage:
            name = {"record": "InstanceFingerprint", "registration": "RegistrationKey"}[damage]
            path = directory / "Vault" / "Store" / name
            path.write_bytes(path.read_bytes()[:-5])
        for words in COMMANDS:
            done = subprocess.run(
                [*base, *words], capture_output=True, text=True, env=environment(directory / "state"), check=False
            )
            for canary in CANARIES:
                assert canary not in done.stdout + done.stderr, words
    audit = (directory / "state" / "audit.log").read_text()
    assert audit
    assert not any(canary in audit for canary in CANARIES)


@pytest.mark.parametrize("policy", list(Policy.members()))
def test_no_log_line_or_exception_of_the_gate_holds_a_secret(
    policy: Policy, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vault = Vault(str(directory / "Vault"), state=str(directory / "state"))
    with caplog.at_level(logging.DEBUG):
        for machine in (unix_machine(machine_id="f" * 32 + "\n"), unix_machine(machine_id=MACHINE_ID)):
            try:
                Gate(vault, machine, policy=policy).fingerprint()
            except FingerprintError as error:
                caplog.handler.stream.write(f"{error!r} {error} {error.facts()}")
    assert not any(canary in caplog.text for canary in CANARIES)


def test_no_repr_of_a_value_holds_a_secret(directory: Path) -> None:
    vault = Vault(str(directory / "Vault"), state=str(directory / "state"))
    record, collection = vault.read(), collect(unix_machine(machine_id=MACHINE_ID))
    verdict = fingerprint.match(record.hardware_hash, collection.hardware_hash, 40)
    for value in (record, vault.read_registration(), collection, verdict, record.hardware_hash):
        assert not any(canary in repr(value) for canary in CANARIES)


PACKAGE = Path(fingerprint.__file__).parent


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_foreign_is_ever_executed(path: Path) -> None:
    """No module loads objects or code from data, and none runs a shell."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {"pickle", "marshal", "shelve", "yaml"}
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in ("pickle", "marshal", "shelve", "yaml")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile")
        elif isinstance(node, ast.keyword):
            assert node.arg != "shell"


HOSTILE = {
    "TMPDIR": "/nonexistent", "HOME": "/nonexistent", "LD_PRELOAD": "", "LD_LIBRARY_PATH": "/nonexistent",
    "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE", "LANGUAGE": "fr", "TZ": "Asia/Taipei", "COLUMNS": "7", "TERM": "xterm",
    "XDG_STATE_HOME": "/nonexistent", "XDG_DATA_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_REGION": "x", "http_proxy": "http://127.0.0.1:1",
    "DMI": "x", "POSIXLY_CORRECT": "1", "IFS": "/", "ENV": "/nonexistent", "BASH_ENV": "/nonexistent",
    "LS_COLORS": "di=31", "TIME_STYLE": "full-iso", "QUOTING_STYLE": "c", "BLOCK_SIZE": "human", "MALLOC_CHECK_": "3",
    "GCONV_PATH": "/nonexistent", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "error", "SUDO_USER": "some body",
}  # fmt: skip


def test_thirty_hostile_variables_change_nothing(directory: Path) -> None:
    """The live collection, the verdict and what is written are the same under them."""
    clean = environment(directory / "state")
    assert len(HOSTILE) == 30
    answers = []
    for env in (clean, {**clean, **HOSTILE}):
        live = subprocess.run(
            [COMMAND, "show", "--output", "json", "--reveal"], capture_output=True, env=env, check=False
        )
        verdict = subprocess.run(
            [COMMAND, "--vault", f"{directory}/Vault", "--snapshot", f"{directory}/same.json", "check"],
            capture_output=True, env=env, check=False,
        )  # fmt: skip
        answers.append((json.loads(live.stdout)["hardwareHash"], verdict.returncode, verdict.stdout))
    assert answers[0] == answers[1]
    assert subprocess.run(
        [COMMAND, "--vault", f"{directory}/Vault", "threshold", "set", "41"], env={**clean, **HOSTILE}, check=False
    ).returncode == 0  # fmt: skip
    assert json.loads((directory / "Vault" / "Store" / "InstanceFingerprint").read_text())["similarityThreshold"] == 41


def test_core_dumps_are_off(directory: Path) -> None:
    probe = f"""
import resource
from fingerprint.cli import main
main(["--vault", {str(directory / "Vault")!r}, "threshold", "get"])
print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(0, 0)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_environment_of_another_user_names_no_vault() -> None:
    """A process with another effective user takes no path from its caller's environment."""
    probe = """
import os
os.environ.update(FINGERPRINT_STATE="/evil/state", FINGERPRINT_VAULT="/evil/vault")
from fingerprint.vault.locations import resolve_vault, state_directory
import platformdirs
print(state_directory(), resolve_vault(None))
os.setresuid(65534, 0, 0)
print(state_directory(), resolve_vault(None))
"""
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    own, others = done.stdout.splitlines()
    assert own == "/evil/state /evil/vault"
    assert "evil" not in others
