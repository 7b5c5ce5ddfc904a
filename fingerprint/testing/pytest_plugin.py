"""Fixtures for pytest: a service, a machine, its vault, its registration, and a clone of it.

In a conftest.py: `pytest_plugins = ["fingerprint.testing.pytest_plugin"]`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration
from fingerprint.testing.local_service import LocalService
from fingerprint.testing.machines import unix_machine
from fingerprint.vault import Vault

REGION = "eu-west-1"


@pytest.fixture
def fingerprint_service() -> Iterator[LocalService]:
    """A service on loopback, with nobody registered."""
    with LocalService() as service:
        yield service


@pytest.fixture
def fingerprint_machine() -> RecordedMachine:
    """A recorded machine."""
    return unix_machine(dmi="SMBIOS 3.0 present.", disk="total 0")


@pytest.fixture
def fingerprint_vault(tmp_path: Path) -> Vault:
    """The machine's vault, empty, with its own state directory."""
    return Vault(str(tmp_path / "fingerprint" / "Vault"), state=str(tmp_path / "fingerprint" / "state"))


@pytest.fixture
def fingerprint_registration(
    fingerprint_service: LocalService, fingerprint_machine: RecordedMachine, fingerprint_vault: Vault
) -> Registration:
    """The machine's registration with the service; by the policy strict."""
    flow = Registration(fingerprint_vault, fingerprint_machine, policy="strict", endpoint=fingerprint_service.endpoint)
    made = fingerprint_service.activation()
    flow.register(made.id, made.code, REGION)
    return flow


@pytest.fixture
def fingerprint_clone(
    fingerprint_service: LocalService, fingerprint_registration: Registration, tmp_path: Path
) -> Registration:
    """Another machine with a copy of the registered one's disk, by the policy strict.

    The copy has the hardware ID of the original; address, interface and hardware are its own.
    """
    clone = tmp_path / "clone"
    shutil.copytree(fingerprint_registration.vault.path, clone / "Vault")
    other = unix_machine(ip="198.51.100.7", mac="a2:99:21:00:00:02", dmi="SMBIOS 2.8 present.", disk="total 0")
    vault = Vault(str(clone / "Vault"), state=str(clone / "state"))
    return Registration(vault, other, policy="strict", endpoint=fingerprint_service.endpoint)
