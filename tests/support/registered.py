"""A registered machine with a vault in our journal, and the execution of remedies that are printed for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from agent_machines import AgentMachine
from fingerprint import Vault
from fingerprint.collectors import collect


class Registered(AgentMachine):
    """A registered machine whose vault we wrote, so that our journal has it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.write()
        self.vault = Vault(str(self.vault_path), state=str(directory / "state"))
        with self.vault.edit() as edit:
            edit.keep("InstanceFingerprint", why="test")
            edit.keep("RegistrationKey", why="test")

    def write(self) -> None:
        if not self.vault_path.exists():
            super().write()
        (self.directory / "machine.json").write_text(json.dumps(self.snapshot))

    def machine_hash(self) -> dict[str, str]:
        return dict(collect(self.machine).hardware_hash.items())

    def manifest(self) -> dict[str, str]:
        value: dict[str, str] = json.loads((self.vault_path / "Manifest").read_text())
        return value

    def store(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.vault_path / "Store").iterdir()}


def execute_remedy(machine: Registered, text: str) -> subprocess.CompletedProcess[str]:
    """Run the first `vault` command in a text, as printed."""
    words = text.partition("fingerprint vault ")[2].partition(" --yes")[0].split()
    return machine("vault", *words, "--yes")
