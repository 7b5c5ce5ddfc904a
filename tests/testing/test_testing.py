"""What ships for the tests of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fingerprint.testing
from fingerprint.errors import FingerprintMismatch
from fingerprint.registration import Registration
from fingerprint.testing import LocalService

pytest_plugins = ["fingerprint.testing.pytest_plugin"]


def test_a_registered_machine_gets_credentials_its_clone_none(
    fingerprint_service: LocalService, fingerprint_registration: Registration, fingerprint_clone: Registration
) -> None:
    assert fingerprint_registration.role_token().access_key_id.startswith("ASIA")
    asked = len(fingerprint_service.requests())
    with pytest.raises(FingerprintMismatch):
        fingerprint_clone.role_token()
    assert len(fingerprint_service.requests()) == asked
    assert fingerprint_registration.role_token()


def test_the_fixtures_are_there_for_other_projects(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["fingerprint.testing.pytest_plugin"]\n')
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(fingerprint_registration, fingerprint_service):\n"
        "    assert fingerprint_registration.record().instance_id == fingerprint_service.nodes()[0]['id']\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_recorded_machines_need_nothing_of_the_service() -> None:
    script = (
        "import sys; from fingerprint.testing import unix_machine; unix_machine();"
        "print([m for m in ('botocore', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError):
        fingerprint.testing.nothing  # noqa: B018
