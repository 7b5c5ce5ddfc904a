"""Above the causes: the same machine, another or undecidable, and what happened to the machine itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from event_machines import board, container, instance, lxc, machine, snapshot, virtual, windows
from fingerprint import collect, explain
from fingerprint.explanation import Explanation, explain_snapshots
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match

THEN, NOW = "2026-11-01T00:00:00Z", "2026-11-24T12:00:00Z"
NEW_ID = {"machine_id": "ffeeddccbbaa99887766554433221100"}
NEW_DISKS = {"disks": ["ata-NWSSD_960_S9922CD", "wwn-0x5002538e40a1ffff"]}
NEW_FILES = {"filesystems": ["c40d2d3e-4f50-6172-8394-a5b6c7d8e9fa", "77AA-88BB"]}
NEW_BOARD = {
    "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "board_serial": "BX7711P2",
    "links": [("eno1", "02:1c:42:77:00:07", "pci"), ("eno2", "02:1c:42:77:00:08", "pci")],
}  # fmt: skip
NEW_MODULES = {"modules": [(8192, "DIMM_A1", "NWD4-8G", "7A10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "7A10A2C9")]}
NEW_MACHINE = {**NEW_BOARD, **NEW_MODULES, "serial": "NW2107Y9"}
NEW_VIRTUAL = {"uuid": "1f6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "serial": "VMware-1f 6e 0d 2b 3c 4a",
               "links": [("ens192", "00:50:56:9a:99:99", "pci")]}  # fmt: skip
NEW_TREE = {"tree_serial": "10000000ffee0011", "links": [("eth0", "dc:a6:32:aa:bb:cc", "platform")]}
KVM = {"maker": "QEMU", "product": "Standard PC (Q35 + ICH9, 2009)", "bios": ("SeaBIOS", "1.16", "04/01/2014")}
OTHER_MEMORY = {"modules": [(16384, "DIMM_A1", "NWD4-16G", "4F10A2B3")]}
CARD = ["mmc-SD32G_0x5a1b2c3d"]
NO_TABLE = "# dmidecode 3.3\nScanning /dev/mem for entry point.\n# No SMBIOS nor DMI entry point found, sorry.\n"
# The circumstances of each: a new address, a restart, another name, dmidecode of another version.
BESIDE: tuple[dict[str, Any], ...] = (
    {}, {"ip": "10.9.0.7"}, {"link_time": "Nov 24 10:00"}, {"host": "web-70"}, {"tool": "3.6"},
    {"ip": "10.9.0.7", "link_time": "Nov 24 10:00", "host": "web-70", "tool": "3.6"},
)  # fmt: skip


def compared(before: dict[str, Any], now: dict[str, Any]) -> Explanation:
    return explain_snapshots(RecordedMachine(before), RecordedMachine(now))


def decided(before: dict[str, Any], changes: dict[str, Any]) -> tuple[str, str]:
    """Return identity and history of changes to a machine."""
    found = compared(snapshot(before, THEN), snapshot({**deepcopy(before), **changes}, NOW)).composition
    return str(found.identity), found.history.name if found.history else ""


@pytest.mark.parametrize(
    ("before", "changes", "identity", "history"),
    [
        (machine(), {}, "same", ""),
        (machine(), NEW_ID, "same", "machine-id-regenerated"),
        (machine(), {**NEW_ID, **NEW_FILES}, "same", "reinstalled"),
        (machine(), {**NEW_ID, **NEW_FILES, **NEW_DISKS}, "same", "reinstalled"),
        (machine(), NEW_DISKS, "same", "backup-restored"),
        (machine(), NEW_BOARD, "undecidable", "board-replaced"),
        (machine(), {"uuid": NEW_BOARD["uuid"], "board_serial": "None"}, "same", ""),
        (machine(), NEW_MACHINE, "another", "disk-moved"),
        (machine(), {**NEW_MACHINE, **NEW_DISKS}, "another", "disk-moved"),
        (machine(), {**NEW_MACHINE, **NEW_DISKS, **NEW_FILES, **NEW_ID}, "another", "another-machine"),
        (board(), NEW_ID, "same", "volatile-machine-id"),
        (board(), NEW_TREE, "another", "sd-card-copied"),
        (board(tree_serial=""), {"links": NEW_TREE["links"]}, "undecidable", "sd-card-copied"),
        (virtual(), NEW_ID, "same", "machine-id-regenerated"),
        (virtual(), {**NEW_VIRTUAL, **NEW_ID}, "another", "clone-new-id"),
        (virtual(), {"cpu": "Quadro Core Z11 @ 3.10GHz"}, "same", "cold-move"),
        (instance(), {"cpu": "Quadro Core Z11 @ 3.10GHz"}, "same", "cloud-stop-start"),
        (virtual(), OTHER_MEMORY, "same", "cold-resize"),
        (machine(), OTHER_MEMORY, "same", ""),
        (machine(), {**NEW_BOARD, "serial": ""}, "undecidable", "board-replaced-blank"),
        (machine(), {**NEW_MACHINE, **NEW_DISKS, "product": "Rack 310"}, "another", "image-on-other-model"),
        (board(disks=CARD), {**NEW_TREE, "disks": CARD}, "undecidable", "pi-replaced"),
        (machine(), {**NEW_VIRTUAL, **KVM}, "undecidable", "cross-hypervisor"),
        (virtual(), {**NEW_VIRTUAL, **KVM}, "undecidable", "cross-hypervisor"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", BESIDE, ids=lambda changes: "+".join(changes) or "alone")
def test_history_does_not_depend_on_circumstances(
    before: dict[str, Any], changes: dict[str, Any], identity: str, history: str, beside: dict[str, Any]
) -> None:
    found = decided(before, {**beside, **changes})
    assert found[0] == identity
    assert found[1].startswith(history) if history else not found[1]


@pytest.mark.parametrize(
    ("changes", "history"),
    [
        ({}, "clone"),
        ({"host": "web-8"}, "clone-renamed"),
        (OTHER_MEMORY, "clone"),
        ({"host": "web-8", **OTHER_MEMORY}, "template-cloud-init"),
    ],
)
def test_a_clone_is_named_by_its_name_and_memory(changes: dict[str, Any], history: str) -> None:
    assert decided(virtual(), {**NEW_VIRTUAL, **changes}) == ("another", history)


@pytest.mark.parametrize(("made", "history"), [(lxc, "lxc-copied"), (container, "container-recreated")])
def test_an_lxc_container_with_the_table_of_its_host_is_a_copy(made: Any, history: str) -> None:
    changes = {"host": "web-8", "ip": "10.1.4.77", "software_links": [("eth0", "00:16:3e:99:99:99")]}
    assert decided(made(), changes) == ("undecidable", history)
    assert decided(made(dmi=False, container="lxc"), changes) == ("undecidable", "container-recreated")


@pytest.mark.parametrize(("method", "event"), [("wmic", ""), ("cim", "server-2025-cim"), ("wql", "recipe-to-wql")])
def test_an_agent_that_read_nothing_of_windows_was_updated(method: str, event: str) -> None:
    found = compared(snapshot(windows(wmic=False), THEN), snapshot(windows(windows_method=method), NOW))
    assert [one.name for one in found.events] == ([event] if event else [])


def test_a_table_that_closed_is_hidden_and_another_source_is_not() -> None:
    usual, hidden = snapshot(machine(), THEN), snapshot(machine(lockdown="integrity"), NOW)
    assert [one.name for one in compared(usual, hidden).events] == ["table-hidden"]
    [of_bios] = (one for one in usual["commands"] if one["argv"][-1] == "bios")
    hidden["commands"] = [of_bios if one["argv"][-1] == "bios" else one for one in hidden["commands"]]
    assert compared(usual, hidden).events == ()


@pytest.mark.parametrize("address", ["10.1.4.20", "172.17.0.9"])
def test_a_container_with_another_name_was_created_again(address: str) -> None:
    links = {"software_links": [("eth0", "02:42:ac:11:00:09")]}
    assert decided(container(), {"host": "f00dcafe0815", "ip": address, **links}) == (
        "undecidable",
        "container-recreated",
    )
    assert decided(container(), {"host": "f00dcafe0815"}) == ("undecidable", "")


@pytest.mark.parametrize("printing", ["absent", "no table"])
def test_a_copied_card_is_found_however_dmidecode_fails(printing: str) -> None:
    """It exits with 1, or with 0 and a text that has no table in it."""
    sides = [snapshot(board(), THEN), snapshot(board(**NEW_TREE, ip="10.9.0.7"), NOW)]
    for taken in sides if printing == "no table" else ():
        for command in taken["commands"]:
            if "dmidecode" in command["argv"][0]:
                command.update(stdout=NO_TABLE, returncode=0)
    found = compared(*sides)
    assert found.composition.history is not None
    assert found.composition.history.name == "sd-card-copied"
    assert [cause.name for cause in found.composition.causes] == ["other-hardware", "address"]
    assert found.events[0].truth == "other"


def test_without_serial_numbers_a_card_may_be_another_machine() -> None:
    before = machine(uuid="00000000-0000-0000-0000-000000000000", serial="", board_serial="", disks=[],
                     modules=[(8192, "A", "X", "")])  # fmt: skip
    changes = {"links": [("eno1", "02:1c:42:77:00:07", "pci")]}
    assert decided(before, changes) == ("undecidable", "disk-moved")


def test_another_machine_is_one_cause() -> None:
    """Its modules, firmware and network card are no causes beside it."""
    found = compared(
        snapshot(machine(), THEN), snapshot(machine(**NEW_MACHINE, bios=("Other", "9", "01/02/2020")), NOW)
    )
    assert [cause.name for cause in found.composition.causes] == ["other-hardware"]
    [cause] = found.composition.causes
    assert set(cause.attributes) == {"bios-hash", "memory-hash", "system-hash", "macaddr-info"}
    assert "system-uuid" in cause.evidence[0]


def test_without_evidence_the_identity_is_undecidable() -> None:
    before, now = (collect(RecordedMachine(snapshot(made))) for made in (machine(), machine(**NEW_MACHINE)))
    found = explain(match(before.hardware_hash, now.hardware_hash, 40), now)
    assert str(found.composition.identity) == "undecidable"
    assert found.composition.history is None
    assert all(event.truth != "other" for event in found.events)
    assert "memory-hash" in found.composition.unexplained


def test_no_number_shows_in_the_evidence() -> None:
    found = compared(snapshot(machine(), THEN), snapshot(machine(**NEW_MACHINE, **NEW_ID), NOW))
    shown = repr(found.composition) + repr(found.events)
    for secret in (machine()["uuid"], NEW_MACHINE["uuid"], "NW2107X4", "NW2107Y9", "4F10A2B3", NEW_ID["machine_id"]):
        assert secret not in shown
