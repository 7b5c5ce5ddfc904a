"""Output of dmidecode without a structure: its digest is stored as the agent stores it, and is no evidence."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from agent_machines import AgentMachine
from fingerprint import collect
from fingerprint.diagnose import Outcome
from fingerprint.explanation import Explanation, explain_snapshots
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match
from fingerprint.smbios.no_table import DMI, is_silent
from fingerprint.testing.machines import unix_snapshot
from fingerprint.types import Status

NOT_FOUND = "# dmidecode {}\n# No SMBIOS nor DMI entry point found, sorry.\n"
SCANNED = "# dmidecode {}\nScanning /dev/mem for entry point.\n# No SMBIOS nor DMI entry point found, sorry.\n"
NONE_OF_THEM = "# dmidecode {}\nGetting SMBIOS data from sysfs.\nSMBIOS 3.1.0 present.\n\n"
BROKEN = (
    "# dmidecode {}\nGetting SMBIOS data from sysfs.\nSMBIOS 2.8 present.\n12 structures occupying 600 bytes.\n"
    "Table at 0x000F0480.\n\nInvalid entry length (0). DMI table is broken! Stop.\n\n"
)
MODULE = (
    "# dmidecode {}\nGetting SMBIOS data from sysfs.\nSMBIOS 2.8 present.\n\nHandle 0x0011, DMI type 17, 34 bytes\n"
    "Memory Device\n\tSize: 8 GB\n\tLocator: DIMM_A1\n\n"
)
WITHOUT = {
    "not found": NOT_FOUND.format("3.3"), "not found in memory": SCANNED.format("3.2"), "nothing printed": "",
    "only a version": "# dmidecode 3.4\n", "broken": BROKEN.format("3.4"), "none of them": NONE_OF_THEM.format("3.4"),
}  # fmt: skip


def printing(text: str, **changes: Any) -> dict[str, Any]:
    snapshot = unix_snapshot(**{"dmi": "", "disk": "total 0", **changes})
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=0, stdout=text, stderr="")
    return snapshot


def explained(before: dict[str, Any], now: dict[str, Any]) -> Explanation:
    return explain_snapshots(RecordedMachine(before), RecordedMachine(now))


def causes(found: Explanation) -> dict[str, str]:
    return {c.name: c.text for c in found.causes if c.name in DMI and c.text}


@pytest.mark.parametrize("text", WITHOUT.values(), ids=WITHOUT)
def test_output_without_a_structure_is_absent_with_its_digest(text: str) -> None:
    found = collect(RecordedMachine(printing(text)))
    stored = b64encode(hashlib.md5(text.encode(), usedforsecurity=False).digest()).decode()
    for name in DMI:
        assert found[name].value == stored
        assert found[name].status == Status.ABSENT
        assert found[name].reason
        assert not found[name].unreadable
    assert found.silent == DMI


def test_output_with_a_structure_is_present() -> None:
    broken_later = MODULE.format("3.4") + "DMI table is broken! Stop.\n"
    found = collect(RecordedMachine(printing(broken_later)))
    assert {found[name].status for name in DMI} == {Status.PRESENT}
    assert found.silent == ()


@pytest.mark.parametrize("text", WITHOUT.values(), ids=WITHOUT)
def test_the_same_text_on_both_sides_is_no_evidence(text: str) -> None:
    before = collect(RecordedMachine(printing(text)))
    now = collect(RecordedMachine(printing(text, ip="192.0.2.77", host_name="pi-2", mac="dc:a6:32:00:00:02")))
    verdict = match(before.hardware_hash, now.hardware_hash, 40, silent=now.silent)
    assert verdict.match
    assert verdict.matched == 6
    assert verdict.vacuous
    # The hardware ID and the disks, of five attributes with evidence.
    assert (verdict.effective, verdict.effective_matched) == (5, 2)
    assert {row.name for row in verdict.rows if not row.evidence} == set(DMI)


@pytest.mark.parametrize("release", ["2.12", "3.0", "3.3", "3.6"])
@pytest.mark.parametrize("form", [NOT_FOUND, SCANNED, NONE_OF_THEM])
def test_digests_of_released_versions_are_known(form: str, release: str) -> None:
    saved = collect(RecordedMachine(printing(form.format(release)))).hardware_hash
    now = collect(RecordedMachine(printing(MODULE.format("3.4"))))
    assert is_silent(saved["bios-hash"])
    assert not is_silent(now["bios-hash"].value)
    # With and without the information of a collection.
    for silent in (now.silent, None):
        assert match(saved, now.hardware_hash, 40, silent=silent).effective == 5
    assert match(now.hardware_hash, saved, 40).effective == 5
    assert match(saved, saved, 40).vacuous
    assert not match(now.hardware_hash, now.hardware_hash, 40).vacuous


@pytest.mark.parametrize("text", WITHOUT.values(), ids=WITHOUT)
def test_a_missing_or_new_table_is_not_reported_as_memory(text: str) -> None:
    with_table, without = printing(MODULE.format("3.4")), printing(text, ip="192.0.2.9")
    gone, appeared = explained(with_table, without), explained(without, with_table)
    assert set(causes(gone)) == set(causes(appeared)) == set(DMI)
    assert all(cause.startswith("the SMBIOS table is gone: ") for cause in causes(gone).values())
    assert all(cause.startswith("an SMBIOS table appeared: ") for cause in causes(appeared).values())
    for found in (gone, appeared):
        assert not any("removed" in cause or "added" in cause for cause in causes(found).values())
        assert "ram-added" not in {event.name for event in found.events if event.fits}
        assert [event.name for event in found.events if event.fits] == ["dhcp-lease"]


def test_another_dmidecode_without_a_table_is_named() -> None:
    found = explained(printing(NOT_FOUND.format("3.3")), printing(NOT_FOUND.format("3.4"), ip="192.0.2.9"))
    assert set(causes(found).values()) == {"dmidecode 3.3 -> 3.4; no SMBIOS table found, then as now"}


def test_a_copied_card_of_a_board_is_read_as_a_disk() -> None:
    text = NOT_FOUND.format("3.3")
    found = explained(
        printing(text), printing(text, ip="192.0.2.77", mac="dc:a6:32:00:00:02", disk="total 9")
    )  # fmt: skip
    assert found.events[0].name == "sd-card-copied"
    assert any("no SMBIOS table found" in problem for problem in found.cannot_tell)


@pytest.mark.parametrize(("hypervisor", "board"), [(None, True), ("", True), ("hyper-v", False), ("kvm", False)])
def test_a_host_on_a_hypervisor_is_no_board(hypervisor: str | None, board: bool) -> None:
    """WSL has another address and another MAC address at each start, and no table."""
    text = NOT_FOUND.format("3.3")
    sides = printing(text), printing(text, ip="192.0.2.77", mac="00:15:5d:00:00:02", disk="total 9")
    for side in sides if hypervisor is not None else ():
        side["processorId"] = ["Cortex", "57060500fffbebbf", hypervisor]
    found = explained(*sides)
    assert ("sd-card-copied" in [event.name for event in found.events]) == board


def test_the_check_of_a_board_warns(tmp_path: Any) -> None:
    machine = AgentMachine(tmp_path)
    for command in machine.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=0, stdout=NOT_FOUND.format("3.3"), stderr="")
    machine.record = machine.record.replace(  # type: ignore[union-attr]
        hardware_hash=collect(machine.machine).hardware_hash
    )
    finding = machine.diagnosis()["guard"]
    assert finding.outcome == Outcome.WARN
    assert "5 of 9 attributes have content" in finding.text
    shown = machine("check").stdout
    assert "Weak check" in shown
    assert "5 of 5 comparable attributes match; 4 carry no evidence" in shown
