"""The public names of the package, each loaded only when it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import fingerprint
from fingerprint import Observation, Vault, observe
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing.machines import unix_snapshot

NAMES = (
    "collect", "match", "explain", "observe", "HardwareHash", "FingerprintRecord", "Verdict", "Reason", "Vault", "Gate",
    "Policy", "Observation", "Explanation",
)  # fmt: skip


def test_the_public_names_are_those() -> None:
    assert sorted(fingerprint.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(fingerprint))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_imported_first(name: str) -> None:
    """In a separate process: a name that is loaded on use must not require another one before it."""
    code = f"from fingerprint import {name}; assert callable({name}), {name}"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", ["", ".credentials", ".fleet", ".registration", ".testing"])
def test_a_missing_name_is_reported_with_its_package(package: str) -> None:
    module = import_module(f"fingerprint{package}")
    with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute 'nothing'$"):
        module.nothing  # noqa: B018


def test_observe_returns_the_results_of_check_and_explain(tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    machine = RecordedMachine(unix_snapshot())
    missing = observe(vault, machine)
    assert isinstance(missing, Observation)
    assert (missing.outcome, missing.level, missing.comparison) == ("cannot-tell", "unknown", None)
    assert missing.exit_code == 3
    from fingerprint.gate import first_record

    first_record(vault, machine)
    found = observe(vault, RecordedMachine(unix_snapshot(ip="192.0.2.99", host_name="other")))
    assert (found.outcome, found.level, str(found.outlook)) == ("same", "ok", "will-accept")
    assert found.required().verdict.matched == 7
    assert found.stable is not None
    assert found.evidence_problem == ""


def test_observe_reads_this_machine_and_its_vault_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINT_VAULT", str(tmp_path / "Vault"))
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    found = observe()
    assert found.vault.path == str(tmp_path / "Vault")
    assert type(found.error).__name__ == "VaultMissing"
