"""A host with an agent whose vault, configuration and unit are in a directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from event_machines import before_and_after
from fingerprint import Vault
from fingerprint.agent import client_settings, systemd_unit, vault_use
from fingerprint.agent.paths import paths_of
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration.flow import Registration
from fingerprint.registration.shared_vault import client_for
from fingerprint.testing import LocalService

BEFORE, AFTER = before_and_after("os-upgrade")
REGION = "eu-west-1"
USUAL = f"https://ssm.{REGION}.amazonaws.com"
PASSWORD = "hunter2"


class Host:
    """A machine with an agent: its vault, its configuration, and its unit."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.vault = Vault(str(directory / "ssm" / "Vault"), state=str(directory / "state"))
        self.config = directory / "etc" / "amazon-ssm-agent.json"
        self.config.parent.mkdir()
        self.identity = directory / "identity_config.json"
        paths = paths_of("linux").replace(
            data=str(directory / "ssm"), identity=str(self.identity), host_management=str(directory / "credentials"),
            config=str(self.config), certificates=str(directory / "etc" / "certs" / "amazon-ssm-agent.crt"),
            logs=str(directory / "log"),
        )  # fmt: skip
        self.certificates = Path(paths.certificates)
        self.certificates.parent.mkdir()
        systemctl = directory / "systemctl"
        systemctl.write_text(f"#!/bin/sh\ncat {directory / 'unit'}\n")
        systemctl.chmod(0o755)
        self.unit("")
        monkeypatch.setattr(vault_use, "reference_vault", lambda: self.vault.path)
        monkeypatch.setattr(client_settings, "paths_of", lambda _: paths)
        monkeypatch.setattr(systemd_unit, "SYSTEMCTL", (str(systemctl),))

    def unit(self, environment: str) -> None:
        properties = f"Id=amazon-ssm-agent.service\nLoadState=loaded\nEnvironment={environment}\n"
        (self.directory / "unit").write_text(properties)

    def configured(self, **sections: Any) -> None:
        self.config.write_text(json.dumps(sections))

    def flow(self, machine: dict[str, Any] = BEFORE, policy: str = "strict", **options: Any) -> Registration:
        return Registration(self.vault, RecordedMachine(machine), policy=policy, **options)

    def registered(self, service: LocalService, **options: Any) -> Registration:
        made = service.activation()
        flow = self.flow(**options)
        flow.register(made.id, made.code, REGION)
        return flow

    def endpoint(self, **options: str | None) -> str:
        return client_for(self.vault.path, REGION, options.get("endpoint"), None).endpoint
