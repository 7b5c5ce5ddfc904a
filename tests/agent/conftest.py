"""Fixtures of the agent's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_host import Host
from fingerprint import Vault
from fingerprint.registration import shared_vault
from fingerprint.testing import LocalService


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_retries: None) -> Host:
    """Return a host with an agent, without the caller's proxies and AWS settings."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    shared_vault._logged.clear()
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Return a vault beside the directory of its state."""
    return Vault(str(tmp_path / "ssm" / "Vault"), state=str(tmp_path / "state"))


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore retry without a pause."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
