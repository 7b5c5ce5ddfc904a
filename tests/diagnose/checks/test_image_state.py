"""A vault that came with a generalized image of Windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fingerprint.diagnose import Finding
from other_agent_machines import WindowsMachine

TAG = r"C:\Windows\System32\Sysprep\Sysprep_succeeded.tag"
REGISTERED = "2026-11-01 08:00:00.25 +0000 UTC"


@pytest.fixture
def machine(tmp_path: Path) -> WindowsMachine:
    return WindowsMachine(tmp_path)


def generalized(m: WindowsMachine, at: str) -> None:
    m.file(TAG, None, 0o666)
    m.snapshot["statuses"][TAG]["modified"] = at


def another_uuid(m: WindowsMachine) -> None:
    """Let it be a copy with a UUID of its own."""
    for entry in m.snapshot["commands"]:
        if entry["argv"][1:] == ["csproduct", "get", "UUID"]:
            entry["stdout"] = "UUID  \r\r\n11111111-2222-3333-4444-555555555555  \r\r\n\r\r\n"
    m.snapshot["wmi"]["Win32_ComputerSystemProduct"] = [{"UUID": "11111111-2222-3333-4444-555555555555"}]


def finding(m: WindowsMachine) -> Finding:
    return m.diagnosis("image-state")["image-state"]


def test_a_copy_of_an_image_with_a_vault_fails(machine: WindowsMachine) -> None:
    generalized(machine, "2026-11-10T00:00:00Z")
    another_uuid(machine)
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("fail", "of-image")
    assert "at 2026-11-10T00:00:00Z, after its registration of 2026-11-01T08:00:00Z" in found.text
    assert found.command == "fingerprint vault reset --yes"
    assert machine(*found.command.split()[1:]).returncode == 0


def test_the_registered_host_is_only_warned(machine: WindowsMachine) -> None:
    """To clear its vault would cost it its registration."""
    generalized(machine, "2026-11-10T00:00:00Z")
    found = finding(machine)
    assert (str(found.outcome), found.command) == ("warn", "")
    assert "/etc/" not in f"{found.text} {found.remedy}"


@pytest.mark.parametrize("change", [
    lambda m: None,
    lambda m: generalized(m, "2026-10-01T00:00:00Z"),
    lambda m: (generalized(m, "2026-11-10T00:00:00Z"), setattr(m, "registration", None)),
    lambda m: (generalized(m, "2026-11-10T00:00:00Z"), setattr(
        m, "registration", m.registration.replace(private_key_created_date=""))),
], ids=["no sysprep", "registered afterwards", "not registered", "no date"])  # fmt: skip
def test_a_registration_made_after_sysprep_passes(machine: WindowsMachine, change: Any) -> None:
    change(machine)
    assert str(finding(machine).outcome) == "pass"
