"""The check `vault` shows first the fault that it concludes from."""

from __future__ import annotations

import pytest

from agent_machines import AgentMachine
from fingerprint.diagnose import diagnose
from fingerprint.diagnose.context import Site
from fingerprint.vault import Vault


@pytest.mark.parametrize("name", ["RegistrationKey", "InstanceFingerprint"])
def test_a_damaged_file_is_shown_before_the_mode_of_a_directory(machine: AgentMachine, name: str) -> None:
    machine.write()
    machine.vault_path.chmod(0o755)
    (machine.vault_path / "Store" / name).write_text("{")
    site = Site(machine.machine, Vault(str(machine.vault_path), state=str(machine.directory / "state")))
    finding = diagnose(site, ("vault",))["vault"]
    assert finding.evidence[0].startswith(f"{machine.vault_path}/Store/{name}")
    assert any("mode 0755" in fault for fault in finding.evidence[1:])
